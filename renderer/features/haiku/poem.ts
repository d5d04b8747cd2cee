/** The minute's word where it stands in a line of the haiku: hyphen or space, any case, whole. */
export interface Piece {
  text: string
  word: boolean
}

export function pieces(line: string, words: string): Piece[] {
  const pattern = words
    .split(/[-\s]/)
    .map((word) => word.replace(/\W/g, '\\$&'))
    .join('[-\\s]+')
  const match = new RegExp(`(?<![\\p{L}\\p{N}-])${pattern}(?![\\p{L}\\p{N}-])`, 'iu').exec(line)
  if (!match) return [{ text: line, word: false }]
  const end = match.index + match[0].length
  return [
    { text: line.slice(0, match.index), word: false },
    { text: match[0], word: true },
    { text: line.slice(end), word: false },
  ].filter((piece) => piece.text !== '')
}
