/** Where the focus goes when something ends, and how F6 walks through the regions. */
const REGIONS = ['.side', '.bar', '[data-region="content"]', '[data-region="composer"]', '.panel']

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

const rowOf = (id: string): HTMLElement | null =>
  document.querySelector<HTMLElement>(`.chats [data-id="${CSS.escape(id)}"]`)

/** Has something of this conversation's row in the list the focus? */
export const inRow = (id: string): boolean =>
  rowOf(id)?.parentElement?.contains(document.activeElement) ?? false

/** The row itself, whose buttons come and go. */
export const focusRow = (id: string): void => rowOf(id)?.focus()

/** The next region that is on screen; into what was focused there last, else its first stop. */
export function focusNextRegion(step: 1 | -1): void {
  const regions = REGIONS.map((selector) => document.querySelector<HTMLElement>(selector)).filter(
    (region): region is HTMLElement =>
      region !== null && region.checkVisibility() && region.closest('[inert]') === null,
  )
  const at = regions.findIndex((region) => region.contains(document.activeElement))
  const next = at < 0 && step < 0 ? regions.length - 1 : (at + step + regions.length) % regions.length
  const region = regions[next]
  if (region) firstStop(region)?.focus()
}

function firstStop(region: HTMLElement): HTMLElement | null {
  const stops = region.querySelectorAll<HTMLElement>(
    'textarea, button:not([disabled]), input, [tabindex="0"]',
  )
  if (region.tabIndex === 0) return region
  return [...stops].find((stop) => stop.checkVisibility() && stop.tabIndex >= 0) ?? null
}
