import { describe, expect, it } from 'vitest'
import { StreamDecoder } from './stream-decoder.ts'

/** A decoder of tokens with these bytes; what it gives for each of `ids`. */
function streamed(tokens: (string | number[])[], ids: number[], stripLeadingSpace = false): string[] {
  const pieces = tokens.map((token) => Buffer.from(token as string))
  const offsets = Uint32Array.from([0, ...pieces.map((_, i) => Buffer.concat(pieces.slice(0, i + 1)).length)])
  const bytes = new Uint8Array(Buffer.concat(pieces))
  const decoder = new StreamDecoder({ bytes, offsets, stripLeadingSpace })
  return ids.map((id) => decoder.push(id))
}

describe('tokens one at a time', () => {
  it('give their text', () => {
    expect(streamed(['a', ' b', ''], [0, 1, 2, 0])).toEqual(['a', ' b', '', 'a'])
  })

  it('give a character when its last byte has come', () => {
    expect(streamed([[0xe6, 0xbc], [0xa2], 'a'], [0, 1, 2])).toEqual(['', '漢', 'a'])
    expect(streamed([[0xe6, 0xbc], 'a', ''], [0, 2, 1])).toEqual(['', '', '\ufffda'])
  })

  it('keep a byte order mark, wherever it stands', () => {
    expect(streamed(['\ufeffa'], [0, 0]).join('')).toBe('\ufeffa\ufeffa')
  })

  it('lose the space that a vocabulary puts before a text, once, and nothing else', () => {
    expect(streamed([' a', ''], [1, 0, 0], true)).toEqual(['', 'a', ' a'])
    expect(streamed(['b', ' a'], [0, 1], true)).toEqual(['b', ' a'])
    expect(streamed(['  a'], [0], true)).toEqual([' a'])
    expect(streamed([' a'], [0])).toEqual([' a'])
  })

  it.each([-1, 2, 0.5, NaN])('%d is refused: it is no token', (id) => {
    expect(() => streamed(['a', 'b'], [id])).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: `${id} is not a token.`, data: { id } }),
    )
  })
})
