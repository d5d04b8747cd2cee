/** The variable `loop`. It looks ahead and counts only when it is asked, since what it goes through may be used up. */
import { bind } from './arguments.ts'
import { typeError } from './errors.ts'
import { equal } from './operators.ts'
import { Callable, iterator, Opaque, sizeOf, Tuple, Undefined, type Value } from './values.ts'

export type Recurse = (iterable: Value, depth: number) => Value

export class Loop {
  readonly value: Opaque
  readonly #iterable: Value
  readonly #recurse: Recurse | undefined
  readonly #depth: number
  #iterator: Iterator<Value>
  #index = -1
  #length: number | undefined
  #before: Value | undefined
  #current: Value | undefined
  #after: Value | undefined
  #lastChanged: Value[] | undefined

  constructor(iterable: Value, recurse: Recurse | undefined, depth: number) {
    this.#iterable = iterable
    this.#iterator = iterator(iterable)
    this.#recurse = recurse
    this.#depth = depth
    this.value = new Opaque({
      type: 'LoopContext',
      print: () => `<LoopContext ${this.#index + 1}/${this.#size}>`,
      attribute: (name) => (Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name]?.(this) : undefined),
      call: (args, keywords) => {
        const [items] = bind('loop', 'iterable', args, keywords)
        if (!this.#recurse)
          throw typeError("The loop must have the 'recursive' marker to be called recursively.")
        return this.#recurse(items as Value, this.#depth + 1)
      },
      iterator: () => this.#pairs(),
      length: () => this.#size,
    })
  }

  /** The next item; undefined at the end. */
  next(): Value | undefined {
    const item = this.#after === undefined ? this.#pull() : this.#after
    this.#after = undefined
    if (item === undefined) return undefined
    this.#index++
    this.#before = this.#current
    this.#current = item
    return item
  }

  #pull(): Value | undefined {
    const step = this.#iterator.next()
    return step.done ? undefined : step.value
  }

  #peek(): Value | undefined {
    // An item that is None is there, and undefined is no value of Python's.
    if (this.#after === undefined) this.#after = this.#pull()
    return this.#after
  }

  get #size(): number {
    if (this.#length !== undefined) return this.#length
    this.#length = sizeOf(this.#iterable)
    if (this.#length === undefined) {
      const rest: Value[] = []
      for (let item = this.#pull(); item !== undefined; item = this.#pull()) rest.push(item)
      this.#iterator = rest[Symbol.iterator]()
      this.#length = rest.length + this.#index + 1 + (this.#after === undefined ? 0 : 1)
    }
    return this.#length
  }

  *#pairs(): Iterator<Value> {
    for (let item = this.next(); item !== undefined; item = this.next()) yield new Tuple([item, this.value])
  }

  static readonly attributes: Record<string, (loop: Loop) => Value> = {
    index0: (loop) => BigInt(loop.#index),
    index: (loop) => BigInt(loop.#index + 1),
    length: (loop) => BigInt(loop.#size),
    revindex0: (loop) => BigInt(loop.#size - loop.#index - 1),
    revindex: (loop) => BigInt(loop.#size - loop.#index),
    first: (loop) => loop.#index === 0,
    last: (loop) => loop.#peek() === undefined,
    depth0: (loop) => BigInt(loop.#depth),
    depth: (loop) => BigInt(loop.#depth + 1),
    previtem: (loop) =>
      loop.#index === 0 || loop.#before === undefined
        ? new Undefined('there is no previous item')
        : loop.#before,
    nextitem: (loop) => {
      const item = loop.#peek()
      return item === undefined ? new Undefined('there is no next item') : item
    },
    cycle: (loop) =>
      new Callable('<bound method LoopContext.cycle>', (args, keywords) => {
        if (keywords.size > 0) throw typeError('cycle() takes no keyword arguments')
        if (args.length === 0) throw typeError('no items for cycling given')
        return args[loop.#index % args.length] as Value
      }),
    changed: (loop) =>
      new Callable('<bound method LoopContext.changed>', (args, keywords) => {
        if (keywords.size > 0) throw typeError('changed() takes no keyword arguments')
        const before = loop.#lastChanged
        if (before && equal(before, [...args])) return false
        loop.#lastChanged = [...args]
        return true
      }),
  }
}

const ATTRIBUTES = Loop.attributes
