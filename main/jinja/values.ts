/**
 * Python's values as a template sees them. None is null, bool is boolean, int is bigint, float is number, str is
 * string (counted in code points, see text.ts), list is an array; the rest are the classes here. A template never
 * holds an object of the host, so nothing of it can be reached by a clever name.
 */
import { TemplateError, typeError, type ErrorKind } from './errors.ts'

export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Markup
  | Bytes
  | Value[]
  | Tuple
  | Dict
  | DictView
  | Range
  | Slice
  | Generator
  | Undefined
  | Namespace
  | Callable
  | Opaque

/** Text that is known to be HTML: joined with plain text, it escapes that. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** What str.encode() gives. */
export class Bytes {
  readonly data: readonly number[]

  constructor(data: Iterable<number>) {
    this.data = [...data]
  }
}

export class Tuple {
  readonly items: readonly Value[]
  /** Names of the fields, where it is one of groupby's. */
  readonly names: readonly string[]

  constructor(items: readonly Value[], names: readonly string[] = []) {
    this.items = items
    this.names = names
  }
}

type Key = string | bigint | number | null | object

/** In the order of insertion; 1, 1.0 and true are one key, and the first of them stays. */
export class Dict {
  readonly #entries = new Map<Key, [Value, Value]>()

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    for (const [key, value] of entries) this.set(key, value)
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(hash(key))?.[1]
  }

  has(key: Value): boolean {
    return this.#entries.has(hash(key))
  }

  set(key: Value, value: Value): void {
    const place = hash(key)
    const entry = this.#entries.get(place)
    if (entry) entry[1] = value
    else this.#entries.set(place, [key, value])
  }

  entries(): IterableIterator<[Value, Value]> {
    return this.#entries.values()
  }
}

export type ViewKind = 'dict_keys' | 'dict_values' | 'dict_items'

/** What keys(), values() and items() give. */
export class DictView {
  readonly kind: ViewKind
  readonly dict: Dict

  constructor(kind: ViewKind, dict: Dict) {
    this.kind = kind
    this.dict = dict
  }

  *items(): IterableIterator<Value> {
    for (const [key, value] of this.dict.entries())
      yield this.kind === 'dict_keys' ? key : this.kind === 'dict_values' ? value : new Tuple([key, value])
  }
}

export class Range {
  readonly start: bigint
  readonly stop: bigint
  readonly step: bigint
  readonly length: number

  constructor(start: bigint, stop: bigint, step: bigint) {
    this.start = start
    this.stop = stop
    this.step = step
    const span = step > 0n ? stop - start : start - stop
    const size = step > 0n ? step : -step
    this.length = span <= 0n ? 0 : Number((span + size - 1n) / size)
  }

  at(index: number): bigint {
    return this.start + BigInt(index) * this.step
  }

  *items(): IterableIterator<bigint> {
    for (let i = 0; i < this.length; i++) yield this.at(i)
  }
}

/** A slice that stands for itself: an argument of a subscript. */
export class Slice {
  readonly start: Value
  readonly stop: Value
  readonly step: Value

  constructor(start: Value, stop: Value, step: Value) {
    this.start = start
    this.stop = stop
    this.step = step
  }
}

/** What can be gone through once: most filters of sequences give one. */
export class Generator {
  /** As Python prints it. */
  readonly label: string
  readonly iterator: Iterator<Value>

  constructor(label: string, iterator: Iterator<Value>) {
    this.label = label
    this.iterator = iterator
  }
}

/** Prints as nothing and is empty; any other use of it fails, with what is missing. */
export class Undefined {
  readonly #message: string | (() => string)
  readonly #kind: ErrorKind

  /** Most are never used, so their words may wait. */
  constructor(message: string | (() => string), kind: ErrorKind = 'UndefinedError') {
    this.#message = message
    this.#kind = kind
  }

  get message(): string {
    return typeof this.#message === 'string' ? this.#message : this.#message()
  }

  fail(): TemplateError {
    return new TemplateError(this.#kind, this.message)
  }
}

export class Namespace {
  readonly attributes: Dict

  constructor(attributes: Dict) {
    this.attributes = attributes
  }
}

export type Keywords = ReadonlyMap<string, Value>

/** A function, a macro, a class: what may be called. */
export class Callable {
  /** As Python prints it. */
  readonly label: string
  readonly call: (args: readonly Value[], keywords: Keywords) => Value
  readonly attributes: (name: string) => Value | undefined

  constructor(
    label: string,
    call: (args: readonly Value[], keywords: Keywords) => Value,
    attributes: (name: string) => Value | undefined = () => undefined,
  ) {
    this.label = label
    this.call = call
    this.attributes = attributes
  }
}

/** An object of Jinja2's own: a loop, a cycler, a joiner, `self`. */
export interface ObjectFaces {
  /** What type() says. */
  type: string
  print(): string
  attribute(name: string): Value | undefined
  item?(key: Value): Value | undefined
  call?(args: readonly Value[], keywords: Keywords): Value
  iterator?(): Iterator<Value>
  length?(): number
}
export class Opaque {
  readonly faces: ObjectFaces

  constructor(faces: ObjectFaces) {
    this.faces = faces
  }
}

export function isText(value: Value): value is string | Markup {
  return typeof value === 'string' || value instanceof Markup
}

/** The text of a str, marked or not. */
export function textOf(value: string | Markup): string {
  return typeof value === 'string' ? value : value.text
}

export type PythonNumber = boolean | bigint | number

export function isNumber(value: Value): value is PythonNumber {
  return typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean'
}

export function isInteger(value: Value): value is boolean | bigint {
  return typeof value === 'bigint' || typeof value === 'boolean'
}

/** What `type(value).__name__` says. */
export function typeName(value: Value): string {
  if (value === null) return 'NoneType'
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'float'
    case 'string':
      return 'str'
    default:
  }
  if (Array.isArray(value)) return 'list'
  if (value instanceof Tuple) return value.names.length > 0 ? '_GroupTuple' : 'tuple'
  if (value instanceof DictView) return value.kind
  if (value instanceof Generator) return 'generator'
  if (value instanceof Callable) return 'function'
  if (value instanceof Opaque) return value.faces.type
  if (value instanceof Dict) return 'dict'
  if (value instanceof Markup) return 'Markup'
  if (value instanceof Bytes) return 'bytes'
  if (value instanceof Range) return 'range'
  if (value instanceof Slice) return 'slice'
  return value instanceof Namespace ? 'Namespace' : 'Undefined'
}

/** bool(value). */
export function truth(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false
  // NaN is true in Python.
  if (typeof value === 'number') return value !== 0
  if (typeof value !== 'object') return Boolean(value)
  return sizeOf(value) !== 0
}

/** len(value); undefined where Python has none. */
export function sizeOf(value: Value): number | undefined {
  if (typeof value === 'string') return codePoints(value)
  if (value instanceof Markup) return codePoints(value.text)
  if (Array.isArray(value)) return value.length
  if (value instanceof Tuple) return value.items.length
  if (value instanceof Dict) return value.size
  if (value instanceof DictView) return value.dict.size
  if (value instanceof Range) return value.length
  if (value instanceof Bytes) return value.data.length
  if (value instanceof Undefined) return 0
  if (value instanceof Opaque) return value.faces.length?.()
  return undefined
}

export function length(value: Value): number {
  const size = sizeOf(value)
  if (size === undefined) throw typeError(`object of type '${typeName(value)}' has no len()`)
  return size
}

function codePoints(text: string): number {
  let pairs = 0
  for (let i = 0; i < text.length - 1; i++) {
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) pairs++
  }
  return text.length - pairs
}

/** iter(value); undefined where Python has none. */
export function iteratorOf(value: Value): Iterator<Value> | undefined {
  if (typeof value === 'string') return value[Symbol.iterator]()
  if (value instanceof Markup) return markedCharacters(value.text)
  if (Array.isArray(value)) return value[Symbol.iterator]()
  if (value instanceof Tuple) return value.items[Symbol.iterator]()
  if (value instanceof Dict) return new DictView('dict_keys', value).items()
  if (value instanceof DictView) return value.items()
  if (value instanceof Range) return value.items()
  if (value instanceof Bytes) return value.data.map(BigInt)[Symbol.iterator]()
  if (value instanceof Generator) return value.iterator
  if (value instanceof Undefined) return [][Symbol.iterator]()
  if (value instanceof Opaque) return value.faces.iterator?.()
  return undefined
}

/** iter() of a str gives plain characters, also of a marked one. */
function* markedCharacters(text: string): Generator_ {
  for (const character of text) yield character
}
type Generator_ = IterableIterator<Value>

export function iterator(value: Value): Iterator<Value> {
  const found = iteratorOf(value)
  if (!found) throw typeError(`'${typeName(value)}' object is not iterable`)
  return found
}

/** For `for`: an iterator that is left in the middle stays where it is. */
export function each(value: Value): Iterable<Value> {
  const source = iterator(value)
  return { [Symbol.iterator]: () => ({ next: () => source.next() }) }
}

/** list(value). */
export function listOf(value: Value): Value[] {
  return [...each(value)]
}

/** Where in a dictionary's map a key lies; throws for what has no hash. */
function hash(key: Value): Key {
  if (typeof key === 'string') return key.startsWith('\0') ? `\0s${key}` : key
  if (key instanceof Markup) return hash(key.text)
  if (typeof key === 'boolean') return key ? 1n : 0n
  if (typeof key === 'number') return Number.isInteger(key) ? BigInt(key) : key
  if (key === null || typeof key === 'bigint') return key
  if (key instanceof Undefined) return Undefined
  if (key instanceof Bytes) return `\0b${key.data.join()}`
  if (key instanceof Tuple) return `\0t${key.items.map(serial).join('')}`
  if (key instanceof Range)
    return `\0r${key.length > 0 ? key.start : ''} ${key.length} ${key.length > 1 ? key.step : ''}`
  if (
    Array.isArray(key) ||
    key instanceof Dict ||
    key instanceof Slice ||
    (key instanceof DictView && key.kind !== 'dict_values')
  )
    throw typeError(`unhashable type: '${typeName(key)}'`)
  return key
}

/** A hash as text that cannot be mistaken for two others side by side. */
function serial(item: Value): string {
  const key = hash(item)
  const text =
    typeof key === 'object' && key !== null
      ? `o${identity(key)}`
      : typeof key === 'function'
        ? 'u'
        : `${typeof key}${String(key)}`
  return `${text.length}:${text}`
}

const identities = new WeakMap<object, number>()
let lastIdentity = 0
function identity(object: object): number {
  const known = identities.get(object) ?? ++lastIdentity
  identities.set(object, known)
  return known
}

export function hashable(value: Value): void {
  hash(value)
}
