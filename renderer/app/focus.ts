/** Where the focus goes when something ends, and how F6 walks through the regions. */

/** In the order of F6: each region, and where in it one lands. What a region has in front of that stays a Tab away. */
const REGIONS: readonly (readonly [region: string, lands?: string])[] = [
  ['.side', '.nav'],
  ['.bar', '.pick'],
  ['[data-region="content"]'],
  ['[data-region="composer"]', 'textarea'],
  ['.panel', '.in textarea'],
]

/** After start, a new chat, a send, and when a view closes. Waits for React to have put it there. */
export function focusComposer(): void {
  requestAnimationFrame(() => {
    if (document.querySelector('[role="dialog"]')?.contains(document.activeElement)) return
    document.querySelector<HTMLTextAreaElement>('.compose textarea')?.focus()
  })
}

/** Into a layer that is about to be there. */
export function focusIn(region: string, stop = 'button'): void {
  requestAnimationFrame(() => document.querySelector<HTMLElement>(`${region} ${stop}`)?.focus())
}

let opener: Element | null = null

/** A layer is about to open over the window, which takes the focus. */
export function rememberOpener(): void {
  opener = document.activeElement
}

/** A layer was closed: the focus goes back to what opened it, or to the composer where that is not there any more. */
export function focusOpener(): void {
  const back = opener
  requestAnimationFrame(() => {
    if (back instanceof HTMLElement && back !== document.body && back.checkVisibility()) back.focus()
    else focusComposer()
  })
}

const rowOf = (id: string): HTMLElement | null =>
  document.querySelector<HTMLElement>(`.chats [data-id="${CSS.escape(id)}"]`)

/** Has something of this conversation's row in the list the focus? */
export const inRow = (id: string): boolean =>
  rowOf(id)?.parentElement?.contains(document.activeElement) ?? false

/** The row itself, whose buttons come and go. */
export const focusRow = (id: string): void => rowOf(id)?.focus()

/** The next region that is on screen. */
export function focusNextRegion(step: 1 | -1): void {
  const regions = REGIONS.flatMap(([selector, lands]) => {
    const region = document.querySelector<HTMLElement>(selector)
    return region?.checkVisibility() && region.closest('[inert]') === null ? [{ region, lands }] : []
  })
  const at = regions.findIndex(({ region }) => region.contains(document.activeElement))
  const next = at < 0 && step < 0 ? regions.length - 1 : (at + step + regions.length) % regions.length
  const found = regions[next]
  if (found) stopIn(found.region, found.lands)?.focus()
}

/** The region itself where it is a stop, the place where one lands, or else the first stop that there is. */
function stopIn(region: HTMLElement, lands = ''): HTMLElement | null {
  if (region.tabIndex === 0) return region
  const known = lands === '' ? null : region.querySelector<HTMLElement>(lands)
  if (known?.checkVisibility()) return known
  const stops = region.querySelectorAll<HTMLElement>(
    'textarea, button:not([disabled]), input, [tabindex="0"]',
  )
  return [...stops].find((stop) => stop.checkVisibility() && stop.tabIndex >= 0) ?? null
}
