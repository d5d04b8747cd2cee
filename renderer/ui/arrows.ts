import type { KeyboardEvent } from 'react'

/** ↑, ↓, Home and End in a list whose rows are one stop of the Tab key. */
export function onArrows(event: KeyboardEvent<HTMLElement>, row: string): void {
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>(row)]
  const at = rows.findIndex((each) => each.contains(document.activeElement))
  if (at < 0) return
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key]
  if (to === undefined) return
  event.preventDefault()
  rows[Math.min(Math.max(to, 0), rows.length - 1)]?.focus()
}
