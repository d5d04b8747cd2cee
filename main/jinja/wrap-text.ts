/** Python's textwrap.wrap() in the set-up of the filter wordwrap: tabs and spaces stay as they are. */
import { valueError } from './errors.ts'
import { points, SPACE as PYTHON_SPACE } from './text.ts'

export interface WrapOptions {
  width: number
  breakLongWords: boolean
  breakOnHyphens: boolean
}

const SPACE = '\\t\\n\\x0b\\f\\r '
const WORD = `[\\p{L}\\p{N}_!"'&.,?]`
// Letters, and what else `\w` takes but the digits.
const LETTER = '(?:(?!\\p{Nd})[\\p{L}\\p{N}_])'
const NOT_SPACE = `[^${SPACE}]`
// Python's TextWrapper.wordsep_re.
const PIECES = new RegExp(
  `([${SPACE}]+|(?<=${WORD})-{2,}(?=[\\p{L}\\p{N}_])|${NOT_SPACE}+?(?:-(?:(?<=${LETTER}{2}-)|(?<=${LETTER}-${LETTER}-))(?=${LETTER}-?${LETTER})|(?=[${SPACE}]|$)|(?<=${WORD})(?=-{2,}[\\p{L}\\p{N}_])))`,
  'u',
)
const SIMPLE_PIECES = new RegExp(`([${SPACE}]+)`)

export function wrapText(text: string, options: WrapOptions): string[] {
  const chunks = text
    .split(options.breakOnHyphens ? PIECES : SIMPLE_PIECES)
    .filter((chunk) => chunk !== undefined && chunk !== '')
  if (options.width <= 0) throw valueError(`invalid width ${options.width} (must be > 0)`)
  const lines: string[] = []
  chunks.reverse()
  while (chunks.length > 0) {
    if (isBlank(chunks.at(-1) as string) && lines.length > 0) chunks.pop()
    const line = takeLine(chunks, options)
    if (line.length > 0) lines.push(line.join(''))
  }
  return lines
}

/** Takes what fits from the end of `chunks`. */
function takeLine(chunks: string[], options: WrapOptions): string[] {
  const { width } = options
  const line: string[] = []
  let used = 0
  while (chunks.length > 0) {
    const size = points(chunks.at(-1) as string).length
    if (used + size > width) break
    line.push(chunks.pop() as string)
    used += size
  }
  if (chunks.length > 0 && points(chunks.at(-1) as string).length > width)
    takeLongWord(chunks, line, width - used, options)
  if (line.length > 0 && isBlank(line.at(-1) as string)) line.pop()
  return line
}

function takeLongWord(
  chunks: string[],
  line: string[],
  room: number,
  { width, breakLongWords, breakOnHyphens }: WrapOptions,
): void {
  const left = width < 1 ? 1 : room
  if (!breakLongWords) {
    if (line.length === 0) line.push(chunks.pop() as string)
    return
  }
  const word = [...(chunks.pop() as string)]
  let end = left
  if (breakOnHyphens && word.length > left) {
    const hyphen = left > 0 ? word.lastIndexOf('-', left - 1) : -1
    if (hyphen > 0 && word.slice(0, hyphen).some((character) => character !== '-')) end = hyphen + 1
  }
  line.push(word.slice(0, end).join(''))
  chunks.push(word.slice(end).join(''))
}

function isBlank(chunk: string): boolean {
  return BLANK.test(chunk)
}
const BLANK = new RegExp(`^[${PYTHON_SPACE}]*$`)
