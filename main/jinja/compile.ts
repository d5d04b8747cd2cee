/** A template as a function, and its blocks, which are functions beside it. */
import { bind } from './arguments.ts'
import { compileBody } from './compile-statement.ts'
import { entering, type Blocks, type Compiler, type Execute } from './execute.ts'
import { place } from './compile-expression.ts'
import { TemplateError } from './errors.ts'
import { Frame } from './frame.ts'
import { descendants, type Block, type Stmt } from './nodes.ts'
import { repr } from './print.ts'
import { Activation, type Runtime, type Variables } from './runtime.ts'
import { undeclared } from './symbols.ts'
import { isText, Markup, Opaque, textOf, Undefined, type Value } from './values.ts'

export type Render = (runtime: Runtime, variables: Variables) => string

export function compile(body: Stmt[]): Render {
  const nodes = new Map<string, Block>()
  for (const node of body.flatMap((statement) => [statement, ...descendants(statement)])) {
    if (node.type !== 'Block') continue
    if (nodes.has(node.name))
      throw new TemplateError('TemplateAssertionError', `block '${node.name}' defined twice`, node.line)
    nodes.set(node.name, node)
  }
  const blocks: Blocks = new Map()
  const compiler: Compiler = { blocks, body: (inner, frame) => compileBody(inner, frame, compiler) }
  const root = compileFunction(body, true, compiler)
  for (const [name, node] of nodes) {
    const run = compileFunction(node.body, false, compiler)
    blocks.set(name, (a, variables) => a.runtime.nested(() => run(a.runtime, variables)))
  }
  return root
}

function compileFunction(body: Stmt[], toplevel: boolean, compiler: Compiler): Render {
  const frame = Frame.root()
  frame.toplevel = toplevel
  const parameters = undeclared(body, toplevel ? ['self'] : ['self', 'super'])
  const slots = [...parameters].map((name) => ({
    name,
    slot: place(frame.symbols.declareParameter(name), frame).slot,
  }))
  frame.symbols.analyze(body)
  const enter = entering(frame)
  const run: Execute = compiler.body(body, frame)
  return (runtime, variables) => {
    const a = new Activation(runtime, variables, null)
    for (const { name, slot } of slots)
      a.slots[slot] =
        name === 'self' ? makeSelf(a, compiler.blocks) : new Undefined('there is no parent block')
    enter(a)
    run(a)
    return a.out.join('')
  }
}

/** `self.name()` prints a block once more. */
function makeSelf(a: Activation, blocks: Blocks): Value {
  return new Opaque({
    type: 'TemplateReference',
    print: () => '<TemplateReference None>',
    attribute: () => undefined,
    item: (name) => {
      const block = isText(name) ? blocks.get(textOf(name)) : undefined
      return block && makeBlockReference(a, textOf(name as string), block)
    },
  })
}

function makeBlockReference(
  a: Activation,
  name: string,
  block: NonNullable<ReturnType<Blocks['get']>>,
): Value {
  return new Opaque({
    type: 'BlockReference',
    print: () => '<jinja2.runtime.BlockReference object>',
    attribute: (attribute) =>
      attribute === 'name'
        ? name
        : attribute === 'super'
          ? new Undefined(`there is no parent block called ${repr(name)}.`)
          : undefined,
    call(args, keywords) {
      bind(name, '', args, keywords)
      const text = block(a, a.variables)
      return a.runtime.autoescape ? new Markup(text) : text
    },
  })
}
