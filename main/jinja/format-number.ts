/** What the two ways of formatting have in common: digits of numbers, before sign, width and fill. */
import { exponential, fixed, signedExponent } from './numbers.ts'

export type FloatType = 'e' | 'f' | 'g'

/** Digits of a number that is not negative. `alternate` keeps the point and zeros that would go. */
export function floatDigits(
  value: number,
  type: FloatType,
  precision: number,
  alternate: boolean,
  general = 0,
): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return 'inf'
  if (type === 'f') return fixed(value, precision) + (alternate && precision === 0 ? '.' : '')
  if (type === 'e') return scientific(value, precision, alternate)
  const significant = Math.max(precision, 1)
  const { digits, exponent } = exponential(value, significant - 1)
  if (exponent < -4 || exponent >= significant - general) {
    const mantissa = alternate ? digits : digits.replace(/(?!^)0+$/, '')
    const point = mantissa.length > 1 || alternate ? '.' : ''
    return `${mantissa[0]}${point}${mantissa.slice(1)}e${signedExponent(exponent)}`
  }
  const text = fixed(value, Math.max(0, significant - 1 - exponent))
  if (alternate) return text.includes('.') ? text : `${text}.`
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

function scientific(value: number, precision: number, alternate: boolean): string {
  const { digits, exponent } = exponential(value, precision)
  const point = precision > 0 || alternate ? '.' : ''
  return `${digits[0]}${point}${digits.slice(1)}e${signedExponent(exponent)}`
}

export const RADIX = { b: 2, o: 8, d: 10, x: 16, X: 16 } as const
