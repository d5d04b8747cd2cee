/** What each token adds to a text, as bytes. */
import { CODE_TO_BYTE } from './bpe.ts'
import { isThoughtMarker } from './markers.ts'
import type { PieceTable } from './types.ts'
import { KIND, type Vocabulary } from './vocabulary.ts'

/** How a vocabulary writes ordinary tokens: in GPT-2's byte alphabet, or as text with ▁ for a space. */
export type Spelling = 'bytes' | 'escaped'

/** The bytes of every token in one block. Control, unknown and unused tokens add nothing, but for the markers of a thought. */
export function buildPieces(
  { texts, kinds }: Vocabulary,
  spelling: Spelling,
  stripLeadingSpace: boolean,
): PieceTable {
  const offsets = new Uint32Array(texts.length + 1)
  // A UTF-16 unit is three bytes of UTF-8 at most.
  const bytes = new Uint8Array(3 * texts.reduce((sum, text) => sum + text.length, 0))
  let end = 0
  for (let id = 0; id < texts.length; id++) {
    end = writePiece(texts[id] as string, kinds[id] as number, spelling, bytes, end)
    offsets[id + 1] = end
  }
  return { bytes: bytes.slice(0, end), offsets, stripLeadingSpace }
}

/** Writes the piece at `at`; returns its end. */
function writePiece(text: string, kind: number, spelling: Spelling, bytes: Uint8Array, at: number): number {
  if (kind === KIND.byte) {
    bytes[at] = Number.parseInt(text.slice(3, 5), 16)
    return at + 1
  }
  if (kind === KIND.userDefined || (kind === KIND.control && isThoughtMarker(text)))
    return writeText(text, bytes, at)
  if (kind !== KIND.normal) return at
  return spelling === 'bytes' ? writeByteText(text, bytes, at) : writeText(text, bytes, at, 0x20)
}

function writeByteText(text: string, bytes: Uint8Array, start: number): number {
  let at = start
  for (let i = 0; i < text.length; i++) {
    const byte = CODE_TO_BYTE[text.charCodeAt(i)] ?? -1
    // Not in the alphabet: the token is meant as it is written.
    if (byte < 0) return writeText(text, bytes, start)
    bytes[at++] = byte
  }
  return at
}

/**
 * UTF-8 by hand: TextEncoder.encodeInto needs a view for each of 262,000 tokens, and took three times as long.
 * `underline` is what ▁ is written as.
 */
function writeText(text: string, bytes: Uint8Array, start: number, underline = 0x2581): number {
  let at = start
  for (let i = 0; i < text.length; i++) {
    let code = text.codePointAt(i) as number
    if (code > 0xffff) i++
    if (code === 0x2581) code = underline
    if (code < 0x80) {
      bytes[at++] = code
      continue
    }
    if (code < 0x800) {
      bytes[at++] = 0xc0 | (code >> 6)
    } else {
      if (code < 0x10000) {
        bytes[at++] = 0xe0 | (code >> 12)
      } else {
        bytes[at++] = 0xf0 | (code >> 18)
        bytes[at++] = 0x80 | ((code >> 12) & 0x3f)
      }
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f)
    }
    bytes[at++] = 0x80 | (code & 0x3f)
  }
  return at
}
