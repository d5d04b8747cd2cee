/** Typed looks into metadata. What is absent is undefined (or the fallback); what has the wrong form is MODEL_INVALID. */
import { KigoError } from '../../contract/errors.ts'
import type { Metadata, MetadataArray, MetadataValue } from './types.ts'

export interface Range {
  min: number
  max: number
}

export function textOf(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key)
  if (value === undefined || typeof value === 'string') return value
  throw invalidKey(key, `is ${show(value)}, not text`)
}

export function flagOf(metadata: Metadata, key: string): boolean | undefined {
  const value = metadata.get(key)
  if (value === undefined || typeof value === 'boolean') return value
  throw invalidKey(key, `is ${show(value)}, not true or false`)
}

/** A whole number within the range. */
export function integerOf(metadata: Metadata, key: string, range: Range): number | undefined {
  const value = metadata.get(key)
  return value === undefined ? undefined : checkInteger(key, value, range)
}

/** A finite number within the range. */
export function numberOf(metadata: Metadata, key: string, range: Range): number | undefined {
  const value = metadata.get(key)
  if (value === undefined) return undefined
  if (typeof value === 'number' && value >= range.min && value <= range.max) return value
  throw invalidKey(key, `is ${show(value)}; it must lie in ${range.min} to ${range.max}`)
}

/** As integerOf; MODEL_INVALID where the key is missing. */
export function requiredInteger(metadata: Metadata, key: string, range: Range): number {
  return integerOf(metadata, key, range) ?? raiseMissing(key)
}

/** As numberOf; MODEL_INVALID where the key is missing. */
export function requiredNumber(metadata: Metadata, key: string, range: Range): number {
  return numberOf(metadata, key, range) ?? raiseMissing(key)
}

export function checkInteger(key: string, value: MetadataValue, range: Range): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= range.min && value <= range.max)
    return value
  throw invalidKey(key, `is ${show(value)}; it must be a whole number from ${range.min} to ${range.max}`)
}

export function textsOf(metadata: Metadata, key: string): string[] | undefined {
  const value = metadata.get(key)
  if (value === undefined) return undefined
  if (Array.isArray(value) && (value.length === 0 || typeof value[0] === 'string')) return value as string[]
  throw invalidKey(key, `is ${show(value)}, not a list of texts`)
}

/** The entries of an array of whatever type; undefined for a scalar. For short arrays: numbers get boxed. */
export function entriesOf(value: MetadataValue): MetadataValue[] | undefined {
  return isArray(value) ? Array.from(value as ArrayLike<MetadataValue>) : undefined
}

function isArray(value: MetadataValue): value is MetadataArray {
  return typeof value === 'object'
}

export function raiseMissing(key: string): never {
  throw invalidKey(key, 'is missing')
}

export function invalidKey(key: string, problem: string, data: Record<string, unknown> = {}): KigoError {
  return new KigoError(
    'MODEL_INVALID',
    `The file is damaged or was made wrongly: metadata key ${key} ${problem}.`,
    {
      data: { key, ...data },
    },
  )
}

/** A text of the file in a message. It may be as long as the header. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 63)}…` : text)
}

/** A value in a message. */
export function show(value: MetadataValue): string {
  if (isArray(value)) return `an array of ${value.length}`
  return typeof value === 'string' ? quote(value) : String(value)
}
