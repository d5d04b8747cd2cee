/** str.format(): '{0.name} {key:>5}'.format(…), reaching into values no further than a template may. */
import { TemplateError, valueError, type ErrorKind } from './errors.ts'
import { formatValue } from './format-spec.ts'
import { ascii, escape, repr, str } from './print.ts'
import { Markup, textOf, type Value } from './values.ts'

export type Lookup = (name: string) => Value | undefined

/** How a field gets at the inside of a value. */
export interface Reach {
  attribute(value: Value, name: string): Value
  item(value: Value, key: Value): Value
}

export function formatText(
  format: string | Markup,
  args: readonly Value[],
  named: Lookup,
  reach: Reach,
): Value {
  const marked = format instanceof Markup
  const text = new Formatter(args, named, reach, marked).format(textOf(format), 2)
  return marked ? new Markup(text) : text
}

interface Field {
  name: string
  conversion: string
  spec: string
}

class Formatter {
  readonly #args: readonly Value[]
  readonly #named: Lookup
  readonly #reach: Reach
  readonly #marked: boolean
  /** The next number of a field without a name; 'manual' once one had a number. */
  #next: number | 'manual' = 0

  constructor(args: readonly Value[], named: Lookup, reach: Reach, marked: boolean) {
    this.#args = args
    this.#named = named
    this.#reach = reach
    this.#marked = marked
  }

  format(source: string, depth: number): string {
    if (depth < 0) throw valueError('Max string recursion exceeded')
    let result = ''
    for (const part of parse(source)) {
      if (typeof part === 'string') {
        result += part
        continue
      }
      const value = convert(this.#find(part.name), part.conversion)
      result += this.#print(value, this.format(part.spec, depth - 1))
    }
    return result
  }

  #print(value: Value, spec: string): string {
    if (!this.#marked) return formatValue(value, spec)
    if (!(value instanceof Markup)) return escape(formatValue(value, spec)).text
    if (spec !== '') throw valueError('Unsupported format specification for Markup.')
    return value.text
  }

  #find(field: string): Value {
    let name = field
    if (name === '') {
      if (this.#next === 'manual')
        throw valueError('cannot switch from manual field specification to automatic field numbering')
      name = String(this.#next++)
    } else if (/^\d+$/.test(name)) {
      if (this.#next !== 'manual' && this.#next > 0)
        throw valueError('cannot switch from manual field specification to automatic field numbering')
      this.#next = 'manual'
    }
    const first = /^[^.[]*/.exec(name)?.[0] ?? ''
    let value: Value = this.#first(first)
    for (const [isAttribute, step] of steps(name.slice(first.length)))
      value = isAttribute
        ? this.#reach.attribute(value, step)
        : this.#reach.item(value, /^\d+$/.test(step) ? BigInt(step) : step)
    return value
  }

  #first(name: string): Value {
    const numbered = /^\d+$/.test(name)
    const value = numbered ? this.#args[Number(name)] : this.#named(name)
    const kind: ErrorKind = numbered ? 'IndexError' : 'KeyError'
    if (value === undefined) throw new TemplateError(kind, `the format's field ${repr(name)} was not given`)
    return value
  }
}

function convert(value: Value, conversion: string): Value {
  switch (conversion) {
    case '':
      return value
    case 's':
      return str(value)
    case 'r':
      return repr(value)
    case 'a':
      return ascii(value)
  }
  throw valueError(`Unknown conversion specifier ${conversion}`)
}

/** '.name[key]' */
function steps(path: string): [boolean, string][] {
  const found: [boolean, string][] = []
  let at = 0
  while (at < path.length) {
    const match = /^(?:\.([^.[]*)|\[([^\]]*)\])/.exec(path.slice(at))
    if (!match) throw valueError("Only '.' or '[' may follow ']' in format field specifier")
    const step = match[1] ?? match[2] ?? ''
    if (step === '') throw valueError('Empty attribute in format string')
    found.push([match[1] !== undefined, step])
    at += match[0].length
  }
  return found
}

function* parse(source: string): Generator<string | Field> {
  let at = 0
  while (at < source.length) {
    const brace = source.slice(at).search(/[{}]/)
    if (brace === -1) {
      yield source.slice(at)
      return
    }
    const end = at + brace
    if (brace > 0) yield source.slice(at, end)
    const character = source[end] as string
    if (source[end + 1] === character) {
      yield character
      at = end + 2
      continue
    }
    if (character === '}' || end + 1 >= source.length)
      throw valueError(`Single '${character}' encountered in format string`)
    const [field, next] = parseField(source, end + 1)
    yield field
    at = next
  }
}

function parseField(source: string, from: number): [Field, number] {
  let at = from
  while (at < source.length && !'}:!'.includes(source[at] as string)) {
    if (source[at] === '{') throw valueError("unexpected '{' in field name")
    if (source[at] === '[') while (at + 1 < source.length && source[at + 1] !== ']') at++
    at++
  }
  const name = source.slice(from, at)
  let conversion = ''
  if (source[at] === '!') {
    conversion = source[at + 1] ?? ''
    if (conversion === '') throw valueError('end of string while looking for conversion specifier')
    at += 2
    if (source[at] !== '}' && source[at] !== ':') throw valueError("expected ':' after conversion specifier")
  }
  if (source[at] === '}') return [{ name, conversion, spec: '' }, at + 1]
  if (source[at] !== ':') throw valueError("expected '}' before end of string")
  let depth = 1
  for (let i = at + 1; i < source.length; i++) {
    if (source[i] === '{') depth++
    else if (source[i] === '}' && --depth === 0)
      return [{ name, conversion, spec: source.slice(at + 1, i) }, i + 1]
  }
  throw valueError("unmatched '{' in format spec")
}
