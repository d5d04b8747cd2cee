/** format(value, spec): Python's little language of fill, alignment, sign, width, grouping, precision and type. */
import { TemplateError, typeError, valueError } from './errors.ts'
import { floatDigits, RADIX, type FloatType } from './format-number.ts'
import { floatText, integerText, toBig, toFloat, toIndex } from './numbers.ts'
import { str } from './print.ts'
import { points, substring } from './text.ts'
import { isNumber, isText, textOf, typeName, type Value } from './values.ts'

interface Spec {
  fill: string
  align: '<' | '>' | '=' | '^' | undefined
  /** A zero stood before the width. */
  zero: boolean
  sign: string
  noNegativeZero: boolean
  alternate: boolean
  width: number
  grouping: '' | ',' | '_'
  precision: number | undefined
  type: string
}

const SPEC = /^(?:(.)?([<>=^]))?([-+ ]?)(z?)(#?)(0?)(\d*)([,_]?)(?:\.(\d+))?([^]?)$/su

export function formatValue(value: Value, source: string): string {
  if (!isText(value) && !isNumber(value)) {
    if (source !== '') throw typeError(`unsupported format string passed to ${typeName(value)}.__format__`)
    return str(value)
  }
  if (source === '') return str(value)
  const spec = parseSpec(source)
  if (isText(value)) return formatText(textOf(value), spec)
  if (typeof value === 'number' || /[eEfFgG%]/.test(spec.type)) return formatFloat(toFloat(value), spec)
  return formatInteger(toBig(value), spec)
}

function parseSpec(source: string): Spec {
  const match = SPEC.exec(source)
  if (!match) throw valueError('Invalid format specifier')
  const [, fill, align, sign, z, alternate, zero, width, grouping, precision, type] =
    match as unknown as string[]
  const sizes = [Number(width), Number(precision ?? 0)]
  if (sizes.some((size) => size > 2 ** 31 - 1)) throw valueError('Too many decimal digits in format string')
  return {
    fill: fill ?? (zero ? '0' : ' '),
    align: align as Spec['align'],
    zero: zero !== '',
    sign: sign ?? '',
    noNegativeZero: z !== '',
    alternate: alternate !== '',
    width: Number(width),
    grouping: grouping as Spec['grouping'],
    precision: precision === undefined ? undefined : Number(precision),
    type: type ?? '',
  }
}

function formatText(text: string, spec: Spec): string {
  if (spec.type !== '' && spec.type !== 's') throw unknownType(spec.type, 'str')
  if (spec.sign !== '') throw valueError('Sign not allowed in string format specifier')
  if (spec.noNegativeZero)
    throw valueError('Negative zero coercion (z) not allowed in string format specifier')
  if (spec.alternate) throw valueError('Alternate form (#) not allowed in string format specifier')
  if (spec.grouping !== '') throw valueError(`Cannot specify '${spec.grouping}' with 's'.`)
  if (spec.align === '=') throw valueError("'=' alignment not allowed in string format specifier")
  const body = spec.precision === undefined ? text : substring(text, 0, spec.precision)
  return padded('', body, spec, '<')
}

function formatInteger(value: bigint, spec: Spec): string {
  const type = spec.type === '' || spec.type === 'n' ? 'd' : spec.type
  if (spec.noNegativeZero)
    throw valueError('Negative zero coercion (z) not allowed in format specifier with integer')
  if (type === 'c') return formatCharacter(value, spec)
  if (!Object.hasOwn(RADIX, type)) throw unknownType(type, 'int')
  if (spec.precision !== undefined) throw valueError('Precision not allowed in integer format specifier')
  if (spec.grouping === ',' && type !== 'd') throw valueError(`Cannot specify ',' with '${type}'.`)
  if (spec.grouping !== '' && spec.type === 'n')
    throw valueError(`Cannot specify '${spec.grouping}' with 'n'.`)
  const size = value < 0n ? -value : value
  const radix = RADIX[type as keyof typeof RADIX]
  const digits = radix === 10 ? integerText(size) : size.toString(radix)
  const prefix = spec.alternate && radix !== 10 ? `0${type}` : ''
  const body = type === 'X' ? digits.toUpperCase() : digits
  return padded(signOf(value < 0n, spec) + prefix, body, spec, '>', radix === 10 ? 3 : 4)
}

function formatCharacter(value: bigint, spec: Spec): string {
  if (spec.sign !== '') throw valueError("Sign not allowed with integer format specifier 'c'")
  if (spec.alternate) throw valueError("Alternate form (#) not allowed with integer format specifier 'c'")
  if (spec.precision !== undefined) throw valueError('Precision not allowed in integer format specifier')
  if (spec.grouping !== '') throw valueError(`Cannot specify '${spec.grouping}' with 'c'.`)
  const code = toIndex(value)
  if (code < 0 || code > 0x10ffff) throw new TemplateError('OverflowError', '%c arg not in range(0x110000)')
  return padded('', String.fromCodePoint(code), spec, '>')
}

function formatFloat(value: number, spec: Spec): string {
  if (!/^[eEfFgGn%]?$/.test(spec.type)) throw unknownType(spec.type, 'float')
  if (spec.type === 'n' && spec.grouping !== '')
    throw valueError(`Cannot specify '${spec.grouping}' with 'n'.`)
  const size = Math.abs(value)
  const upper = /[EFG]/.test(spec.type)
  let digits: string
  if (spec.type === '') digits = unnamed(size, spec)
  else if (spec.type === '%') digits = `${floatDigits(size * 100, 'f', spec.precision ?? 6, spec.alternate)}%`
  else {
    const type = (spec.type === 'n' ? 'g' : spec.type.toLowerCase()) as FloatType
    digits = floatDigits(size, type, spec.precision ?? 6, spec.alternate)
  }
  const negative =
    (value < 0 || Object.is(value, -0)) &&
    !(spec.noNegativeZero && !/[1-9in]/.test(digits.split('e')[0] ?? ''))
  return padded(signOf(negative, spec), upper ? digits.toUpperCase() : digits, spec, '>', 3)
}

/** Without a type: as repr() has it, or as many digits as were asked for, one of them behind the point. */
function unnamed(size: number, spec: Spec): string {
  if (spec.precision === undefined) {
    const text = floatText(size)
    return spec.alternate && !text.includes('.') && Number.isFinite(size) ? text.replace('e', '.e') : text
  }
  const digits = floatDigits(size, 'g', spec.precision, spec.alternate, 1)
  return /[.en]/.test(digits) ? digits : `${digits}.0`
}

function signOf(negative: boolean, spec: Spec): string {
  return negative ? '-' : spec.sign === '-' ? '' : spec.sign
}

/** Groups the digits of `body`, and fills up to the width. */
function padded(head: string, body: string, spec: Spec, standard: '<' | '>', group = 0): string {
  // A zero before the width aligns numbers, and is no more than the fill of text.
  const align = spec.align ?? (spec.zero && group > 0 ? '=' : standard)
  const [whole = '', rest = ''] = group === 0 ? [body] : split(body)
  let digits = whole
  if (spec.grouping !== '' && group > 0 && /^[0-9a-fA-F]+$/.test(whole)) {
    const room = align === '=' && spec.fill === '0' ? spec.width - head.length - rest.length : 0
    digits = grouped(whole, spec.grouping, group, room)
  }
  const text = digits + rest
  const fill = Math.max(0, spec.width - points(head + text).length)
  if (align === '=') return head + spec.fill.repeat(fill) + text
  if (align === '<') return head + text + spec.fill.repeat(fill)
  if (align === '>') return spec.fill.repeat(fill) + head + text
  const left = Math.floor(fill / 2)
  return spec.fill.repeat(left) + head + text + spec.fill.repeat(fill - left)
}

/** The digits before the point, exponent or percent sign, and the rest. */
function split(body: string): [string, string] {
  const at = /^[0-9a-fA-F]+$/.test(body) ? -1 : body.search(/[^0-9]/)
  return at === -1 ? [body, ''] : [body.slice(0, at), body.slice(at)]
}

/** With zeros in front until it is `room` long, which are grouped too. */
function grouped(digits: string, separator: string, group: number, room: number): string {
  let padded = digits
  const length = (count: number): number => count + Math.floor((count - 1) / group)
  while (length(padded.length) < room) padded = `0${padded}`
  const first = padded.length % group || group
  const groups = [padded.slice(0, first)]
  for (let at = first; at < padded.length; at += group) groups.push(padded.slice(at, at + group))
  return groups.join(separator)
}

function unknownType(type: string, name: string): TemplateError {
  return valueError(`Unknown format code '${type}' for object of type '${name}'`)
}
