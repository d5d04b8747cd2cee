/** Searching in a part of a text, by Python's indices. */
import { toIndex } from './numbers.ts'
import { pointIndex, points } from './text.ts'
import type { Value } from './values.ts'

/** A bound of a slice, kept inside of 0..length. */
export function clamp(value: Value | undefined, length: number, standard: number): number {
  if (value === undefined || value === null) return standard
  const index = toIndex(value)
  return index < 0 ? Math.max(0, index + length) : Math.min(index, length)
}

/** text[start:end]; undefined where the start lies behind the end, where not even nothing is found. */
export function window(
  text: string,
  start: Value | undefined,
  end: Value | undefined,
): { text: string; from: number } | undefined {
  const units = points(text)
  const length = units.length
  const from = start === undefined || start === null ? 0 : toIndex(start)
  const first = from < 0 ? Math.max(0, from + length) : from
  const last = clamp(end, length, length)
  if (first > last) return undefined
  const part = units.slice(first, last)
  return { text: typeof part === 'string' ? part : part.join(''), from: first }
}

/** Where `wanted` is found, or -1. */
export function searchIn(
  text: string,
  wanted: string,
  start: Value | undefined,
  end: Value | undefined,
  last: boolean,
): number {
  const part = window(text, start, end)
  if (part === undefined) return -1
  const at = last ? part.text.lastIndexOf(wanted) : part.text.indexOf(wanted)
  return at === -1 ? -1 : part.from + pointIndex(part.text, at)
}
