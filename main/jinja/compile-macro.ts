/** {% macro %}, and the bodies of {% call %} and {% generation %}, which are macros without a name. */
import { entering, type Compiler } from './execute.ts'
import { compileExpression, place } from './compile-expression.ts'
import { TemplateError } from './errors.ts'
import type { Frame } from './frame.ts'
import { makeMacro, type MacroShape } from './macro.ts'
import type { Macro } from './nodes.ts'
import { Activation } from './runtime.ts'
import { undeclared, type Reference } from './symbols.ts'
import { Undefined, type Callable } from './values.ts'

/** Gives what makes the macro where its statement runs. */
export function compileMacroBody(
  node: Macro,
  name: string | null,
  outer: Frame,
  compiler: Compiler,
): (a: Activation) => Callable {
  const frame = outer.innerFunction()
  const inside = [...node.args, ...node.defaults, ...node.body]
  frame.symbols.analyze(inside)
  const parameters = node.args.map((arg) => arg.name)
  if (new Set(parameters).size < parameters.length)
    throw new TemplateError('TemplateSyntaxError', 'two parameters of a macro have one name', node.line)
  const used = undeclared(node.body, ['caller', 'kwargs', 'varargs'])
  const callerAt = parameters.indexOf('caller')
  if (used.has('caller') && callerAt !== -1 && callerAt < parameters.length - node.defaults.length)
    throw new TemplateError(
      'TemplateAssertionError',
      'When defining macros or call blocks the special "caller" argument must be omitted or be given a default.',
      node.line,
    )
  const references = parameters.map((parameter) => frame.symbols.find(parameter) as Reference)
  const special = (['caller', 'kwargs', 'varargs'] as const).filter(
    (word) => used.has(word) && !parameters.includes(word),
  )
  for (const word of special) references.push(frame.symbols.declareParameter(word))
  // Once more, now that these are parameters and not names to look up.
  frame.symbols.analyze(inside)

  const slots = references.map((found) => place(found, frame).slot)
  const enter = entering(frame)
  const defaults = parameters.map((parameter, i) => {
    const value = node.defaults[i - (parameters.length - node.defaults.length)]
    if (value) return compileExpression(value, frame)
    return () => new Undefined(`parameter '${parameter}' was not provided`)
  })
  const body = compiler.body(node.body, frame)
  const shape: MacroShape = {
    name,
    parameters,
    usesCaller: used.has('caller'),
    catchesKeywords: special.includes('kwargs'),
    catchesMore: special.includes('varargs'),
  }
  return (outerActivation) => {
    const { runtime, variables } = outerActivation
    return makeMacro(
      shape,
      (values) =>
        runtime.nested(() => {
          const a = new Activation(runtime, variables, outerActivation)
          for (const [i, value] of values.entries()) a.slots[slots[i] as number] = value
          enter(a)
          for (const [i, standard] of defaults.entries())
            if (a.slots[slots[i] as number] === undefined) a.slots[slots[i] as number] = standard(a)
          body(a)
          return a.out.join('')
        }),
      () => runtime.autoescape,
    )
  }
}
