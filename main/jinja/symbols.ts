/**
 * Which variable a name means, decided before anything runs, by Jinja2's own rules (its idtracking): a template is
 * a tree of frames, and a name is one variable for all of a frame. That is why a variable that is set in a loop is
 * gone behind it, and why one that is set below is undefined above instead of being the context's.
 */
import { children, type Node, type Stmt } from './nodes.ts'

/** The variables of one function: of the template, a macro, a recursive loop, a block. */
export class FunctionScope {
  readonly parent: FunctionScope | null
  readonly #slots = new Map<string, number>()

  constructor(parent: FunctionScope | null) {
    this.parent = parent
  }

  slot(variable: string): number {
    const known = this.#slots.get(variable)
    if (known !== undefined) return known
    this.#slots.set(variable, this.#slots.size)
    return this.#slots.size - 1
  }

  /** How many functions lie between this one and the one that has the variable. */
  hops(owner: FunctionScope): number {
    return this === owner || !this.parent ? 0 : 1 + this.parent.hops(owner)
  }
}

/** A variable and the function that it belongs to. */
export interface Reference {
  variable: string
  scope: FunctionScope
}

/** What a variable holds when its frame is entered. */
export type Load =
  | { kind: 'parameter' }
  | { kind: 'resolve'; name: string }
  | { kind: 'alias'; of: Reference }
  | { kind: 'undefined' }

export class Symbols {
  readonly scope: FunctionScope
  readonly parent: Symbols | null
  readonly #level: number
  #references = new Map<string, string>()
  loads = new Map<string, Load>()
  stores = new Set<string>()

  constructor(scope: FunctionScope, parent: Symbols | null) {
    this.scope = scope
    this.parent = parent
    this.#level = parent ? parent.#level + 1 : 0
  }

  copy(): Symbols {
    const copy = new Symbols(this.scope, this.parent)
    copy.#references = new Map(this.#references)
    copy.loads = new Map(this.loads)
    copy.stores = new Set(this.stores)
    return copy
  }

  #define(name: string, load: Load): string {
    const variable = `${this.#level}:${name}`
    this.#references.set(name, variable)
    this.loads.set(variable, load)
    return variable
  }

  find(name: string): Reference | undefined {
    const variable = this.#references.get(name)
    return variable === undefined ? this.parent?.find(name) : { variable, scope: this.scope }
  }

  store(name: string): void {
    this.stores.add(name)
    if (this.#references.has(name)) return
    const outer = this.parent?.find(name)
    this.#define(name, outer ? { kind: 'alias', of: outer } : { kind: 'undefined' })
  }

  declareParameter(name: string): Reference {
    this.stores.add(name)
    return { variable: this.#define(name, { kind: 'parameter' }), scope: this.scope }
  }

  load(name: string): void {
    if (!this.find(name)) this.#define(name, { kind: 'resolve', name })
  }

  /** What only some of the branches set is, in the others, what it was outside. */
  updateFromBranches(branches: Symbols[]): void {
    const stored = new Set(
      branches.flatMap((branch) => [...branch.stores]).filter((name) => !this.stores.has(name)),
    )
    for (const branch of branches) {
      for (const [name, variable] of branch.#references) this.#references.set(name, variable)
      for (const [variable, load] of branch.loads) this.loads.set(variable, load)
      for (const name of branch.stores) this.stores.add(name)
    }
    for (const name of stored) {
      const own = this.find(name) as Reference
      const outer = this.parent?.find(name)
      this.loads.set(own.variable, outer ? { kind: 'alias', of: outer } : { kind: 'resolve', name })
    }
  }

  /** The variables of all frames around, as a scoped block sees them. */
  visible(): Map<string, Reference> {
    const found = new Map<string, Reference>(this.parent?.visible())
    for (const name of this.stores) found.set(name, this.find(name) as Reference)
    return found
  }

  /** Notes what the nodes of a frame load and store. Frames within them are analyzed by themselves. */
  analyze(nodes: readonly (Node | null)[], storesAreParameters = false): void {
    for (const node of nodes) if (node) visit(this, node, storesAreParameters)
  }
}

function visit(symbols: Symbols, node: Node, storesAreParameters: boolean): void {
  const visitAll = (nodes: readonly (Node | null)[]): void => symbols.analyze(nodes, storesAreParameters)
  switch (node.type) {
    case 'Name':
      if (storesAreParameters || node.ctx === 'param') symbols.declareParameter(node.name)
      else if (node.ctx === 'store') symbols.store(node.name)
      else symbols.load(node.name)
      return
    case 'NSRef':
      symbols.load(node.name)
      return
    case 'If': {
      visitAll([node.test])
      const branch = (nodes: readonly Stmt[]): Symbols => {
        const copy = symbols.copy()
        copy.analyze(nodes, storesAreParameters)
        return copy
      }
      symbols.updateFromBranches([branch(node.body), branch(node.elif), branch(node.else_)])
      return
    }
    case 'Macro':
      symbols.store(node.name)
      return
    case 'Loading':
      visitAll([node.template])
      for (const name of node.names) symbols.store(name)
      return
    case 'Assign':
      visitAll([node.node, node.target])
      return
    case 'AssignBlock':
      visitAll([node.target])
      return
    case 'For':
      visitAll([node.iter])
      return
    case 'CallBlock':
      visitAll([node.call])
      return
    case 'FilterBlock':
      visitAll([node.filter])
      return
    case 'With':
      visitAll(node.values)
      return
    case 'Autoescape':
    case 'Block':
    case 'Generation':
      return
    default:
      visitAll(children(node))
  }
}

/** Which of the names are read before they are set, anywhere below the nodes. */
export function undeclared(nodes: readonly Node[], names: readonly string[]): Set<string> {
  const open = new Set(names)
  const found = new Set<string>()
  const look = (node: Node): void => {
    if (node.type === 'Block') return
    if (node.type === 'Name') {
      if (node.ctx === 'load' && open.has(node.name)) found.add(node.name)
      else open.delete(node.name)
    }
    for (const child of children(node)) look(child)
  }
  for (const node of nodes) look(node)
  return found
}
