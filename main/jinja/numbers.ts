/** Python's numbers: from text, to text, exactly rounded, and the arithmetic that differs from JavaScript's. */
import { TemplateError, typeError, valueError } from './errors.ts'
import { isNumber, isText, textOf, typeName, Undefined, type PythonNumber, type Value } from './values.ts'
import { stripLeft, stripRight } from './text.ts'

/** A bool or int as bigint. */
export function toBig(value: boolean | bigint): bigint {
  return typeof value === 'bigint' ? value : value ? 1n : 0n
}

/** float(number); an int beyond what a float holds is an error. */
export function toFloat(value: PythonNumber): number {
  const result = Number(value)
  if (typeof value === 'bigint' && !Number.isFinite(result))
    throw new TemplateError('OverflowError', 'int too large to convert to float')
  return result
}

/** An int that counts something: an index, a width, a number of copies. */
export function toIndex(value: Value, what = 'an integer'): number {
  if (typeof value !== 'bigint' && typeof value !== 'boolean') {
    if (value instanceof Undefined && what === 'int()') throw value.fail()
    throw typeError(`'${typeName(value)}' object cannot be interpreted as an integer`)
  }
  const big = toBig(value)
  const limit = BigInt(Number.MAX_SAFE_INTEGER)
  if (big > limit || big < -limit)
    throw new TemplateError('OverflowError', 'Python int too large to convert to C ssize_t')
  return Number(big)
}

/** int(float). */
export function truncated(value: number): bigint {
  if (Number.isNaN(value)) throw valueError('cannot convert float NaN to integer')
  if (!Number.isFinite(value))
    throw new TemplateError('OverflowError', 'cannot convert float infinity to integer')
  return BigInt(Math.trunc(value))
}

/** Digits of every script as ASCII ones. */
function asciiDigits(text: string): string {
  return text.replace(/(?![0-9])\p{Nd}/gu, (digit) => {
    // Ten digits of a script lie side by side, and the first of them stands where the run of digits begins.
    const code = digit.codePointAt(0) as number
    for (let value = 0; value < 10; value++) {
      if (
        !/^\p{Nd}$/u.test(String.fromCodePoint(code - value - 1)) ||
        (code - value) % 16 === 0 ||
        (code - value) % 16 === 6
      )
        return String(value)
    }
    return digit
  })
}

const MAX_DIGITS = 4300

/** int(text, base). */
export function parseInteger(source: string, base = 10): bigint {
  const wrong = (): TemplateError =>
    valueError(`invalid literal for int() with base ${base}: ${JSON.stringify(source)}`)
  if (base !== 0 && (base < 2 || base > 36)) throw valueError('int() base must be >= 2 and <= 36, or 0')
  const text = asciiDigits(stripRight(stripLeft(source, null), null))
  const match = /^([+-]?)(0[xob]_?)?([0-9a-z]+(?:_[0-9a-z]+)*)$/i.exec(text)
  if (!match) throw wrong()
  const [, sign, rawPrefix, rawDigits] = match as unknown as [string, string, string | undefined, string]
  const prefixBase =
    rawPrefix === undefined
      ? undefined
      : { x: 16, o: 8, b: 2 }[rawPrefix[1]?.toLowerCase() as 'x' | 'o' | 'b']
  const usesPrefix = prefixBase !== undefined && (base === 0 || base === prefixBase)
  const digits = (usesPrefix || rawPrefix === undefined ? rawDigits : rawPrefix + rawDigits)
    .replaceAll('_', '')
    .toLowerCase()
  const radix = base === 0 ? (prefixBase ?? 10) : base
  if (base === 0 && prefixBase === undefined && /^0+[1-9]/.test(digits)) throw wrong()
  if (radix & (radix - 1) && digits.length > MAX_DIGITS)
    throw valueError(`Exceeds the limit (${MAX_DIGITS} digits) for integer string conversion`)
  let value = 0n
  for (const digit of digits) {
    const one = Number.parseInt(digit, 36)
    if (one >= radix) throw wrong()
    if (radix !== 10) value = value * BigInt(radix) + BigInt(one)
  }
  if (radix === 10) value = BigInt(digits)
  return sign === '-' ? -value : value
}

const FLOAT =
  /^[+-]?(?:(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?|inf(?:inity)?|nan)$/i

/** float(text). */
export function parseFloatText(source: string): number {
  const text = asciiDigits(stripRight(stripLeft(source, null), null)).toLowerCase()
  if (!FLOAT.test(text)) throw valueError(`could not convert string to float: ${JSON.stringify(source)}`)
  if (text.includes('n')) return text.includes('nan') ? NaN : text.startsWith('-') ? -Infinity : Infinity
  return Number(text.replaceAll('_', ''))
}

/** int(value). */
export function int(value: Value): bigint {
  if (typeof value === 'number') return truncated(value)
  if (typeof value === 'bigint' || typeof value === 'boolean') return toBig(value)
  if (isText(value)) return parseInteger(textOf(value))
  if (value instanceof Undefined) throw value.fail()
  throw typeError(
    `int() argument must be a string, a bytes-like object or a real number, not '${typeName(value)}'`,
  )
}

/** float(value). */
export function float(value: Value): number {
  if (isNumber(value)) return toFloat(value)
  if (isText(value)) return parseFloatText(textOf(value))
  if (value instanceof Undefined) throw value.fail()
  throw typeError(`float() argument must be a string or a real number, not '${typeName(value)}'`)
}

/** str(int). */
export function integerText(value: bigint): string {
  const text = value.toString()
  if (text.length > MAX_DIGITS + (value < 0n ? 1 : 0))
    throw valueError(`Exceeds the limit (${MAX_DIGITS} digits) for integer string conversion`)
  return text
}

/** repr(float): the shortest digits that read back as the same number. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf'
  if (Object.is(value, -0)) return '-0.0'
  const [mantissa = '', power = '0'] = value.toExponential().split('e')
  const exponent = Number(power)
  if (exponent < -4 || exponent >= 16) return `${mantissa}e${signedExponent(exponent)}`
  const text = Math.abs(value) < 1e21 && exponent < 0 ? plainSmall(mantissa, exponent) : String(value)
  return text.includes('.') ? text : `${text}.0`
}

function plainSmall(mantissa: string, exponent: number): string {
  const sign = mantissa.startsWith('-') ? '-' : ''
  return `${sign}0.${'0'.repeat(-exponent - 1)}${mantissa.replace(/[-.]/g, '')}`
}

export function signedExponent(exponent: number): string {
  return `${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}

/** A finite float as a fraction of two integers, the second a power of two. */
function fraction(value: number): [bigint, bigint] {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  const bits = view.getBigUint64(0)
  const exponent = Number((bits >> 52n) & 0x7ffn)
  const mantissa = (bits & 0xfffffffffffffn) | (exponent === 0 ? 0n : 1n << 52n)
  const power = Math.max(exponent, 1) - 1075
  const signed = value < 0 ? -mantissa : mantissa
  return power >= 0 ? [signed << BigInt(power), 1n] : [signed, 1n << BigInt(-power)]
}

/** value * 10**digits, rounded half to even; `value` is not negative. */
function scaled(value: number, digits: number): bigint {
  const [numerator, denominator] = fraction(value)
  const up = digits >= 0 ? numerator * 10n ** BigInt(digits) : numerator
  const down = digits >= 0 ? denominator : denominator * 10n ** BigInt(-digits)
  return divideHalfEven(up, down)
}

/** Of two positive integers. */
export function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator
  const twice = (numerator % denominator) * 2n
  if (twice > denominator || (twice === denominator && quotient % 2n === 1n)) return quotient + 1n
  return quotient
}

/** The digits of '%.{digits}f' of a finite number that is not negative. */
export function fixed(value: number, digits: number): string {
  const text = scaled(value, digits)
    .toString()
    .padStart(digits + 1, '0')
  return digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`
}

/** Mantissa digits and exponent of '%.{digits}e' of a finite number that is not negative. */
export function exponential(value: number, digits: number): { digits: string; exponent: number } {
  if (value === 0) return { digits: '0'.repeat(digits + 1), exponent: 0 }
  let exponent = Number(value.toExponential().split('e')[1])
  let text = scaled(value, digits - exponent).toString()
  // Rounding up may have made one digit more: 9.99 with one digit is 1.0e1.
  if (text.length > digits + 1) {
    exponent++
    text = scaled(value, digits - exponent).toString()
  }
  return { digits: text, exponent }
}

/** round(value, digits); null: no digits were asked for, and the result is an int. */
export function round(value: PythonNumber, digits: number | null): PythonNumber {
  if (typeof value !== 'number') {
    const big = toBig(value)
    if (digits === null || digits >= 0) return big
    const unit = 10n ** BigInt(-digits)
    const rounded = divideHalfEven(big < 0n ? -big : big, unit) * unit
    return big < 0n ? -rounded : rounded
  }
  if (digits === null) {
    truncated(value)
    const whole = scaled(Math.abs(value), 0)
    return value < 0 ? -whole : whole
  }
  if (!Number.isFinite(value) || digits > 323) return value
  if (digits < -308) return value < 0 ? -0 : 0
  const amount = scaled(Math.abs(value), digits)
  const rounded = digits >= 0 ? Number(`${amount}e-${digits}`) : Number(amount * 10n ** BigInt(-digits))
  if (!Number.isFinite(rounded))
    throw new TemplateError('OverflowError', 'rounded value too large to represent')
  return value < 0 || Object.is(value, -0) ? -rounded : rounded
}

const zeroDivision = (message: string): TemplateError => new TemplateError('ZeroDivisionError', message)

/** left / right. */
export function trueDivide(left: PythonNumber, right: PythonNumber): number {
  if (Number(right) === 0)
    throw zeroDivision(
      typeof left === 'number' || typeof right === 'number' ? 'float division by zero' : 'division by zero',
    )
  if (typeof left === 'number' || typeof right === 'number') return toFloat(left) / toFloat(right)
  const [a, b] = [toBig(left), toBig(right)]
  if (Number.isSafeInteger(Number(a)) && Number.isSafeInteger(Number(b))) return Number(a) / Number(b)
  const negative = a < 0n !== b < 0n
  const [up, down] = [a < 0n ? -a : a, b < 0n ? -b : b]
  // A quotient of at least 66 bits, its last one kept set where a rest is left, rounds as the true quotient does.
  const shift = Math.max(0, down.toString(2).length - up.toString(2).length + 66)
  const shifted = up << BigInt(shift)
  const quotient = shifted / down
  const result =
    Number(shifted % down === 0n ? quotient : quotient | 1n) /
    2 ** Math.min(shift, 1000) /
    2 ** Math.max(0, shift - 1000)
  if (!Number.isFinite(result))
    throw new TemplateError('OverflowError', 'integer division result too large for a float')
  return negative ? -result : result
}

/** Quotient and rest of floor division. */
export function divideFloor(left: PythonNumber, right: PythonNumber): [PythonNumber, PythonNumber] {
  if (typeof left !== 'number' && typeof right !== 'number') {
    const [a, b] = [toBig(left), toBig(right)]
    if (b === 0n) throw zeroDivision('integer division or modulo by zero')
    const rest = a % b
    const moves = rest !== 0n && rest < 0n !== b < 0n
    return [a / b - (moves ? 1n : 0n), moves ? rest + b : rest]
  }
  const [a, b] = [toFloat(left), toFloat(right)]
  if (b === 0) throw zeroDivision('float floor division by zero')
  let rest = a % b
  let quotient = (a - rest) / b
  if (rest !== 0) {
    if (b < 0 !== rest < 0) {
      rest += b
      quotient -= 1
    }
  } else rest = b < 0 ? -0 : 0
  if (quotient === 0) return [a / b < 0 || Object.is(a / b, -0) ? -0 : 0, rest]
  const floor = Math.floor(quotient)
  return [quotient - floor > 0.5 ? floor + 1 : floor, rest]
}

/** left ** right. */
export function power(left: PythonNumber, right: PythonNumber): PythonNumber {
  if (typeof left !== 'number' && typeof right !== 'number') {
    const [base, exponent] = [toBig(left), toBig(right)]
    if (exponent >= 0n) return bigPower(base, exponent)
  }
  const [base, exponent] = [toFloat(left), toFloat(right)]
  if (base === 0 && exponent < 0) throw zeroDivision('0.0 cannot be raised to a negative power')
  if (base < 0 && Number.isFinite(base) && Number.isFinite(exponent) && !Number.isInteger(exponent))
    throw valueError(
      'a negative number to the power of a fraction is a complex number, which templates here do not have',
    )
  // IEEE says 1 where JavaScript says NaN.
  if (base === 1 || (base === -1 && !Number.isFinite(exponent) && !Number.isNaN(exponent))) return 1
  const result = base ** exponent
  if (!Number.isFinite(result) && Number.isFinite(base) && Number.isFinite(exponent))
    throw new TemplateError('OverflowError', 'Numerical result out of range')
  return result
}

/** Far more than a number that may be printed has; where it is only computed, it costs memory and time alone. */
const MAX_BITS = 1_000_000

function bigPower(base: bigint, exponent: bigint): bigint {
  const bits = base < 0n ? (-base).toString(2).length : base.toString(2).length
  if (bits > 1 && exponent * BigInt(bits) > MAX_BITS)
    throw new TemplateError('OverflowError', 'the power is too large')
  return base ** exponent
}
