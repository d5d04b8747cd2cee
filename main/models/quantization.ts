import type { Gguf } from '../gguf/index.ts'

/** general.file_type: the mixes as llama.cpp numbers and names them. */
const FILE_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [7, 'Q8_0'],
  [8, 'Q5_0'],
  [9, 'Q5_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K_S'],
  [12, 'Q3_K_M'],
  [13, 'Q3_K_L'],
  [14, 'Q4_K_S'],
  [15, 'Q4_K_M'],
  [16, 'Q5_K_S'],
  [17, 'Q5_K_M'],
  [18, 'Q6_K'],
  [19, 'IQ2_XXS'],
  [20, 'IQ2_XS'],
  [21, 'Q2_K_S'],
  [22, 'IQ3_XS'],
  [23, 'IQ3_XXS'],
  [24, 'IQ1_S'],
  [25, 'IQ4_NL'],
  [26, 'IQ3_S'],
  [27, 'IQ3_M'],
  [28, 'IQ2_S'],
  [29, 'IQ2_M'],
  [30, 'IQ4_XS'],
  [31, 'IQ1_M'],
  [32, 'BF16'],
  [36, 'TQ1_0'],
  [37, 'TQ2_0'],
  [38, 'MXFP4_MOE'],
  [39, 'NVFP4'],
  [40, 'Q1_0'],
  [41, 'Q2_0'],
])

/** Set by llama.cpp beside the number where it only guessed it. */
const GUESSED = 1024

export interface TypeTally {
  count: number
  bytes: number
}

/** Q4_K_M, Q8_0, F16…: the mix that the file names, else the type with most bytes, else 'none' (no tensors). */
export function quantizationName(gguf: Gguf): string {
  const fileType = gguf.metadata.get('general.file_type')
  const named = typeof fileType === 'number' ? FILE_TYPES.get(fileType & ~GUESSED) : undefined
  if (named) return named
  const byBytes = Object.entries(tensorsByType(gguf)).sort(([, a], [, b]) => b.bytes - a.bytes)
  return byBytes[0]?.[0] ?? 'none'
}

/** Tensors and their bytes by type, in the order in which the types first appear. */
export function tensorsByType(gguf: Gguf): Record<string, TypeTally> {
  const tally: Record<string, TypeTally> = {}
  for (const { type, bytes } of gguf.tensors) {
    const entry = (tally[type] ??= { count: 0, bytes: 0 })
    entry.count += 1
    entry.bytes += bytes
  }
  return tally
}
