import { Check, Copy } from 'lucide-react'
import { useContext, useEffect, useState } from 'react'
import { copy } from '../app/actions.ts'
import { set } from '../app/store.ts'
import { Icon } from './Icon.tsx'
import { TabStop } from './tab-stop.ts'

const SHOWN_MS = 1500

interface Props {
  text: string
  /** In words, for a row of buttons; without them it is an icon. */
  label?: string
  className?: string
}

/** Copies a text, and says so where it was pressed. */
export function CopyButton({ text, label, className = 'tool' }: Props) {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const timer = setTimeout(() => setDone(false), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [done])
  return (
    <button
      className={className}
      tabIndex={useContext(TabStop)}
      {...(label === undefined ? { 'aria-label': 'Copy', title: done ? 'Copied' : 'Copy' } : {})}
      onClick={() =>
        void copy(text).then((copied) => {
          setDone(copied)
          if (copied) set({ status: 'Copied' })
        })
      }
    >
      {label === undefined ? <Icon of={done ? Check : Copy} size={14} /> : done ? 'Copied' : label}
    </button>
  )
}
