/** The tree of a template, with the names that Jinja2 gives its nodes. */
import type { BinaryOperator, CompareOperator } from './operators.ts'
import type { Value } from './values.ts'

export type Context = 'load' | 'store' | 'param'

interface At {
  line: number
}

export interface Name extends At {
  type: 'Name'
  name: string
  ctx: Context
}
/** The target of {% set ns.name = … %}. */
export interface NSRef extends At {
  type: 'NSRef'
  name: string
  attr: string
}
export interface Const extends At {
  type: 'Const'
  value: Value
}
export interface TemplateData extends At {
  type: 'TemplateData'
  data: string
}
export interface TupleNode extends At {
  type: 'Tuple'
  items: Expr[]
  ctx: Context
}
export interface ListNode extends At {
  type: 'List'
  items: Expr[]
}
export interface Pair extends At {
  type: 'Pair'
  key: Expr
  value: Expr
}
export interface DictNode extends At {
  type: 'Dict'
  items: Pair[]
}
export interface CondExpr extends At {
  type: 'CondExpr'
  test: Expr
  expr1: Expr
  expr2: Expr | null
}
export interface Binary extends At {
  type: 'Binary'
  operator: BinaryOperator
  left: Expr
  right: Expr
}
export interface Logic extends At {
  type: 'And' | 'Or'
  left: Expr
  right: Expr
}
export interface Unary extends At {
  type: 'Not' | 'Neg' | 'Pos'
  node: Expr
}
export interface Concat extends At {
  type: 'Concat'
  nodes: Expr[]
}
export interface Operand extends At {
  type: 'Operand'
  op: CompareOperator
  expr: Expr
}
export interface Compare extends At {
  type: 'Compare'
  expr: Expr
  ops: Operand[]
}
export interface Keyword extends At {
  type: 'Keyword'
  key: string
  value: Expr
}
export interface CallArguments {
  args: Expr[]
  kwargs: Keyword[]
  dynArgs: Expr | null
  dynKwargs: Expr | null
}
export interface Call extends At, CallArguments {
  type: 'Call'
  node: Expr
}
export interface FilterNode extends At, CallArguments {
  type: 'Filter'
  /** null: what a block around it printed. */
  node: Expr | null
  name: string
}
export interface TestNode extends At, CallArguments {
  type: 'Test'
  node: Expr
  name: string
}
export interface Getattr extends At {
  type: 'Getattr'
  node: Expr
  attr: string
}
export interface Getitem extends At {
  type: 'Getitem'
  node: Expr
  arg: Expr
}
export interface SliceNode extends At {
  type: 'Slice'
  start: Expr | null
  stop: Expr | null
  step: Expr | null
}

export type Expr =
  | Name
  | NSRef
  | Const
  | TemplateData
  | TupleNode
  | ListNode
  | DictNode
  | CondExpr
  | Binary
  | Logic
  | Unary
  | Concat
  | Compare
  | Call
  | FilterNode
  | TestNode
  | Getattr
  | Getitem
  | SliceNode

export interface Output extends At {
  type: 'Output'
  nodes: Expr[]
}
export interface Assign extends At {
  type: 'Assign'
  target: Expr
  node: Expr
}
export interface AssignBlock extends At {
  type: 'AssignBlock'
  target: Expr
  filter: FilterNode | null
  body: Stmt[]
}
export interface For extends At {
  type: 'For'
  target: Expr
  iter: Expr
  body: Stmt[]
  else_: Stmt[]
  test: Expr | null
  recursive: boolean
}
export interface If extends At {
  type: 'If'
  test: Expr
  body: Stmt[]
  elif: If[]
  else_: Stmt[]
}
interface Signature {
  args: Name[]
  defaults: Expr[]
  body: Stmt[]
}
export interface MacroNode extends At, Signature {
  type: 'Macro'
  name: string
}
export interface CallBlock extends At, Signature {
  type: 'CallBlock'
  call: Call
}
/** The transformers library's {% generation %}: it marks what the model wrote, and prints it. */
export interface Generation extends At, Signature {
  type: 'Generation'
}
export interface FilterBlock extends At {
  type: 'FilterBlock'
  body: Stmt[]
  filter: FilterNode
}
export interface With extends At {
  type: 'With'
  targets: Expr[]
  values: Expr[]
  body: Stmt[]
}
export interface Autoescape extends At {
  type: 'Autoescape'
  value: Expr
  body: Stmt[]
}
export interface Block extends At {
  type: 'Block'
  name: string
  body: Stmt[]
  scoped: boolean
  required: boolean
}
/** Includes, imports and extends: there is nothing to load a template from. */
export interface Loading extends At {
  type: 'Loading'
  tag: 'extends' | 'include' | 'import' | 'from'
  template: Expr
  /** The names that it would set. */
  names: string[]
}
export interface LoopControl extends At {
  type: 'Break' | 'Continue'
}

export type Stmt =
  | Output
  | Assign
  | AssignBlock
  | For
  | If
  | MacroNode
  | CallBlock
  | Generation
  | FilterBlock
  | With
  | Autoescape
  | Block
  | Loading
  | LoopControl

export type Node = Expr | Stmt | Pair | Keyword | Operand
export type Macro = MacroNode | CallBlock | Generation

const some = (...nodes: (Node | null)[]): Node[] => nodes.filter((node) => node !== null)

/** In the order in which Jinja2 visits them: where a name is met first decides what it means. */
export function children(node: Node): Node[] {
  switch (node.type) {
    case 'Tuple':
    case 'List':
    case 'Dict':
      return node.items
    case 'Pair':
      return [node.key, node.value]
    case 'CondExpr':
      return some(node.test, node.expr1, node.expr2)
    case 'Binary':
    case 'And':
    case 'Or':
      return [node.left, node.right]
    case 'Not':
    case 'Neg':
    case 'Pos':
    case 'Getattr':
      return [node.node]
    case 'Concat':
    case 'Output':
      return node.nodes
    case 'Operand':
      return [node.expr]
    case 'Compare':
      return [node.expr, ...node.ops]
    case 'Keyword':
      return [node.value]
    case 'Call':
    case 'Filter':
    case 'Test':
      return some(node.node, ...node.args, ...node.kwargs, node.dynArgs, node.dynKwargs)
    case 'Getitem':
      return [node.node, node.arg]
    case 'Slice':
      return some(node.start, node.stop, node.step)
    case 'Assign':
      return [node.target, node.node]
    case 'AssignBlock':
      return some(node.target, node.filter, ...node.body)
    case 'For':
      return some(node.target, node.iter, ...node.body, ...node.else_, node.test)
    case 'If':
      return [node.test, ...node.body, ...node.elif, ...node.else_]
    case 'Macro':
    case 'Generation':
      return [...node.args, ...node.defaults, ...node.body]
    case 'CallBlock':
      return [node.call, ...node.args, ...node.defaults, ...node.body]
    case 'FilterBlock':
      return [...node.body, node.filter]
    case 'With':
      return [...node.targets, ...node.values, ...node.body]
    case 'Autoescape':
      return [node.value, ...node.body]
    case 'Block':
      return node.body
    case 'Loading':
      return [node.template]
    default:
      return []
  }
}

/** All below a node, itself left out. */
export function* descendants(node: Node): Generator<Node> {
  for (const child of children(node)) {
    yield child
    yield* descendants(child)
  }
}
