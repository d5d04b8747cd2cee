import type { Sampling } from '../../../contract/sampling.ts'

/** Nine made-up continuations of “frost on the”; what is missing to 1 is the tail that no picture shows. */
export const SAMPLE: readonly (readonly [token: string, probability: number])[] = [
  ['window', 0.31],
  ['grass', 0.19],
  ['ground', 0.13],
  ['glass', 0.09],
  ['trees', 0.07],
  ['roof', 0.05],
  ['leaves', 0.03],
  ['moon', 0.012],
  ['spoon', 0.004],
]

export type PictureSettings = Pick<Sampling, 'temperature' | 'topK' | 'topP' | 'minP'>

/**
 * The engine's chain on `probabilities` (descending): top-k, top-p, min-p, temperature. Each cut uses the
 * softmax at temperature 1 renormalised over the survivors of the one before. Returns the chance of each to be
 * drawn; null for what was cut. Temperature 0 leaves the likeliest.
 */
export function sampled(probabilities: readonly number[], settings: PictureSettings): (number | null)[] {
  const { temperature, topK, topP, minP } = settings
  let kept = probabilities.map((p, index) => ({ p, index }))
  if (topK > 0) kept = kept.slice(0, topK)
  kept = renormalised(kept)
  if (topP < 1) {
    let before = 0
    kept = kept.filter(({ p }, rank) => {
      const keep = rank === 0 || before < topP
      before += p
      return keep
    })
    kept = renormalised(kept)
  }
  const best = kept[0]?.p ?? 0
  if (minP > 0) kept = kept.filter(({ p }) => p >= minP * best)
  if (temperature === 0) kept = kept.slice(0, 1)
  // Relative to the best one and through the logarithm: a temperature near 0 must not end in 0 / 0.
  const weights = kept.map(({ p }) => (temperature === 0 ? 1 : Math.exp(Math.log(p / best) / temperature)))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const result: (number | null)[] = probabilities.map(() => null)
  kept.forEach(({ index }, rank) => {
    result[index] = (weights[rank] ?? 0) / total
  })
  return result
}

function renormalised<T extends { p: number }>(kept: T[]): T[] {
  const total = kept.reduce((sum, { p }) => sum + p, 0)
  return kept.map((one) => ({ ...one, p: one.p / total }))
}
