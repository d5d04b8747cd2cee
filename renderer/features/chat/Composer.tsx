import { ArrowUp, Square } from 'lucide-react'
import { useLayoutEffect, useRef, type KeyboardEvent } from 'react'
import { send, stop } from '../../app/actions.ts'
import {
  currentOrder,
  knownName,
  lastModel,
  streamingMessage,
  useKigo,
  type KigoState,
} from '../../app/store.ts'
import { Icon } from '../../ui/Icon.tsx'
import { plural, rate } from '../../ui/format.ts'
import { ContextMeter } from './ContextMeter.tsx'
import { draftOf, keepField } from './draft-field.ts'
import { lookOf } from './draft-look.ts'
import { LoadAgain } from './LoadAgain.tsx'

/** Where one writes: 1 to 10 lines, always in the same place, whatever else happens. */
export function Composer() {
  const filled = useKigo((state) => lookOf(draftOf(state)).filled)
  const streaming = useKigo((state) => streamingMessage(state) !== null)
  const placeholder = useKigo(placeholderOf)
  const ready = useKigo(
    (state) =>
      state.model?.status === 'loaded' || state.model?.status === 'loading' || lastModel(state) !== null,
  )
  const box = useRef<HTMLTextAreaElement>(null)
  useLayoutEffect(() => (box.current ? keepField(box.current) : undefined), [])
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
          className="thin"
          rows={1}
          aria-label="Message"
          spellCheck={false}
          autoFocus
          placeholder={placeholder}
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
              disabled={!ready || !filled}
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

function placeholderOf(state: KigoState): string {
  const { shown } = state
  // A start with a model: in a moment it is there, or it is seen to load.
  if (shown === null && state.model?.status === 'loading') return ''
  if (shown?.status === 'loaded') return `Message ${shown.model.inspection.name}`
  if (shown?.status === 'loading') return `Message ${knownName(state, shown.path) ?? shown.name}`
  const last = lastModel(state)
  return last === null ? 'Write now, send when a model is loaded' : `Message ${last.name}`
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
  const status = useKigo((state) => state.shown?.status)
  const empty = useKigo((state) => currentOrder(state).length === 0)
  const last = useKigo((state) => (state.shown?.status === 'none' ? state.shown.lastName : null))
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
      : last !== null
        ? 'Enter loads the model and sends'
        : status === 'none' || status === 'failed'
          ? 'What you write is kept'
          : empty && status === 'loaded'
            ? 'Enter sends, Shift Enter starts a new line'
            : ''
  return (
    <div className="under meta">
      <span>{words}</span>
      {/* An empty chat has it among its lines. */}
      {last !== null && !empty && <LoadAgain className="link" />}
    </div>
  )
}
