/**
 * Cuts a template into tokens, as Jinja2 does with trim_blocks and lstrip_blocks: the line feed behind a block or a
 * comment goes, and so do spaces before one that begins its line. A minus at a tag takes all space away, a plus
 * keeps it.
 */
import { TemplateError } from './errors.ts'
import { parseInteger } from './numbers.ts'
import { isIdentifier } from './text-methods.ts'
import { SPACE, stripRight } from './text.ts'
import { characterNamed } from './unicode-names.ts'
import type { Value } from './values.ts'

export interface Token {
  type: string
  value: Value
  line: number
}

const OPERATORS = new Map(
  Object.entries({
    '//': 'floordiv',
    '**': 'pow',
    '==': 'eq',
    '!=': 'ne',
    '>=': 'gteq',
    '<=': 'lteq',
    '+': 'add',
    '-': 'sub',
    '/': 'div',
    '*': 'mul',
    '%': 'mod',
    '~': 'tilde',
    '[': 'lbracket',
    ']': 'rbracket',
    '(': 'lparen',
    ')': 'rparen',
    '{': 'lbrace',
    '}': 'rbrace',
    '>': 'gt',
    '<': 'lt',
    '=': 'assign',
    '.': 'dot',
    ':': 'colon',
    '|': 'pipe',
    ',': 'comma',
    ';': 'semicolon',
  }),
)
const CLOSING: Record<string, string> = { '{': '}', '(': ')', '[': ']' }

/** How an operator is written, for messages. */
export function symbolOf(type: string): string | undefined {
  return [...OPERATORS].find(([, name]) => name === type)?.[0]
}

const S = `[${SPACE}]`
const RAW_BEGIN = new RegExp(`\\{%([-+]?)${S}*raw${S}*(?:-%\\}${S}*|%\\})`, 'y')
const TAG_BEGIN = /\{[%#{]/g
const COMMENT = new RegExp(`([^]*?)(\\+#\\}|-#\\}${S}*|#\\}\\n?)`, 'y')
const RAW_END = new RegExp(`([^]*?)(\\{%([-+]?)${S}*endraw${S}*(?:\\+%\\}|-%\\}${S}*|%\\}\\n?))`, 'y')
const BLOCK_END = new RegExp(`(?:\\+%\\}|-%\\}${S}*|%\\}\\n?)`, 'y')
const VARIABLE_END = new RegExp(`(?:-\\}\\}${S}*|\\}\\})`, 'y')

const SPACES = new RegExp(`${S}+`, 'y')
const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy
const NAME = /[\p{L}\p{N}_\p{XID_Continue}]+/uy
const STRING = /'[^'\\]*(?:\\[^][^'\\]*)*'|"[^"\\]*(?:\\[^][^"\\]*)*"/y
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y

export function tokenize(template: string): Token[] {
  return new Lexer(template).run()
}

class Lexer {
  readonly #source: string
  readonly #tokens: Token[] = []
  #at = 0
  #line = 1
  /** Whether nothing but line feeds stood before the text that comes now. */
  #lineStarts = true

  constructor(template: string) {
    const lines = template.split(/\r\n|\r|\n/)
    // One line feed at the end of a file is the editor's.
    if (lines.at(-1) === '') lines.pop()
    this.#source = lines.join('\n')
  }

  run(): Token[] {
    while (this.#at < this.#source.length) this.#root()
    this.#push('eof', '')
    return this.#tokens
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    return pattern.exec(this.#source)
  }

  #push(type: string, value: Value): void {
    this.#tokens.push({ type, value, line: this.#line })
  }

  #skip(text: string): void {
    this.#at += text.length
    for (let i = text.indexOf('\n'); i !== -1; i = text.indexOf('\n', i + 1)) this.#line++
    this.#lineStarts = text.endsWith('\n')
  }

  #fail(message: string): never {
    throw new TemplateError('TemplateSyntaxError', message, this.#line)
  }

  /** Text up to the next tag, and the tag's beginning. */
  #root(): void {
    TAG_BEGIN.lastIndex = this.#at
    const found = TAG_BEGIN.exec(this.#source)
    if (!found) {
      this.#data(this.#source.slice(this.#at), '+', true)
      this.#skip(this.#source.slice(this.#at))
      return
    }
    const text = this.#source.slice(this.#at, found.index)
    RAW_BEGIN.lastIndex = found.index
    const raw = RAW_BEGIN.exec(this.#source)
    const next = this.#source[found.index + 2] ?? ''
    const sign = raw ? (raw[1] as string) : next === '-' || next === '+' ? next : ''
    const tag = raw ? raw[0] : found[0] + sign
    this.#data(text, sign, found[0] === '{{')
    this.#skip(text)
    const type = raw ? 'raw' : found[0] === '{%' ? 'block' : found[0] === '{{' ? 'variable' : 'comment'
    if (type === 'block' || type === 'variable') this.#push(`${type}_begin`, tag)
    this.#skip(tag)
    if (raw) this.#raw()
    else if (type === 'comment') this.#comment()
    else this.#tag(type === 'block')
  }

  /** `sign` of the tag that follows; before a variable, the spaces of its line stay. */
  #data(text: string, sign: string, isVariable: boolean): void {
    let kept = text
    if (sign === '-') kept = stripRight(text, null)
    else if (sign !== '+' && !isVariable) {
      const line = text.lastIndexOf('\n') + 1
      if ((line > 0 || this.#lineStarts) && stripRight(text.slice(line), null) === '')
        kept = text.slice(0, line)
    }
    if (kept !== '') this.#push('data', kept)
  }

  #comment(): void {
    const match = this.#match(COMMENT)
    if (!match) {
      // At the very end of a template an open comment is none.
      if (this.#at < this.#source.length) this.#fail('Missing end of comment tag')
      return
    }
    this.#skip(match[0])
  }

  #raw(): void {
    const match = this.#match(RAW_END)
    if (!match) {
      if (this.#at < this.#source.length) this.#fail('Missing end of raw directive')
      return
    }
    this.#data(match[1] as string, match[3] as string, false)
    this.#skip(match[0])
  }

  #tag(isBlock: boolean): void {
    const open: string[] = []
    const end = isBlock ? BLOCK_END : VARIABLE_END
    while (this.#at < this.#source.length) {
      const closed = open.length === 0 ? this.#match(end) : null
      if (closed) {
        this.#push(isBlock ? 'block_end' : 'variable_end', closed[0])
        this.#skip(closed[0])
        return
      }
      this.#inside(open)
    }
  }

  /** One token of an expression; `open` are the brackets that wait to be closed. */
  #inside(open: string[]): void {
    let match: RegExpExecArray | null
    if ((match = this.#match(SPACES))) return this.#skip(match[0])
    if ((match = this.#match(FLOAT))) this.#push('float', Number(match[0].replaceAll('_', '')))
    else if ((match = this.#match(INTEGER))) this.#push('integer', this.#integer(match[0]))
    else if ((match = this.#match(NAME))) {
      if (!isIdentifier(match[0])) this.#fail('Invalid character in identifier')
      this.#push('name', match[0])
    } else if ((match = this.#match(STRING))) this.#push('string', this.#unescaped(match[0].slice(1, -1)))
    else if ((match = this.#match(OPERATOR))) {
      this.#balance(match[0], open)
      this.#push(OPERATORS.get(match[0]) as string, match[0])
    } else
      this.#fail(
        `unexpected char ${JSON.stringify(String.fromCodePoint(this.#source.codePointAt(this.#at) as number))}`,
      )
    this.#skip((match as RegExpExecArray)[0])
  }

  #balance(operator: string, open: string[]): void {
    if (Object.hasOwn(CLOSING, operator)) open.push(CLOSING[operator] as string)
    else if ('})]'.includes(operator)) {
      const expected = open.pop()
      if (expected === undefined) this.#fail(`unexpected '${operator}'`)
      if (expected !== operator) this.#fail(`unexpected '${operator}', expected '${expected}'`)
    }
  }

  #integer(text: string): bigint {
    try {
      return parseInteger(text.replaceAll('_', ''), 0)
    } catch (error) {
      if (error instanceof TemplateError) error.line = this.#line
      throw error
    }
  }

  /** The escapes of Python's string literals. */
  #unescaped(text: string): string {
    // Behind a backslash, what is not ASCII stands for its own escape, as Jinja2 decodes it.
    const ascii = text.replace(/\\(\P{ASCII})/gu, (_, character: string) => `\\\\${escaped(character)}`)
    return ascii.replace(ESCAPE, (whole, letter: string) => {
      if (letter === '\n') return ''
      if (/^[0-7]/.test(letter)) return String.fromCharCode(Number.parseInt(letter, 8))
      if (Object.hasOwn(ESCAPES, letter)) return ESCAPES[letter] as string
      if (letter.startsWith('N')) return this.#named(letter.slice(2, -1))
      if (!'xuU'.includes(letter[0] as string)) return whole
      const code =
        letter.length === { x: 3, u: 5, U: 9 }[letter[0] as 'x'] ? Number.parseInt(letter.slice(1), 16) : NaN
      if (!(code <= 0x10ffff)) this.#fail(`the escape \\${letter[0]} in a string is not complete`)
      return String.fromCodePoint(code)
    })
  }

  #named(name: string): string {
    const character = name === '' ? undefined : characterNamed(name)
    if (character === undefined) this.#fail(`the character \\N{${name}} is not known here; write its number`)
    return character
  }
}

const ESCAPE = /\\([0-7]{1,3}|x[\da-fA-F]{0,2}|u[\da-fA-F]{0,4}|U[\da-fA-F]{0,8}|N(?:\{[^}]*\})?|[^])/g
const ESCAPES: Record<string, string> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

function escaped(character: string): string {
  const hex = (character.codePointAt(0) as number).toString(16)
  return hex.length <= 2
    ? `x${hex.padStart(2, '0')}`
    : hex.length <= 4
      ? `u${hex.padStart(4, '0')}`
      : `U${hex.padStart(8, '0')}`
}
