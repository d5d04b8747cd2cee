/** What a template has while it runs. */
import { TemplateError } from './errors.ts'
import type { Environment } from './filter.ts'
import { FILTERS } from './filters.ts'
import { repr } from './print.ts'
import { TESTS } from './tests.ts'
import { hashable, isText, textOf, Undefined, type Keywords, type Value } from './values.ts'

/** Calls of macros, recursive loops and blocks within each other. */
const MAX_CALLS = 250

export class Runtime implements Environment {
  autoescape = false
  /** Of the statement that runs, for messages. */
  line = 1
  #calls = 0
  #seed = 1

  callFilter(name: Value, value: Value, args: readonly Value[], keywords: Keywords): Value {
    return this.#find(FILTERS, 'filter', name).call(this, value, args, keywords)
  }

  callTest(name: Value, value: Value, args: readonly Value[], keywords: Keywords): boolean {
    return this.#find(TESTS, 'test', name)(this, value, args, keywords)
  }

  random(): number {
    // Park and Miller's generator.
    this.#seed = (this.#seed * 48271) % 2147483647
    return this.#seed / 2147483647
  }

  #find<T>(known: ReadonlyMap<string, T>, what: string, name: Value): T {
    hashable(name)
    const found = isText(name) ? known.get(textOf(name)) : undefined
    if (found !== undefined) return found
    throw new TemplateError(
      'TemplateRuntimeError',
      `No ${what} named ${repr(name)}.${name instanceof Undefined ? ` (${name.message}; did you forget to quote the callable name?)` : ''}`,
    )
  }

  /** Runs a function's body, and goes back to the caller's line. */
  nested<T>(run: () => T): T {
    if (++this.#calls > MAX_CALLS)
      throw new TemplateError('RecursionError', 'macros or loops call each other too deeply')
    const { line } = this
    const result = run()
    this.line = line
    this.#calls--
    return result
  }
}

/** The variables by name: what was given, and what the top level of the template set. */
export class Variables {
  readonly #given: ReadonlyMap<string, Value>
  readonly #set = new Map<string, Value>()

  constructor(given: ReadonlyMap<string, Value>) {
    this.#given = given
  }

  resolve(name: string): Value | undefined {
    return (this.#set.has(name) ? this.#set : this.#given).get(name)
  }

  set(name: string, value: Value): void {
    this.#set.set(name, value)
  }

  /** The same, with variables of frames on top. */
  derived(locals: Iterable<readonly [string, Value]>): Variables {
    return new Variables(new Map([...this.#given, ...this.#set, ...locals]))
  }
}

/** One run of a function. A slot without a value is a variable that is not set. */
export class Activation {
  readonly runtime: Runtime
  readonly variables: Variables
  readonly outer: Activation | null
  readonly slots: (Value | undefined)[] = []
  /** What is printed goes here. */
  out: string[] = []

  constructor(runtime: Runtime, variables: Variables, outer: Activation | null) {
    this.runtime = runtime
    this.variables = variables
    this.outer = outer
  }

  /** The activation of a function around this one. */
  at(hops: number): Activation {
    return hops === 0 || !this.outer ? this : this.outer.at(hops - 1)
  }
}
