import { describe, expect, it } from 'vitest'
import { Perplexity } from './perplexity.ts'
import { failure } from './testing/fake-addon.ts'

const encoder = (ids: number[], bos: number | null) => ({
  encode: async () => Int32Array.from(ids),
  facts: { addBos: bos !== null, bos } as never,
})
const ids = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 10)

async function count(
  length: number,
  nCtx: number,
  bos: number | null,
  logProb: (chunk: number[], i: number) => number,
) {
  const chunks: number[][] = []
  const session = {
    score: async (tokens: ArrayLike<number>) => {
      const chunk = Array.from(tokens)
      chunks.push(chunk)
      return Float64Array.from({ length: chunk.length - 1 }, (_, i) => logProb(chunk, i))
    },
  }
  const counted = await Perplexity.of(encoder(ids(length), bos), 'text', nCtx)
  while (counted.chunks < counted.totalChunks) await counted.scoreNext(session)
  return { ...counted.result(), ids: chunks }
}

describe('Perplexity', () => {
  it('is the number of equally likely choices', async () => {
    const { perplexity, stderr } = await count(32, 16, null, () => Math.log(1 / 4))
    expect(perplexity).toBeCloseTo(4, 10)
    expect(stderr).toBeCloseTo(0, 6)
  })

  it('scores the tokens behind the first half of each chunk, and leaves the rest of the text', async () => {
    // Token i+1 is scored by logProbs[i]; of 16 tokens those at 9 … 15 count.
    const { perplexity, tokens, chunks } = await count(40, 16, null, (_, i) =>
      i >= 8 ? Math.log(1 / 2) : Math.log(1 / 1000),
    )
    expect({ tokens, chunks }).toEqual({ tokens: 14, chunks: 2 })
    expect(perplexity).toBeCloseTo(2, 10)
  })

  it('puts BOS in the first place of every chunk where the vocabulary adds it', async () => {
    expect((await count(32, 16, 1, () => -1)).ids.map(([first]) => first)).toEqual([1, 1])
    expect((await count(32, 16, null, () => -1)).ids.map(([first]) => first)).toEqual([10, 26])
  })

  it('gives the standard error of the mean, carried to the perplexity', async () => {
    // Surprises 1, 3, 1, 3, 1, 3, 1: mean 13/7, variance 48/49.
    const { perplexity, stderr } = await count(16, 16, null, (_, i) => (i % 2 === 0 ? -1 : -3))
    expect(perplexity).toBeCloseTo(Math.exp(13 / 7), 10)
    expect(stderr).toBeCloseTo(Math.sqrt(48 / 49 / 6) * Math.exp(13 / 7), 10)
  })

  it('refuses a text that is shorter than one chunk', async () => {
    expect(await failure(count(15, 16, null, () => -1))).toMatchObject({
      code: 'INVALID_INPUT',
      data: { tokens: 15, nCtx: 16 },
    })
  })
})
