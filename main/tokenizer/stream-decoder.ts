import { KigoError } from '../../contract/errors.ts'
import type { PieceTable } from './types.ts'

/**
 * Tokens to text, one at a time: a character is given when its last byte has come, so one that a reply leaves
 * unfinished is never shown. Bytes that are no UTF-8 become U+FFFD, as TextDecoder makes them.
 */
export class StreamDecoder {
  private readonly pieces: PieceTable
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  private atStart: boolean

  constructor(pieces: PieceTable) {
    this.pieces = pieces
    this.atStart = pieces.stripLeadingSpace
  }

  /** The text that this token completes, often ''. */
  push(id: number): string {
    const { bytes, offsets } = this.pieces
    const from = offsets[id]
    const to = offsets[id + 1]
    if (from === undefined || to === undefined)
      throw new KigoError('INVALID_INPUT', `${id} is not a token.`, { data: { id } })
    if (from === to) return ''
    const strip = this.atStart && bytes[from] === 0x20
    this.atStart = false
    return this.decoder.decode(bytes.subarray(strip ? from + 1 : from, to), { stream: true })
  }
}
