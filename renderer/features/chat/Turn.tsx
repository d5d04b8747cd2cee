import { Popover } from '@base-ui/react/popover'
import { memo } from 'react'
import type { Message, Reason, ReplyStats } from '../../../contract/chat.ts'
import { changeChatSettings } from '../../app/actions.ts'
import { loadedModel, useKigo } from '../../app/store.ts'
import { CopyButton } from '../../ui/CopyButton.tsx'
import { count, percent, plural, rate, seconds } from '../../ui/format.ts'
import { useLater } from '../../ui/useLater.ts'
import { ContextFull, ReplyError } from './ReplyEnd.tsx'
import { withoutBlankStart } from './paragraphs.ts'
import { Prose } from './Prose.tsx'

interface Props {
  id: string
  last: boolean
}

/** One message. Subscribed to itself alone: while a reply streams, no other turn renders. */
export const Turn = memo(function Turn({ id, last }: Props) {
  const message = useKigo((state) => state.messages[id])
  if (!message) return null
  return message.role === 'user' ? <Yours message={message} /> : <Reply message={message} last={last} />
})

function Yours({ message }: { message: Message }) {
  return (
    <div className="turn me">
      <article aria-label="You" tabIndex={-1} data-turn={message.id}>
        <Prose text={message.text} />
      </article>
      <div className="acts">
        <CopyButton text={message.text} className="tool sm" />
      </div>
    </div>
  )
}

function Reply({ message, last }: { message: Message; last: boolean }) {
  const streaming = message.status === 'streaming'
  // Models like to begin and end with an empty line; nobody reads those.
  const shown = withoutBlankStart(message.text)
  const text = streaming ? shown : shown.trimEnd()
  const ends = (
    <>
      {message.reason === 'context' && <ContextFull stats={message.stats} last={last} />}
      {message.error && <ReplyError id={message.id} error={message.error} last={last} />}
    </>
  )
  const turn = { 'aria-label': 'Assistant', tabIndex: -1, 'data-turn': message.id }
  if (message.error && text === '')
    return (
      <div className="turn it">
        {/* There are no words: what happened is all that there is to read. */}
        <article {...turn}>{ends}</article>
      </div>
    )
  return (
    <div className={`turn it ${last ? '' : 'old'}`}>
      {/* The words alone: figures and buttons stand beside them, for those who listen and for those who compare. */}
      <article {...turn} aria-busy={streaming}>
        {text !== '' && <Prose text={text} caret={streaming} />}
        {text === '' && streaming && <Beginning id={message.id} />}
      </article>
      <div className="foot">
        {!streaming && text !== '' && <CopyButton text={text} />}
        {message.stats && <Stats message={message} stats={message.stats} />}
      </div>
      {ends}
    </div>
  )
}

/** Before the first word: the caret; from 300 ms on what it waits for. */
function Beginning({ id }: { id: string }) {
  const prefill = useKigo((state) => state.live[id]?.prefill ?? null)
  const loading = useKigo((state) => (state.model?.status === 'loading' ? state.model.name : null))
  const slow = useLater(true, 300)
  if (loading !== null) return <p className="meta">Waits until {loading} is loaded</p>
  if (!slow || prefill === null || prefill.total === 0)
    return (
      <p>
        <i className="caret" style={{ marginLeft: 0 }} />
      </p>
    )
  const share = prefill.done / prefill.total
  return (
    <div className="prefill">
      <span className="meta num" style={{ color: 'var(--ink-2)' }}>
        Reading the prompt, {count(prefill.done)} of {plural(prefill.total, 'token')}
      </span>
      <div
        className="line"
        role="progressbar"
        aria-label="Reading the prompt"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.floor(share * 100)}
      >
        <i style={{ width: percent(share) }} />
      </div>
      {prefill.cached > 0 && (
        <span className="meta num">The {count(prefill.cached)} before it are still in memory</span>
      )}
    </div>
  )
}

const REASONS: Record<Reason, string> = {
  end: 'end of text',
  stop: 'stop sequence',
  length: 'token limit',
  context: 'context full',
  cancelled: 'stopped',
}

function Stats({ message, stats }: { message: Message; stats: ReplyStats }) {
  const other = useKigo(
    (state) => message.model !== undefined && message.model !== loadedModel(state)?.inspection.name,
  )
  // Stopped before the first word: there is nothing to count.
  if (stats.tokens === 0 && message.reason) return <span className="stats">{REASONS[message.reason]}</span>
  return (
    <Popover.Root>
      <Popover.Trigger className="stats">
        {other && <span className="wide">{message.model}</span>}
        <span>{rate(stats.tokensPerSecond)}</span>
        <span className="wide">first token {seconds(stats.firstTokenMs)}</span>
        <span>{plural(stats.tokens, 'token')}</span>
        {message.reason && <span className="wide">{REASONS[message.reason]}</span>}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner className="positioner" side="top" align="end" sideOffset={4} collisionPadding={8}>
          <Popover.Popup className="pop figures">
            <Figures message={message} stats={stats} />
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  )
}

function Figures({ message, stats }: { message: Message; stats: ReplyStats }) {
  const used = useKigo((state) => state.info?.chatSettings.seed === stats.seed)
  const rows: [string, string][] = [
    ...(message.model === undefined ? [] : [['Model', message.model] as [string, string]]),
    ['Prompt read', `${plural(stats.promptTokens, 'token')} in ${seconds(stats.promptMs)}`],
    ['Still in memory', plural(stats.cachedTokens, 'token')],
    ['First token after', seconds(stats.firstTokenMs)],
    ['Written', `${plural(stats.tokens, 'token')}, ${rate(stats.tokensPerSecond)}`],
    ['Ended by', message.reason ? REASONS[message.reason] : 'an error'],
    ['Seed', String(stats.seed)],
  ]
  return (
    <>
      <Popover.Title className="h">This reply</Popover.Title>
      <dl className="num">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd className="cut">{value}</dd>
          </div>
        ))}
      </dl>
      <div className="row mt-2">
        <button
          className="btn plain"
          disabled={used}
          onClick={() => changeChatSettings({ seed: stats.seed })}
        >
          {used ? 'This seed is in use' : 'Use this seed from now on'}
        </button>
      </div>
    </>
  )
}
