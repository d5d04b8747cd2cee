import type { LucideIcon } from 'lucide-react'

/** 16 px, or 14 in a row of text; 1.5 px strokes; always decoration beside a word or a label. */
export function Icon({
  of: Drawing,
  size = 16,
  stroke = 1.5,
}: {
  of: LucideIcon
  size?: number
  stroke?: number
}) {
  return <Drawing className="icon" size={size} strokeWidth={stroke} absoluteStrokeWidth aria-hidden />
}
