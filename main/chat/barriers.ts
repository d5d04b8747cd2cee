/**
 * Keeps what people write from becoming a template's own markers. Before a template is rendered, a mark goes behind
 * every character of a person's text with which a marker could begin; after rendering the marks are taken out and
 * their places become barriers, across which no marker is found. Whatever the template then cuts, joins or takes
 * out, a marker that needs such a character cannot come about. All of it is one pass over the text.
 */
import { randomInt } from 'node:crypto'

/** The texts that are tokens of their own where a template writes them. Made once a model: there may be thousands. */
export class Markers {
  readonly #all: ReadonlySet<string>
  /** By first two units, the lengths of those that begin so. */
  readonly #lengths = new Map<string, Set<number>>()
  readonly #firsts = new Set<number>()
  #tails: ReadonlySet<string> | null = null

  constructor(texts: Iterable<string>) {
    // A single character cannot be broken, and no vocabulary has one as a marker.
    this.#all = new Set([...texts].filter((text) => text.length > 1))
    for (const text of this.#all) {
      const start = text.slice(0, 2)
      this.#lengths.set(start, (this.#lengths.get(start) ?? new Set()).add(text.length))
      this.#firsts.add(text.charCodeAt(0))
    }
  }

  /** Where barriers have to stand so that no marker holds a character of this text; ascending. */
  barriersIn(text: string): number[] {
    const barriers: number[] = []
    const start = text.search(/\S/)
    for (let at = 0; at < text.length; at++) {
      // What stands before it in the template could be the beginning of the same marker.
      if (at === start && barriers.at(-1) !== start && this.#isTail(text, start)) barriers.push(start)
      if (this.#firsts.has(text.charCodeAt(at))) barriers.push(behindFirst(text, at))
    }
    return barriers
  }

  /** As barriersIn(), for the markers alone that stand in the text from end to end. */
  barriersInWhole(text: string): number[] {
    const barriers: number[] = []
    for (let at = 0; at < text.length; at++)
      if (this.#standsAt(text, at)) barriers.push(behindFirst(text, at))
    return barriers
  }

  /** Does a marker stand here? */
  #standsAt(text: string, at: number): boolean {
    if (!this.#firsts.has(text.charCodeAt(at))) return false
    for (const length of this.#lengths.get(text.slice(at, at + 2)) ?? [])
      if (this.#all.has(text.slice(at, at + length))) return true
    return false
  }

  /** Does the end of a marker stand here? */
  #isTail(text: string, at: number): boolean {
    this.#tails ??= new Set(
      [...this.#all].flatMap((marker) =>
        Array.from({ length: Math.min(marker.length, LONGEST_TAIL) - 1 }, (_, i) => marker.slice(-1 - i)),
      ),
    )
    for (let length = 1; length < LONGEST_TAIL; length++)
      if (this.#tails.has(text.slice(at, at + length))) return true
    return false
  }
}

const LONGEST_TAIL = 64

function behindFirst(text: string, at: number): number {
  return at + ((text.codePointAt(at) as number) > 0xffff ? 2 : 1)
}

/** A text that none of `texts` holds, to be put into them and found again. */
export class Mark {
  readonly #mark: string

  constructor(texts: readonly string[]) {
    this.#mark = unused(texts)
  }

  put(text: string, places: readonly number[]): string {
    const parts: string[] = []
    let from = 0
    for (const at of places) {
      parts.push(text.slice(from, at))
      from = at
    }
    parts.push(text.slice(from))
    return parts.join(this.#mark)
  }

  /** The text without the marks, and where they stood. */
  takeOut(marked: string): { text: string; barriers: number[] } {
    const parts = marked.split(this.#mark)
    const barriers: number[] = []
    let at = 0
    for (const part of parts.slice(0, -1)) barriers.push((at += part.length))
    return { text: parts.join(''), barriers }
  }
}

/**
 * Noncharacters, which text that is exchanged does not hold, by chance: who writes a text that holds them cannot know
 * which. One will do for almost every text; of six there are more kinds than a text has room for.
 */
function unused(texts: readonly string[]): string {
  for (let length = 1; ; length = 6) {
    const codes = Array.from({ length }, () => randomInt(0xfdd0, 0xfdf0))
    const mark = String.fromCharCode(...codes)
    if (!texts.some((text) => text.includes(mark))) return mark
  }
}
