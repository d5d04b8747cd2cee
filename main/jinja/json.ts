/** json.dumps() as the filter tojson calls it. */
import { TemplateError, typeError, valueError } from './errors.ts'
import { floatText, integerText, toIndex } from './numbers.ts'
import { lessThan } from './operators.ts'
import { Dict, each, isInteger, isText, textOf, Tuple, typeName, type Value } from './values.ts'

export interface JsonOptions {
  asciiOnly: boolean
  indent: Value
  separators: Value
  sortKeys: boolean
}

export function toJson(value: Value, { asciiOnly, indent, separators, sortKeys }: JsonOptions): string {
  const [between, colon] = separators === null ? [indent === null ? ', ' : ',', ': '] : pair(separators)
  if (isText(value)) return quoteJson(textOf(value), asciiOnly)
  const step = indent === null ? null : isText(indent) ? textOf(indent) : spaces(indent)
  const inside: Value[] = []
  const quote = (text: string): string => quoteJson(text, asciiOnly)

  const block = (open: string, close: string, parts: string[], depth: number): string => {
    if (parts.length === 0) return open + close
    if (step === null) return open + parts.join(between) + close
    const line = `\n${step.repeat(depth + 1)}`
    return `${open}${line}${parts.join(between + line)}\n${step.repeat(depth)}${close}`
  }
  const write = (item: Value, depth: number): string => {
    if (item === null) return 'null'
    if (isText(item)) return quote(textOf(item))
    if (typeof item === 'boolean') return String(item)
    if (typeof item === 'bigint') return integerText(item)
    if (typeof item === 'number') return floatJson(item)
    if (inside.includes(item)) throw valueError('Circular reference detected')
    if (depth > MAX_DEPTH)
      throw new TemplateError('RecursionError', 'the value is nested too deeply for JSON')
    inside.push(item)
    let text: string
    if (Array.isArray(item) || item instanceof Tuple) {
      const items = Array.isArray(item) ? item : item.items
      text = block(
        '[',
        ']',
        items.map((one) => write(one, depth + 1)),
        depth,
      )
    } else if (item instanceof Dict) {
      const entries = sortKeys ? sorted(item) : [...item.entries()]
      text = block(
        '{',
        '}',
        entries.map(([key, one]) => `${quote(keyText(key))}${colon}${write(one, depth + 1)}`),
        depth,
      )
    } else throw typeError(`Object of type ${typeName(item)} is not JSON serializable`)
    inside.pop()
    return text
  }
  return write(value, 0)
}

const MAX_DEPTH = 500

function pair(separators: Value): [string, string] {
  const [between, colon, ...more] = each(separators)
  if (between === undefined || colon === undefined || more.length > 0)
    throw valueError('the separators of JSON are two')
  if (!isText(between) || !isText(colon)) throw typeError('the separators of JSON must be text')
  return [textOf(between), textOf(colon)]
}

function spaces(indent: Value): string {
  if (!isInteger(indent)) throw typeError(`can't multiply sequence by non-int of type '${typeName(indent)}'`)
  return ' '.repeat(Math.max(0, toIndex(indent)))
}

function sorted(dict: Dict): [Value, Value][] {
  return [...dict.entries()].sort(([a], [b]) => (lessThan(a, b) ? -1 : lessThan(b, a) ? 1 : 0))
}

function keyText(key: Value): string {
  if (isText(key)) return textOf(key)
  if (key === null) return 'null'
  if (typeof key === 'boolean') return String(key)
  if (typeof key === 'bigint') return integerText(key)
  if (typeof key === 'number') return floatJson(key)
  throw typeError(`keys must be str, int, float, bool or None, not ${typeName(key)}`)
}

function floatJson(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value < 0 ? '-Infinity' : 'Infinity'
  return floatText(value)
}

const SHORT: Record<string, string> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
}

function quoteJson(text: string, asciiOnly: boolean): string {
  const special = asciiOnly ? /["\\]|[^ -~]/g : /["\\]|[^ -\u{10ffff}]/gu
  const escaped = text.replace(special, (unit) =>
    Object.hasOwn(SHORT, unit)
      ? (SHORT[unit] as string)
      : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `"${escaped}"`
}
