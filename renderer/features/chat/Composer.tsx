import { ArrowUp, Square } from 'lucide-react'
import { useLayoutEffect, useRef, type KeyboardEvent } from 'react'
import { send, setDraft, stop } from '../../app/actions.ts'
import { currentOrder, draftKey, streamingMessage, useKigo } from '../../app/store.ts'
import { Icon } from '../../ui/Icon.tsx'
import { directionOf } from '../../ui/direction.ts'
import { plural, rate } from '../../ui/format.ts'
import { ContextMeter } from './ContextMeter.tsx'

/** A draft of so many characters fills its ten lines, so that nobody need ask the browser how high it is. */
const LONG = 20_000

/** Where one writes: 1 to 10 lines, always in the same place, whatever else happens. */
export function Composer() {
  const draft = useKigo((state) => state.drafts[draftKey(state)] ?? '')
  const streaming = useKigo((state) => streamingMessage(state) !== null)
  const status = useKigo((state) => state.model?.status)
  const name = useKigo((state) =>
    state.model?.status === 'loaded'
      ? state.model.model.inspection.name
      : state.model?.status === 'loading'
        ? state.model.name
        : null,
  )
  const ready = status === 'loaded' || status === 'loading'
  const box = useRef<HTMLTextAreaElement>(null)
  // Not as its `value`: React would write all of a long text into the page once more, at every key.
  useLayoutEffect(() => {
    if (box.current && box.current.value !== draft) box.current.value = draft
  }, [draft])
  return (
    <>
      <form
        className="compose"
        onSubmit={(event) => {
          event.preventDefault()
          void send()
        }}
      >
        <textarea
          ref={box}
          className={`thin ${draft.length > LONG ? 'long' : ''}`}
          rows={1}
          aria-label="Message"
          dir={directionOf(draft)}
          spellCheck={false}
          autoFocus
          placeholder={name === null ? 'Write now, send when a model is loaded' : `Message ${name}`}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <div className="tools">
          <ContextMeter />
          {streaming ? (
            <button
              type="button"
              className="send"
              aria-label="Stop"
              title="Stop  Esc"
              onClick={() => void stop()}
            >
              <Square className="icon" size={11} fill="currentColor" strokeWidth={0} aria-hidden />
            </button>
          ) : (
            <button
              type="submit"
              className="send"
              aria-label="Send"
              title="Send  Enter"
              disabled={!ready || draft.trim() === ''}
            >
              <Icon of={ArrowUp} />
            </button>
          )}
        </div>
      </form>
      <Under />
    </>
  )
}

function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>): void {
  // 229: Chromium's last key of a composition comes after compositionend and is no longer `isComposing`.
  if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing || event.keyCode === 229)
    return
  event.preventDefault()
  void send()
}

/** One line of what goes on. Its space is always there. */
function Under() {
  const streaming = useKigo((state) => streamingMessage(state)?.id ?? null)
  const live = useKigo((state) => (streaming === null ? null : (state.live[streaming] ?? null)))
  const status = useKigo((state) => state.model?.status)
  const empty = useKigo((state) => currentOrder(state).length === 0)
  if (streaming !== null) {
    const words =
      status === 'loading'
        ? 'Waiting for the model'
        : live === null || live.tokens === 0
          ? 'Reading the prompt'
          : `Writing, ${rate(live.tokensPerSecond)}, ${plural(live.tokens, 'token')}`
    return (
      <div className="under meta num">
        <span>{words}</span>
        <span>Esc stops</span>
      </div>
    )
  }
  const words =
    status === 'loading'
      ? 'Send now and it goes out when the model is ready'
      : status === 'none' || status === 'failed'
        ? 'What you write is kept'
        : empty
          ? 'Enter sends, Shift Enter starts a new line'
          : ''
  return (
    <div className="under meta">
      <span>{words}</span>
    </div>
  )
}
