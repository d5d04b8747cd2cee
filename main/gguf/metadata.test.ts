import { describe, expect, it } from 'vitest'
import type { KigoError } from '../../contract/errors.ts'
import {
  entriesOf,
  flagOf,
  integerOf,
  invalidKey,
  numberOf,
  quote,
  raiseMissing,
  requiredInteger,
  requiredNumber,
  show,
  textOf,
  textsOf,
} from './metadata.ts'
import type { MetadataValue } from './types.ts'

const of = (value: MetadataValue): Map<string, MetadataValue> => new Map([['k', value]])
const NONE = new Map<string, MetadataValue>()
const RANGE = { min: 1, max: 3 }

const errorOf = (act: () => unknown): KigoError => {
  try {
    act()
  } catch (error) {
    return error as KigoError
  }
  return expect.unreachable('nothing was refused')
}
const problemOf = (act: () => unknown): string => {
  const { code, message, data } = errorOf(act)
  expect(code).toBe('MODEL_INVALID')
  expect(data).toEqual({ key: 'k' })
  const [, problem] = /^The file is damaged or was made wrongly: metadata key k (.*)\.$/.exec(message) ?? []
  return problem ?? message
}

describe('a value of metadata', () => {
  it('is undefined where the key is absent', () => {
    expect(textOf(NONE, 'k')).toBeUndefined()
    expect(flagOf(NONE, 'k')).toBeUndefined()
    expect(integerOf(NONE, 'k', RANGE)).toBeUndefined()
    expect(numberOf(NONE, 'k', RANGE)).toBeUndefined()
    expect(textsOf(NONE, 'k')).toBeUndefined()
  })

  it('that must be there is refused by its key where it is not', () => {
    expect(problemOf(() => requiredInteger(NONE, 'k', RANGE))).toBe('is missing')
    expect(problemOf(() => requiredNumber(NONE, 'k', RANGE))).toBe('is missing')
    expect(problemOf(() => raiseMissing('k'))).toBe('is missing')
  })

  it('is given as it is where it has the form that is asked for', () => {
    expect(textOf(of(''), 'k')).toBe('')
    expect(flagOf(of(false), 'k')).toBe(false)
    for (const number of [1, 2, 3]) {
      expect(integerOf(of(number), 'k', RANGE)).toBe(number)
      expect(requiredInteger(of(number), 'k', RANGE)).toBe(number)
      expect(requiredNumber(of(number), 'k', RANGE)).toBe(number)
    }
    expect(numberOf(of(1.5), 'k', RANGE)).toBe(1.5)
    expect(textsOf(of(['a', 'b']), 'k')).toEqual(['a', 'b'])
    expect(textsOf(of([]), 'k')).toEqual([])
  })

  it.each([
    [() => textOf(of(1), 'k'), 'is 1, not text'],
    [() => textOf(of(['a']), 'k'), 'is an array of 1, not text'],
    [() => flagOf(of('yes'), 'k'), 'is "yes", not true or false'],
    [() => flagOf(of(1), 'k'), 'is 1, not true or false'],
    [() => integerOf(of(0), 'k', RANGE), 'is 0; it must be a whole number from 1 to 3'],
    [() => integerOf(of(4), 'k', RANGE), 'is 4; it must be a whole number from 1 to 3'],
    [() => integerOf(of(1.5), 'k', RANGE), 'is 1.5; it must be a whole number from 1 to 3'],
    [() => integerOf(of('2'), 'k', RANGE), 'is "2"; it must be a whole number from 1 to 3'],
    [() => integerOf(of(2n), 'k', RANGE), 'is 2; it must be a whole number from 1 to 3'],
    [() => numberOf(of(0.9), 'k', RANGE), 'is 0.9; it must lie in 1 to 3'],
    [() => numberOf(of(3.1), 'k', RANGE), 'is 3.1; it must lie in 1 to 3'],
    [() => numberOf(of(NaN), 'k', RANGE), 'is NaN; it must lie in 1 to 3'],
    [() => numberOf(of('2'), 'k', RANGE), 'is "2"; it must lie in 1 to 3'],
    [() => textsOf(of('a'), 'k'), 'is "a", not a list of texts'],
    [() => textsOf(of([true]), 'k'), 'is an array of 1, not a list of texts'],
    [() => textsOf(of(new Uint8Array(2)), 'k'), 'is an array of 2, not a list of texts'],
  ])('is refused by its key otherwise: %s', (act, problem) => {
    expect(problemOf(act)).toBe(problem)
  })

  it('is a list of entries where it is an array of any type', () => {
    expect(entriesOf(new Uint8Array([1, 2]))).toEqual([1, 2])
    expect(entriesOf([true, false])).toEqual([true, false])
    expect(entriesOf('ab')).toBeUndefined()
    expect(entriesOf(1)).toBeUndefined()
  })
})

describe('in a message', () => {
  it('a key is told with whatever else is known of it', () => {
    expect(invalidKey('k', 'is odd', { token: 7 })).toMatchObject({
      code: 'MODEL_INVALID',
      data: { key: 'k', token: 7 },
    })
  })

  it('a text is quoted, and cut to 64 characters', () => {
    expect(quote('a\n"b"')).toBe(String.raw`"a\n\"b\""`)
    expect(quote('x'.repeat(64))).toBe(`"${'x'.repeat(64)}"`)
    expect(quote('x'.repeat(65))).toBe(`"${'x'.repeat(63)}…"`)
  })

  it('a value is shown as a person would write it', () => {
    const values: MetadataValue[] = [1.5, 2n, true, 'a', new Float32Array(3), []]
    expect(values.map(show)).toEqual(['1.5', '2', 'true', '"a"', 'an array of 3', 'an array of 0'])
  })
})
