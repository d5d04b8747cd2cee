import { useEffect, useState } from 'react'
import { get, streamingMessage, useKigo } from '../../app/store.ts'
import { finishedParagraphs } from './paragraphs.ts'

/**
 * For those who asked for it: every finished paragraph of the reply that runs, given to the screen reader once.
 * (The transcript itself is no live region: it would be read from the start at every word.)
 */
export function ReadAloud() {
  const on = useKigo((state) => state.info?.appearance.readAloud ?? false)
  return on ? <Reader /> : null
}

function Reader() {
  const [spoken, setSpoken] = useState<string[]>([])
  useEffect(() => {
    let id = streamingMessage(get())?.id ?? null
    let read = id === null ? 0 : finishedParagraphs(get().messages[id]?.text ?? '', false).length
    return useKigo.subscribe((state) => {
      const running = streamingMessage(state)?.id ?? null
      if (id !== null) {
        const paragraphs = finishedParagraphs(state.messages[id]?.text ?? '', running !== id)
        if (paragraphs.length > read) setSpoken(paragraphs.slice(read))
        read = Math.max(read, paragraphs.length)
      }
      if (running !== id) {
        id = running
        read = 0
      }
    })
  }, [])
  return (
    <div className="vh" aria-live="polite">
      {spoken.map((paragraph, i) => (
        <p key={i} dir="auto">
          {paragraph}
        </p>
      ))}
    </div>
  )
}
