/** The methods of Python's str. */
import type { Arguments } from './arguments.ts'
import { encode } from './bytes.ts'
import { typeError, valueError } from './errors.ts'
import { toIndex } from './numbers.ts'
import { searchIn, window } from './text-search.ts'
import {
  capitalized,
  isCased,
  isPrintable,
  isSpace,
  isUpperOrTitle,
  lowerWithin,
  points,
  SPACE,
  splitLines,
  stripLeft,
  stripRight,
  titled,
  words,
} from './text.ts'
import { Dict, each, isText, textOf, truth, Tuple, typeName, type Value } from './values.ts'

export interface TextMethod {
  signature: string
  call: (text: string, args: Arguments) => Value
}

export function stringArgument(value: Value | undefined, what: string): string {
  if (value === undefined || !isText(value))
    throw typeError(`${what} must be str, not ${typeName(value ?? null)}`)
  return textOf(value)
}

function characters(value: Value | undefined): string | null {
  return value === undefined || value === null ? null : stringArgument(value, 'strip arg')
}

function limit(value: Value | undefined): number {
  return value === undefined ? -1 : toIndex(value)
}

function separator(value: Value | undefined): string | null {
  if (value === undefined || value === null) return null
  const text = stringArgument(value, 'separator')
  if (text === '') throw valueError('empty separator')
  return text
}

function pad(text: string, args: Arguments, place: 'left' | 'right' | 'both'): string {
  const width = toIndex(args[0] as Value)
  const fill = args[1] === undefined ? ' ' : stringArgument(args[1], 'the fill character')
  if (points(fill).length !== 1) throw typeError('The fill character must be exactly one character long')
  const total = Math.max(0, width - points(text).length)
  const left = place === 'left' ? total : place === 'right' ? 0 : Math.floor(total / 2) + (total & width & 1)
  return fill.repeat(left) + text + fill.repeat(total - left)
}

function replace(text: string, args: Arguments): string {
  const [old, by] = [stringArgument(args[0], 'argument 1'), stringArgument(args[1], 'argument 2')]
  return replaceText(text, old, by, limit(args[2]))
}

export function replaceText(text: string, old: string, by: string, count = -1): string {
  if (count < 0 && old !== '') return text.replaceAll(old, () => by)
  const parts = old === '' ? ['', ...points(text), ''] : text.split(old)
  let left = count < 0 ? Infinity : count
  return parts.reduce((all, part) => all + (left-- > 0 ? by : old) + part)
}

function split(text: string, args: Arguments): Value[] {
  const by = separator(args[0])
  const most = limit(args[1])
  if (by === null) return splitSpace(text, most)
  const parts = text.split(by)
  if (most < 0 || parts.length <= most + 1) return parts
  return [...parts.slice(0, most), parts.slice(most).join(by)]
}

function splitSpace(text: string, most: number): string[] {
  if (most < 0) return words(text)
  const parts: string[] = []
  let rest = stripLeft(text, null)
  while (rest !== '' && parts.length < most) {
    const [word = ''] = words(rest)
    parts.push(word)
    rest = stripLeft(rest.slice(word.length), null)
  }
  return rest === '' ? parts : [...parts, rest]
}

function splitRight(text: string, args: Arguments): Value[] {
  const by = separator(args[0])
  const most = limit(args[1])
  if (most < 0) return split(text, args)
  if (by !== null) {
    const parts = splitFromRight(text, by)
    if (parts.length <= most + 1) return parts
    return [parts.slice(0, parts.length - most).join(by), ...parts.slice(parts.length - most)]
  }
  const parts: string[] = []
  let rest = stripRight(text, null)
  while (rest !== '' && parts.length < most) {
    const word = rest.slice(rest.search(LAST_WORD))
    parts.unshift(word)
    rest = stripRight(rest.slice(0, rest.length - word.length), null)
  }
  return rest === '' ? parts : [rest, ...parts]
}
const LAST_WORD = new RegExp(`[^${SPACE}]+$`)

/** 'aaa' by 'aa' from the right is ['a', '']. */
function splitFromRight(text: string, by: string): string[] {
  const parts: string[] = []
  let end = text.length
  for (;;) {
    const at = end - by.length < 0 ? -1 : text.lastIndexOf(by, end - by.length)
    if (at === -1) return [text.slice(0, end), ...parts]
    parts.unshift(text.slice(at + by.length, end))
    end = at
  }
}

function partition(text: string, args: Arguments, last: boolean): Value {
  const by = stringArgument(args[0], 'must be str')
  if (by === '') throw valueError('empty separator')
  const at = last ? text.lastIndexOf(by) : text.indexOf(by)
  if (at === -1) return new Tuple(last ? ['', '', text] : [text, '', ''])
  return new Tuple([text.slice(0, at), by, text.slice(at + by.length)])
}

function beginsOrEnds(
  text: string,
  args: Arguments,
  test: (part: string, affix: string) => boolean,
  name: string,
): boolean {
  const affixes = args[0] instanceof Tuple ? args[0].items : [args[0] as Value]
  const part = window(text, args[1], args[2])
  return affixes.some((affix) => {
    if (!isText(affix))
      throw typeError(`${name} first arg must be str or a tuple of str, not ${typeName(args[0] as Value)}`)
    return part !== undefined && test(part.text, textOf(affix))
  })
}

function index(text: string, args: Arguments, last: boolean): bigint {
  const at = searchIn(text, stringArgument(args[0], 'must be str'), args[1], args[2], last)
  if (at < 0) throw valueError('substring not found')
  return BigInt(at)
}

function count(text: string, args: Arguments): bigint {
  const wanted = stringArgument(args[0], 'must be str')
  const part = window(text, args[1], args[2])
  if (part === undefined) return 0n
  return BigInt(wanted === '' ? points(part.text).length + 1 : part.text.split(wanted).length - 1)
}

function expandTabs(text: string, args: Arguments): string {
  const size = args[0] === undefined ? 8 : toIndex(args[0])
  let column = 0
  let result = ''
  for (const character of text) {
    if (character === '\t') {
      const spaces = size > 0 ? size - (column % size) : 0
      result += ' '.repeat(spaces)
      column += spaces
    } else {
      result += character
      column = character === '\n' || character === '\r' ? 0 : column + 1
    }
  }
  return result
}

function zeroFill(text: string, args: Arguments): string {
  const fill = '0'.repeat(Math.max(0, toIndex(args[0] as Value) - points(text).length))
  return /^[+-]/.test(text) ? text.slice(0, 1) + fill + text.slice(1) : fill + text
}

export function joinTexts(by: string, values: Value): string {
  const parts: string[] = []
  for (const item of each(values)) {
    if (!isText(item))
      throw typeError(`sequence item ${parts.length}: expected str instance, ${typeName(item)} found`)
    parts.push(textOf(item))
  }
  return parts.join(by)
}

/** Cherokee folds to its upper case; nothing else does. */
const CHEROKEE = /[\u13a0-\u13f5]/
const FOLDED_UP = /[\u13f8-\u13fd\uab70-\uabbf]/

export function caseFolded(text: string): string {
  let result = ''
  for (const character of text) {
    if (CHEROKEE.test(character)) result += character
    else if (FOLDED_UP.test(character)) result += character.toUpperCase()
    else if (character === 'ı' || character === 'İ') result += character.toLowerCase()
    else if (character === 'ẞ') result += 'ss'
    else {
      const upper = [...character.toUpperCase()]
      result += upper.map((one) => one.toLowerCase()).join('')
    }
  }
  return result
}

function swapCase(text: string): string {
  const lowered = lowerWithin(text)
  let result = ''
  for (const [i, character] of [...text].entries()) {
    if (/\p{Uppercase}/u.test(character)) result += lowered[i]
    else result += /\p{Lowercase}/u.test(character) ? character.toUpperCase() : character
  }
  return result
}

function isTitle(text: string): boolean {
  let inside = false
  let any = false
  for (const character of text) {
    const upper = isUpperOrTitle(character)
    if (upper === inside && isCased(character)) return false
    inside = isCased(character)
    any ||= inside
  }
  return any
}

/** One case throughout, of those characters that have one. */
function inCase(text: string, wrong: RegExp): boolean {
  return /[\p{Lowercase}\p{Uppercase}\p{Lt}]/u.test(text) && !wrong.test(text)
}

// Python's isdigit() knows digits that are written above, below or inside of something; isnumeric() letters that count.
const DIGITS =
  '\\u{b2}-\\u{b3}\\u{b9}\\u{1369}-\\u{1371}\\u{19da}\\u{2070}\\u{2074}-\\u{2079}\\u{2080}-\\u{2089}\\u{2460}-\\u{2468}\\u{2474}-\\u{247c}\\u{2488}-\\u{2490}\\u{24ea}\\u{24f5}-\\u{24fd}\\u{24ff}\\u{2776}-\\u{277e}\\u{2780}-\\u{2788}\\u{278a}-\\u{2792}\\u{10a40}-\\u{10a43}\\u{10e60}-\\u{10e68}\\u{11052}-\\u{1105a}\\u{1f100}-\\u{1f10a}'
const NUMERALS =
  '\\u{3405}\\u{3483}\\u{382a}\\u{3b4d}\\u{4e00}\\u{4e03}\\u{4e07}\\u{4e09}\\u{4e5d}\\u{4e8c}\\u{4e94}\\u{4e96}\\u{4ebf}-\\u{4ec0}\\u{4edf}\\u{4ee8}\\u{4f0d}\\u{4f70}\\u{5104}\\u{5146}\\u{5169}\\u{516b}\\u{516d}\\u{5341}\\u{5343}-\\u{5345}\\u{534c}\\u{53c1}-\\u{53c4}\\u{56db}\\u{58f1}\\u{58f9}\\u{5e7a}\\u{5efe}-\\u{5eff}\\u{5f0c}-\\u{5f0e}\\u{5f10}\\u{62fe}\\u{634c}\\u{67d2}\\u{6f06}\\u{7396}\\u{767e}\\u{8086}\\u{842c}\\u{8cae}\\u{8cb3}\\u{8d30}\\u{9621}\\u{9646}\\u{964c}\\u{9678}\\u{96f6}\\u{f96b}\\u{f973}\\u{f978}\\u{f9b2}\\u{f9d1}\\u{f9d3}\\u{f9fd}\\u{20001}\\u{20064}\\u{200e2}\\u{20121}\\u{2092a}\\u{20983}\\u{2098c}\\u{2099c}\\u{20aea}\\u{20afd}\\u{20b19}\\u{22390}\\u{22998}\\u{23b1b}\\u{2626d}\\u{2f890}'
const only = (characters: string): ((text: string) => boolean) => {
  const pattern = new RegExp(`^[${characters}]+$`, 'u')
  return (text) => pattern.test(text)
}
const isDecimal = only('\\p{Nd}')
const isDigit = only(`\\p{Nd}${DIGITS}`)
const isNumeric = only(`\\p{N}${NUMERALS}`)
const isAlpha = only('\\p{L}')
const isAlnum = only(`\\p{L}\\p{N}${NUMERALS}`)

export function isIdentifier(text: string): boolean {
  return /^[\p{XID_Start}_]\p{XID_Continue}*$/u.test(text)
}

/** str.maketrans(): from a dictionary, or from two texts of one length and a third of what goes. */
function makeTable(args: Arguments): Dict {
  const [from, to, gone] = args
  if (to === undefined) {
    if (!(from instanceof Dict))
      throw typeError('if you give only one argument to maketrans it must be a dict')
    return new Dict([...from.entries()].map(([key, value]) => [codeOf(key), value]))
  }
  const [keys, values] = [
    points(stringArgument(from, 'argument 1')),
    points(stringArgument(to, 'argument 2')),
  ]
  if (keys.length !== values.length)
    throw valueError('the first two maketrans arguments must have equal length')
  const table = new Dict([...keys].map((key, i) => [codeOf(key), codeOf(values[i] as string)]))
  for (const key of gone === undefined ? '' : stringArgument(gone, 'argument 3')) table.set(codeOf(key), null)
  return table
}

function codeOf(key: Value): Value {
  if (typeof key === 'bigint' || typeof key === 'boolean') return key
  const text = stringArgument(key, 'a key of the table')
  if (points(text).length !== 1) throw valueError('string keys in translate table must be of length 1')
  return BigInt(text.codePointAt(0) as number)
}

function translate(text: string, args: Arguments): string {
  const table = args[0] as Value
  if (!(table instanceof Dict)) throw typeError(`'${typeName(table)}' object is not a table of characters`)
  let result = ''
  for (const character of text) {
    const to = table.get(BigInt(character.codePointAt(0) as number))
    if (to === undefined) result += character
    else if (isText(to)) result += textOf(to)
    else if (typeof to === 'bigint' || typeof to === 'boolean') result += String.fromCodePoint(toIndex(to))
    else if (to !== null) throw typeError('character mapping must return integer, None or str')
  }
  return result
}

const method = (signature: string, call: TextMethod['call']): TextMethod => ({ signature, call })

export const TEXT_METHODS = new Map<string, TextMethod>([
  ['capitalize', method('', capitalized)],
  ['casefold', method('', caseFolded)],
  ['center', method('width fillchar? /', (text, args) => pad(text, args, 'both'))],
  ['count', method('sub start? end? /', count)],
  ['encode', method('encoding? errors?', encode)],
  [
    'endswith',
    method('suffix start? end? /', (text, args) =>
      beginsOrEnds(text, args, (a, b) => a.endsWith(b), 'endswith'),
    ),
  ],
  ['expandtabs', method('tabsize?', expandTabs)],
  [
    'find',
    method('sub start? end? /', (text, [sub, start, end]) =>
      BigInt(searchIn(text, stringArgument(sub, 'must be str'), start, end, false)),
    ),
  ],
  ['index', method('sub start? end? /', (text, args) => index(text, args, false))],
  ['isalnum', method('', isAlnum)],
  ['isalpha', method('', isAlpha)],
  ['isascii', method('', (text) => /^[\0-\x7f]*$/.test(text))],
  ['isdecimal', method('', isDecimal)],
  ['isdigit', method('', isDigit)],
  ['isidentifier', method('', isIdentifier)],
  ['islower', method('', (text) => inCase(text, /[\p{Uppercase}\p{Lt}]/u))],
  ['isnumeric', method('', isNumeric)],
  ['isprintable', method('', (text) => [...text].every(isPrintable))],
  ['isspace', method('', isSpace)],
  ['istitle', method('', isTitle)],
  ['isupper', method('', (text) => inCase(text, /[\p{Lowercase}\p{Lt}]/u))],
  ['join', method('iterable /', (text, [values]) => joinTexts(text, values as Value))],
  ['ljust', method('width fillchar? /', (text, args) => pad(text, args, 'right'))],
  ['lower', method('', (text) => text.toLowerCase())],
  ['lstrip', method('chars? /', (text, [chars]) => stripLeft(text, characters(chars)))],
  ['maketrans', method('x y? z? /', (_, args) => makeTable(args))],
  ['partition', method('sep /', (text, args) => partition(text, args, false))],
  [
    'removeprefix',
    method('prefix /', (text, [prefix]) =>
      removeStart(text, stringArgument(prefix, 'removeprefix() argument')),
    ),
  ],
  [
    'removesuffix',
    method('suffix /', (text, [suffix]) =>
      removeEnd(text, stringArgument(suffix, 'removesuffix() argument')),
    ),
  ],
  ['replace', method('old new count? /', replace)],
  [
    'rfind',
    method('sub start? end? /', (text, [sub, start, end]) =>
      BigInt(searchIn(text, stringArgument(sub, 'must be str'), start, end, true)),
    ),
  ],
  ['rindex', method('sub start? end? /', (text, args) => index(text, args, true))],
  ['rjust', method('width fillchar? /', (text, args) => pad(text, args, 'left'))],
  ['rpartition', method('sep /', (text, args) => partition(text, args, true))],
  ['rsplit', method('sep? maxsplit?', splitRight)],
  ['rstrip', method('chars? /', (text, [chars]) => stripRight(text, characters(chars)))],
  ['split', method('sep? maxsplit?', split)],
  ['splitlines', method('keepends?', (text, [keep]) => splitLines(text, keep !== undefined && truth(keep)))],
  [
    'startswith',
    method('prefix start? end? /', (text, args) =>
      beginsOrEnds(text, args, (a, b) => a.startsWith(b), 'startswith'),
    ),
  ],
  [
    'strip',
    method('chars? /', (text, [chars]) => stripRight(stripLeft(text, characters(chars)), characters(chars))),
  ],
  ['swapcase', method('', swapCase)],
  ['title', method('', titled)],
  ['translate', method('table /', translate)],
  ['upper', method('', (text) => text.toUpperCase())],
  ['zfill', method('width /', zeroFill)],
])

function removeStart(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text
}

function removeEnd(text: string, suffix: string): string {
  return suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text
}
