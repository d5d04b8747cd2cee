/** Filters that make text of text. */
import { slice } from './access.ts'
import { TemplateError, typeError } from './errors.ts'
import { filter, type Filter } from './filter.ts'
import { fixed, float, toIndex } from './numbers.ts'
import { binary } from './operators.ts'
import { formatPercent } from './percent.ts'
import { escape, str } from './print.ts'
import { MARKUP_METHODS } from './markup-methods.ts'
import { joinTexts, replaceText, TEXT_METHODS } from './text-methods.ts'
import { SPACE, splitLines } from './text.ts'
import {
  Dict,
  each,
  isInteger,
  isText,
  length,
  Markup,
  textOf,
  truth,
  Tuple,
  typeName,
  type Value,
} from './values.ts'
import { attributeGetter } from './attribute-getter.ts'
import { wrapText } from './wrap-text.ts'

/** soft_str(): text stays what it is, marked or not. */
function soft(value: Value): string | Markup {
  return isText(value) ? value : str(value)
}

/** A method of str on whatever the filter is given. */
function method(value: Value, name: string, args: (Value | undefined)[] = []): Value {
  const text = soft(value)
  const methods = text instanceof Markup ? MARKUP_METHODS : TEXT_METHODS
  const found = methods.get(name)
  if (!found) throw new TemplateError('AttributeError', `str has no method ${name}`)
  return found.call(textOf(text), args)
}

const WORD_STARTS = new RegExp(`([-${SPACE}({\\[<]+)`)

function title(value: Value): Value {
  return textOf(soft(value))
    .split(WORD_STARTS)
    .map((part) => {
      const [first = ''] = part
      return first.toUpperCase() + part.slice(first.length).toLowerCase()
    })
    .join('')
}

function indent(value: Value, width: Value, first: boolean, blank: boolean): Value {
  let indention: Value = isText(width) ? textOf(width) : ' '.repeat(Math.max(0, toIndex(width)))
  let newline: Value = '\n'
  if (value instanceof Markup) [indention, newline] = [new Markup(indention), new Markup(newline)]
  const whole = binary('+', value, newline)
  if (!isText(whole))
    throw new TemplateError('AttributeError', `'${typeName(value)}' object has no attribute 'splitlines'`)
  const lines = splitLines(textOf(whole))
  const space = textOf(indention)
  const [head = '', ...rest] = lines
  const indented = blank
    ? lines.join(`\n${space}`)
    : [head, ...rest.map((line) => (line === '' ? line : space + line))].join('\n')
  const text = (first ? space : '') + indented
  return value instanceof Markup ? new Markup(text) : text
}

function truncate(value: Value, size: Value, kill: boolean, end: Value, leeway: Value): Value {
  const [most, more, ending] = [toNumber(size), toNumber(leeway), length(end)]
  if (most < ending) throw new TemplateError('AssertionError', `expected length >= ${ending}, got ${most}`)
  if (more < 0) throw new TemplateError('AssertionError', `expected leeway >= 0, got ${more}`)
  if (length(value) <= most + more) return value
  const start = slice(value, null, binary('-', size, BigInt(ending)), null)
  if (kill) return binary('+', start, end)
  if (!isText(start))
    throw new TemplateError('AttributeError', `'${typeName(value)}' object has no attribute 'rsplit'`)
  const [head] = method(start, 'rsplit', [' ', 1n]) as Value[]
  return binary('+', head as Value, end)
}

function toNumber(value: Value): number {
  if (typeof value === 'number') return value
  if (!isInteger(value)) throw typeError(`a number is needed, not ${typeName(value)}`)
  return toIndex(value)
}

function wordwrap(
  value: Value,
  width: Value,
  breakLongWords: boolean,
  wrapString: Value,
  breakOnHyphens: boolean,
): Value {
  if (!isText(value))
    throw new TemplateError('AttributeError', `'${typeName(value)}' object has no attribute 'splitlines'`)
  const by = wrapString === null ? '\n' : wrapString
  if (!isText(by))
    throw new TemplateError('AttributeError', `'${typeName(by)}' object has no attribute 'join'`)
  const join = (lines: string[]): Value =>
    by instanceof Markup
      ? new Markup(lines.map((line) => escape(line).text).join(by.text))
      : lines.join(textOf(by))
  const lines = splitLines(textOf(value)).map((line) => {
    const wrapped = wrapText(line, { width: toNumber(width), breakLongWords, breakOnHyphens })
    return textOf(join(wrapped) as string)
  })
  if (by instanceof Markup) return new Markup(lines.join(by.text))
  return lines.join(textOf(by))
}

const BINARY = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB']
const DECIMAL = ['kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB']

function fileSize(value: Value, isBinary: boolean): string {
  const bytes = float(value)
  const base = isBinary ? 1024 : 1000
  if (bytes === 1) return '1 Byte'
  if (bytes < base) return `${BigInt(Math.trunc(bytes))} Bytes`
  if (Number.isNaN(bytes)) return `nan ${(isBinary ? BINARY : DECIMAL).at(-1)}`
  const names = isBinary ? BINARY : DECIMAL
  let at = names.findIndex((_, i) => bytes < Number(BigInt(base) ** BigInt(i + 2)))
  if (at === -1) at = names.length - 1
  const amount = (base * bytes) / Number(BigInt(base) ** BigInt(at + 2))
  return `${Number.isFinite(amount) ? fixed(amount, 1) : 'inf'} ${names[at]}`
}

function format(value: Value, args: readonly Value[], keywords: ReadonlyMap<string, Value>): Value {
  if (args.length > 0 && keywords.size > 0)
    throw new TemplateError(
      'FilterArgumentError',
      "can't handle positional and keyword arguments at the same time",
    )
  return formatPercent(soft(value), keywords.size > 0 ? new Dict(keywords) : new Tuple(args))
}

const PLAIN_COUNT = -1

function replace(value: Value, old: Value, by: Value, count: Value, autoescape: boolean): Value {
  const times = count === null ? PLAIN_COUNT : toIndex(count)
  if (!autoescape) return replaceText(str(value), str(old), str(by), times)
  const escaped =
    old instanceof Markup || (by instanceof Markup && !(value instanceof Markup))
      ? escape(value)
      : soft(value)
  return method(escaped, 'replace', [soft(old), soft(by), BigInt(times)])
}

function join(value: Value, separator: Value, attribute: Value, autoescape: boolean): Value {
  const get = attributeGetter(attribute)
  const items = [...each(value)].map((item) => (attribute === null ? item : get(item)))
  if (!autoescape) return items.map(str).join(str(separator))
  const marked = separator instanceof Markup || items.some((item) => item instanceof Markup)
  return marked
    ? new Markup(joinTexts(escape(separator).text, items.map(escape)))
    : items.map(str).join(str(separator))
}

const text = (name: string): [string, Filter] => filter(name, '', (value) => method(value, name))

export const TEXT_FILTERS: [string, Filter][] = [
  text('upper'),
  text('lower'),
  text('capitalize'),
  filter('title', '', title),
  filter('trim', 'chars?', (value, [chars]) => method(value, 'strip', [chars])),
  filter('center', 'width?', (value, [width = 80n]) => method(value, 'center', [width])),
  filter('string', '/', soft),
  filter('replace', 'old new count?', (value, [old = null, by = null, count = null], { autoescape }) =>
    replace(value, old, by, count, autoescape),
  ),
  filter('indent', 'width? first? blank?', (value, [width = 4n, first = false, blank = false]) =>
    indent(value, width, truth(first), truth(blank)),
  ),
  filter(
    'truncate',
    'length? killwords? end? leeway?',
    (value, [size = 255n, kill = false, end = '...', leeway = null]) =>
      truncate(value, size, truth(kill), end, leeway ?? 5n),
  ),
  filter(
    'wordwrap',
    'width? break_long_words? wrapstring? break_on_hyphens?',
    (value, [width = 79n, breakLong = true, wrapString = null, hyphens = true]) =>
      wordwrap(value, width, truth(breakLong), wrapString, truth(hyphens)),
  ),
  filter('wordcount', '', (value) => BigInt(textOf(soft(value)).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0)),
  filter('filesizeformat', 'binary?', (value, [binaryUnits = false]) => fileSize(value, truth(binaryUnits))),
  filter('join', 'd? attribute?', (value, [separator = '', attribute = null], { autoescape }) =>
    join(value, separator, attribute, autoescape),
  ),
  ['format', { contextual: false, call: (_, value, args, keywords) => format(value, args, keywords) }],
]
