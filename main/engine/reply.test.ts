import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { GenerateResult, TokenRecord } from './addon.ts'
import { Reply } from './reply.ts'
import { piecesOf } from './testing/fake-addon.ts'

/** What the clock says, ms. */
let clock = 0
beforeEach(() => {
  clock = 1000
  vi.spyOn(performance, 'now').mockImplementation(() => clock)
})
afterEach(() => {
  vi.restoreAllMocks()
})

/** A reply of tokens 1, 2, … with these pieces. */
const replyOf = (pieces: (string | Uint8Array)[], stop: string[] = []): Reply =>
  new Reply(piecesOf({ pieces }), stop)

const records = (...ids: number[]): TokenRecord[] => ids.map((id) => ({ id, logprob: -id }))

const RESULT: GenerateResult = {
  ...{ reason: 'end', promptTokens: 7, cachedTokens: 3, promptMs: 11, firstTokenMs: 13 },
  ...{ tokens: 5, decodeMs: 2000 },
}

describe('the events of a reply', () => {
  it('hold the text of their tokens, and how many there are from the start', () => {
    const reply = replyOf(['a', 'b', 'c'])
    expect(reply.take(records(1, 2))).toMatchObject({
      type: 'text',
      text: 'ab',
      records: records(1, 2),
      tokens: 2,
    })
    expect(reply.take(records(3))).toMatchObject({ text: 'c', records: records(3), tokens: 3 })
    expect(reply.finish()).toBeNull()
  })

  it('are none without tokens', () => {
    expect(replyOf(['a']).take([])).toBeNull()
  })

  it('have no text while a character is not whole, and none of it where it never is', () => {
    const reply = replyOf([Uint8Array.of(0xe6, 0xbc), Uint8Array.of(0xa2), Uint8Array.of(0xe6)])
    expect(reply.take(records(1))).toMatchObject({ text: '', tokens: 1 })
    expect(reply.take(records(2))).toMatchObject({ text: '漢', tokens: 2 })
    expect(reply.take(records(3))).toMatchObject({ text: '', tokens: 3 })
    expect(reply.finish()).toBeNull()
  })

  it('end before a stop sequence: the token that completes it is the last', () => {
    const reply = replyOf(['a', 'b<', '>c', 'd'], ['<>'])
    expect(reply.take(records(1))).toMatchObject({ text: 'a' })
    expect(reply.stopped).toBe(false)
    expect(reply.take(records(2, 3, 4))).toMatchObject({ text: 'b', records: records(2, 3), tokens: 3 })
    expect(reply.stopped).toBe(true)
    expect(reply.take(records(4))).toBeNull()
    expect(reply.finish()).toBeNull()
    expect(reply.stats(RESULT, 0).tokens).toBe(3)
  })

  it('give at the end what was held back for a stop sequence that did not come', () => {
    const reply = replyOf(['a<'], ['<>'])
    expect(reply.take(records(1))).toMatchObject({ text: 'a' })
    expect(reply.finish()).toMatchObject({ type: 'text', text: '<', records: [], tokens: 1 })
  })
})

describe('the figures of a reply', () => {
  it('tell the rate since the first token, which is the prompt’s', () => {
    const reply = replyOf(['a', 'b', 'c'])
    clock = 5000
    expect(reply.take(records(1))?.tokensPerSecond).toBe(0)
    clock = 5500
    expect(reply.take(records(2))?.tokensPerSecond).toBe(2)
    clock = 6000
    expect(reply.take(records(3))?.tokensPerSecond).toBe(2)
    clock = 7000
    expect(reply.take(records(3, 3))?.tokensPerSecond).toBe(2)
  })

  it('tell no rate where no time has passed', () => {
    expect(replyOf(['a', 'b']).take(records(1, 2))?.tokensPerSecond).toBe(0)
  })

  it('are the engine’s, with the time to the first text that could be shown', () => {
    const reply = replyOf([Uint8Array.of(0xe6, 0xbc), Uint8Array.of(0xa2), 'b'])
    clock = 1100
    reply.take(records(1))
    clock = 1250
    reply.take(records(2))
    clock = 1400
    reply.take(records(3))
    expect(reply.stats(RESULT, 42)).toEqual({
      ...{ promptTokens: 7, cachedTokens: 3, promptMs: 11, firstTokenMs: 250 },
      ...{ tokens: 3, tokensPerSecond: 2, seed: 42 },
    })
  })

  it('are the engine’s alone where there was no text', () => {
    const stats = replyOf(['a']).stats({ ...RESULT, tokens: 1, decodeMs: 0 }, 1)
    expect(stats).toMatchObject({ firstTokenMs: 13, tokens: 0, tokensPerSecond: 0 })
    expect(replyOf(['a']).stats({ ...RESULT, tokens: 0, decodeMs: 5 }, 1).tokensPerSecond).toBe(0)
  })
})
