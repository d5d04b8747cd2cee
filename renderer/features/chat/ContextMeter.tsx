import { Popover } from '@base-ui/react/popover'
import { TriangleAlert } from 'lucide-react'
import { loadedModel, streamingMessage, useKigo } from '../../app/store.ts'
import { Icon } from '../../ui/Icon.tsx'
import { count, percent, plural } from '../../ui/format.ts'
import { meterOf } from './meter.ts'

/** Ink is what the next prompt holds already, season colour what this message (or the reply that runs) adds. */
export function ContextMeter() {
  const model = useKigo(loadedModel)
  const loading = useKigo((state) => state.model?.status === 'loading')
  const usage = useKigo((state) => state.usage)
  const writing = useKigo((state) => {
    const message = streamingMessage(state)
    return message === null ? null : (state.live[message.id]?.tokens ?? 0)
  })
  if (!model) return <span className="ctx">{loading ? 'Loading' : 'No model'}</span>
  if (!usage) return <span className="ctx num">{count(model.nCtx)} context</span>

  const { nCtx } = usage
  const { used, adds, left, tooMany, near, parts } = meterOf(usage, writing)
  const adding = writing === null ? 'this message' : 'this reply'
  const label =
    `Context: ${plural(used, 'token')} in the prompt, ${adding} adds ${count(adds)}, window ${count(nCtx)}` +
    (tooMany > 0 ? `, ${count(tooMany)} too many` : '')
  const scale = Math.max(nCtx, used + adds)
  return (
    <Popover.Root>
      <Popover.Trigger className="ctx" aria-label={label}>
        {near && (
          <span className="near">
            <Icon of={TriangleAlert} size={13} />
            {near}
          </span>
        )}
        {tooMany > 0 ? (
          <span>
            <b>{count(tooMany)}</b> too many for {count(nCtx)}
          </span>
        ) : (
          <span>
            <b>{count(used)}</b>
            {adds > 0 && (
              <>
                {' '}
                + <b className="cost">{count(adds)}</b>
              </>
            )}{' '}
            of {count(nCtx)}
          </span>
        )}
        <span className="gauge">
          <i className="used" style={{ width: percent(used / scale) }} />
          <i className="cost" style={{ width: percent(adds / scale) }} />
        </span>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner className="positioner" side="top" align="end" sideOffset={8} collisionPadding={8}>
          <Popover.Popup className="pop window">
            <div className="row apart">
              <Popover.Title className="h">Context window</Popover.Title>
              <span className="meta num">
                {tooMany > 0 ? `${count(tooMany)} too many for` : `${count(left)} left of`} {count(nCtx)}
              </span>
            </div>
            <div className="plan" aria-hidden>
              {parts.map(({ part, words, tokens }) => (
                <i key={words} className={`p-${part}`} style={{ width: percent(tokens / scale) }} />
              ))}
            </div>
            <ul className="num">
              {parts.map(({ part, words, tokens }) => (
                <li key={words}>
                  <i className={`swatch p-${part}`} aria-hidden />
                  {words}
                  <b>{count(tokens)}</b>
                </li>
              ))}
            </ul>
            {tooMany > 0 && <p className="meta mt-2">The prompt must leave one token for the reply.</p>}
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  )
}
