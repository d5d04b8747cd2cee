import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SAMPLE, sampled } from './sampler.ts'

const p = SAMPLE.map(([, probability]) => probability)
const off = { temperature: 1, topK: 0, topP: 1, minP: 0 }
const left = (result: (number | null)[]) => result.filter((x) => x !== null).length

test('with everything off, the distribution is the one that came in', () => {
  const total = p.reduce((a, b) => a + b)
  sampled(p, off).forEach((x, i) => expect(x).toBeCloseTo((p[i] ?? 0) / total, 12))
})

test('each sampler cuts what it says', () => {
  expect(left(sampled(p, { ...off, topK: 3 }))).toBe(3)
  // Renormalised sums are .350 .564 .711 .813: the third reaches .7.
  expect(left(sampled(p, { ...off, topP: 0.7 }))).toBe(3)
  // .31 × .1 = .031: leaves (.03) goes, roof (.05) stays.
  expect(left(sampled(p, { ...off, minP: 0.1 }))).toBe(6)
  expect(sampled(p, { ...off, temperature: 0 }).slice(0, 2)).toEqual([1, null])
})

test('top-p looks at what top-k left, not at the whole', () => {
  // Of two survivors (.62 and .38) the first alone does not reach .7; of all nine, three would be needed.
  expect(left(sampled(p, { ...off, topK: 2, topP: 0.7 }))).toBe(2)
  expect(left(sampled(p, { ...off, topK: 2, topP: 0.6 }))).toBe(1)
})

test('temperature comes last: heat brings nothing back and keeps the order', () => {
  const cold = sampled(p, { ...off, topK: 4, temperature: 0.5 })
  const hot = sampled(p, { ...off, topK: 4, temperature: 2 })
  expect(left(hot)).toBe(4)
  expect(cold[0]).toBeGreaterThan(hot[0] ?? 1)
  expect(hot[0]).toBeGreaterThan(hot[3] ?? 1)
})

test('whatever the settings, something is left, it sums to 1 and is in order', () => {
  fc.assert(
    fc.property(
      fc.record({
        temperature: fc.double({ min: 0, max: 10, noNaN: true }),
        topK: fc.integer({ min: 0, max: 20 }),
        topP: fc.double({ min: 0, max: 1, noNaN: true }),
        minP: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      (settings) => {
        const kept = sampled(p, settings).filter((x) => x !== null)
        expect(kept.length).toBeGreaterThan(0)
        expect(kept.reduce((a, b) => a + b)).toBeCloseTo(1, 9)
        kept.forEach((x, i) => {
          if (i > 0) expect(x).toBeLessThanOrEqual(kept[i - 1] ?? 0)
        })
      },
    ),
  )
})
