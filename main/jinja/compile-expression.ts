/** Expressions as functions of the activation that they run in. */
import { call, getAttribute, getItem, slice } from './access.ts'
import { constantOf, fresh, isEndless, isPlain } from './constant.ts'
import { TemplateError, typeError } from './errors.ts'
import type { Environment } from './filter.ts'
import { FILTERS } from './filters.ts'
import type { Frame } from './frame.ts'
import type {
  Call,
  CallArguments,
  Compare,
  Concat,
  Expr,
  FilterNode,
  Getitem,
  Name,
  TestNode,
} from './nodes.ts'
import { binary, compare, negate, plus } from './operators.ts'
import { escape, str } from './print.ts'
import type { Activation } from './runtime.ts'
import { Runtime } from './runtime.ts'
import type { Reference } from './symbols.ts'
import { TESTS } from './tests.ts'
import {
  Dict,
  each,
  isText,
  Markup,
  textOf,
  truth,
  Tuple,
  typeName,
  Undefined,
  type Keywords,
  type Value,
} from './values.ts'

export type Evaluate = (activation: Activation) => Value

/** An expression, computed in advance where that can be done. */
export function compileExpression(node: Expr, frame: Frame): Evaluate {
  const value = constant(node, frame)
  if (value === undefined || !isPlain(value)) return build(node, frame)
  if (isEndless(value)) {
    return () => {
      throw new TemplateError(
        'RuntimeError',
        "a number that is 'nan' or 'inf' cannot stand in a template",
        node.line,
      )
    }
  }
  return typeof value === 'object' && value !== null ? () => fresh(value) : () => value
}

/** undefined: it is not known before the run, or cannot be computed then either. */
export function constant(node: Expr, frame: Frame): Value | undefined {
  if (frame.autoescape === undefined) return undefined
  const environment: Environment = new Runtime()
  environment.autoescape = frame.autoescape
  try {
    return constantOf(node, environment)
  } catch {
    // Whatever is wrong with it is said when it is needed.
    return undefined
  }
}

function build(node: Expr, frame: Frame): Evaluate {
  const of = (part: Expr): Evaluate => compileExpression(part, frame)
  switch (node.type) {
    case 'Const':
      return () => node.value
    case 'Name':
      return load(node, frame)
    case 'Tuple': {
      const items = node.items.map(of)
      return (a) => new Tuple(items.map((item) => item(a)))
    }
    case 'List': {
      const items = node.items.map(of)
      return (a) => items.map((item) => item(a))
    }
    case 'Dict': {
      const items = node.items.map(({ key, value }) => [of(key), of(value)] as const)
      return (a) => new Dict(items.map(([key, value]) => [key(a), value(a)] as const))
    }
    case 'CondExpr': {
      const soft = frame.softened()
      const [test, then, otherwise] = [node.test, node.expr1, node.expr2].map(
        (part) => part && compileExpression(part, soft),
      )
      const message = `the inline if-expression on line ${node.line} evaluated to false and no else section was defined.`
      return (a) =>
        truth((test as Evaluate)(a))
          ? (then as Evaluate)(a)
          : otherwise
            ? otherwise(a)
            : new Undefined(message)
    }
    case 'Binary': {
      const [left, right] = [of(node.left), of(node.right)]
      return (a) => binary(node.operator, left(a), right(a))
    }
    case 'And':
    case 'Or': {
      const [left, right] = [of(node.left), of(node.right)]
      const goesOn = node.type === 'And'
      return (a) => {
        const value = left(a)
        return truth(value) === goesOn ? right(a) : value
      }
    }
    case 'Not': {
      const value = of(node.node)
      return (a) => !truth(value(a))
    }
    case 'Neg':
    case 'Pos': {
      const value = of(node.node)
      const sign = node.type === 'Neg' ? negate : plus
      return (a) => sign(value(a))
    }
    case 'Concat':
      return concat(node, frame)
    case 'Compare':
      return comparison(node, frame)
    case 'Call':
      return compileCall(node, frame)
    case 'Filter':
      return compileFilter(node, frame)
    case 'Test':
      return compileTest(node, frame)
    case 'Getattr': {
      const value = of(node.node)
      return (a) => getAttribute(value(a), node.attr)
    }
    case 'Getitem':
      return subscript(node, frame)
    default:
      throw new TemplateError('TemplateSyntaxError', 'this cannot be part of an expression', node.line)
  }
}

/** Where a name's variable lies. */
export function reference(name: string, frame: Frame, line: number): { hops: number; slot: number } {
  const found = frame.symbols.find(name)
  if (!found) throw new TemplateError('AssertionError', `'${name}' cannot be used here`, line)
  return place(found, frame)
}

export function place({ variable, scope }: Reference, frame: Frame): { hops: number; slot: number } {
  return { hops: frame.symbols.scope.hops(scope), slot: scope.slot(variable) }
}

function load(node: Name, frame: Frame): Evaluate {
  const { hops, slot } = reference(node.name, frame, node.line)
  const missing = `'${node.name}' is undefined`
  const valueOf = (value: Value | undefined): Value => (value === undefined ? new Undefined(missing) : value)
  return hops === 0 ? (a) => valueOf(a.slots[slot]) : (a) => valueOf(a.at(hops).slots[slot])
}

function concat(node: Concat, frame: Frame): Evaluate {
  const parts = node.nodes.map((part) => compileExpression(part, frame))
  const escapes = frame.autoescape === true
  return (a) => {
    const values = parts.map((part) => part(a))
    if (!escapes || !values.some((value) => value instanceof Markup)) return values.map(str).join('')
    return new Markup(values.map((value) => escape(value).text).join(''))
  }
}

function comparison(node: Compare, frame: Frame): Evaluate {
  const first = compileExpression(node.expr, frame)
  const rest = node.ops.map(({ op, expr }) => ({ op, value: compileExpression(expr, frame) }))
  return (a) => {
    let left = first(a)
    for (const { op, value } of rest) {
      const right = value(a)
      if (!compare(op, left, right)) return false
      left = right
    }
    return true
  }
}

function subscript(node: Getitem, frame: Frame): Evaluate {
  const value = compileExpression(node.node, frame)
  if (node.arg.type !== 'Slice') {
    const key = compileExpression(node.arg, frame)
    return (a) => getItem(value(a), key(a))
  }
  const bound = (part: Expr | null): Evaluate => (part ? compileExpression(part, frame) : () => null)
  const [start, stop, step] = [bound(node.arg.start), bound(node.arg.stop), bound(node.arg.step)]
  return (a) => slice(value(a), start(a), stop(a), step(a))
}

type Given = (activation: Activation) => { args: Value[]; keywords: Map<string, Value> }

function compileArguments(node: CallArguments, frame: Frame): Given {
  const args = node.args.map((arg) => compileExpression(arg, frame))
  const named = node.kwargs.map(({ key, value }) => [key, compileExpression(value, frame)] as const)
  const more = node.dynArgs && compileExpression(node.dynArgs, frame)
  const moreNamed = node.dynKwargs && compileExpression(node.dynKwargs, frame)
  return (a) => {
    const values = args.map((arg) => arg(a))
    if (more) values.push(...each(more(a)))
    const keywords = new Map(named.map(([key, value]) => [key, value(a)]))
    if (moreNamed) addKeywords(keywords, moreNamed(a))
    return { args: values, keywords }
  }
}

function addKeywords(keywords: Map<string, Value>, more: Value): void {
  if (more instanceof Undefined) throw more.fail()
  if (!(more instanceof Dict)) throw typeError(`argument after ** must be a mapping, not ${typeName(more)}`)
  for (const [key, value] of more.entries()) {
    if (!isText(key)) throw typeError('keywords must be strings')
    if (keywords.has(textOf(key)))
      throw typeError(`got multiple values for keyword argument '${textOf(key)}'`)
    keywords.set(textOf(key), value)
  }
}

/** `caller`: the body of a call block, handed on by that name. */
export function compileCall(node: Call, frame: Frame, caller?: Evaluate): Evaluate {
  const callee = compileExpression(node.node, frame)
  const given = compileArguments(node, frame)
  return (a) => {
    const target = callee(a)
    const { args, keywords } = given(a)
    if (caller) addKeywords(keywords, new Dict([['caller', caller(a)]]))
    a.runtime.line = node.line
    return call(target, args, keywords)
  }
}

/** `printed`: what a filter block gives in place of a value. */
export function compileFilter(node: FilterNode, frame: Frame, printed?: Evaluate): Evaluate {
  const filter = FILTERS.get(node.name)
  if (!filter) return unknown('filter', node, frame)
  const inner = node.node
  const value = !inner
    ? (printed as Evaluate)
    : inner.type === 'Filter' && printed
      ? compileFilter(inner, frame, printed)
      : compileExpression(inner, frame)
  const given = compileArguments(node, frame)
  return (a) => {
    const operand = value(a)
    const { args, keywords } = given(a)
    a.runtime.line = node.line
    return filter.call(a.runtime, operand, args, keywords)
  }
}

function compileTest(node: TestNode, frame: Frame): Evaluate {
  const test = TESTS.get(node.name)
  if (!test) return unknown('test', node, frame)
  const value = compileExpression(node.node, frame)
  const given = compileArguments(node, frame)
  return (a) => {
    const operand = value(a)
    const { args, keywords }: { args: Value[]; keywords: Keywords } = given(a)
    a.runtime.line = node.line
    return test(a.runtime, operand, args, keywords)
  }
}

/** What is under a condition fails only where it is needed. */
function unknown(what: string, { name, line }: FilterNode | TestNode, frame: Frame): Evaluate {
  if (!frame.soft) throw new TemplateError('TemplateAssertionError', `No ${what} named '${name}'.`, line)
  return () => {
    throw new TemplateError('TemplateRuntimeError', `No ${what} named '${name}' found.`, line)
  }
}
