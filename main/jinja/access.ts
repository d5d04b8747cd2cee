/** value.name, value[key], value[a:b] and value(…), no further than Jinja2's sandbox for values that cannot change goes. */
import { bind } from './arguments.ts'
import { fieldOf, methodOf } from './collection-methods.ts'
import { isKind, typeError, valueError } from './errors.ts'
import { formatText } from './format-text.ts'
import { MARKED, MARKUP_METHODS } from './markup-methods.ts'
import { repr } from './print.ts'
import { toBig } from './numbers.ts'
import { TEXT_METHODS } from './text-methods.ts'
import { points, substring } from './text.ts'
import {
  Bytes,
  Callable,
  Dict,
  isInteger,
  isText,
  Markup,
  Namespace,
  Opaque,
  Range,
  Slice,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Keywords,
  type Value,
} from './values.ts'

/** Attributes that every object of Python has. They lead to its inside, so no template gets one. */
const INTERNAL = new Set(
  (
    '__class__ __delattr__ __dir__ __doc__ __eq__ __format__ __ge__ __getattribute__ __getstate__ __gt__ __hash__ __init__ ' +
    '__init_subclass__ __le__ __lt__ __ne__ __new__ __reduce__ __reduce_ex__ __repr__ __setattr__ __sizeof__ __str__ __subclasshook__'
  ).split(' '),
)
const INTERNAL_OF_DICT = new Set(
  '__class_getitem__ __contains__ __delitem__ __getitem__ __ior__ __iter__ __len__ __or__ __reversed__ __ror__ __setitem__'.split(
    ' ',
  ),
)
/** Methods that would change what others hold too. */
const CHANGES_LIST = new Set('append clear pop reverse insert sort extend remove'.split(' '))
const CHANGES_DICT = new Set('clear pop popitem setdefault update'.split(' '))

/** value.name: an attribute, or else an item of that name. */
export function getAttribute(value: Value, name: string): Value {
  const own = attribute(value, name)
  const found = own === undefined ? item(value, name) : own
  return found === undefined ? missing(value, name) : found
}

/** value[key]: an item, or else an attribute of that name. */
export function getItem(value: Value, key: Value): Value {
  const found = item(value, key)
  if (found !== undefined) return found
  const own = isText(key) ? attribute(value, textOf(key)) : undefined
  return own === undefined ? missing(value, key) : own
}

/** Whether Python's hasattr() finds it; an item of that name does not count. */
export function getOwnAttribute(value: Value, name: string): Value {
  const own = attribute(value, name)
  return own === undefined ? missing(value, name) : own
}

function missing(value: Value, key: Value): Undefined {
  return new Undefined(() => {
    if (isText(key)) return `'${describe(value)}' has no attribute ${repr(shortened(textOf(key)))}`
    return `${describe(value)} has no element ${isInteger(key) ? repr(key) : `of type ${typeName(key)}`}`
  })
}

const MOST_SHOWN = 100

function shortened(text: string): string {
  return text.length > MOST_SHOWN ? `${substring(text.slice(0, 2 * MOST_SHOWN), 0, MOST_SHOWN)}…` : text
}

function describe(value: Value): string {
  return value === null ? 'None' : `${typeName(value)} object`
}

function unsafe(value: Value, name: string): Undefined {
  return new Undefined(
    `access to attribute '${name}' of '${typeName(value)}' object is unsafe.`,
    'SecurityError',
  )
}

function attribute(value: Value, name: string): Value | undefined {
  const namesOwn = value instanceof Namespace
  if (namesOwn ? name === '__class__' : INTERNAL.has(name)) return unsafe(value, name)
  if (value instanceof Dict && INTERNAL_OF_DICT.has(name)) return unsafe(value, name)
  if (value instanceof Undefined) {
    if (name.startsWith('_undefined_')) return unsafe(value, name)
    throw value.fail()
  }
  if (namesOwn) {
    const found = value.attributes.get(name)
    return found !== undefined && name.startsWith('_') ? unsafe(value, name) : found
  }
  if (value instanceof Callable) return value.attributes(name)
  if (value instanceof Opaque) return value.faces.attribute(name)
  if (isText(value)) return textMethod(value, name)
  if (Array.isArray(value) && CHANGES_LIST.has(name)) return unsafe(value, name)
  if (value instanceof Dict && CHANGES_DICT.has(name)) return unsafe(value, name)
  const field = fieldOf(value, name)
  if (field !== undefined) return field
  const method = methodOf(value, name)
  if (!method) return undefined
  const [signature, call] = method
  return bound(value, name, (args, keywords) => call(bind(name, signature, args, keywords)))
}

function bound(
  value: Value,
  name: string,
  call: (args: readonly Value[], keywords: Keywords) => Value,
): Callable {
  const label =
    value instanceof Markup && MARKED.has(name)
      ? `<bound method Markup.${name} of ${repr(value)}>`
      : `<built-in method ${name} of ${typeName(value)} object>`
  return new Callable(label, call)
}

function textMethod(value: string | Markup, name: string): Value | undefined {
  const text = textOf(value)
  if (name === 'format') {
    return bound(value, name, (args, keywords) => formatText(value, args, (key) => keywords.get(key), REACH))
  }
  if (name === 'format_map') {
    return bound(value, name, (args, keywords) => {
      const [mapping] = bind(name, 'mapping /', args, keywords)
      return formatText(value, [], (key) => pythonItem(mapping as Value, key), REACH)
    })
  }
  const method = (value instanceof Markup ? MARKUP_METHODS : TEXT_METHODS).get(name)
  if (!method) return undefined
  return bound(value, name, (args, keywords) =>
    method.call(text, bind(name, method.signature, args, keywords)),
  )
}

const REACH = { attribute: getAttribute, item: getItem }

/** value[key] as Python has it, without an attribute's help; undefined where it would be an error of type or lookup. */
function item(value: Value, key: Value): Value | undefined {
  try {
    return pythonItem(value, key)
  } catch (error) {
    if (isKind(error, 'TypeError', 'KeyError', 'IndexError')) return undefined
    throw error
  }
}

function pythonItem(value: Value, key: Value): Value | undefined {
  if (value instanceof Undefined) throw value.fail()
  if (value instanceof Dict) return value.get(key)
  if (value instanceof Opaque) return value.faces.item?.(key)
  if (key instanceof Slice) return slice(value, key.start, key.stop, key.step)
  if (!isInteger(key)) return undefined
  const units = unitsOf(value)
  if (units === undefined) return undefined
  const length = BigInt(units.length)
  const index = toBig(key) < 0n ? toBig(key) + length : toBig(key)
  if (index < 0n || index >= length) return undefined
  return units.at(Number(index))
}

/** What can be indexed: its length, and what lies where. */
interface Units {
  length: number
  at(index: number): Value
  build(items: Value[]): Value
}

function unitsOf(value: Value): Units | undefined {
  if (isText(value)) {
    const units = points(textOf(value))
    const build = (text: string): Value => (value instanceof Markup ? new Markup(text) : text)
    return {
      length: units.length,
      at: (index) => build(units[index] as string),
      build: (items) => build(items.map((part) => textOf(part as string)).join('')),
    }
  }
  const items = Array.isArray(value) ? value : value instanceof Tuple ? value.items : undefined
  if (items)
    return {
      length: items.length,
      at: (index) => items[index] as Value,
      build: (parts) => (Array.isArray(value) ? parts : new Tuple(parts)),
    }
  if (value instanceof Bytes)
    return {
      length: value.data.length,
      at: (index) => BigInt(value.data[index] as number),
      build: (items) => new Bytes(items.map(Number)),
    }
  if (value instanceof Range)
    return { length: value.length, at: (index) => value.at(index), build: (parts) => parts }
  return undefined
}

/** value[start:stop:step]. */
export function slice(value: Value, start: Value, stop: Value, step: Value): Value {
  if (value instanceof Undefined) throw value.fail()
  if (value instanceof Dict) throw typeError("unhashable type: 'slice'")
  const units = unitsOf(value)
  if (!units) throw typeError(`'${typeName(value)}' object is not subscriptable`)
  const [first, last, by] = bounds(units.length, start, stop, step)
  if (value instanceof Range)
    return new Range(value.start + first * value.step, value.start + last * value.step, value.step * by)
  if (typeof value === 'string' && by === 1n) {
    const characters = points(value)
    const part = characters.slice(Number(first), Number(last))
    return typeof part === 'string' ? part : part.join('')
  }
  const items: Value[] = []
  for (let i = first; by > 0n ? i < last : i > last; i += by) items.push(units.at(Number(i)))
  return units.build(items)
}

function bounds(length: number, start: Value, stop: Value, step: Value): [bigint, bigint, bigint] {
  const number = (value: Value): bigint | null => {
    if (value === null) return null
    if (!isInteger(value))
      throw typeError('slice indices must be integers or None or have an __index__ method')
    return toBig(value)
  }
  const by = number(step) ?? 1n
  if (by === 0n) throw valueError('slice step cannot be zero')
  const size = BigInt(length)
  const [lowest, highest] = by > 0n ? [0n, size] : [-1n, size - 1n]
  const inside = (value: bigint | null, standard: bigint): bigint => {
    if (value === null) return standard
    const index = value < 0n ? value + size : value
    return index < lowest ? lowest : index > highest ? highest : index
  }
  return [
    inside(number(start), by > 0n ? lowest : highest),
    inside(number(stop), by > 0n ? highest : lowest),
    by,
  ]
}

/** callee(*args, **keywords). */
export function call(callee: Value, args: readonly Value[], keywords: Keywords): Value {
  if (callee instanceof Callable) return callee.call(args, keywords)
  if (callee instanceof Opaque && callee.faces.call) return callee.faces.call(args, keywords)
  if (callee instanceof Undefined) throw callee.fail()
  throw typeError(`'${typeName(callee)}' object is not callable`)
}

/** callable(value): an undefined value says yes, and fails when it is called. */
export function isCallable(value: Value): boolean {
  return (
    value instanceof Callable ||
    value instanceof Undefined ||
    (value instanceof Opaque && value.faces.call !== undefined)
  )
}
