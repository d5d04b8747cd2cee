/** A wheel, or a page key, over the composer means the text above it, unless what is written there scrolls itself. */

/** Lines of the text that stay in view from one page to the next, px. */
const KEPT = 48

export function onWheelBelow(event: WheelEvent, box: HTMLElement | null): void {
  const field = event.target instanceof HTMLTextAreaElement ? event.target : null
  if (box === null || event.ctrlKey || (field !== null && hasRoom(field, event.deltaY))) return
  scrollBy(box, event.deltaY)
}

/** Whether the key was one of these. */
export function onPageKeyBelow(event: KeyboardEvent, box: HTMLElement | null): boolean {
  if (box === null || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return false
  const step = { PageUp: -1, PageDown: 1 }[event.key]
  if (step === undefined || !(event.target instanceof HTMLTextAreaElement) || scrolls(event.target))
    return false
  scrollBy(box, step * (box.clientHeight - KEPT))
  return true
}

const scrolls = (field: HTMLElement): boolean => field.scrollHeight > field.clientHeight + 1

function hasRoom(field: HTMLElement, down: number): boolean {
  if (!scrolls(field)) return false
  return down < 0 ? field.scrollTop > 0 : field.scrollTop + field.clientHeight < field.scrollHeight - 1
}

/** The box hears of it as of a wheel of its own. */
function scrollBy(box: HTMLElement, down: number): void {
  box.dispatchEvent(new WheelEvent('wheel', { deltaY: down }))
  box.scrollTop += down
}
