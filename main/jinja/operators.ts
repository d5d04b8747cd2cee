/** Python's operators. What Python refuses is refused in the same places. */
import { TemplateError, typeError } from './errors.ts'
import { formatPercent } from './percent.ts'
import { divideFloor, power, toBig, toFloat, toIndex, trueDivide } from './numbers.ts'
import { escape } from './print.ts'
import { compareText } from './text.ts'
import {
  Bytes,
  Dict,
  DictView,
  each,
  isInteger,
  isNumber,
  isText,
  iteratorOf,
  Markup,
  Range,
  Slice,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type PythonNumber,
  type Value,
} from './values.ts'

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**'
export type CompareOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in'

export function binary(operator: BinaryOperator, left: Value, right: Value): Value {
  if (operator === '%' && isText(left)) return formatPercent(left, right)
  if (left instanceof Undefined) throw left.fail()
  if (right instanceof Undefined) throw right.fail()
  if (isNumber(left) && isNumber(right)) return arithmetic(operator, left, right)
  const result = operator === '+' ? join(left, right) : operator === '*' ? repeat(left, right) : undefined
  if (result === undefined)
    throw typeError(
      `unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`,
    )
  return result
}

function arithmetic(operator: BinaryOperator, left: PythonNumber, right: PythonNumber): PythonNumber {
  switch (operator) {
    case '/':
      return trueDivide(left, right)
    case '//':
      return divideFloor(left, right)[0]
    case '%':
      return divideFloor(left, right)[1]
    case '**':
      return power(left, right)
    default:
      return simple(operator, left, right)
  }
}

function simple(operator: '+' | '-' | '*', left: PythonNumber, right: PythonNumber): PythonNumber {
  if (typeof left === 'number' || typeof right === 'number') {
    const [a, b] = [toFloat(left), toFloat(right)]
    return operator === '+' ? a + b : operator === '-' ? a - b : a * b
  }
  const [a, b] = [toBig(left), toBig(right)]
  return operator === '+' ? a + b : operator === '-' ? a - b : a * b
}

function join(left: Value, right: Value): Value | undefined {
  if (isText(left) && isText(right)) {
    if (typeof left === 'string' && typeof right === 'string') return left + right
    return new Markup(escape(left).text + escape(right).text)
  }
  if (isText(left)) throw typeError(`can only concatenate str (not "${typeName(right)}") to str`)
  if (Array.isArray(left) && Array.isArray(right)) return [...left, ...right]
  if (left instanceof Tuple && right instanceof Tuple) return new Tuple([...left.items, ...right.items])
  if (left instanceof Bytes && right instanceof Bytes) return new Bytes([...left.data, ...right.data])
  return undefined
}

function repeat(left: Value, right: Value): Value | undefined {
  if (isInteger(left)) return isInteger(right) ? undefined : repeat(right, left)
  if (!isText(left) && !Array.isArray(left) && !(left instanceof Tuple)) return undefined
  if (!isInteger(right)) throw typeError(`can't multiply sequence by non-int of type '${typeName(right)}'`)
  const count = Math.max(0, toIndex(right))
  if (typeof left === 'string') return left.repeat(count)
  if (left instanceof Markup) return new Markup(left.text.repeat(count))
  const items = Array.isArray(left) ? left : left.items
  if (items.length * count > 2 ** 26) throw new TemplateError('OverflowError', 'the list would be too long')
  const repeated = Array.from({ length: count }, () => items).flat()
  return Array.isArray(left) ? repeated : new Tuple(repeated)
}

export function negate(value: Value): Value {
  if (value instanceof Undefined) throw value.fail()
  if (typeof value === 'number') return -value
  if (isInteger(value)) return -toBig(value)
  throw typeError(`bad operand type for unary -: '${typeName(value)}'`)
}

export function plus(value: Value): Value {
  if (value instanceof Undefined) throw value.fail()
  if (isNumber(value)) return typeof value === 'boolean' ? toBig(value) : value
  throw typeError(`bad operand type for unary +: '${typeName(value)}'`)
}

export function compare(operator: CompareOperator, left: Value, right: Value): boolean {
  switch (operator) {
    case '==':
      return equal(left, right)
    case '!=':
      return !equal(left, right)
    case 'in':
      return contains(right, left)
    case 'not in':
      return !contains(right, left)
    default:
      return ordered(operator, left, right)
  }
}

export function equal(left: Value, right: Value): boolean {
  if (left === right) return !Number.isNaN(left)
  if (isNumber(left) && isNumber(right)) return exact(left) === exact(right)
  if (isText(left) && isText(right)) return textOf(left) === textOf(right)
  if (Array.isArray(left) && Array.isArray(right)) return sameItems(left, right)
  if (left instanceof Tuple && right instanceof Tuple) return sameItems(left.items, right.items)
  if (left instanceof Bytes && right instanceof Bytes) return sameItems(left.data, right.data)
  if (left instanceof Dict && right instanceof Dict) {
    if (left.size !== right.size) return false
    for (const [key, value] of left.entries()) {
      const other = right.get(key)
      if (other === undefined || !same(value, other)) return false
    }
    return true
  }
  if (left instanceof DictView && right instanceof DictView) return sameViews(left, right)
  if (left instanceof Range && right instanceof Range)
    return (
      left.length === right.length &&
      (left.length === 0 || (left.start === right.start && (left.length === 1 || left.step === right.step)))
    )
  if (left instanceof Slice && right instanceof Slice)
    return same(left.start, right.start) && same(left.stop, right.stop) && same(left.step, right.step)
  return left instanceof Undefined && right instanceof Undefined
}

/** One form for all numbers that are equal, so that a large int is not rounded to a float. */
function exact(value: PythonNumber): bigint | number {
  if (typeof value !== 'number') return toBig(value)
  return Number.isInteger(value) ? BigInt(value) : value
}

/** What containers ask of their items: the same object is equal to itself, whatever it says. */
function same(left: Value, right: Value): boolean {
  return left === right || equal(left, right)
}

function sameItems(left: readonly Value[], right: readonly Value[]): boolean {
  return left.length === right.length && left.every((item, i) => same(item, right[i] as Value))
}

/** Keys and items compare as sets. */
function sameViews(left: DictView, right: DictView): boolean {
  if (left.kind === 'dict_values' || right.kind === 'dict_values' || left.dict.size !== right.dict.size)
    return false
  return [...left.items()].every((item) => contains(right, item))
}

type Order = '<' | '<=' | '>' | '>='

function ordered(operator: Order, left: Value, right: Value): boolean {
  if (isNumber(left) && isNumber(right)) return decide(operator, left, right)
  if (isText(left) && isText(right)) return decide(operator, compareText(textOf(left), textOf(right)), 0)
  const [a, b] = [sequence(left), sequence(right)]
  if (a && b && Array.isArray(left) === Array.isArray(right)) {
    const i = a.findIndex((item, at) => at >= b.length || !same(item, b[at] as Value))
    if (i === -1 || i >= b.length) return decide(operator, a.length, b.length)
    return ordered(operator, a[i] as Value, b[i] as Value)
  }
  if (left instanceof Undefined) throw left.fail()
  if (right instanceof Undefined) throw right.fail()
  if (
    left instanceof DictView &&
    right instanceof DictView &&
    left.kind !== 'dict_values' &&
    right.kind !== 'dict_values'
  )
    return orderedViews(operator, left, right)
  throw typeError(
    `'${operator}' not supported between instances of '${typeName(left)}' and '${typeName(right)}'`,
  )
}

function decide(operator: Order, a: PythonNumber, b: PythonNumber): boolean {
  return operator === '<' ? a < b : operator === '<=' ? a <= b : operator === '>' ? a > b : a >= b
}

const sequence = (value: Value): readonly Value[] | undefined =>
  Array.isArray(value) ? value : value instanceof Tuple ? value.items : undefined

/** Part of, or more than, another set. */
function orderedViews(operator: Order, left: DictView, right: DictView): boolean {
  if (operator === '>' || operator === '>=') return orderedViews(operator === '>' ? '<' : '<=', right, left)
  const inside = [...left.items()].every((item) => contains(right, item))
  return inside && (operator === '<=' || left.dict.size < right.dict.size)
}

export function lessThan(left: Value, right: Value): boolean {
  return ordered('<', left, right)
}

/** item in container. */
export function contains(container: Value, item: Value): boolean {
  if (isText(container)) {
    if (!isText(item)) {
      throw typeError(`'in <string>' requires string as left operand, not ${typeName(item)}`)
    }
    return textOf(container).includes(textOf(item))
  }
  if (container instanceof Dict) return container.has(item)
  if (container instanceof DictView && container.kind !== 'dict_values') {
    if (container.kind === 'dict_keys') return container.dict.has(item)
    if (!(item instanceof Tuple) || item.items.length !== 2) return false
    const found = container.dict.get(item.items[0] as Value)
    return found !== undefined && same(found, item.items[1] as Value)
  }
  if (!iteratorOf(container)) throw typeError(`argument of type '${typeName(container)}' is not iterable`)
  for (const one of each(container)) if (same(one, item)) return true
  return false
}
