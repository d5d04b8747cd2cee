import {
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
  type FocusEvent,
  type KeyboardEvent,
  type Ref,
} from 'react'
import { flushSync } from 'react-dom'
import { Virtualizer, type CustomItemComponentProps, type VirtualizerHandle } from 'virtua'
import { currentOrder, get, useKigo } from '../../app/store.ts'
import { TabStop } from '../../ui/tab-stop.ts'
import { copiedText } from './copied.ts'
import { followsAfterScroll, NEAR_END, type Place } from './follow.ts'
import { Notices } from './Notices.tsx'
import { Turn } from './Turn.tsx'

export interface TranscriptHandle {
  toLatest(): void
}

interface Props {
  ref: Ref<TranscriptHandle>
  onPlace: (place: { far: boolean; scrolled: boolean }) => void
}

/** The turns of one conversation, virtualised. Keyed by conversation: a new one starts at its end. */
export function Transcript({ ref, onPlace }: Props) {
  const order = useKigo(currentOrder)
  const scroll = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const list = useRef<VirtualizerHandle>(null)
  // All turns are there while they are searched.
  const finding = useKigo((state) => state.finding)
  /** The turn that has the focus, or something in it; the Tab key reaches what stands in that one alone. */
  const [focused, setFocused] = useState<number | null>(null)
  const selected = useSelection(scroll)
  const { toLatest, letGo } = useFollow(scroll, content, onPlace)
  useImperativeHandle(ref, () => ({ toLatest }), [toLatest])

  const focusTurn = (index: number): void => {
    // Mounted and focused before the next key arrives: keys may come faster than frames.
    flushSync(() => setFocused(index))
    scroll.current
      ?.querySelector<HTMLElement>(`[data-turn="${order[index]}"]`)
      ?.focus({ preventScroll: true })
    if (index < order.length - 1) letGo()
    list.current?.scrollToIndex(index, { align: 'nearest' })
  }

  const onFocus = ({ target }: FocusEvent): void => {
    const turn = target.closest('.slot')?.querySelector<HTMLElement>('[data-turn]')?.dataset['turn']
    if (scroll.current?.contains(target)) setFocused(turn === undefined ? null : order.indexOf(turn))
  }
  const onBlur = ({ relatedTarget }: FocusEvent): void => {
    // Another window took the focus: it will be back where it was.
    if (document.hasFocus() && !scroll.current?.contains(relatedTarget)) setFocused(null)
  }

  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    const target = event.target as HTMLElement
    const turn = target.dataset['turn']
    if (target !== scroll.current && turn === undefined) return
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    const step = event.key === 'ArrowDown' ? 1 : -1
    const at = turn === undefined ? (step < 0 ? order.length : -1) : order.indexOf(turn)
    const next = at + step
    if (next < 0 || next >= order.length) return
    event.preventDefault()
    focusTurn(next)
  }

  return (
    <div
      className="scroll thin"
      ref={scroll}
      role="log"
      aria-live="off"
      aria-label="Transcript"
      tabIndex={0}
      data-region="content"
      onKeyDown={onKeyDown}
      onFocus={onFocus}
      onBlur={onBlur}
    >
      <div className="col" ref={content}>
        <Virtualizer
          ref={list}
          scrollRef={scroll}
          data={order}
          itemSize={160}
          item={Row}
          keepMounted={
            finding
              ? [...order.keys()]
              : [
                  ...new Set([
                    ...(focused === null ? [] : [focused]),
                    ...selected.map((id) => order.indexOf(id)),
                  ]),
                ].filter((index) => index >= 0)
          }
        >
          {(id, index) => (
            <div key={id} className={`slot ${index === 0 ? 'first' : ''}`}>
              <TabStop value={index === focused ? undefined : -1}>
                <Turn id={id} index={index} size={order.length} />
              </TabStop>
            </div>
          )}
        </Virtualizer>
        <div className="tail">
          <Notices />
        </div>
      </div>
    </div>
  )
}

/** A row of the list. One that is not measured yet is unseen, but not hidden: what is hidden cannot take the focus. */
function Row({ style, index: _, ...rest }: CustomItemComponentProps & { ref?: Ref<HTMLDivElement> }) {
  const unseen = style.visibility === 'hidden'
  return <div {...rest} style={unseen ? { ...style, visibility: 'visible', opacity: 0 } : style} />
}

/**
 * Makes the clipboard have all that is selected, also what is not mounted. Returns the turns in which the selection
 * begins and ends: those stay mounted, or it would end with them.
 */
function useSelection(scroll: React.RefObject<HTMLDivElement | null>): string[] {
  const [ends, setEnds] = useState<string[]>([])
  useEffect(() => {
    const rangeHere = (): Range | null => {
      const selection = document.getSelection()
      if (!selection || selection.rangeCount === 0) return null
      const range = selection.getRangeAt(0)
      return scroll.current && range.intersectsNode(scroll.current) ? range : null
    }
    const onSelection = (): void => {
      const range = rangeHere()
      const turnOf = (node: Node): string[] => {
        const element = node instanceof Element ? node : node.parentElement
        const id = element?.closest<HTMLElement>('[data-turn]')?.dataset['turn']
        return id === undefined ? [] : [id]
      }
      const now = range === null ? [] : [...turnOf(range.startContainer), ...turnOf(range.endContainer)]
      setEnds((before) => (before.join() === now.join() ? before : now))
    }
    const onCopy = (event: ClipboardEvent): void => {
      const range = rangeHere()
      if (range === null || !scroll.current) return
      const state = get()
      const text = copiedText(range, scroll.current, currentOrder(state), state.messages)
      if (text === null) return
      event.preventDefault()
      event.clipboardData?.setData('text/plain', text)
    }
    // "Select all", by key or from a menu: the browser would take what is mounted at the moment.
    const onSelectAll = (event: Event): void => {
      if (event.target !== document.body || !scroll.current) return
      event.preventDefault()
      document.getSelection()?.selectAllChildren(scroll.current)
    }
    document.addEventListener('selectstart', onSelectAll)
    document.addEventListener('selectionchange', onSelection)
    document.addEventListener('copy', onCopy)
    return () => {
      document.removeEventListener('selectstart', onSelectAll)
      document.removeEventListener('selectionchange', onSelection)
      document.removeEventListener('copy', onCopy)
    }
  }, [scroll])
  return ends
}

/** Keeps the end in view while it should be; returns the way back to the end, and the way to leave it. */
function useFollow(
  scroll: React.RefObject<HTMLDivElement | null>,
  content: React.RefObject<HTMLDivElement | null>,
  onPlace: Props['onPlace'],
): { toLatest: () => void; letGo: () => void } {
  const following = useRef(true)
  const [toLatest] = useState(() => (): void => {
    following.current = true
    if (scroll.current) scroll.current.scrollTop = scroll.current.scrollHeight
  })

  const [letGo] = useState(() => (): void => {
    if (scroll.current && scroll.current.scrollHeight > scroll.current.clientHeight) following.current = false
  })

  // Before the first paint: a conversation opens at its end.
  useLayoutEffect(toLatest, [toLatest])

  useEffect(() => {
    const box = scroll.current
    const inside = content.current
    if (!box || !inside) return
    const place = (): Place => ({
      top: box.scrollTop,
      below: box.scrollHeight - box.clientHeight - box.scrollTop,
    })
    let before = place()
    const tell = (): void =>
      onPlace({ far: !following.current && before.below > NEAR_END, scrolled: before.top > 4 })
    const pin = (): void => {
      if (following.current) box.scrollTop = box.scrollHeight
      before = place()
      tell()
    }
    // A hand was on the box in the last quarter of a second, or holds its scroll bar.
    let touched = 0
    let held = false
    const touch = (): void => void (touched = performance.now())
    const grab = (event: PointerEvent): void => void (held = event.target === box)
    const release = (event: PointerEvent): void => {
      if (held && event.buttons === 0) held = false
    }
    const onScroll = (): void => {
      const after = place()
      const byHand = held || performance.now() - touched < 250
      following.current = followsAfterScroll(following.current, before, after, byHand)
      before = after
      tell()
    }
    const onWheel = (event: WheelEvent): void => {
      touch()
      if (event.deltaY < 0) letGo()
    }
    const observer = new ResizeObserver(pin)
    observer.observe(inside)
    observer.observe(box)
    box.addEventListener('scroll', onScroll, { passive: true })
    box.addEventListener('wheel', onWheel, { passive: true })
    box.addEventListener('touchmove', touch, { passive: true })
    box.addEventListener('keydown', touch)
    box.addEventListener('pointerdown', grab)
    window.addEventListener('pointermove', release)
    window.addEventListener('pointerup', release)
    window.addEventListener('kigo:latest', toLatest)
    window.addEventListener('kigo:reading', letGo)
    return () => {
      observer.disconnect()
      box.removeEventListener('scroll', onScroll)
      box.removeEventListener('wheel', onWheel)
      box.removeEventListener('touchmove', touch)
      box.removeEventListener('keydown', touch)
      box.removeEventListener('pointerdown', grab)
      window.removeEventListener('pointermove', release)
      window.removeEventListener('pointerup', release)
      window.removeEventListener('kigo:latest', toLatest)
      window.removeEventListener('kigo:reading', letGo)
    }
  }, [scroll, content, onPlace, toLatest, letGo])

  return { toLatest, letGo }
}
