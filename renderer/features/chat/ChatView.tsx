import { ArrowDown } from 'lucide-react'
import { useRef, useState } from 'react'
import { focusComposer } from '../../app/focus.ts'
import { currentOrder, useKigo } from '../../app/store.ts'
import { Icon } from '../../ui/Icon.tsx'
import { LoadingView } from '../models/LoadingView.tsx'
import { Composer } from './Composer.tsx'
import { EmptyChat } from './EmptyChat.tsx'
import { onPageKeyBelow, onWheelBelow } from './hand.ts'
import { Transcript, type TranscriptHandle } from './Transcript.tsx'

export function ChatView() {
  const current = useKigo((state) => state.current)
  const title = useKigo(
    (state) => state.conversations.find(({ id }) => id === state.current)?.title ?? 'New chat',
  )
  const empty = useKigo((state) => currentOrder(state).length === 0)
  const loading = useKigo((state) => state.shown?.status === 'loading')
  const [{ far, scrolled }, setPlace] = useState({ far: false, scrolled: false })
  const transcript = useRef<TranscriptHandle>(null)
  const view = useRef<HTMLElement>(null)
  const above = (): HTMLElement | null => view.current?.querySelector('[data-region="content"]') ?? null
  return (
    <section className={`view ${scrolled && !empty ? 'scrolled' : ''}`} aria-label="Conversation" ref={view}>
      <h1 className="vh">{title}</h1>
      {!empty ? (
        <Transcript key={current} ref={transcript} onPlace={setPlace} />
      ) : loading ? (
        <LoadingView />
      ) : (
        <EmptyChat />
      )}
      <div
        className="dock"
        data-region="composer"
        onWheel={({ nativeEvent }) => onWheelBelow(nativeEvent, above())}
        onKeyDown={(event) => onPageKeyBelow(event.nativeEvent, above()) && event.preventDefault()}
      >
        {far && !empty && (
          <button
            className="jump"
            onClick={() => {
              transcript.current?.toLatest()
              focusComposer()
            }}
          >
            <Icon of={ArrowDown} size={14} />
            Jump to latest
          </button>
        )}
        <Composer />
      </div>
    </section>
  )
}
