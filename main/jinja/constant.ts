/**
 * Computes what depends on nothing, before the template runs, as Jinja2 does. That can be seen: a slice of something
 * that has none is an undefined value here, and an error when it is met at run time.
 */
import { getAttribute, getItem } from './access.ts'
import type { Environment } from './filter.ts'
import { FILTERS } from './filters.ts'
import type { CallArguments, Expr } from './nodes.ts'
import { binary, compare, negate, plus } from './operators.ts'
import { str } from './print.ts'
import { TESTS } from './tests.ts'
import { Dict, each, isText, Markup, Range, Slice, textOf, truth, Tuple, type Value } from './values.ts'

/** It depends on what only the run knows. */
export class Impossible extends Error {}

/** The value of an expression; throws Impossible, or whatever computing it throws. */
export function constantOf(node: Expr, environment: Environment): Value {
  const of = (part: Expr): Value => constantOf(part, environment)
  switch (node.type) {
    case 'Const':
      return node.value
    case 'TemplateData':
      return environment.autoescape ? new Markup(node.data) : node.data
    case 'Tuple':
      return new Tuple(node.items.map(of))
    case 'List':
      return node.items.map(of)
    case 'Dict':
      return new Dict(node.items.map(({ key, value }) => [of(key), of(value)] as const))
    case 'CondExpr':
      if (truth(of(node.test))) return of(node.expr1)
      if (node.expr2 === null) throw new Impossible()
      return of(node.expr2)
    case 'Binary':
      return binary(node.operator, of(node.left), of(node.right))
    case 'And': {
      const left = of(node.left)
      return truth(left) ? of(node.right) : left
    }
    case 'Or': {
      const left = of(node.left)
      return truth(left) ? left : of(node.right)
    }
    case 'Not':
      return !truth(of(node.node))
    case 'Neg':
      return negate(of(node.node))
    case 'Pos':
      return plus(of(node.node))
    case 'Concat':
      return node.nodes.map((part) => str(of(part))).join('')
    case 'Compare': {
      let left = of(node.expr)
      for (const { op, expr } of node.ops) {
        const right = of(expr)
        if (!compare(op, left, right)) return false
        left = right
      }
      return true
    }
    case 'Filter': {
      const filter = FILTERS.get(node.name)
      if (!node.node || !filter || filter.contextual) throw new Impossible()
      const { args, keywords } = constantArguments(node, of)
      return filter.call(environment, of(node.node), args, keywords)
    }
    case 'Test': {
      const test = TESTS.get(node.name)
      if (!test) throw new Impossible()
      const { args, keywords } = constantArguments(node, of)
      return test(environment, of(node.node), args, keywords)
    }
    case 'Getattr':
      return getAttribute(of(node.node), node.attr)
    case 'Getitem':
      return getItem(of(node.node), of(node.arg))
    case 'Slice': {
      const bound = (part: Expr | null): Value => (part ? of(part) : null)
      return new Slice(bound(node.start), bound(node.stop), bound(node.step))
    }
    default:
      throw new Impossible()
  }
}

function constantArguments(
  node: CallArguments,
  of: (part: Expr) => Value,
): { args: Value[]; keywords: Map<string, Value> } {
  const args = node.args.map(of)
  const keywords = new Map(node.kwargs.map(({ key, value }) => [key, of(value)]))
  if (node.dynArgs) args.push(...each(of(node.dynArgs)))
  if (node.dynKwargs) {
    const more = of(node.dynKwargs)
    if (!(more instanceof Dict)) throw new Impossible()
    for (const [key, value] of more.entries()) {
      if (!isText(key)) throw new Impossible()
      keywords.set(textOf(key), value)
    }
  }
  return { args, keywords }
}

/** Whether a value may stand in the template in place of the expression: what has no state does. */
export function isPlain(value: Value): boolean {
  if (Array.isArray(value)) return value.every(isPlain)
  if (value instanceof Tuple) return value.names.length === 0 && value.items.every(isPlain)
  if (value instanceof Dict) return [...value.entries()].every(([key, item]) => isPlain(key) && isPlain(item))
  return value === null || typeof value !== 'object' || value instanceof Markup || value instanceof Range
}

/** Jinja2 writes such a number as a name that does not exist, so whatever meets it fails. */
export function isEndless(value: Value): boolean {
  if (typeof value === 'number') return !Number.isFinite(value)
  if (Array.isArray(value)) return value.some(isEndless)
  if (value instanceof Tuple) return value.items.some(isEndless)
  return (
    value instanceof Dict && [...value.entries()].some(([key, item]) => isEndless(key) || isEndless(item))
  )
}

/** Lists and dictionaries of its own for everyone who asks. */
export function fresh(value: Value): Value {
  if (Array.isArray(value)) return value.map(fresh)
  if (value instanceof Tuple) return new Tuple(value.items.map(fresh))
  if (value instanceof Dict)
    return new Dict([...value.entries()].map(([key, item]) => [key, fresh(item)] as const))
  return value
}
