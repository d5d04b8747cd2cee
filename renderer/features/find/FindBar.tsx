import { ChevronDown, ChevronUp, X } from 'lucide-react'
import { useEffect, useRef, useState, type KeyboardEvent } from 'react'
import { closeFind } from '../../app/actions.ts'
import { set, useKigo } from '../../app/store.ts'
import { Icon } from '../../ui/Icon.tsx'
import { markAll, markShown } from './marks.ts'
import { rangesOf } from './matches.ts'

/** Find in what is shown: above the page, at the right. Enter goes on, Shift+Enter back, Esc closes. */
export function FindBar() {
  const open = useKigo((state) => state.finding)
  return open ? <Bar /> : null
}

function Bar() {
  const field = useRef<HTMLInputElement>(null)
  const query = useKigo((state) => state.query)
  const { count, at, go } = useMatches(query)

  useEffect(() => {
    // Asked for again while it is open: what is in it is replaced by the next letter.
    const focus = (): void => field.current?.select()
    focus()
    window.addEventListener('kigo:find', focus)
    return () => window.removeEventListener('kigo:find', focus)
  }, [])

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.nativeEvent.isComposing) return
    event.preventDefault()
    go(event.shiftKey ? -1 : 1)
  }

  return (
    <search className="find" aria-label="Find">
      <input
        ref={field}
        type="text"
        aria-label="Find in this view"
        placeholder="Find"
        spellCheck={false}
        value={query}
        onChange={(event) => set({ query: event.target.value })}
        onKeyDown={onKeyDown}
      />
      <span className="meta num" role="status">
        {query.trim() === '' ? '' : count === 0 ? 'Nothing' : `${at + 1} of ${count}`}
      </span>
      <button className="tool sm" aria-label="Previous" disabled={count === 0} onClick={() => go(-1)}>
        <Icon of={ChevronUp} size={14} />
      </button>
      <button className="tool sm" aria-label="Next" disabled={count === 0} onClick={() => go(1)}>
        <Icon of={ChevronDown} size={14} />
      </button>
      <button className="tool sm" aria-label="Close find" onClick={closeFind}>
        <Icon of={X} size={14} />
      </button>
    </search>
  )
}

interface Matches {
  count: number
  /** The one that is shown, from 0. */
  at: number
  go: (step: 1 | -1) => void
}

/** The occurrences in the view, marked; kept true while the view changes. */
function useMatches(query: string): Matches {
  const ranges = useRef<Range[]>([])
  const shown = useRef<Range | null>(null)
  const [{ count, at }, setPlace] = useState({ count: 0, at: 0 })

  const [show] = useState(() => (index: number): void => {
    shown.current = ranges.current[index] ?? null
    markShown(shown.current)
    setPlace({ count: ranges.current.length, at: index })
  })

  useEffect(() => {
    const view = document.querySelector('main')
    if (!view) return
    const look = (): void => {
      ranges.current = rangesOf(view, query)
      markAll(ranges.current)
      // The same one stays the one that is shown, wherever it stands among the others now.
      const same = ranges.current.findIndex((range) => isSame(range, shown.current))
      show(same < 0 ? nearest(ranges.current) : same)
    }
    shown.current = null
    look()
    reveal(shown.current)
    let frame = 0
    const observer = new MutationObserver(() => {
      cancelAnimationFrame(frame)
      frame = requestAnimationFrame(look)
    })
    observer.observe(view, { childList: true, characterData: true, subtree: true })
    return () => {
      observer.disconnect()
      cancelAnimationFrame(frame)
      markAll([])
      markShown(null)
    }
  }, [query, show])

  const go = (step: 1 | -1): void => {
    if (count === 0) return
    show((at + step + count) % count)
    reveal(shown.current)
  }
  return { count, at, go }
}

const isSame = (range: Range, other: Range | null): boolean =>
  range.startContainer === other?.startContainer && range.startOffset === other.startOffset

/** The first one that is on screen or below it, else the last. */
function nearest(ranges: readonly Range[]): number {
  const at = ranges.findIndex((range) => range.getBoundingClientRect().bottom > 0)
  return Math.max(0, at < 0 ? ranges.length - 1 : at)
}

function reveal(range: Range | null): void {
  if (!range) return
  // The transcript no longer follows its end: something in it is being read.
  window.dispatchEvent(new Event('kigo:reading'))
  range.startContainer.parentElement?.scrollIntoView({ block: 'nearest' })
}
