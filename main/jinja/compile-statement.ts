/** Statements as functions that print into the activation that they run in. */
import { TemplateError, typeError } from './errors.ts'
import {
  compileCall,
  compileExpression,
  compileFilter,
  constant,
  place,
  reference,
  type Evaluate,
} from './compile-expression.ts'
import { compileFor } from './compile-loop.ts'
import { compileMacroBody } from './compile-macro.ts'
import { capture, compileTarget, entering, leaving, type Compiler, type Execute } from './execute.ts'
import type { Frame } from './frame.ts'
import {
  descendants,
  type Assign,
  type AssignBlock,
  type Autoescape,
  type Block,
  type Expr,
  type FilterBlock,
  type Output,
  type Stmt,
  type With,
} from './nodes.ts'
import { escape, repr, str } from './print.ts'
import type { Activation } from './runtime.ts'
import { isText, Markup, Namespace, textOf, truth, typeName, type Value } from './values.ts'

export function compileBody(nodes: readonly Stmt[], frame: Frame, compiler: Compiler): Execute {
  const statements = nodes.map((node) => compileStatement(node, frame, compiler))
  return (a) => {
    for (const statement of statements) {
      const signal = statement(a)
      if (signal !== undefined) return signal
    }
    return undefined
  }
}

function compileStatement(node: Stmt, frame: Frame, compiler: Compiler): Execute {
  switch (node.type) {
    case 'Output':
      return output(node, frame)
    case 'Assign':
      return assignment(node, frame)
    case 'AssignBlock':
      return blockAssignment(node, frame, compiler)
    case 'For':
      return compileFor(node, frame, compiler)
    case 'If': {
      const soft = frame.softened()
      const branches = [node, ...node.elif].map(({ test, body, line }) => ({
        test: at(line, compileExpression(test, soft)),
        body: compiler.body(body, soft),
      }))
      const otherwise = compiler.body(node.else_, soft)
      return (a) => {
        for (const { test, body } of branches) if (truth(test(a))) return body(a)
        return otherwise(a)
      }
    }
    case 'Macro': {
      const macro = compileMacroBody(node, node.name, frame, compiler)
      const { slot } = reference(node.name, frame, node.line)
      return (a) => {
        const value = macro(a)
        a.slots[slot] = value
        if (frame.toplevel) a.variables.set(node.name, value)
        return undefined
      }
    }
    case 'CallBlock': {
      if (node.call.kwargs.some(({ key }) => key === 'caller'))
        throw new TemplateError('TemplateSyntaxError', 'keyword argument repeated: caller', node.line)
      const caller = compileMacroBody(node, null, frame, compiler)
      return printed(node.line, compileCall(node.call, frame, caller))
    }
    case 'Generation': {
      const body = compileMacroBody(node, null, frame, compiler)
      return printed(node.line, (a) => body(a).call([], new Map()))
    }
    case 'FilterBlock':
      return filterBlock(node, frame, compiler)
    case 'With':
      return withBlock(node, frame, compiler)
    case 'Autoescape':
      return autoescapeBlock(node, frame, compiler)
    case 'Block':
      return blockOutput(node, frame, compiler)
    case 'Loading': {
      if (node.tag === 'extends' && !frame.toplevel)
        throw new TemplateError(
          'TemplateAssertionError',
          'cannot use extend from a non top-level scope',
          node.line,
        )
      const template = compileExpression(node.template, frame)
      return (a) => {
        a.runtime.line = node.line
        template(a)
        throw typeError(
          `a chat template stands alone: there is nothing to ${node.tag === 'extends' ? 'extend' : node.tag === 'include' ? 'include' : 'import from'}`,
        )
      }
    }
    case 'Break':
    case 'Continue': {
      if (!frame.inLoop)
        throw new TemplateError('TemplateSyntaxError', `'${node.type.toLowerCase()}' outside loop`, node.line)
      const signal = node.type === 'Break' ? 'break' : 'continue'
      return () => signal
    }
  }
}

function at(line: number, evaluate: Evaluate): Evaluate {
  return (a) => {
    a.runtime.line = line
    return evaluate(a)
  }
}

function output(node: Output, frame: Frame): Execute {
  const escaping = frame.autoescape
  const parts = node.nodes.map((part): ((a: Activation) => string) => {
    if (part.type === 'TemplateData') return () => part.data
    const known = constant(part, frame)
    const text =
      known === undefined ? undefined : printable(() => (escaping ? escape(known).text : str(known)))
    if (text !== undefined) return () => text
    const value = at(part.line, compileExpression(part, frame))
    if (escaping === undefined) return (a) => (a.runtime.autoescape ? escape(value(a)).text : str(value(a)))
    return escaping ? (a) => escape(value(a)).text : (a) => str(value(a))
  })
  return (a) => {
    for (const part of parts) a.out.push(part(a))
    return undefined
  }
}

/** Some numbers have too many digits to be printed; that is said when they are. */
function printable(print: () => string): string | undefined {
  try {
    return print()
  } catch {
    return undefined
  }
}

/** Prints what a call or a filter gives: text and nothing else. */
function printed(line: number, evaluate: Evaluate): Execute {
  return (a) => {
    a.runtime.line = line
    const value = evaluate(a)
    if (!isText(value)) throw typeError(`what a block gives must be text, not ${typeName(value)}`)
    a.out.push(textOf(value))
    return undefined
  }
}

function assignment(node: Assign, frame: Frame): Execute {
  const value = compileExpression(node.node, frame)
  const store = compileTarget(node.target, frame)
  const namespaces = [node.target, ...descendants(node.target)]
    .filter((part) => part.type === 'NSRef')
    .map((part) => reference(part.name, frame, part.line))
  return (a) => {
    a.runtime.line = node.line
    for (const { hops, slot } of namespaces)
      if (!(a.at(hops).slots[slot] instanceof Namespace))
        throw new TemplateError('TemplateRuntimeError', 'cannot assign attribute on non-namespace object')
    store(a, value(a))
    return undefined
  }
}

function blockAssignment(node: AssignBlock, frame: Frame, compiler: Compiler): Execute {
  const inner = frame.inner()
  inner.symbols.analyze(node.body)
  const [enter, leave] = [entering(inner), leaving(inner)]
  const body = compiler.body(node.body, inner)
  const store = compileTarget(node.target, frame)
  let text = ''
  const filter =
    node.filter &&
    compileFilter(
      node.filter,
      inner,
      markIfEscaping(inner, () => text),
    )
  return (a) => {
    enter(a)
    const captured = capture(a, body)
    if (captured.signal !== undefined) return captured.signal
    text = captured.text
    a.runtime.line = node.line
    const value = filter ? filter(a) : text
    store(a, a.runtime.autoescape ? mark(value) : value)
    leave(a)
    return undefined
  }
}

/** Markup(value). */
function mark(value: Value): Markup {
  return value instanceof Markup ? value : new Markup(str(value))
}

/** What a block printed, as its filter gets it. */
function markIfEscaping(frame: Frame, text: () => string): Evaluate {
  if (frame.autoescape === false) return text
  return (a) => (frame.autoescape === true || a.runtime.autoescape ? new Markup(text()) : text())
}

function filterBlock(node: FilterBlock, frame: Frame, compiler: Compiler): Execute {
  const inner = frame.inner()
  inner.symbols.analyze([...node.body, node.filter])
  const [enter, leave] = [entering(inner), leaving(inner)]
  const body = compiler.body(node.body, inner)
  let text = ''
  const print = printed(
    node.line,
    compileFilter(
      node.filter,
      inner,
      markIfEscaping(inner, () => text),
    ),
  )
  return (a) => {
    enter(a)
    const captured = capture(a, body)
    if (captured.signal !== undefined) return captured.signal
    text = captured.text
    print(a)
    leave(a)
    return undefined
  }
}

function withBlock(node: With, frame: Frame, compiler: Compiler): Execute {
  const inner = frame.inner()
  inner.symbols.analyze([...node.targets, ...node.body])
  const [enter, leave] = [entering(inner), leaving(inner)]
  const sets = node.targets.map((target, i) => ({
    store: compileTarget(target, inner),
    value: compileExpression(node.values[i] as Expr, frame),
  }))
  const body = compiler.body(node.body, inner)
  return (a) => {
    a.runtime.line = node.line
    enter(a)
    for (const { store, value } of sets) store(a, value(a))
    const signal = body(a)
    if (signal === undefined) leave(a)
    return signal
  }
}

function autoescapeBlock(node: Autoescape, frame: Frame, compiler: Compiler): Execute {
  const inner = frame.inner()
  inner.symbols.analyze([node.value, ...node.body])
  const [enter, leave] = [entering(inner), leaving(inner)]
  const value = compileExpression(node.value, inner)
  const known = constant(node.value, inner)
  inner.autoescape = known === undefined ? undefined : truth(known)
  const body = compiler.body(node.body, inner)
  return (a) => {
    const before = a.runtime.autoescape
    enter(a)
    a.runtime.autoescape = truth(value(a))
    const signal = body(a)
    if (signal !== undefined) return signal
    a.runtime.autoescape = before
    leave(a)
    return undefined
  }
}

function blockOutput(node: Block, frame: Frame, compiler: Compiler): Execute {
  const visible = [...frame.symbols.visible()].map(([name, found]) => [name, place(found, frame)] as const)
  return (a) => {
    a.runtime.line = node.line
    if (node.required)
      throw new TemplateError('TemplateRuntimeError', `Required block ${repr(node.name)} not found`)
    const locals = visible
      .map(([name, { hops, slot }]) => [name, a.at(hops).slots[slot]] as const)
      .filter((local): local is readonly [string, Value] => local[1] !== undefined)
    const variables = node.scoped ? a.variables.derived(locals) : a.variables
    a.out.push(compiler.blocks.get(node.name)?.(a, variables) ?? '')
    return undefined
  }
}
