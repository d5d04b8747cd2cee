import { minuteInWords } from './words.ts'

export type HaikuProblem = 'word missing' | 'word twice' | 'not three lines'

/** Longest first, so that "twenty-one" is read as one number and the "one" in it is not counted. */
const NUMBERS = Array.from({ length: 60 }, (_, minute) => minuteInWords(minute)).sort(
  (a, b) => b.length - a.length,
)
/** A word joined by a hyphen ("one-eyed") is another word, not the number. */
const NUMBER = new RegExp(
  `(?<![\\p{L}\\p{N}][-‐‑]?)(?:${NUMBERS.map((n) => n.replace('-', '[-‐‑ ]')).join('|')})(?![-‐‑]?[\\p{L}\\p{N}])`,
  'giu',
)

/** The numbers of a text, whole words only, lower case and hyphenated: "Twenty one, then two" → twenty-one, two. */
export function numbersIn(text: string): string[] {
  return [...text.matchAll(NUMBER)].map(([number]) => number.toLowerCase().replace(/[‐‑ ]/, '-'))
}

/** What keeps a text from being a haiku that holds the minute exactly once, or null: three lines, none empty. */
export function haikuProblem(text: string, minute: number): HaikuProblem | null {
  const word = minuteInWords(minute)
  const count = numbersIn(text).filter((number) => number === word).length
  if (count === 0) return 'word missing'
  if (count > 1) return 'word twice'
  const lines = text.trim().split('\n')
  return lines.length === 3 && lines.every((line) => line.trim() !== '') ? null : 'not three lines'
}
