/** Finds the tokens that stand in a text as they are written: control tokens where asked for, user-defined always. */
import { KIND, type Vocabulary } from './vocabulary.ts'

/** Ids of tokens, and the text between them. */
export type Fragment = number | string

interface Special {
  id: number
  text: string
  /** Found only where control tokens are asked for, and never across a barrier. */
  control: boolean
  /** White space before / after it goes with it. */
  stripLeft: boolean
  stripRight: boolean
}

export interface Strips {
  left: (text: string) => boolean
  right: (text: string) => boolean
}

export class SpecialTokens {
  /** Longest first, in bytes: that is the order in which they are looked for. */
  private readonly tokens: Special[]
  /** By their first two characters, to find out in one pass over a text which tokens occur at all. */
  private readonly byStart: Map<number, Group>
  /** Characters that a token begins with: most of a text is passed by this alone. */
  private readonly starts: Uint8Array

  /** `markers`: texts of tokens that count as control tokens, whatever their type. */
  constructor({ texts, ids, kinds }: Vocabulary, strips: Strips, markers: readonly string[] = []) {
    this.tokens = []
    const marked = new Set(markers.map((text) => ids.get(text)))
    for (let id = 0; id < texts.length; id++) {
      const kind = kinds[id]
      const control = kind === KIND.control || kind === KIND.unknown || marked.has(id)
      if (!control && kind !== KIND.userDefined) continue
      const text = texts[id] as string
      this.tokens.push({
        id,
        text,
        control,
        stripLeft: strips.left(text),
        stripRight: strips.right(text),
      })
    }
    const bytes = new Map(this.tokens.map((token) => [token, Buffer.byteLength(token.text)]))
    this.tokens.sort((a, b) => (bytes.get(b) as number) - (bytes.get(a) as number))
    this.byStart = new Map()
    this.starts = new Uint8Array(0x10000)
    for (const token of this.tokens) {
      const first = token.text.charCodeAt(0)
      const key = token.text.length > 1 ? pairKey(first, token.text.charCodeAt(1)) : singleKey(first)
      const group = this.byStart.get(key) ?? { lengths: new Set(), byText: new Map() }
      group.lengths.add(token.text.length)
      if (!group.byText.has(token.text)) group.byText.set(token.text, token)
      this.byStart.set(key, group)
      this.starts[first] = 1
    }
  }

  /** Texts of the tokens that are found only with `special`. */
  controlTexts(): string[] {
    return this.tokens.filter((token) => token.control).map((token) => token.text)
  }

  /** The longest control token that `text` begins with. */
  controlAt(text: string): number | null {
    return this.tokens.find((token) => token.control && text.startsWith(token.text))?.id ?? null
  }

  /** Cuts `text` at its special tokens. `barriers`: ascending offsets that no control token may span. */
  split(text: string, special: boolean, barriers: readonly number[] = []): Fragment[] {
    const present = this.occurring(text, special, barriers)
    let spans: (number | [from: number, to: number])[] = text === '' ? [] : [[0, text.length]]
    for (const token of this.tokens) {
      if (!present.has(token)) continue
      spans = cutAt(token, text, spans, token.control ? barriers : [])
    }
    return spans.map((span) => (typeof span === 'number' ? span : text.slice(...span)))
  }

  /** The tokens that stand in the text where they may: each of them costs a search of its own. */
  private occurring(text: string, special: boolean, barriers: readonly number[]): Set<Special> {
    const found = new Set<Special>()
    const foundIn = new Map<Group, number>()
    for (let i = 0; i < text.length; i++) {
      const first = text.charCodeAt(i)
      if (this.starts[first] === 0) continue
      for (const key of [pairKey(first, text.charCodeAt(i + 1)), singleKey(first)]) {
        const group = this.byStart.get(key)
        if (!group || foundIn.get(group) === group.byText.size) continue
        for (const length of group.lengths) {
          const token = group.byText.get(text.slice(i, i + length))
          if (!token || found.has(token)) continue
          if (token.control && (!special || spansBarrier(barriers, i, i + length))) continue
          found.add(token)
          foundIn.set(group, (foundIn.get(group) ?? 0) + 1)
        }
      }
    }
    return found
  }
}

/** Special tokens that begin alike. */
interface Group {
  lengths: Set<number>
  byText: Map<string, Special>
}

/** NaN, past the end of the text, finds nothing. */
function pairKey(first: number, second: number): number {
  return first * 0x10000 + second
}

function singleKey(first: number): number {
  return -1 - first
}

/** Cuts every free span at the occurrences of one token, from the left. */
function cutAt(
  token: Special,
  text: string,
  spans: readonly (number | [number, number])[],
  barriers: readonly number[],
): (number | [number, number])[] {
  const cut: (number | [number, number])[] = []
  const { length } = token.text
  // The next occurrence at or after the place last asked for: text that holds none is searched once, not per span.
  let match = text.indexOf(token.text)
  for (const span of spans) {
    if (typeof span === 'number') {
      cut.push(span)
      continue
    }
    let [from] = span
    const to = span[1]
    while (match >= 0) {
      if (match < from) match = text.indexOf(token.text, from)
      else if (match + length > to) break
      else if (spansBarrier(barriers, match, match + length)) match = text.indexOf(token.text, match + 1)
      else {
        let end = match
        while (token.stripLeft && end > from && isSpace(text.charCodeAt(end - 1))) end--
        if (end > from) cut.push([from, end])
        cut.push(token.id)
        from = match + length
        while (token.stripRight && from < to && isSpace(text.charCodeAt(from))) from++
      }
    }
    if (from < to) cut.push([from, to])
  }
  return cut
}

/** Is there a barrier strictly between the two offsets? */
function spansBarrier(barriers: readonly number[], from: number, to: number): boolean {
  let low = 0
  let high = barriers.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((barriers[middle] as number) <= from) low = middle + 1
    else high = middle
  }
  return (barriers[low] ?? Infinity) < to
}

/** ASCII white space, as C's isspace. */
function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 9 && code <= 13)
}
