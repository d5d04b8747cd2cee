import { Check, Copy } from 'lucide-react'
import { useEffect, useState } from 'react'
import { copy } from '../app/actions.ts'
import { set } from '../app/store.ts'
import { Icon } from './Icon.tsx'

const SHOWN_MS = 1500

/** Copies a text, and says so where it was pressed. */
export function CopyButton({ text, small = false }: { text: string; small?: boolean }) {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const timer = setTimeout(() => setDone(false), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [done])
  return (
    <button
      className={small ? 'tool sm' : 'tool'}
      aria-label="Copy"
      title={done ? 'Copied' : 'Copy'}
      onClick={() =>
        void copy(text).then((copied) => {
          setDone(copied)
          if (copied) set({ status: 'Copied' })
        })
      }
    >
      <Icon of={done ? Check : Copy} size={14} />
    </button>
  )
}
