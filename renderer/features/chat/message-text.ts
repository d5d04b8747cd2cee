/** A text without the empty lines before and behind it. The first line keeps its indentation, the last its end. */
export function withoutBlankEdges(text: string): string {
  const first = text.search(/\S/)
  if (first < 0) return ''
  const end = text.indexOf('\n', text.trimEnd().length)
  return text.slice(text.lastIndexOf('\n', first) + 1, end < 0 ? text.length : end)
}

/** What of a message is longer than this, in characters or lines, is folded. */
const FOLDS_FROM = { characters: 6000, lines: 60 }
/** As much is shown of one that is folded. */
const SHOWN = { characters: 1200, lines: 12 }

/** The beginning of a text that is too long to be read past, whole characters of it; null where it is not. */
export function folded(text: string): string | null {
  if (text.length <= FOLDS_FROM.characters && endOfLine(text, FOLDS_FROM.lines) === text.length) return null
  const cut = text.slice(0, Math.min(SHOWN.characters, endOfLine(text, SHOWN.lines)))
  return /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut
}

/** Where the first `lines` lines end. */
function endOfLine(text: string, lines: number): number {
  let end = -1
  for (let line = 0; line < lines; line++) {
    end = text.indexOf('\n', end + 1)
    if (end < 0) return text.length
  }
  return end
}
