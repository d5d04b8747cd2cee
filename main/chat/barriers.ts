/**
 * Keeps what people write from becoming a template's own markers. Before a template is rendered, every place where a
 * message holds the text of a control token is broken by a mark behind its first character; after rendering the
 * marks are taken out and their places become barriers, across which no control token is found. Marks lie inside
 * such texts only, so that templates that trim, search or cut elsewhere see what was written.
 */

export interface Breaker {
  /** The text with a mark inside of everything that reads like a control token. */
  broken(text: string): string
  /** Takes the marks out of a rendered text. */
  restore(rendered: string): { text: string; barriers: number[] }
}

/** `texts`: all that will be given to broken(), so that the mark is one that none of them holds. */
export function makeBreaker(controlTexts: readonly string[], texts: readonly string[]): Breaker {
  const startsHere = matcher(controlTexts)
  const mark = unusedMark(texts)
  return {
    broken(text) {
      let broken = ''
      let from = 0
      for (let at = 0; at < text.length; at++) {
        if (!startsHere(text, at)) continue
        const second = at + ((text.codePointAt(at) as number) > 0xffff ? 2 : 1)
        broken += text.slice(from, second) + mark
        from = second
      }
      return broken + text.slice(from)
    },
    restore(rendered) {
      const barriers: number[] = []
      let text = ''
      for (const [i, part] of rendered.split(mark).entries()) {
        if (i > 0) barriers.push(text.length)
        text += part
      }
      return { text, barriers }
    },
  }
}

/** Does one of the texts start at this offset? By first two units, because vocabularies have thousands of `<unused…>`. */
function matcher(controlTexts: readonly string[]): (text: string, at: number) => boolean {
  const all = new Set(controlTexts)
  const lengths = new Map<string, Set<number>>()
  for (const text of controlTexts) {
    // A single character cannot be broken, and no vocabulary has one as a marker.
    if (text.length < 2) continue
    const start = text.slice(0, 2)
    lengths.set(start, (lengths.get(start) ?? new Set()).add(text.length))
  }
  const firsts = new Set([...lengths.keys()].map((start) => start.charCodeAt(0)))
  return (text, at) => {
    if (!firsts.has(text.charCodeAt(at))) return false
    for (const length of lengths.get(text.slice(at, at + 2)) ?? [])
      if (all.has(text.slice(at, at + length))) return true
    return false
  }
}

/** Noncharacters around a number: text that is exchanged does not hold them, and if it does, another number will do. */
function unusedMark(texts: readonly string[]): string {
  for (let number = 0; ; number++) {
    const mark = `\ufdd0${number}\ufdd1`
    if (!texts.some((text) => text.includes(mark))) return mark
  }
}
