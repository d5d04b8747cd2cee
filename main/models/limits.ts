/**
 * What a model may ask for at most: far beyond any real one, and small enough that every product stays exact. The
 * engine checks the same numbers again (native/core/limits.h); limits.test.ts holds the two together.
 */
import type { Range } from '../gguf/metadata.ts'
import { MAX_VOCABULARY } from '../gguf/vocabulary.ts'

const from1To = (max: number): Range => ({ min: 1, max })

export const MODEL_LIMITS = {
  layers: from1To(512),
  embd: from1To(131_072),
  ff: from1To(1_048_576),
  vocab: from1To(MAX_VOCABULARY),
  heads: from1To(4_096),
  headDim: { min: 2, max: 1_024 },
  /** Positions, and what a window or YaRN counts in them. */
  context: from1To(2 ** 31 - 1),
  ropeBase: { min: 1.000_001, max: 1e12 },
  /** Of the angles. */
  ropeScale: { min: 1e-6, max: 1e6 },
  /** Of cos and sin, in either direction. */
  ropeMscale: { min: -1e6, max: 1e6 },
  softcap: { min: 0, max: 1e6 },
  normEps: { min: 0, max: 1 },
} as const satisfies Record<string, Range>

export function isWithin(value: number, { min, max }: Range): boolean {
  return value >= min && value <= max
}
