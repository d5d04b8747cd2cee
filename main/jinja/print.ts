/** str(), repr() and what else makes text of a value. */
import { asciiOnly, quoted } from './text.ts'
import { floatText, integerText } from './numbers.ts'
import {
  Bytes,
  Callable,
  Dict,
  DictView,
  Generator,
  Markup,
  Namespace,
  Opaque,
  Range,
  Slice,
  Tuple,
  Undefined,
  type Value,
} from './values.ts'

/** str(value). */
export function str(value: Value): string {
  if (typeof value === 'string') return value
  if (value instanceof Markup) return value.text
  if (value instanceof Undefined) return ''
  return repr(value)
}

/** repr(value). A value that holds itself is cut there, as Python cuts it. */
export function repr(value: Value): string {
  return represent(value, [])
}

function represent(value: Value, outer: readonly Value[]): string {
  if (value === null) return 'None'
  switch (typeof value) {
    case 'boolean':
      return value ? 'True' : 'False'
    case 'bigint':
      return integerText(value)
    case 'number':
      return floatText(value)
    case 'string':
      return quoted(value)
    default:
  }
  if (value instanceof Markup) return `Markup(${quoted(value.text)})`
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Bytes) return quotedBytes(value)
  if (Array.isArray(value)) {
    if (outer.includes(value)) return '[...]'
    const inside = [...outer, value]
    return `[${value.map((item) => represent(item, inside)).join(', ')}]`
  }
  if (value instanceof Tuple) {
    const items = value.items.map((item) => represent(item, outer))
    return `(${items.join(', ')}${items.length === 1 ? ',' : ''})`
  }
  if (value instanceof Dict) {
    if (outer.includes(value)) return '{...}'
    const inside = [...outer, value]
    return `{${[...value.entries()].map(([key, item]) => `${represent(key, inside)}: ${represent(item, inside)}`).join(', ')}}`
  }
  if (value instanceof DictView)
    return `${value.kind}([${[...value.items()].map((item) => represent(item, outer)).join(', ')}])`
  if (value instanceof Range)
    return `range(${value.start}, ${value.stop}${value.step === 1n ? '' : `, ${value.step}`})`
  if (value instanceof Namespace) return `<Namespace ${represent(value.attributes, outer)}>`
  if (value instanceof Slice)
    return `slice(${[value.start, value.stop, value.step].map((part) => represent(part, outer)).join(', ')})`
  if (value instanceof Generator || value instanceof Callable) return value.label
  return (value as Opaque).faces.print()
}

function quotedBytes({ data }: Bytes): string {
  const text = String.fromCharCode(...data)
  // Every byte above ASCII is written as its number, printable or not.
  return `b${quoted(text).replace(/[\x80-\xff]/g, (unit) => `\\x${unit.charCodeAt(0).toString(16)}`)}`
}

/** ascii(value). */
export function ascii(value: Value): string {
  return asciiOnly(repr(value))
}

/** Plain text for HTML; text that is marked is HTML already. */
export function escape(value: Value): Markup {
  return value instanceof Markup ? value : new Markup(escapeText(str(value)))
}

export function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('>', '&gt;')
    .replaceAll('<', '&lt;')
    .replaceAll("'", '&#39;')
    .replaceAll('"', '&#34;')
}
