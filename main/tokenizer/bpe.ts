/** Byte-pair encoding: text → pieces (pre-tokenizer) → symbols → merges by rank → ids. */
import { mergeSymbols } from './merge.ts'
import { splitByRules } from './pre-split.ts'
import { withHan, type PreTokenizer } from './pre-tokenizers.ts'
import { classTable } from './unicode.ts'
import { plainId, type Vocabulary } from './vocabulary.ts'

/** Text without special tokens → ids, appended to `out`. */
export type EncodePlain = (text: string, out: number[]) => void

/** Pieces up to this length are remembered: words come again, long runs do not. */
const CACHED_LENGTH = 32
const CACHED_PIECES = 50_000

export function bytePairEncoder(
  vocabulary: Vocabulary,
  mergeList: readonly string[],
  preTokenizer: PreTokenizer,
): EncodePlain {
  const { ids } = vocabulary
  const { rules, ignoreMerges = false, wholeLineFeeds = false } = preTokenizer
  const escaped = preTokenizer.units === 'escaped'
  const classOf = preTokenizer.han ? withHan(classTable()) : classTable()
  // Built at the first text: 150,000 merges take 40 ms that looking at a model need not wait for.
  let ranks: Map<string, number> | null = null
  const cache = new Map<string, number[]>()

  const encodePiece = (piece: string): number[] => {
    const word = escaped ? piece : byteText(piece)
    const whole = plainId(vocabulary, word)
    if (whole !== undefined && (ignoreMerges || (wholeLineFeeds && word.startsWith('\n')))) return [whole]
    ranks ??= rankMerges(mergeList)
    const table = ranks
    const bounds = mergeSymbols(
      escaped ? codePointStarts(word) : everyUnit(word.length),
      (from, middle, to) => table.get(`${word.slice(from, middle)} ${word.slice(middle, to)}`) ?? Infinity,
    )
    const out: number[] = []
    for (let i = 0; i + 1 < bounds.length; i++) {
      const symbol = word.slice(bounds[i], bounds[i + 1])
      const id = plainId(vocabulary, symbol)
      if (id !== undefined) out.push(id)
      else if (ids.has(symbol)) pushCharacters(symbol, out)
      else pushBytes(symbol, out)
    }
    return out
  }

  /** A symbol that merges made, and that is a control token: the characters it was made of. */
  const pushCharacters = (symbol: string, out: number[]): void => {
    for (const character of symbol) {
      const id = ids.get(character)
      if (id === undefined) pushBytes(character, out)
      else out.push(id)
    }
  }

  /** A symbol that is no token: its bytes, as far as the vocabulary has them. */
  const pushBytes = (symbol: string, out: number[]): void => {
    for (const byte of Buffer.from(symbol)) {
      const id = escaped
        ? ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
        : byte < 0x80
          ? ids.get(String.fromCharCode(byte))
          : undefined
      if (id !== undefined) out.push(id)
    }
  }

  return (text, out) => {
    const prepared = escaped ? text.replaceAll(' ', '▁') : text
    let from = 0
    for (const to of splitByRules(prepared, rules, classOf)) {
      const piece = prepared.slice(from, to)
      from = to
      let encoded = cache.get(piece)
      if (!encoded) {
        encoded = encodePiece(piece)
        if (piece.length <= CACHED_LENGTH) {
          if (cache.size >= CACHED_PIECES) cache.clear()
          cache.set(piece, encoded)
        }
      }
      for (const id of encoded) out.push(id)
    }
  }
}

/** 'left right' → rank. Where a merge is listed twice, the first counts. */
function rankMerges(list: readonly string[]): Map<string, number> {
  const ranks = new Map<string, number>()
  for (let rank = list.length - 1; rank >= 0; rank--) ranks.set(list[rank] as string, rank)
  return ranks
}

function everyUnit(length: number): number[] {
  return Array.from({ length: length + 1 }, (_, i) => i)
}

/** Offsets of every code point of a text, and its length. */
export function codePointStarts(text: string): number[] {
  const starts: number[] = []
  let i = 0
  while (i < text.length) {
    starts.push(i)
    i += (text.codePointAt(i) as number) > 0xffff ? 2 : 1
  }
  starts.push(text.length)
  return starts
}

/** GPT-2's alphabet: a printable character for every byte. */
export const BYTE_TO_CODE: Uint16Array = byteAlphabet()

/** The reverse; −1 for a character that is not in the alphabet. */
export const CODE_TO_BYTE: Int16Array = new Int16Array(0x144).fill(-1)
BYTE_TO_CODE.forEach((code, byte) => {
  CODE_TO_BYTE[code] = byte
})

function byteAlphabet(): Uint16Array {
  const codes = new Uint16Array(256)
  let free = 0x100
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    codes[byte] = printable ? byte : free++
  }
  return codes
}

function byteText(text: string): string {
  const bytes = Buffer.from(text)
  const codes = new Uint16Array(bytes.length)
  for (let i = 0; i < bytes.length; i++) codes[i] = BYTE_TO_CODE[bytes[i] as number] as number
  return Buffer.from(codes.buffer).toString('utf16le')
}
