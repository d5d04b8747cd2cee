import { ArrowDown } from 'lucide-react'
import { useRef, useState } from 'react'
import { focusComposer } from '../../app/focus.ts'
import { currentOrder, useKigo } from '../../app/store.ts'
import { Icon } from '../../ui/Icon.tsx'
import { useLater } from '../../ui/useLater.ts'
import { LoadingView } from '../models/LoadingView.tsx'
import { Composer } from './Composer.tsx'
import { EmptyChat } from './EmptyChat.tsx'
import { Transcript, type TranscriptHandle } from './Transcript.tsx'

export function ChatView() {
  const current = useKigo((state) => state.current)
  const title = useKigo(
    (state) => state.conversations.find(({ id }) => id === state.current)?.title ?? 'New chat',
  )
  const empty = useKigo((state) => currentOrder(state).length === 0)
  const loading = useKigo((state) => state.model?.status === 'loading')
  const [{ far, scrolled }, setPlace] = useState({ far: false, scrolled: false })
  const transcript = useRef<TranscriptHandle>(null)
  const slow = useLater(loading, 300)
  return (
    <section className={`view ${scrolled && !empty ? 'scrolled' : ''}`} aria-label="Conversation">
      <h1 className="vh">{title}</h1>
      {!empty ? (
        <Transcript key={current} ref={transcript} onPlace={setPlace} />
      ) : slow ? (
        <LoadingView />
      ) : (
        <EmptyChat />
      )}
      <div className="dock" data-region="composer">
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
