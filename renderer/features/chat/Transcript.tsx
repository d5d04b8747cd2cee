import {
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
  type KeyboardEvent,
  type Ref,
} from 'react'
import { flushSync } from 'react-dom'
import { Virtualizer, type CustomItemComponentProps, type VirtualizerHandle } from 'virtua'
import { currentOrder, useKigo } from '../../app/store.ts'
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
  const [focused, setFocused] = useState<number | null>(null)
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
    >
      <div className="col" ref={content}>
        <Virtualizer
          ref={list}
          scrollRef={scroll}
          data={order}
          itemSize={160}
          item={Row}
          keepMounted={finding ? [...order.keys()] : focused === null ? [] : [focused]}
        >
          {(id, index) => (
            <div key={id} className={`slot ${index === 0 ? 'first' : ''}`}>
              <Turn id={id} last={index === order.length - 1} />
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
