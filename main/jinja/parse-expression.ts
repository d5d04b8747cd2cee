/** Expressions, one method for each step of precedence, as in Jinja2's parser. */
import { TemplateError } from './errors.ts'
import { symbolOf, type Token } from './lexer.ts'
import type { CallArguments, Context, Expr, FilterNode, Keyword, Name, Operand, Pair } from './nodes.ts'
import type { BinaryOperator, CompareOperator } from './operators.ts'
import type { Value } from './values.ts'

const COMPARISONS: Record<string, CompareOperator> = {
  eq: '==',
  ne: '!=',
  lt: '<',
  lteq: '<=',
  gt: '>',
  gteq: '>=',
}
const SUMS: Record<string, BinaryOperator> = { add: '+', sub: '-' }
const PRODUCTS: Record<string, BinaryOperator> = { mul: '*', div: '/', floordiv: '//', mod: '%' }
const CONSTANTS = new Map<Value, Value>([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
])
/** What a test without parentheses may take as its argument. */
const ARGUMENT_STARTS = new Set(['name', 'string', 'integer', 'float', 'lparen', 'lbracket', 'lbrace'])

const DESCRIPTIONS: Record<string, string> = {
  block_begin: 'begin of statement block',
  block_end: 'end of statement block',
  variable_begin: 'begin of print statement',
  variable_end: 'end of print statement',
  data: 'template data / text',
  eof: 'end of template',
}

function describe(type: string): string {
  return symbolOf(type) ?? DESCRIPTIONS[type] ?? type
}

/** Nested deeper than this, or a longer chain of operators, is refused: the tree is walked by recursion. */
const MAX_DEPTH = 100
const MAX_CHAIN = 200

export interface TargetOptions {
  withNamespace?: boolean
  end?: string
  ctx?: Context
}

export class ExpressionParser {
  readonly #tokens: Token[]
  #at = 0
  #depth = 0

  constructor(tokens: Token[]) {
    this.#tokens = tokens
  }

  get current(): Token {
    return this.#tokens[this.#at] as Token
  }

  /** Gives the current token and goes on. */
  next(): Token {
    const token = this.current
    if (token.type !== 'eof') this.#at++
    return token
  }

  peek(): Token {
    return this.#tokens[Math.min(this.#at + 1, this.#tokens.length - 1)] as Token
  }

  peekName(): Value | undefined {
    const token = this.peek()
    return token.type === 'name' ? token.value : undefined
  }

  isName(name: string): boolean {
    return this.current.type === 'name' && this.current.value === name
  }

  skip(type: string): boolean {
    const found = this.current.type === type
    if (found) this.next()
    return found
  }

  skipName(name: string): boolean {
    const found = this.isName(name)
    if (found) this.next()
    return found
  }

  expect(type: string): Token {
    if (this.current.type !== type) this.#wanted(describe(type))
    return this.next()
  }

  expectName(name: string): Token {
    if (!this.isName(name)) this.#wanted(name)
    return this.next()
  }

  #wanted(what: string): never {
    if (this.current.type === 'eof') this.fail(`unexpected end of template, expected '${what}'.`)
    this.fail(`expected token '${what}', got '${this.#words(this.current)}'`)
  }

  #words({ type, value }: Token): string {
    return type === 'name' ? String(value) : describe(type)
  }

  fail(message: string, line = this.current.line): never {
    throw new TemplateError('TemplateSyntaxError', message, line)
  }

  /** Runs one level deeper. */
  #nested<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) this.fail('the expression is nested too deeply')
    const result = parse()
    this.#depth--
    return result
  }

  #links(count: number): void {
    if (count > MAX_CHAIN) this.fail('the expression is too long')
  }

  expression(): Expr {
    return this.#nested(() => this.#condition())
  }

  #condition(): Expr {
    let { line } = this.current
    let result = this.#or()
    for (let count = 1; this.skipName('if'); count++) {
      this.#links(count)
      const test = this.#or()
      const expr2 = this.skipName('else') ? this.#nested(() => this.#condition()) : null
      result = { type: 'CondExpr', test, expr1: result, expr2, line }
      line = this.current.line
    }
    return result
  }

  #or(): Expr {
    let { line } = this.current
    let left = this.#and()
    for (let count = 1; this.skipName('or'); count++) {
      this.#links(count)
      left = { type: 'Or', left, right: this.#and(), line }
      line = this.current.line
    }
    return left
  }

  #and(): Expr {
    let { line } = this.current
    let left = this.#not()
    for (let count = 1; this.skipName('and'); count++) {
      this.#links(count)
      left = { type: 'And', left, right: this.#not(), line }
      line = this.current.line
    }
    return left
  }

  #not(): Expr {
    if (!this.isName('not')) return this.#compare()
    const { line } = this.next()
    return { type: 'Not', node: this.#nested(() => this.#not()), line }
  }

  #compare(): Expr {
    let { line } = this.current
    const expr = this.#sum()
    const ops: Operand[] = []
    for (;;) {
      const op = this.#comparison()
      if (op === undefined) break
      this.#links(ops.length)
      const operand = this.#sum()
      ops.push({ type: 'Operand', op, expr: operand, line: operand.line })
      line = this.current.line
    }
    return ops.length === 0 ? expr : { type: 'Compare', expr, ops, line }
  }

  #comparison(): CompareOperator | undefined {
    const { type } = this.current
    const op = Object.hasOwn(COMPARISONS, type) ? COMPARISONS[type] : undefined
    if (op !== undefined) this.next()
    else if (this.skipName('in')) return 'in'
    else if (this.isName('not') && this.peekName() === 'in') {
      this.next()
      this.next()
      return 'not in'
    }
    return op
  }

  #chain(operators: Record<string, BinaryOperator>, operand: () => Expr): Expr {
    let { line } = this.current
    let left = operand()
    for (let count = 1; Object.hasOwn(operators, this.current.type); count++) {
      this.#links(count)
      const operator = operators[this.next().type] as BinaryOperator
      left = { type: 'Binary', operator, left, right: operand(), line }
      line = this.current.line
    }
    return left
  }

  #sum(): Expr {
    return this.#chain(SUMS, () => this.#concat())
  }

  #concat(): Expr {
    const { line } = this.current
    const nodes = [this.#product()]
    while (this.skip('tilde')) nodes.push(this.#product())
    return nodes.length === 1 ? (nodes[0] as Expr) : { type: 'Concat', nodes, line }
  }

  #product(): Expr {
    return this.#chain(PRODUCTS, () => this.#power())
  }

  #power(): Expr {
    return this.#chain({ pow: '**' }, () => this.#unary(true))
  }

  #unary(withFilter: boolean): Expr {
    const { type, line } = this.current
    let node: Expr
    if (type === 'sub' || type === 'add') {
      this.next()
      node = { type: type === 'sub' ? 'Neg' : 'Pos', node: this.#nested(() => this.#unary(false)), line }
    } else node = this.#primary(false)
    node = this.#postfix(node)
    return withFilter ? this.#filterExpression(node) : node
  }

  #primary(withNamespace: boolean): Expr {
    const token = this.current
    const { type, value, line } = token
    switch (type) {
      case 'name': {
        this.next()
        const constant = CONSTANTS.get(value)
        if (constant !== undefined) return { type: 'Const', value: constant, line }
        if (!withNamespace || !this.skip('dot'))
          return { type: 'Name', name: value as string, ctx: 'load', line }
        return { type: 'NSRef', name: value as string, attr: this.expect('name').value as string, line }
      }
      case 'string': {
        let text = ''
        while (this.current.type === 'string') text += this.next().value as string
        return { type: 'Const', value: text, line }
      }
      case 'integer':
      case 'float':
        this.next()
        return { type: 'Const', value, line }
      case 'lparen': {
        this.next()
        const node = this.tuple({ inParentheses: true })
        this.expect('rparen')
        return node
      }
      case 'lbracket':
        return this.#list()
      case 'lbrace':
        return this.#dict()
    }
    return this.fail(`unexpected '${this.#words(token)}'`, line)
  }

  /** Expressions with commas between them, or one alone. */
  tuple(
    options: { withCondition?: boolean; end?: string | undefined; inParentheses?: boolean } = {},
    item: () => Expr = options.withCondition === false
      ? () => this.#nested(() => this.#or())
      : () => this.expression(),
  ): Expr {
    let { line } = this.current
    const items: Expr[] = []
    let isTuple = false
    for (;;) {
      if (items.length > 0) this.expect('comma')
      if (this.#endsTuple(options.end)) break
      items.push(item())
      if (this.current.type !== 'comma') break
      isTuple = true
      line = this.current.line
    }
    const [first] = items
    if (!isTuple && first) return first
    if (!isTuple && !options.inParentheses)
      this.fail(`Expected an expression, got '${this.#words(this.current)}'`)
    return { type: 'Tuple', items, ctx: 'load', line }
  }

  #endsTuple(end: string | undefined): boolean {
    return (
      ['variable_end', 'block_end', 'rparen'].includes(this.current.type) ||
      (end !== undefined && this.isName(end))
    )
  }

  assignName(): Name {
    const { value, line } = this.expect('name')
    if (CONSTANTS.has(value)) this.fail("can't assign to 'name'", line)
    return { type: 'Name', name: value as string, ctx: 'store', line }
  }

  assignTarget({ withNamespace = false, end, ctx = 'store' }: TargetOptions): Expr {
    const target = this.tuple({ end }, () => this.#nested(() => this.#primary(withNamespace)))
    if (!isAssignable(target)) this.fail(`can't assign to '${target.type.toLowerCase()}'`, target.line)
    setContext(target, ctx)
    return target
  }

  #list(): Expr {
    const { line } = this.next()
    const items: Expr[] = []
    while (this.current.type !== 'rbracket') {
      if (items.length > 0) this.expect('comma')
      if (this.current.type === 'rbracket') break
      items.push(this.expression())
    }
    this.expect('rbracket')
    return { type: 'List', items, line }
  }

  #dict(): Expr {
    const { line } = this.next()
    const items: Pair[] = []
    while (this.current.type !== 'rbrace') {
      if (items.length > 0) this.expect('comma')
      if (this.current.type === 'rbrace') break
      const key = this.expression()
      this.expect('colon')
      items.push({ type: 'Pair', key, value: this.expression(), line: key.line })
    }
    this.expect('rbrace')
    return { type: 'Dict', items, line }
  }

  #postfix(start: Expr): Expr {
    let node = start
    for (let count = 1; ; count++) {
      this.#links(count)
      const { type } = this.current
      if (type === 'dot' || type === 'lbracket') node = this.#subscript(node)
      else if (type === 'lparen') node = this.#call(node)
      else return node
    }
  }

  #filterExpression(start: Expr): Expr {
    let node = start
    for (let count = 1; ; count++) {
      this.#links(count)
      if (this.current.type === 'pipe') node = this.filters(node) as Expr
      else if (this.isName('is')) node = this.#test(node)
      else if (this.current.type === 'lparen') node = this.#call(node)
      else return node
    }
  }

  #subscript(node: Expr): Expr {
    const { type, line } = this.next()
    if (type === 'dot') {
      const token = this.next()
      if (token.type === 'name') return { type: 'Getattr', node, attr: token.value as string, line }
      if (token.type !== 'integer') this.fail('expected name or number', token.line)
      return { type: 'Getitem', node, arg: { type: 'Const', value: token.value, line: token.line }, line }
    }
    const args: Expr[] = []
    while (this.current.type !== 'rbracket') {
      if (args.length > 0) this.expect('comma')
      args.push(this.#subscribed())
    }
    this.expect('rbracket')
    const [only, ...more] = args
    if (only && more.length === 0) return { type: 'Getitem', node, arg: only, line }
    if (args.some((arg) => arg.type === 'Slice')) this.fail('a slice stands alone in its brackets', line)
    return { type: 'Getitem', node, arg: { type: 'Tuple', items: args, ctx: 'load', line }, line }
  }

  #subscribed(): Expr {
    const { line } = this.current
    const ends = (...types: string[]): boolean => types.includes(this.current.type)
    const start = ends('colon') ? null : this.expression()
    if (!this.skip('colon')) return start as Expr
    const stop = ends('colon', 'rbracket', 'comma') ? null : this.expression()
    const step = !this.skip('colon') || ends('rbracket', 'comma') ? null : this.expression()
    return { type: 'Slice', start, stop, step, line }
  }

  #callArguments(): CallArguments {
    const { line } = this.expect('lparen')
    const args: Expr[] = []
    const kwargs: Keyword[] = []
    let dynArgs: Expr | null = null
    let dynKwargs: Expr | null = null
    const ensure = (fits: boolean): void => {
      if (!fits) this.fail('invalid syntax for function call expression', line)
    }
    for (let first = true; this.current.type !== 'rparen'; first = false) {
      if (!first) {
        this.expect('comma')
        if (this.current.type === 'rparen') break
      }
      if (this.skip('mul')) {
        ensure(dynArgs === null && dynKwargs === null)
        dynArgs = this.expression()
      } else if (this.skip('pow')) {
        ensure(dynKwargs === null)
        dynKwargs = this.expression()
      } else if (this.current.type === 'name' && this.peek().type === 'assign') {
        ensure(dynKwargs === null)
        const key = this.next().value as string
        this.next()
        const value = this.expression()
        if (kwargs.some((other) => other.key === key)) this.fail(`keyword argument repeated: ${key}`, line)
        kwargs.push({ type: 'Keyword', key, value, line: value.line })
      } else {
        ensure(dynArgs === null && dynKwargs === null && kwargs.length === 0)
        args.push(this.expression())
      }
    }
    this.expect('rparen')
    return { args, kwargs, dynArgs, dynKwargs }
  }

  #call(node: Expr): Expr {
    const { line } = this.current
    return { type: 'Call', node, ...this.#callArguments(), line }
  }

  /** All filters that follow. null: they are applied to what a block prints. */
  filters(start: Expr | null): Expr | null {
    let node = start
    for (let count = 1; this.skip('pipe'); count++) {
      this.#links(count)
      node = this.#filter(node)
    }
    return node
  }

  /** The filters of {% filter … %}, the first without its bar. */
  inlineFilter(): FilterNode {
    return this.filters(this.#filter(null)) as FilterNode
  }

  #filter(node: Expr | null): FilterNode {
    const { line } = this.current
    const name = this.#dottedName()
    return { type: 'Filter', node, name, ...this.#optionalArguments(), line }
  }

  #dottedName(): string {
    let name = this.expect('name').value as string
    while (this.skip('dot')) name += `.${this.expect('name').value as string}`
    return name
  }

  #optionalArguments(): CallArguments {
    return this.current.type === 'lparen'
      ? this.#callArguments()
      : { args: [], kwargs: [], dynArgs: null, dynKwargs: null }
  }

  #test(node: Expr): Expr {
    const { line } = this.next()
    const negated = this.skipName('not')
    const name = this.#dottedName()
    const { type } = this.current
    let given = this.#noArguments
    if (type === 'lparen') given = this.#callArguments()
    else if (ARGUMENT_STARTS.has(type) && !['else', 'or', 'and'].some((word) => this.isName(word))) {
      if (this.isName('is')) this.fail('You cannot chain multiple tests with is')
      given = { ...given, args: [this.#nested(() => this.#postfix(this.#primary(false)))] }
    }
    const test: Expr = { type: 'Test', node, name, ...given, line }
    return negated ? { type: 'Not', node: test, line } : test
  }

  get #noArguments(): CallArguments {
    return { args: [], kwargs: [], dynArgs: null, dynKwargs: null }
  }
}

function isAssignable(target: Expr): boolean {
  return target.type === 'Tuple'
    ? target.items.every(isAssignable)
    : target.type === 'Name' || target.type === 'NSRef'
}

function setContext(target: Expr, ctx: Context): void {
  if (target.type === 'Name') target.ctx = ctx
  if (target.type !== 'Tuple') return
  target.ctx = ctx
  for (const item of target.items) setContext(item, ctx)
}
