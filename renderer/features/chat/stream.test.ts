import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Frame, ReplyStats } from '../../../contract/chat.ts'
import { applyFrames, startLive } from './stream.ts'

const text = (seq: number, words: string, tokens = 1): Frame => ({
  type: 'text',
  seq,
  text: words,
  tokens,
  tokensPerSecond: 10,
})
const stats: ReplyStats = {
  promptTokens: 9,
  cachedTokens: 0,
  promptMs: 5,
  firstTokenMs: 7,
  tokens: 3,
  tokensPerSecond: 10,
  seed: 1,
}
const done = (seq: number): Frame => ({ type: 'done', seq, reason: 'end', stats })

test('frames in order add up, and the end carries the statistics', () => {
  const { live, gap } = applyFrames(startLive(''), [text(0, 'frost '), text(6, 'on the', 2), done(12)])
  expect(live.text).toBe('frost on the')
  expect(live.tokens).toBe(2)
  expect(live.end).toEqual({ reason: 'end', stats })
  expect(gap).toBe(false)
})

test('a frame that overlaps adds only what is new', () => {
  const { live } = applyFrames(startLive('frost on'), [text(0, 'frost on the gate'), text(6, 'on the gate')])
  expect(live.text).toBe('frost on the gate')
})

test('a gap stops before the frame that does not follow', () => {
  const { live, gap } = applyFrames(startLive('frost'), [text(5, ' on'), text(12, 'gate'), done(16)])
  expect(live.text).toBe('frost on')
  expect(gap).toBe(true)
  expect(live.end).toBeNull()
})

test('an end beyond the text is a gap too: the rest is not lost', () => {
  const { live, gap } = applyFrames(startLive('fro'), [done(5)])
  expect(gap).toBe(true)
  expect(live.end).toBeNull()
})

test('nothing follows an end', () => {
  const { live } = applyFrames(startLive(''), [text(0, 'a'), done(1), text(1, 'b')])
  expect(live.text).toBe('a')
})

test('however a text is cut, repeated and coalesced, it arrives once and whole', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 80 }),
      fc.array(fc.tuple(fc.nat(80), fc.nat(80), fc.nat(3))),
      (whole, cuts) => {
        let live = startLive('')
        for (const [a, b, batch] of cuts) {
          const from = Math.min(a, whole.length)
          const frame = text(from, whole.slice(from, from + b))
          const before = live.text
          const applied = applyFrames(
            live,
            Array.from({ length: batch + 1 }, () => frame),
          )
          expect(applied.gap).toBe(from > before.length)
          live = applied.live
          expect(whole.startsWith(live.text)).toBe(true)
          expect(live.text.length).toBeGreaterThanOrEqual(before.length)
        }
        const last = applyFrames(live, [
          text(live.text.length, whole.slice(live.text.length)),
          done(whole.length),
        ])
        expect(last.live.text).toBe(whole)
        expect(last.live.end).not.toBeNull()
      },
    ),
  )
})
