/**
 * Splits text by a list of rules, each of which cuts the pieces that the last one left. Rules are regular
 * expressions over one of two views of the text:
 * - classes: one character a code point, ASCII as it is, all else as its Unicode class (unicode.ts). One-byte
 *   strings, so V8 runs these fast, and no expression depends on the Unicode version of the engine.
 * - text: the text itself, with white space beyond ASCII replaced by \v, for rules that name scripts by range.
 * What a rule matches becomes a piece, and what lies between two matches as well.
 */
import { classTable } from './unicode.ts'

export interface View {
  text: string
  classes: string
}

/** Cuts one piece: offsets (ascending, in units of the view, within 0..piece.length) where it is to be split. */
export type Cut = (piece: string) => number[]

export interface Rule {
  view: 'classes' | 'text'
  cut: Cut
}

/** Piece ends in `text`, UTF-16 offsets, ascending; the last is text.length. Pieces may not be empty. */
export function splitByRules(text: string, rules: readonly Rule[], classOf = classTable()): number[] {
  if (text === '') return []
  const points = codePoints(text)
  const classes = classString(text, points, classOf)
  let plain: string | null = null
  let ends = [text.length]
  for (const { view, cut } of rules) {
    const next: number[] = []
    let from = 0
    for (const to of ends) {
      if (view === 'classes') {
        const first = points ? (points.ofUnit[from] as number) : from
        const last = points ? (points.ofUnit[to] as number) : to
        for (const at of cut(classes.slice(first, last)))
          push(next, from, to, points ? (points.unit[first + at] as number) : from + at)
      } else {
        plain ??= text.replace(FOREIGN_SPACE, '\v')
        for (const at of cut(plain.slice(from, to))) push(next, from, to, from + at)
      }
      next.push(to)
      from = to
    }
    ends = next
  }
  return ends
}

/** A rule that cuts at both ends of every match. The expression must be global. */
export function matches(view: Rule['view'], pattern: RegExp): Rule {
  return {
    view,
    cut: (piece) => {
      const cuts: number[] = []
      pattern.lastIndex = 0
      for (let match = pattern.exec(piece); match; match = pattern.exec(piece)) {
        cuts.push(match.index, pattern.lastIndex)
      }
      return cuts
    },
  }
}

const FOREIGN_SPACE = /[\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/g

function push(ends: number[], from: number, to: number, at: number): void {
  if (at > from && at < to && at !== ends.at(-1)) ends.push(at)
}

/** Maps between UTF-16 offsets and code point indices; null where they are the same (no surrogate pairs). */
interface CodePoints {
  ofUnit: Uint32Array
  unit: Uint32Array
  count: number
}

function codePoints(text: string): CodePoints | null {
  if (!/[\ud800-\udbff]/.test(text)) return null
  const ofUnit = new Uint32Array(text.length + 1)
  const unit = new Uint32Array(text.length + 1)
  let count = 0
  for (let i = 0; i < text.length; count++) {
    unit[count] = i
    const width = (text.codePointAt(i) as number) > 0xffff ? 2 : 1
    ofUnit.fill(count, i, i + width)
    i += width
  }
  unit[count] = text.length
  ofUnit[text.length] = count
  return { ofUnit, unit, count }
}

function classString(text: string, points: CodePoints | null, classOf: Uint8Array): string {
  const count = points?.count ?? text.length
  const bytes = Buffer.allocUnsafe(count)
  for (let i = 0; i < count; i++) {
    bytes[i] = classOf[
      points ? (text.codePointAt(points.unit[i] as number) as number) : text.charCodeAt(i)
    ] as number
  }
  return bytes.toString('latin1')
}
