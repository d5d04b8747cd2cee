/** Statements, as Jinja2's parser takes them. Expressions are in parse-expression.ts. */
import { TemplateError } from './errors.ts'
import { tokenize } from './lexer.ts'
import type {
  Block,
  CallBlock,
  Expr,
  FilterBlock,
  For,
  Generation,
  If,
  Loading,
  MacroNode,
  Name,
  Stmt,
  With,
} from './nodes.ts'
import { ExpressionParser } from './parse-expression.ts'
import { isSpace } from './text.ts'

export function parse(template: string): Stmt[] {
  return new Parser(tokenize(template)).template()
}

/** Deeper than any template that a person wrote, and well below what the stack holds. */
const MAX_BLOCKS = 100

class Parser extends ExpressionParser {
  /** What would close the blocks that are open, the innermost last. */
  readonly #ends: string[][] = []
  readonly #tags: string[] = []

  template(): Stmt[] {
    return this.#body(null)
  }

  /** Text, prints and statements up to one of the ends, which stays the current token. */
  #body(ends: string[] | null): Stmt[] {
    const body: Stmt[] = []
    let printed: Expr[] = []
    const flush = (): void => {
      const [first] = printed
      if (first) body.push({ type: 'Output', nodes: printed, line: first.line })
      printed = []
    }
    if (ends) this.#ends.push(ends)
    if (this.#ends.length > MAX_BLOCKS) this.fail('blocks are nested too deeply')
    for (;;) {
      const token = this.current
      if (token.type === 'eof') break
      if (token.type === 'data') {
        printed.push({ type: 'TemplateData', data: token.value as string, line: token.line })
        this.next()
      } else if (token.type === 'variable_begin') {
        this.next()
        printed.push(this.tuple())
        this.expect('variable_end')
      } else {
        flush()
        this.next()
        if (ends?.some((end) => this.isName(end))) break
        body.push(this.#statement())
        this.expect('block_end')
      }
    }
    flush()
    if (ends) this.#ends.pop()
    return body
  }

  /** A body with its `block_end` before and one of `ends` behind. */
  #statements(...ends: string[]): Stmt[] {
    this.skip('colon')
    this.expect('block_end')
    const body = this.#body(ends)
    if (this.current.type === 'eof') {
      this.#ends.push(ends)
      this.#unexpected(null, this.current.line)
    }
    return body
  }

  /** The same, with the end consumed. */
  #statementsTo(end: string): Stmt[] {
    const body = this.#statements(end)
    this.next()
    return body
  }

  #statement(): Stmt {
    const token = this.current
    if (token.type !== 'name') this.fail('tag name expected')
    const tag = token.value as string
    const parse = Object.hasOwn(STATEMENTS, tag) ? STATEMENTS[tag] : undefined
    if (!parse) this.#unexpected(tag, token.line)
    this.#tags.push(tag)
    const statement = parse(this)
    this.#tags.pop()
    return statement
  }

  #unexpected(tag: string | null, line: number): never {
    const words = [tag === null ? 'Unexpected end of template.' : `Encountered unknown tag '${tag}'.`]
    const innermost = this.#ends.at(-1)
    if (innermost) {
      const looking = innermost.map((end) => `'${end}'`).join(' or ')
      const misplaced = tag !== null && this.#ends.flat().includes(tag)
      words.push(
        misplaced
          ? `You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for ${looking}.`
          : `Jinja was looking for the following tags: ${looking}.`,
      )
    }
    const open = this.#tags.at(-1)
    if (open !== undefined) words.push(`The innermost block that needs to be closed is '${open}'.`)
    this.fail(words.join(' '), line)
  }

  parseSet(): Stmt {
    const { line } = this.next()
    const target = this.assignTarget({ withNamespace: true })
    if (this.skip('assign')) return { type: 'Assign', target, node: this.tuple(), line }
    const filter = this.filters(null)
    return {
      type: 'AssignBlock',
      target,
      filter: filter?.type === 'Filter' ? filter : null,
      body: this.#statementsTo('endset'),
      line,
    }
  }

  parseFor(): For {
    const { line } = this.next()
    const target = this.assignTarget({ end: 'in' })
    this.expectName('in')
    const iter = this.tuple({ withCondition: false, end: 'recursive' })
    const test = this.skipName('if') ? this.expression() : null
    const recursive = this.skipName('recursive')
    const body = this.#statements('endfor', 'else')
    const else_ = this.next().value === 'endfor' ? [] : this.#statementsTo('endfor')
    return { type: 'For', target, iter, body, else_, test, recursive, line }
  }

  parseIf(): If {
    const result: If = this.#branch(this.next().line)
    for (;;) {
      const { value } = this.next()
      if (value === 'elif') result.elif.push(this.#branch(this.current.line))
      else {
        if (value === 'else') result.else_ = this.#statementsTo('endif')
        return result
      }
    }
  }

  #branch(line: number): If {
    const test = this.tuple({ withCondition: false })
    return { type: 'If', test, body: this.#statements('elif', 'else', 'endif'), elif: [], else_: [], line }
  }

  parseWith(): With {
    const { line } = this.next()
    const targets: Expr[] = []
    const values: Expr[] = []
    while (this.current.type !== 'block_end') {
      if (targets.length > 0) this.expect('comma')
      targets.push(this.assignTarget({ ctx: 'param' }))
      this.expect('assign')
      values.push(this.expression())
    }
    return { type: 'With', targets, values, body: this.#statementsTo('endwith'), line }
  }

  parseAutoescape(): Stmt {
    const { line } = this.next()
    const value = this.expression()
    return { type: 'Autoescape', value, body: this.#statementsTo('endautoescape'), line }
  }

  parseBlock(): Block {
    const { line } = this.next()
    const name = this.expect('name').value as string
    const scoped = this.skipName('scoped')
    const required = this.skipName('required')
    if (this.current.type === 'sub')
      this.fail(
        'Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an underscore instead.',
      )
    const body = this.#statementsTo('endblock')
    const isBlank = (node: Expr): boolean => node.type === 'TemplateData' && isSpace(node.data)
    if (required && !body.every((node) => node.type === 'Output' && node.nodes.every(isBlank)))
      this.fail('Required blocks can only contain comments or whitespace')
    this.skipName(name)
    return { type: 'Block', name, body, scoped, required, line }
  }

  parseExtends(): Loading {
    const { line } = this.next()
    return { type: 'Loading', tag: 'extends', template: this.expression(), names: [], line }
  }

  parseInclude(): Loading {
    const { line } = this.next()
    const template = this.expression()
    if (this.isName('ignore') && this.peekName() === 'missing') {
      this.next()
      this.next()
    }
    this.#importContext()
    return { type: 'Loading', tag: 'include', template, names: [], line }
  }

  parseImport(): Loading {
    const { line } = this.next()
    const template = this.expression()
    this.expectName('as')
    const names = [this.assignName().name]
    this.#importContext()
    return { type: 'Loading', tag: 'import', template, names, line }
  }

  parseFrom(): Loading {
    const { line } = this.next()
    const template = this.expression()
    this.expectName('import')
    const names: string[] = []
    for (;;) {
      if (names.length > 0) this.expect('comma')
      if (this.current.type !== 'name') this.expect('name')
      if (this.#importContext()) break
      const { name, line: at } = this.assignName()
      if (name.startsWith('_'))
        throw new TemplateError(
          'TemplateAssertionError',
          'names starting with an underline can not be imported',
          at,
        )
      names.push(this.skipName('as') ? this.assignName().name : name)
      if (this.#importContext() || this.current.type !== 'comma') break
    }
    return { type: 'Loading', tag: 'from', template, names, line }
  }

  #importContext(): boolean {
    if (!(this.isName('with') || this.isName('without')) || this.peekName() !== 'context') return false
    this.next()
    this.next()
    return true
  }

  #signature(): { args: Name[]; defaults: Expr[] } {
    const args: Name[] = []
    const defaults: Expr[] = []
    this.expect('lparen')
    while (this.current.type !== 'rparen') {
      if (args.length > 0) this.expect('comma')
      const arg = this.assignName()
      arg.ctx = 'param'
      if (this.skip('assign')) defaults.push(this.expression())
      else if (defaults.length > 0) this.fail('non-default argument follows default argument')
      args.push(arg)
    }
    this.expect('rparen')
    return { args, defaults }
  }

  parseCallBlock(): CallBlock {
    const { line } = this.next()
    const { args, defaults } = this.current.type === 'lparen' ? this.#signature() : { args: [], defaults: [] }
    const call = this.expression()
    if (call.type !== 'Call') this.fail('expected call', line)
    return { type: 'CallBlock', call, args, defaults, body: this.#statementsTo('endcall'), line }
  }

  parseFilterBlock(): FilterBlock {
    const { line } = this.next()
    const filter = this.inlineFilter()
    return { type: 'FilterBlock', filter, body: this.#statementsTo('endfilter'), line }
  }

  parseMacro(): MacroNode {
    const { line } = this.next()
    const { name } = this.assignName()
    const { args, defaults } = this.#signature()
    return { type: 'Macro', name, args, defaults, body: this.#statementsTo('endmacro'), line }
  }

  parsePrint(): Stmt {
    const { line } = this.next()
    const nodes: Expr[] = []
    while (this.current.type !== 'block_end') {
      if (nodes.length > 0) this.expect('comma')
      nodes.push(this.expression())
    }
    return { type: 'Output', nodes, line }
  }

  parseGeneration(): Generation {
    const { line } = this.next()
    return { type: 'Generation', args: [], defaults: [], body: this.#statementsTo('endgeneration'), line }
  }

  parseLoopControl(): Stmt {
    const { value, line } = this.next()
    return { type: value === 'break' ? 'Break' : 'Continue', line }
  }
}

const STATEMENTS: Record<string, (parser: Parser) => Stmt> = {
  set: (parser) => parser.parseSet(),
  for: (parser) => parser.parseFor(),
  if: (parser) => parser.parseIf(),
  with: (parser) => parser.parseWith(),
  autoescape: (parser) => parser.parseAutoescape(),
  block: (parser) => parser.parseBlock(),
  extends: (parser) => parser.parseExtends(),
  include: (parser) => parser.parseInclude(),
  import: (parser) => parser.parseImport(),
  from: (parser) => parser.parseFrom(),
  call: (parser) => parser.parseCallBlock(),
  filter: (parser) => parser.parseFilterBlock(),
  macro: (parser) => parser.parseMacro(),
  print: (parser) => parser.parsePrint(),
  generation: (parser) => parser.parseGeneration(),
  break: (parser) => parser.parseLoopControl(),
  continue: (parser) => parser.parseLoopControl(),
}
