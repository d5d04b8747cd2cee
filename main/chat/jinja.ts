/**
 * Chat templates as Python's Jinja2 renders them, on @huggingface/jinja. Where that library departs from Jinja2
 * (undefined values, None, Python's strings, integer keys) the bridge is here and nowhere else: a subclass of its
 * interpreter that looks at a node first and hands on what the library does right. What neither knows raises, so
 * that a prompt is never guessed.
 *
 * Runs in the isolated child only: a template is an untrusted program that can loop for ever or fill the memory.
 */
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja'
import { strftime } from './strftime.ts'

/** The template itself called raise_exception(). */
export class TemplateRaised extends Error {}

export interface TemplateContext {
  messages: { role: string; content: string }[]
  add_generation_prompt: boolean
  bos_token: string
  eos_token: string
  /** Left out: undefined, as transformers has it where nobody asks. */
  enable_thinking?: boolean
}

/** Throws TemplateRaised, or any other error for what is wrong with the template. */
export function renderJinja(template: string, context: TemplateContext, now: Date): string {
  const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }))
  const environment = new Environment()
  const globals = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    range: pythonRange,
    raise_exception: (message: unknown) => {
      throw new TemplateRaised(String(message))
    },
    strftime_now: (format: string) => strftime(now, format),
    ...context,
  }
  for (const [name, value] of Object.entries(globals)) environment.set(name, value)
  return String(new PythonInterpreter(environment).run(program).value)
}

// The library exports none of its value classes; they are those of values that it makes.
type Value = ReturnType<Environment['set']>
type ValueClass = new (value: unknown) => Value
const classOf = (sample: unknown): ValueClass =>
  new Environment().set('sample', sample).constructor as ValueClass
const StringValue = classOf('')
const IntegerValue = classOf(0)
const FloatValue = classOf(0.5)
const BooleanValue = classOf(true)
const NullValue = classOf(null)
const UndefinedValue = classOf(undefined)
const ArrayValue = classOf([])
const ObjectValue = classOf({})
const FunctionValue = classOf(() => null)

interface Node {
  type: string
  [field: string]: unknown
}
/** A node that was evaluated already: the library is given one in place of the expression. */
interface Known extends Node {
  type: 'Known'
  known: Value
}
const known = (value: Value): Known => ({ type: 'Known', known: value })

/** What this file uses of the library's interpreter; evaluateBlock is private there, and pinned by the tests here. */
interface BaseInterpreter {
  run(program: unknown): Value
  evaluate(node: Node | undefined, environment: Environment): Value
  evaluateBlock(nodes: Node[], environment: Environment): Value
  evaluateArguments(nodes: Node[], environment: Environment): [Value[], Map<string, Value>]
}
const Base = Interpreter as unknown as new (environment: Environment) => BaseInterpreter

const STATEMENTS = new Set([
  'Set',
  'If',
  'For',
  'Macro',
  'CallStatement',
  'FilterStatement',
  'Comment',
  'Break',
  'Continue',
])

class PythonInterpreter extends Base {
  /** Python prints None, True and lists in its own way; the library prints JSON, and nothing for None. */
  override evaluateBlock(nodes: Node[], environment: Environment): Value {
    let text = ''
    for (const node of nodes) {
      const value = this.evaluate(node, environment)
      if (STATEMENTS.has(node.type)) text += value instanceof StringValue ? value.value : ''
      else text += toText(value)
    }
    return new StringValue(text)
  }

  override evaluate(node: Node | undefined, environment: Environment): Value {
    switch (node?.type) {
      case 'Known':
        return (node as Known).known
      case 'MemberExpression':
        return this.member(node, environment)
      case 'For':
        return super.evaluate(
          { ...node, iterable: this.iterable(node['iterable'] as Node, environment) },
          environment,
        )
      case 'FilterExpression':
        return this.filter(node, environment)
      case 'BinaryExpression':
        return this.binary(node, environment)
      case 'TestExpression':
        return this.test(node, environment)
      case 'ObjectLiteral':
        return this.dictionary(node, environment)
      default:
        return super.evaluate(node, environment)
    }
  }

  /** An attribute of something undefined is an error; strings have Python's methods; dictionaries any key. */
  private member(node: Node, environment: Environment): Value {
    const object = this.evaluate(node['object'] as Node, environment)
    if (object instanceof UndefinedValue) throw undefinedError(node['object'] as Node)
    const property = node['property'] as Node
    if (!node['computed'] || property.type === 'SliceExpression') {
      const name = property['value']
      if (object instanceof StringValue && typeof name === 'string' && Object.hasOwn(STRING_METHODS, name)) {
        const method = STRING_METHODS[name] as StringMethod
        return new FunctionValue((args: Value[]) => method(String(object.value), args))
      }
      return super.evaluate({ ...node, object: known(object) }, environment)
    }
    const key = this.evaluate(property, environment)
    if (object instanceof ObjectValue && !(key instanceof StringValue)) {
      return INTEGER_KEYS.get(object)?.get(key.value) ?? new UndefinedValue(undefined)
    }
    if (key instanceof UndefinedValue || key instanceof NullValue) return new UndefinedValue(undefined)
    return super.evaluate({ ...node, object: known(object), property: known(key) }, environment)
  }

  /** Undefined is an empty sequence, a string one of characters. */
  private iterable(node: Node, environment: Environment): Node {
    if (node.type === 'SelectExpression')
      return { ...node, lhs: this.iterable(node['lhs'] as Node, environment) }
    const value = this.evaluate(node, environment)
    if (value instanceof UndefinedValue) return known(new ArrayValue([]))
    if (value instanceof StringValue)
      return known(new ArrayValue(Array.from(String(value.value), (c) => new StringValue(c))))
    return known(value)
  }

  private filter(node: Node, environment: Environment): Value {
    const filter = node['filter'] as Node
    const call = filter.type === 'CallExpression'
    const name = String((call ? (filter['callee'] as Node) : filter)['value'])
    let operand = this.evaluate(node['operand'] as Node, environment)
    if (name === 'trim') {
      const args = call ? this.evaluateArguments(filter['args'] as Node[], environment)[0] : []
      return new StringValue(strip(toText(operand), args, true, true))
    }
    if (name === 'string') return new StringValue(toText(operand))
    if (name === 'dictsort' && !call && INTEGER_KEYS.has(operand)) return sortedPairs(operand)
    if (name === 'count')
      return super.evaluate(
        { ...node, operand: known(operand), filter: { type: 'Identifier', value: 'length' } },
        environment,
      )
    if (operand instanceof UndefinedValue && SEQUENCE_FILTERS.has(name)) operand = new ArrayValue([])
    if ((operand instanceof UndefinedValue || operand instanceof NullValue) && TEXT_FILTERS.has(name))
      operand = new StringValue(toText(operand))
    return super.evaluate({ ...node, operand: known(operand) }, environment)
  }

  private binary(node: Node, environment: Environment): Value {
    const operator = String((node['operator'] as { value: unknown }).value)
    if (operator === 'and' || operator === 'or') return super.evaluate(node, environment)
    const left = this.evaluate(node['left'] as Node, environment)
    const right = this.evaluate(node['right'] as Node, environment)
    switch (operator) {
      case '==':
        return new BooleanValue(equal(left, right))
      case '!=':
        return new BooleanValue(!equal(left, right))
      case '~':
        return new StringValue(toText(left) + toText(right))
      case 'in':
      case 'not in':
        if (right instanceof ArrayValue)
          return new BooleanValue(
            (right.value as Value[]).some((item) => equal(item, left)) === (operator === 'in'),
          )
        if (right instanceof ObjectValue && !(left instanceof StringValue)) {
          return new BooleanValue((INTEGER_KEYS.get(right)?.has(left.value) ?? false) === (operator === 'in'))
        }
        break
      case '+':
        if (left instanceof StringValue !== right instanceof StringValue && !isUndefined(left, right)) {
          throw new Error('only text can be added to text')
        }
        break
      case '%':
        if (left instanceof IntegerValue && right instanceof IntegerValue) {
          const divisor = Number(right.value)
          return new IntegerValue(((Number(left.value) % divisor) + divisor) % divisor)
        }
        break
      case '<':
      case '>':
      case '<=':
      case '>=':
        if (left instanceof StringValue && right instanceof StringValue)
          return new BooleanValue(compare(String(left.value), String(right.value), operator))
        break
    }
    if (left instanceof UndefinedValue) throw undefinedError(node['left'] as Node)
    if (right instanceof UndefinedValue && operator !== 'in' && operator !== 'not in')
      throw undefinedError(node['right'] as Node)
    return super.evaluate({ ...node, left: known(left), right: known(right) }, environment)
  }

  private test(node: Node, environment: Environment): Value {
    const operand = this.evaluate(node['operand'] as Node, environment)
    const name = String((node['test'] as Node)['value'])
    if (name === 'iterable' || name === 'sequence') {
      const yes = [ArrayValue, ObjectValue, StringValue, UndefinedValue].some(
        (kind) => operand instanceof kind,
      )
      return new BooleanValue(yes !== node['negate'])
    }
    return super.evaluate({ ...node, operand: known(operand) }, environment)
  }

  /** The library's dictionaries have text keys only; those with whole numbers are kept beside them. */
  private dictionary(node: Node, environment: Environment): Value {
    const entries = [...(node['value'] as Map<Node, Node>)].map(
      ([key, value]) => [this.evaluate(key, environment), this.evaluate(value, environment)] as const,
    )
    const texts = entries.filter(([key]) => key instanceof StringValue)
    const dictionary = new ObjectValue(new Map(texts.map(([key, value]) => [String(key.value), value])))
    if (texts.length === entries.length) return dictionary
    if (texts.length > 0 || !entries.every(([key]) => key instanceof IntegerValue)) {
      throw new Error('the keys of a dictionary are neither all text nor all whole numbers')
    }
    INTEGER_KEYS.set(dictionary, new Map(entries.map(([key, value]) => [key.value, value])))
    return dictionary
  }
}

/** Dictionaries with whole numbers as keys: subscripts, `in` and dictsort know them. */
const INTEGER_KEYS = new WeakMap<Value, Map<unknown, Value>>()

function sortedPairs(dictionary: Value): Value {
  const pairs = [...(INTEGER_KEYS.get(dictionary) as Map<unknown, Value>)].sort(
    ([a], [b]) => Number(a) - Number(b),
  )
  return new ArrayValue(pairs.map(([key, value]) => new ArrayValue([new IntegerValue(key), value])))
}

const SEQUENCE_FILTERS = new Set([
  'length',
  'list',
  'join',
  'first',
  'last',
  'reverse',
  'sort',
  'unique',
  'map',
  'select',
  'reject',
  'selectattr',
  'rejectattr',
  'items',
])
const TEXT_FILTERS = new Set(['upper', 'lower', 'title', 'capitalize', 'replace', 'indent'])

function isUndefined(...values: Value[]): boolean {
  return values.some((value) => value instanceof UndefinedValue)
}

function undefinedError(node: Node): Error {
  if (node.type === 'Identifier') return new Error(`'${String(node['value'])}' is undefined`)
  const property = node['property'] as Node | undefined
  return new Error(property ? `'${String(property['value'])}' is undefined` : 'a value is undefined')
}

function equal(left: Value, right: Value): boolean {
  if (isNumber(left) && isNumber(right)) return Number(left.value) === Number(right.value)
  if (left instanceof ArrayValue && right instanceof ArrayValue) {
    const [a, b] = [left.value as Value[], right.value as Value[]]
    return a.length === b.length && a.every((item, i) => equal(item, b[i] as Value))
  }
  if (left instanceof ObjectValue && right instanceof ObjectValue) {
    const [a, b] = [left.value as Map<string, Value>, right.value as Map<string, Value>]
    return a.size === b.size && [...a].every(([key, item]) => b.has(key) && equal(item, b.get(key) as Value))
  }
  return left.constructor === right.constructor && left.value === right.value
}

function isNumber(value: Value): boolean {
  return value instanceof IntegerValue || value instanceof FloatValue || value instanceof BooleanValue
}

/** By code points, as Python compares, and not by UTF-16 units. */
function compare(left: string, right: string, operator: '<' | '>' | '<=' | '>='): boolean {
  const order = Buffer.compare(Buffer.from(left), Buffer.from(right))
  return operator === '<'
    ? order < 0
    : operator === '>'
      ? order > 0
      : operator === '<='
        ? order <= 0
        : order >= 0
}

/** Python's str(). */
function toText(value: Value): string {
  return value instanceof StringValue
    ? String(value.value)
    : value instanceof UndefinedValue
      ? ''
      : toRepr(value)
}

/** Python's repr(). */
function toRepr(value: Value): string {
  if (value instanceof NullValue || value instanceof UndefinedValue) return 'None'
  if (value instanceof BooleanValue) return value.value ? 'True' : 'False'
  if (value instanceof StringValue) return quoted(String(value.value))
  if (value instanceof ArrayValue) return `[${(value.value as Value[]).map(toRepr).join(', ')}]`
  if (value instanceof ObjectValue)
    return `{${[...(value.value as Map<string, Value>)].map(([key, item]) => `${quoted(key)}: ${toRepr(item)}`).join(', ')}}`
  return value.toString()
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
  return quote + escaped.replaceAll(quote, `\\${quote}`) + quote
}

type StringMethod = (text: string, args: Value[]) => Value

/** Methods of Python's str that the library lacks or has otherwise. */
const STRING_METHODS: Record<string, StringMethod> = {
  strip: (text, args) => new StringValue(strip(text, args, true, true)),
  lstrip: (text, args) => new StringValue(strip(text, args, true, false)),
  rstrip: (text, args) => new StringValue(strip(text, args, false, true)),
  format: (text, args) => new StringValue(format(text, args)),
  removeprefix: (text, [prefix]) =>
    new StringValue(text.startsWith(stringOf(prefix)) ? text.slice(stringOf(prefix).length) : text),
  removesuffix: (text, [suffix]) => {
    const end = stringOf(suffix)
    return new StringValue(end !== '' && text.endsWith(end) ? text.slice(0, -end.length) : text)
  },
  join: (text, [items]) => {
    if (!(items instanceof ArrayValue)) throw new Error('join() takes a list')
    return new StringValue((items.value as Value[]).map(stringOf).join(text))
  },
  count: (text, [part]) => new IntegerValue(text.split(stringOf(part)).length - 1),
  splitlines: (text) =>
    new ArrayValue(
      (text.match(/[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$/g) ?? []).map(
        (line) => new StringValue(line.replace(/[\r\n]+$/, '')),
      ),
    ),
  isdigit: (text) => new BooleanValue(/^\p{Nd}+$/u.test(text)),
  isspace: (text) => new BooleanValue(text !== '' && strip(text, [], true, true) === ''),
}

function stringOf(value: Value | undefined): string {
  if (!(value instanceof StringValue)) throw new Error('a text method was given something else than text')
  return String(value.value)
}

/** What Python's str.isspace() says, which is not what JavaScript trims: U+FEFF stays, U+001C to U+001F and U+0085 go. */
const PYTHON_SPACE =
  '\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'

function strip(text: string, [characters]: Value[], left: boolean, right: boolean): string {
  const set =
    characters === undefined || characters instanceof NullValue ? PYTHON_SPACE : stringOf(characters)
  const points = Array.from(text)
  let from = 0
  let to = points.length
  while (left && from < to && set.includes(points[from] as string)) from++
  while (right && to > from && set.includes(points[to - 1] as string)) to--
  return points.slice(from, to).join('')
}

/** str.format with {}, {0} and {name}; format specifications are refused. */
function format(text: string, args: Value[]): string {
  const last = args.at(-1)
  const named =
    last?.type === 'KeywordArgumentsValue' ? (last.value as Map<string, Value>) : new Map<string, Value>()
  let next = 0
  return text.replace(/\{\{|\}\}|\{([^{}]*)\}/g, (match, field: string | undefined) => {
    if (field === undefined) return match.charAt(0)
    if (!/^\w*$/.test(field)) throw new Error(`format field {${field}} is not supported`)
    const value = field === '' ? args[next++] : /^\d+$/.test(field) ? args[Number(field)] : named.get(field)
    if (value === undefined) throw new Error(`format has no value for {${field}}`)
    return toText(value)
  })
}

function pythonRange(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined || stop === null ? [0, start] : [start, stop]
  if (step === 0) throw new Error('range() arg 3 must not be zero')
  const numbers: number[] = []
  for (let i = from; step > 0 ? i < to : i > to; i += step) numbers.push(i)
  return numbers
}
