/** What statements are compiled to, and what all of them have in common. */
import { TemplateError, typeError, valueError } from './errors.ts'
import { place, reference } from './compile-expression.ts'
import type { Frame } from './frame.ts'
import type { Expr, Stmt } from './nodes.ts'
import type { Activation, Variables } from './runtime.ts'
import { Dict, each, Namespace, typeName, type Value } from './values.ts'

export type Signal = 'break' | 'continue' | undefined
/** Prints into the activation; says where break or continue was met. */
export type Execute = (activation: Activation) => Signal
export type Blocks = Map<string, (activation: Activation, variables: Variables) => string>

export interface Compiler {
  /** The template's blocks, which are there once all of it is compiled. */
  blocks: Blocks
  body(nodes: readonly Stmt[], frame: Frame): Execute
}

/** Sets the variables of a frame to what they are on entering it. */
export function entering(frame: Frame): (activation: Activation) => void {
  const steps: ((activation: Activation) => void)[] = []
  for (const [variable, load] of frame.symbols.loads) {
    const slot = frame.symbols.scope.slot(variable)
    if (load.kind === 'resolve') steps.push((a) => (a.slots[slot] = a.variables.resolve(load.name)))
    else if (load.kind === 'undefined') steps.push((a) => (a.slots[slot] = undefined))
    else if (load.kind === 'alias') {
      const outer = place(load.of, frame)
      steps.push((a) => (a.slots[slot] = a.at(outer.hops).slots[outer.slot]))
    }
  }
  return (a) => {
    for (const step of steps) step(a)
  }
}

/** Behind a frame nothing holds its variables, also not a macro that was made in it. */
export function leaving(frame: Frame): (activation: Activation) => void {
  const slots = [...frame.symbols.loads.keys()].map((variable) => frame.symbols.scope.slot(variable))
  return (a) => {
    for (const slot of slots) a.slots[slot] = undefined
  }
}

/** Runs `body` and gives what it printed; undefined where it was left by break or continue. */
export function capture(a: Activation, body: Execute): { text: string; signal: Signal } {
  const outer = a.out
  a.out = []
  const signal = body(a)
  const text = a.out.join('')
  a.out = outer
  return { text, signal }
}

export type Store = (activation: Activation, value: Value) => void

/** Stores into a name, an attribute of a namespace, or several of them at once. */
export function compileTarget(target: Expr, frame: Frame): Store {
  if (target.type === 'Name') {
    const { hops, slot } = reference(target.name, frame, target.line)
    const { name, ctx } = target
    const isPublic = frame.toplevel && ctx === 'store'
    return (a, value) => {
      a.at(hops).slots[slot] = value
      if (isPublic) a.variables.set(name, value)
    }
  }
  if (target.type === 'NSRef') {
    const { hops, slot } = reference(target.name, frame, target.line)
    return (a, value) => {
      const object = a.at(hops).slots[slot]
      if (object instanceof Namespace) object.attributes.set(target.attr, value)
      // A block may be assigned into a dictionary that the template made itself; Jinja2 does not look there.
      else if (object instanceof Dict) object.set(target.attr, value)
      else
        throw typeError(
          `'${object === undefined ? 'Undefined' : typeName(object)}' object does not support item assignment`,
        )
    }
  }
  if (target.type !== 'Tuple')
    throw new TemplateError('TemplateSyntaxError', "can't assign here", target.line)
  const stores = target.items.map((item) => compileTarget(item, frame))
  return (a, value) => {
    const values = [...limited(each(value), stores.length + 1)]
    if (values.length !== stores.length)
      throw valueError(
        `${values.length > stores.length ? 'too many' : 'not enough'} values to unpack (expected ${stores.length})`,
      )
    for (const [i, store] of stores.entries()) store(a, values[i] as Value)
  }
}

function* limited(values: Iterable<Value>, count: number): Generator<Value> {
  let left = count
  for (const value of values) {
    if (left-- === 0) return
    yield value
  }
}
