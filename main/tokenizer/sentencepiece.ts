/** SentencePiece's BPE: the pair whose merged text is the token of the highest score goes first. */
import { codePointStarts, type EncodePlain } from './bpe.ts'
import { mergeSymbols } from './merge.ts'
import { plainId, type Vocabulary } from './vocabulary.ts'

/** Spaces must be ▁ already. What is no token becomes its bytes <0xHH>, or the unknown token where there are none. */
export function sentencePieceEncoder(vocabulary: Vocabulary): EncodePlain {
  const { ids, scores, unknown } = vocabulary
  const byteIds = Array.from({ length: 256 }, (_, byte) => {
    const id = ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
    return id ?? (byte < 0x80 ? ids.get(String.fromCharCode(byte)) : undefined) ?? unknown
  })
  return (text, out) => {
    const bounds = mergeSymbols(codePointStarts(text), (from, _middle, to) => {
      const id = plainId(vocabulary, text.slice(from, to))
      if (id === undefined) return Infinity
      return scores ? -(scores[id] as number) : 0
    })
    for (let i = 0; i + 1 < bounds.length; i++) {
      const symbol = text.slice(bounds[i], bounds[i + 1])
      const id = plainId(vocabulary, symbol)
      if (id !== undefined) out.push(id)
      else for (const byte of Buffer.from(symbol)) pushKnown(byteIds[byte], out)
    }
  }
}

function pushKnown(id: number | null | undefined, out: number[]): void {
  if (id !== null && id !== undefined) out.push(id)
}
