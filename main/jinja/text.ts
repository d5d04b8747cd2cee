/** Python's strings: indices are code points, and the classes of characters are Python's. */

const SURROGATE = /[\ud800-\udfff]/

/** The units of a text that Python counts. A text without surrogates is its own list of units. */
export function points(text: string): string | string[] {
  return SURROGATE.test(text) ? [...text] : text
}

/** text[from:to] with both inside of the text. */
export function substring(text: string, from: number, to: number): string {
  const units = points(text)
  return typeof units === 'string' ? units.slice(from, to) : units.slice(from, to).join('')
}

/** Index in code points of an index in UTF-16 units. */
export function pointIndex(text: string, unit: number): number {
  return SURROGATE.test(text) ? [...text.slice(0, unit)].length : unit
}

/** What str.isspace() and `\s` of Python's re know, as the inside of a character class. */
export const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'

const LEADING = new RegExp(`^[${SPACE}]+`)
const ONLY_SPACE = new RegExp(`^[${SPACE}]+$`)
const IS_SPACE = new RegExp(`[${SPACE}]`)

export function isSpace(text: string): boolean {
  return ONLY_SPACE.test(text)
}

export function stripLeft(text: string, chars: string | null): string {
  if (chars === null) return text.replace(LEADING, '')
  const set = new Set(chars)
  let from = 0
  for (const character of text) {
    if (!set.has(character)) break
    from += character.length
  }
  return text.slice(from)
}

export function stripRight(text: string, chars: string | null): string {
  let to = text.length
  if (chars === null) {
    while (to > 0 && IS_SPACE.test(text[to - 1] as string)) to--
    return text.slice(0, to)
  }
  const set = new Set(chars)
  const units = [...text]
  let count = units.length
  while (count > 0 && set.has(units[count - 1] as string)) count--
  return units.slice(0, count).join('')
}

const LINE_ENDS = '\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029'
const LINES = new RegExp(`\\r\\n|[${LINE_ENDS}]`, 'g')

export function splitLines(text: string, keepEnds = false): string[] {
  const lines: string[] = []
  let from = 0
  for (const match of text.matchAll(LINES)) {
    const end = match.index + match[0].length
    lines.push(text.slice(from, keepEnds ? end : match.index))
    from = end
  }
  if (from < text.length) lines.push(text.slice(from))
  return lines
}

/** Runs of what is not space. */
export function words(text: string): string[] {
  return text.match(WORDS) ?? []
}
const WORDS = new RegExp(`[^${SPACE}]+`, 'g')

const CASED = /[\p{Lowercase}\p{Uppercase}\p{Lt}]/u
const UPPER = /[\p{Uppercase}\p{Lt}]/u

export function isCased(character: string): boolean {
  return CASED.test(character)
}

/** Upper case or title case. */
export function isUpperOrTitle(character: string): boolean {
  return UPPER.test(character)
}

// Characters whose title case is neither their upper case nor its first letter with the rest lowered.
const DIGRAPHS: Record<string, string> = {
  Ǆ: 'ǅ',
  ǅ: 'ǅ',
  ǆ: 'ǅ',
  Ǉ: 'ǈ',
  ǈ: 'ǈ',
  ǉ: 'ǈ',
  Ǌ: 'ǋ',
  ǋ: 'ǋ',
  ǌ: 'ǋ',
  Ǳ: 'ǲ',
  ǲ: 'ǲ',
  ǳ: 'ǲ',
}
const GEORGIAN = /[\u10d0-\u10fa\u10fd-\u10ff]/
const IOTA_SUBSCRIPT = /[\u1f80-\u1faf\u1fb3\u1fbc\u1fc3\u1fcc\u1ff3\u1ffc]/

/** The title case of one character. */
export function titleCase(character: string): string {
  const digraph = Object.hasOwn(DIGRAPHS, character) ? DIGRAPHS[character] : undefined
  if (digraph !== undefined) return digraph
  if (GEORGIAN.test(character)) return character
  const upper = character.toUpperCase()
  if (IOTA_SUBSCRIPT.test(character)) {
    // The upper case writes the iota out, the title case keeps it below.
    const code = character.charCodeAt(0)
    const title = code < 0x1fb0 ? code | 8 : code | 0xc
    return String.fromCharCode(
      code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3 ? code + 9 : code < 0x1fb0 ? title : code,
    )
  }
  if (character === 'ŉ') return upper
  const [first = '', ...rest] = upper
  // An iota that its upper case wrote out goes below again, as a mark of its own.
  return first + rest.map((letter) => (letter === 'Ι' ? '\u0345' : letter.toLowerCase())).join('')
}

/** str.title(): what follows a letter is lowered. */
export function titled(text: string): string {
  let result = ''
  let inside = false
  const lowered = lowerWithin(text)
  for (const [i, character] of [...text].entries()) {
    result += inside ? (lowered[i] as string) : titleCase(character)
    inside = isCased(character)
  }
  return result
}

export function capitalized(text: string): string {
  const [first] = text
  if (first === undefined) return ''
  return titleCase(first) + lowerWithin(text).slice(1).join('')
}

/** Each character's lower case as it is at its place: a sigma at the end of a word has a form of its own. */
export function lowerWithin(text: string): string[] {
  const characters = [...text]
  if (!text.includes('Σ')) return characters.map((character) => character.toLowerCase())
  return characters.map((character, i) => {
    if (character !== 'Σ') return character.toLowerCase()
    return `${characters.slice(0, i).join('')}Σ${characters.slice(i + 1).join('')}`
      .toLowerCase()
      .slice(lengthOf(characters.slice(0, i)))[0] as string
  })
}

const lengthOf = (characters: string[]): number => characters.join('').toLowerCase().length

const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u

export function isPrintable(character: string): boolean {
  return !UNPRINTABLE.test(character)
}

/** repr() of a str. */
export function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  let result = quote
  for (const character of text) {
    const code = character.codePointAt(0) as number
    if (character === quote || character === '\\') result += `\\${character}`
    else if (character === '\n') result += '\\n'
    else if (character === '\r') result += '\\r'
    else if (character === '\t') result += '\\t'
    else if (code >= 0x20 && code < 0x7f) result += character
    else result += isPrintable(character) && code >= 0x7f ? character : escapedPoint(code)
  }
  return result + quote
}

/** ascii() of a repr(). */
export function asciiOnly(text: string): string {
  return text.replace(/\P{ASCII}/gu, (character) => escapedPoint(character.codePointAt(0) as number))
}

function escapedPoint(code: number): string {
  const hex = code.toString(16)
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}

/** Order by code points, as Python compares; UTF-16 units would put 😀 before U+FF5E. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  const limit = Math.min(a.length, b.length)
  let i = 0
  while (i < limit && a.charCodeAt(i) === b.charCodeAt(i)) i++
  if (i === limit) return a.length - b.length
  const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit)
  return rank(a.charCodeAt(i)) - rank(b.charCodeAt(i))
}
