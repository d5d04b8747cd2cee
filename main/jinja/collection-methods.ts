/** Attributes and methods of what is not text: lists, tuples, dictionaries, numbers and the rest. */
import type { Arguments } from './arguments.ts'
import { bind } from './arguments.ts'
import { bytesMethod } from './bytes.ts'
import { typeError, valueError } from './errors.ts'
import { equal } from './operators.ts'
import { toBig } from './numbers.ts'
import { clamp } from './text-search.ts'
import {
  Bytes,
  Dict,
  DictView,
  each,
  isNumber,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

type Method = [signature: string, call: (args: Arguments) => Value]

/** The methods of a value by their name; undefined: it has none of that name. */
export function methodOf(value: Value, name: string): Method | undefined {
  if (Array.isArray(value)) {
    if (name === 'copy') return ['', () => [...value]]
    return sequenceMethod(value, name)
  }
  if (value instanceof Tuple) return sequenceMethod(value.items, name)
  if (value instanceof Range) return rangeMethod(value, name)
  if (value instanceof Dict) return dictMethod(value, name)
  if (value instanceof DictView && name === 'isdisjoint' && value.kind !== 'dict_values')
    return [
      'other /',
      ([other]) =>
        ![...each(other as Value)].some((item) => [...value.items()].some((own) => equal(own, item))),
    ]
  if (value instanceof Bytes) return bytesMethod(value, name)
  return isNumber(value) ? numberMethod(value, name) : undefined
}

/** What is there without a call. */
export function fieldOf(value: Value, name: string): Value | undefined {
  if (isNumber(value)) {
    const plain = typeof value === 'boolean' ? toBig(value) : value
    if (name === 'real') return plain
    if (name === 'imag') return typeof plain === 'number' ? 0.0 : 0n
    if (typeof plain !== 'bigint') return undefined
    return name === 'numerator' ? plain : name === 'denominator' ? 1n : undefined
  }
  if (value instanceof Range && (name === 'start' || name === 'stop' || name === 'step')) return value[name]
  if (value instanceof Tuple) {
    const at = value.names.indexOf(name)
    return at === -1 ? undefined : value.items[at]
  }
  return undefined
}

function sequenceMethod(items: readonly Value[], name: string): Method | undefined {
  if (name === 'count')
    return [
      'value /',
      ([wanted]) => BigInt(items.filter((item) => item === wanted || equal(item, wanted as Value)).length),
    ]
  if (name !== 'index') return undefined
  return [
    'value start? stop? /',
    ([wanted, start, stop]) => {
      if (start === null || stop === null)
        throw typeError('slice indices must be integers or have an __index__ method')
      const [from, to] = [clamp(start, items.length, 0), clamp(stop, items.length, items.length)]
      const at = items.findIndex(
        (item, i) => i >= from && i < to && (item === wanted || equal(item, wanted as Value)),
      )
      if (at === -1) throw valueError('the value is not in the list')
      return BigInt(at)
    },
  ]
}

function rangeMethod(range: Range, name: string): Method | undefined {
  if (name !== 'count' && name !== 'index') return undefined
  return [
    'value /',
    ([wanted]) => {
      const at = [...range.items()].findIndex((item) => equal(item, wanted as Value))
      if (name === 'count') return at === -1 ? 0n : 1n
      if (at === -1) throw valueError('the value is not in the range')
      return BigInt(at)
    },
  ]
}

function dictMethod(dict: Dict, name: string): Method | undefined {
  switch (name) {
    case 'get':
      return [
        'key default? /',
        ([key, standard = null]) => (dict.has(key as Value) ? (dict.get(key as Value) as Value) : standard),
      ]
    case 'keys':
    case 'values':
    case 'items':
      return ['', () => new DictView(`dict_${name}`, dict)]
    case 'copy':
      return ['', () => new Dict(dict.entries())]
    case 'fromkeys':
      return [
        'iterable value? /',
        ([keys, value = null]) => new Dict([...each(keys as Value)].map((key) => [key, value] as const)),
      ]
  }
  return undefined
}

function numberMethod(value: boolean | bigint | number, name: string): Method | undefined {
  if (name === 'conjugate') return ['', () => (typeof value === 'boolean' ? toBig(value) : value)]
  if (typeof value === 'number') {
    if (name === 'is_integer') return ['', () => Number.isInteger(value)]
    return name === 'hex' || name === 'as_integer_ratio' ? ['', () => notHere(name)] : undefined
  }
  const big = toBig(value)
  const size = (big < 0n ? -big : big).toString(2)
  switch (name) {
    case 'bit_length':
      return ['', () => (big === 0n ? 0n : BigInt(size.length))]
    case 'bit_count':
      return ['', () => BigInt(size.replaceAll('0', '').length)]
    case 'as_integer_ratio':
      return ['', () => new Tuple([big, 1n])]
    case 'to_bytes':
      return ['length? byteorder?', () => notHere(name)]
  }
  return undefined
}

function notHere(name: string): never {
  throw typeError(`${name}() is not available to templates here`)
}

/** dict(mapping or pairs, **keywords). */
export function makeDict(args: readonly Value[], keywords: Iterable<readonly [string, Value]>): Dict {
  const [source] = bind('dict', 'mapping? /', args)
  const dict = new Dict()
  if (source instanceof Dict) for (const [key, value] of source.entries()) dict.set(key, value)
  else if (source instanceof Undefined) throw source.fail()
  else if (source !== undefined) {
    for (const pair of each(source)) {
      const [key, value, ...more] = each(pair)
      if (key === undefined || value === undefined || more.length > 0)
        throw valueError(
          `dictionary update sequence has an element of type ${typeName(pair)} that is no pair`,
        )
      dict.set(key, value)
    }
  }
  for (const [key, value] of keywords) dict.set(key, value)
  return dict
}
