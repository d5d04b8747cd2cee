import { Popover } from '@base-ui/react/popover'
import { TriangleAlert } from 'lucide-react'
import { currentOrder, loadedModel, streamingMessage, useKigo } from '../../app/store.ts'
import { Icon } from '../../ui/Icon.tsx'
import { count, percent, plural } from '../../ui/format.ts'

/** Ink is what the window holds, season colour what this message (or the reply that runs) adds. */
export function ContextMeter() {
  const model = useKigo(loadedModel)
  const status = useKigo((state) => state.shown?.status)
  const usage = useKigo((state) => state.usage)
  const writing = useKigo((state) => {
    const message = streamingMessage(state)
    return message === null ? 0 : (state.live[message.id]?.tokens ?? 0)
  })
  const turns = useKigo((state) => currentOrder(state).length)
  if (!model) return <span className="ctx">{status && (status === 'loading' ? 'Loading' : 'No model')}</span>
  if (!usage) return <span className="ctx num">{count(model.nCtx)} context</span>

  const { nCtx, used, system } = usage
  const adds = usage.draft + writing
  const left = Math.max(0, nCtx - used - adds)
  const near = used + adds >= 0.9 * nCtx
  const label = `Context: ${plural(used, 'token')} used, ${writing > 0 ? 'this reply' : 'this message'} adds ${count(adds)}, window ${count(nCtx)}`
  const bars = [
    ['other', system],
    ['weights', Math.max(0, used - system)],
    ['kv', adds],
  ] as const
  return (
    <Popover.Root>
      <Popover.Trigger className="ctx" aria-label={label}>
        {near && (
          <span className="near">
            <Icon of={TriangleAlert} size={13} />
            {used + adds >= nCtx ? 'full' : 'nearly full'}
          </span>
        )}
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
        <span className="gauge">
          <i className="used" style={{ width: percent(used / nCtx) }} />
          <i className="cost" style={{ width: percent(adds / nCtx) }} />
        </span>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner className="positioner" side="top" align="end" sideOffset={8} collisionPadding={8}>
          <Popover.Popup className="pop window">
            <div className="row apart">
              <Popover.Title className="h">Context window</Popover.Title>
              <span className="meta num">
                {count(left)} of {count(nCtx)} left
              </span>
            </div>
            <div className="plan" aria-hidden>
              {bars.map(([part, tokens]) => (
                <i key={part} className={`p-${part}`} style={{ width: percent(tokens / nCtx) }} />
              ))}
            </div>
            <ul className="num">
              <li>
                <i className="swatch p-other" aria-hidden />
                System prompt<b>{count(system)}</b>
              </li>
              <li>
                <i className="swatch p-weights" aria-hidden />
                {plural(turns, 'message')} so far<b>{count(Math.max(0, used - system))}</b>
              </li>
              {usage.draft > 0 && (
                <li>
                  <i className="swatch p-kv" aria-hidden />
                  This message<b>{count(usage.draft)}</b>
                </li>
              )}
              {writing > 0 && (
                <li>
                  <i className="swatch p-kv" aria-hidden />
                  The reply so far<b>{count(writing)}</b>
                </li>
              )}
            </ul>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  )
}
