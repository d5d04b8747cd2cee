/** {% for %}: with a filter, an else, and calls of itself. */
import {
  compileTarget,
  entering,
  leaving,
  type Compiler,
  type Execute,
  type Signal,
  type Store,
} from './execute.ts'
import { compileExpression, place } from './compile-expression.ts'
import { TemplateError } from './errors.ts'
import type { Frame } from './frame.ts'
import { Loop, type Recurse } from './loop.ts'
import { descendants, type For } from './nodes.ts'
import { Activation } from './runtime.ts'
import { undeclared, type Reference } from './symbols.ts'
import { each, Generator, iterator, Markup, truth, type Value } from './values.ts'

export function compileFor(node: For, frame: Frame, compiler: Compiler): Execute {
  const loopFrame = node.recursive ? frame.innerFunction() : frame.inner()
  loopFrame.inLoop = true
  const usesLoop =
    node.recursive ||
    undeclared(node.body, ['loop']).has('loop') ||
    [...descendants(node)].some((inner) => inner.type === 'Block' && inner.scoped)
  const loopVariable = usesLoop ? loopFrame.symbols.declareParameter('loop') : undefined
  loopFrame.symbols.analyze([node.target], true)
  loopFrame.symbols.analyze(node.body)
  for (const name of descendants(node))
    if (name.type === 'Name' && name.ctx === 'store' && name.name === 'loop')
      throw new TemplateError(
        'TemplateAssertionError',
        "Can't assign to special loop variable in for-loop target",
        name.line,
      )

  const filter = node.test ? compileLoopFilter(node, frame) : undefined
  const items = compileExpression(node.iter, frame)
  const rounds = compileRounds(node, frame, loopFrame, loopVariable, compiler)
  if (!node.recursive) {
    return (a) => {
      a.runtime.line = node.line
      const iterable = items(a)
      return rounds(a, filter ? filter(a, iterable) : iterable, undefined, 0)
    }
  }
  return (a) => {
    const recurse: Recurse = (iterable, depth) =>
      a.runtime.nested(() => {
        const inner = new Activation(a.runtime, a.variables, a)
        rounds(inner, filter ? filter(a, iterable) : iterable, recurse, depth)
        const text = inner.out.join('')
        const escapes = loopFrame.autoescape ?? a.runtime.autoescape
        return escapes ? new Markup(text) : text
      })
    a.runtime.line = node.line
    const text = recurse(items(a), 0)
    a.out.push(text instanceof Markup ? text.text : (text as string))
    return undefined
  }
}

/** The condition runs as a function of its own, item by item as the loop asks. */
function compileLoopFilter(node: For, frame: Frame): (a: Activation, iterable: Value) => Value {
  const inner = frame.innerFunction()
  inner.symbols.analyze([node.target], true)
  inner.symbols.analyze([node.test])
  const enter = entering(inner)
  const store = compileTarget(node.target, inner)
  const test = compileExpression(node.test as NonNullable<For['test']>, inner)
  function* passing(outer: Activation, iterable: Value): Iterator<Value> {
    const a = new Activation(outer.runtime, outer.variables, outer)
    enter(a)
    for (const item of each(iterable)) {
      store(a, item)
      if (truth(test(a))) yield item
    }
  }
  return (a, iterable) => new Generator('<generator object>', passing(a, iterable))
}

type Rounds = (activation: Activation, iterable: Value, recurse: Recurse | undefined, depth: number) => Signal

function compileRounds(
  node: For,
  frame: Frame,
  loopFrame: Frame,
  loopVariable: Reference | undefined,
  compiler: Compiler,
): Rounds {
  const store: Store = compileTarget(node.target, loopFrame)
  const loopSlot = loopVariable && place(loopVariable, loopFrame).slot
  const [enter, leave] = [entering(loopFrame), leaving(loopFrame)]
  const body = compiler.body(node.body, loopFrame)
  const otherwise = node.else_.length > 0 ? compileElse(node, frame, loopFrame, compiler) : undefined
  return (a, iterable, recurse, depth) => {
    if (loopSlot !== undefined) a.slots[loopSlot] = undefined
    const loop = loopSlot === undefined ? undefined : new Loop(iterable, recurse, depth)
    const next = loop ? (): Value | undefined => loop.next() : stepper(iterator(iterable))
    let finishedRound = false
    for (let item = next(); item !== undefined; item = next()) {
      store(a, item)
      if (loop) a.slots[loopSlot as number] = loop.value
      enter(a)
      const signal = body(a)
      if (signal === 'break') break
      // As in Jinja2, only a round that reached its end keeps the else from running.
      if (signal === undefined) finishedRound = true
    }
    if (!node.recursive || otherwise) leave(a)
    return otherwise && !finishedRound ? otherwise(a) : undefined
  }
}

function stepper(source: Iterator<Value>): () => Value | undefined {
  return () => {
    const step = source.next()
    return step.done ? undefined : step.value
  }
}

function compileElse(node: For, frame: Frame, loopFrame: Frame, compiler: Compiler): Execute {
  const inner = node.recursive ? loopFrame.beside() : frame.inner()
  inner.symbols.analyze(node.else_)
  const [enter, leave] = [entering(inner), leaving(inner)]
  const body = compiler.body(node.else_, inner)
  return (a) => {
    enter(a)
    const signal = body(a)
    if (signal === undefined) leave(a)
    return signal
  }
}
