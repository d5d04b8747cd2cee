/** The operator % of text: '%s is %05.1f' % (name, value). */
import { typeError, valueError } from './errors.ts'
import { floatDigits, type FloatType } from './format-number.ts'
import { float, int, integerText, toBig, toIndex } from './numbers.ts'
import { ascii, escape, repr, str } from './print.ts'
import { points, substring } from './text.ts'
import {
  Dict,
  isNumber,
  isText,
  Markup,
  Range,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

const DIRECTIVE =
  /%(?:\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\))?([-#0 +]*)(\*|\d+)?(?:\.(\*|\d*))?[hlL]?([^]?)/gu

export function formatPercent(format: string | Markup, values: Value): Value {
  const marked = format instanceof Markup
  const text = apply(textOf(format), values, marked ? escaping : plain)
  return marked ? new Markup(text) : text
}

/** How a value is turned into text: marked text escapes what is put into it. */
interface Printer {
  str(value: Value): string
  repr(value: Value): string
}
const plain: Printer = { str, repr }
const escaping: Printer = { str: (value) => escape(value).text, repr: (value) => escape(repr(value)).text }

function apply(format: string, values: Value, printer: Printer): string {
  const mapping = hasItems(values) ? values : undefined
  let items: readonly Value[] = values instanceof Tuple ? values.items : [values]
  let next = 0
  const take = (): Value => {
    if (next >= items.length) throw typeError('not enough arguments for format string')
    return items[next++] as Value
  }
  const takeNumber = (): number => {
    const value = take()
    if (typeof value !== 'bigint' && typeof value !== 'boolean') throw typeError('* wants int')
    return toIndex(value)
  }
  const result = format.replace(DIRECTIVE, (_, ...found) => {
    const [key, flags, width, precision, type] = found as [string?, string?, string?, string?, string?]
    if (key !== undefined) {
      if (mapping === undefined) throw typeError('format requires a mapping')
      items = [itemOf(mapping, key)]
      next = 0
    }
    let minimum = width === '*' ? takeNumber() : Number(width ?? 0)
    const left = (flags as string).includes('-') || minimum < 0
    minimum = Math.abs(minimum)
    const digits =
      precision === undefined ? undefined : precision === '*' ? Math.max(0, takeNumber()) : Number(precision)
    if (type === '%') return '%'
    if (!type) throw valueError('incomplete format')
    const { sign, prefix, body, numeric } = convert(type, take, flags as string, digits, printer)
    const fill = Math.max(0, minimum - points(sign + prefix + body).length)
    if (left) return sign + prefix + body + ' '.repeat(fill)
    if (numeric && (flags as string).includes('0')) return sign + prefix + '0'.repeat(fill) + body
    return ' '.repeat(fill) + sign + prefix + body
  })
  if (next < items.length && mapping === undefined)
    throw typeError('not all arguments converted during string formatting')
  return result
}

/** What Python takes for a mapping here: anything with items but text and tuples. */
function hasItems(value: Value): boolean {
  return value instanceof Dict || Array.isArray(value) || value instanceof Range || value instanceof Undefined
}

function itemOf(mapping: Value, key: string): Value {
  if (mapping instanceof Undefined) throw mapping.fail()
  if (!(mapping instanceof Dict)) throw typeError('list indices must be integers or slices, not str')
  const value = mapping.get(key)
  if (value === undefined) throw typeError(`there is no key ${repr(key)} for the format`)
  return value
}

interface Converted {
  sign: string
  prefix: string
  body: string
  numeric: boolean
}

function convert(
  type: string,
  take: () => Value,
  flags: string,
  precision: number | undefined,
  printer: Printer,
): Converted {
  const word = (text: string): Converted => ({
    sign: '',
    prefix: '',
    body: precision === undefined ? text : substring(text, 0, precision),
    numeric: false,
  })
  switch (type) {
    case 's':
      return word(printer.str(take()))
    case 'r':
      return word(printer.repr(take()))
    case 'a':
      return word(ascii(take()))
    case 'c':
      return { sign: '', prefix: '', body: character(take()), numeric: false }
  }
  if (!/^[diuoxXeEfFgG]$/.test(type)) throw valueError(`unsupported format character '${type}'`)
  const value = take()
  const positive = flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : ''
  const alternate = flags.includes('#')
  if (/[eEfFgG]/.test(type)) {
    if (isText(value) && printer === plain) throw typeError('must be real number, not str')
    const amount = float(value)
    const negative = amount < 0 || Object.is(amount, -0)
    const digits = floatDigits(Math.abs(amount), type.toLowerCase() as FloatType, precision ?? 6, alternate)
    return {
      sign: negative ? '-' : positive,
      prefix: '',
      body: /[EFG]/.test(type) ? digits.toUpperCase() : digits,
      numeric: true,
    }
  }
  const whole = wholeNumber(type, value, printer)
  const size = whole < 0n ? -whole : whole
  const radix = type === 'o' ? 8 : /[xX]/.test(type) ? 16 : 10
  const digits = (radix === 10 ? integerText(size) : size.toString(radix)).padStart(precision ?? 0, '0')
  return {
    sign: whole < 0n ? '-' : positive,
    prefix: alternate && radix !== 10 ? `0${type}` : '',
    body: type === 'X' ? digits.toUpperCase() : digits,
    numeric: true,
  }
}

function wholeNumber(type: string, value: Value, printer: Printer): bigint {
  if (typeof value === 'bigint' || typeof value === 'boolean') return toBig(value)
  if (/[diu]/.test(type) && (isNumber(value) || printer === escaping)) return int(value)
  throw typeError(`%${type} format: a number is required, not ${typeName(value)}`)
}

function character(value: Value): string {
  if (isText(value) && points(textOf(value)).length === 1) return textOf(value)
  if (typeof value !== 'bigint' && typeof value !== 'boolean') throw typeError('%c requires int or char')
  const code = toIndex(value)
  if (code < 0 || code > 0x10ffff) throw valueError('%c arg not in range(0x110000)')
  return String.fromCodePoint(code)
}
