/** Python's pprint.pformat(): lines of 80 characters, dictionaries in the order of their keys. */
import { compareText, points, SPACE, splitLines } from './text.ts'
import { isKind } from './errors.ts'
import { lessThan } from './operators.ts'
import { repr } from './print.ts'
import { Dict, Tuple, typeName, type Value } from './values.ts'

const WIDTH = 80

export function prettyPrint(value: Value): string {
  return layOut(sortedKeys(value), 0, 0, 1)
}

/** The same value with every dictionary in the order of its keys. */
function sortedKeys(value: Value): Value {
  if (Array.isArray(value)) return value.map(sortedKeys)
  if (value instanceof Tuple) return new Tuple(value.items.map(sortedKeys))
  if (!(value instanceof Dict)) return value
  return new Dict(
    [...value.entries()]
      .sort(([a], [b]) => byKey(a, b))
      .map(([key, item]) => [key, sortedKeys(item)] as const),
  )
}

/** What cannot be compared goes by the names of the types. */
function byKey(a: Value, b: Value): number {
  try {
    return lessThan(a, b) ? -1 : lessThan(b, a) ? 1 : 0
  } catch (error) {
    if (isKind(error, 'TypeError', 'UndefinedError')) return compareText(typeName(a), typeName(b))
    throw error
  }
}

const size = (text: string): number => points(text).length

/** `allowance`: what must fit behind it on its last line. */
function layOut(value: Value, indent: number, allowance: number, level: number): string {
  const whole = repr(value)
  if (size(whole) <= WIDTH - indent - allowance) return whole
  if (typeof value === 'string') return textLines(value, indent, allowance, level)
  if (Array.isArray(value)) return `[${itemLines(value, indent, allowance + 1, level)}]`
  if (value instanceof Tuple) {
    const close = value.items.length === 1 ? ',)' : ')'
    return `(${itemLines(value.items, indent, allowance + close.length, level)}${close}`
  }
  if (!(value instanceof Dict)) return whole
  const pairs = [...value.entries()].map(([key, item], i) => {
    const name = repr(key)
    const behind = i === value.size - 1 ? allowance + 1 : 1
    return `${name}: ${layOut(item, indent + 1 + size(name) + 2, behind, level + 1)}`
  })
  return `{${pairs.join(`,\n${' '.repeat(indent + 1)}`)}}`
}

function itemLines(items: readonly Value[], indent: number, allowance: number, level: number): string {
  const lines = items.map((item, i) =>
    layOut(item, indent + 1, i === items.length - 1 ? allowance : 1, level + 1),
  )
  return lines.join(`,\n${' '.repeat(indent + 1)}`)
}

const PIECES = new RegExp(`[^${SPACE}]*[${SPACE}]*`, 'gu')

/** A long text: several literals, one under the other. */
function textLines(text: string, from: number, allowed: number, level: number): string {
  const indent = level === 1 ? from + 1 : from
  const allowance = level === 1 ? allowed + 1 : allowed
  const width = WIDTH - indent
  const lines = splitLines(text, true)
  const chunks: string[] = []
  for (const [i, line] of lines.entries()) {
    const lastLine = i === lines.length - 1
    if (size(repr(line)) <= width - (lastLine ? allowance : 0)) {
      chunks.push(repr(line))
      continue
    }
    const parts = (line.match(PIECES) ?? []).filter((part) => part !== '')
    let current = ''
    for (const [j, part] of parts.entries()) {
      const room = lastLine && j === parts.length - 1 ? width - allowance : width
      if (size(repr(current + part)) <= room) {
        current += part
        continue
      }
      if (current !== '') chunks.push(repr(current))
      current = part
    }
    if (current !== '') chunks.push(repr(current))
  }
  if (chunks.length === 1) return repr(text)
  const body = chunks.join(`\n${' '.repeat(indent)}`)
  return level === 1 ? `(${body})` : body
}
