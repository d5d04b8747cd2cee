import { expect, it } from 'vitest'
import { GGML_TYPES, REMOVED_GGML_TYPES } from './ggml-types.ts'

/** Bytes of a block as the sum of ggml's struct fields: scales, high bits, quants… */
const STRUCTS: Record<string, number[]> = {
  F32: [4],
  F16: [2],
  BF16: [2],
  F64: [8],
  I8: [1],
  I16: [2],
  I32: [4],
  I64: [8],
  Q4_0: [2, 16],
  Q4_1: [2, 2, 16],
  Q5_0: [2, 4, 16],
  Q5_1: [2, 2, 4, 16],
  Q8_0: [2, 32],
  Q8_1: [2, 2, 32],
  Q2_K: [16, 64, 2, 2],
  Q3_K: [32, 64, 12, 2],
  Q4_K: [2, 2, 12, 128],
  Q5_K: [2, 2, 12, 32, 128],
  Q6_K: [128, 64, 16, 2],
  Q8_K: [4, 256, 32],
  IQ2_XXS: [2, 64],
  IQ2_XS: [2, 64, 8],
  IQ2_S: [2, 64, 8, 8],
  IQ3_XXS: [2, 96],
  IQ3_S: [2, 64, 8, 32, 4],
  IQ1_S: [2, 32, 16],
  IQ1_M: [32, 16, 8],
  IQ4_NL: [2, 16],
  IQ4_XS: [2, 2, 4, 128],
  TQ1_0: [48, 4, 2],
  TQ2_0: [64, 2],
  MXFP4: [1, 16],
  NVFP4: [4, 32],
  Q1_0: [2, 16],
  Q2_0: [2, 16],
}

const WIDE_BLOCKS = /^(Q[2-6]_K|Q8_K|IQ(1|2|3)_|IQ4_XS|TQ)/

it('every type has the block that ggml declares', () => {
  expect(Object.keys(STRUCTS).toSorted()).toEqual(
    [...GGML_TYPES.values()].map((type) => type.name).toSorted(),
  )
  for (const { name, blockSize, blockBytes } of GGML_TYPES.values()) {
    expect(blockBytes, name).toBe(STRUCTS[name]!.reduce((sum, bytes) => sum + bytes, 0))
    if (WIDE_BLOCKS.test(name)) expect(blockSize, name).toBe(256)
  }
})

it('every id up to the last is either a type or a removed one', () => {
  for (let id = 0; id <= 42; id++) {
    const known = Number(GGML_TYPES.has(id)) + Number(REMOVED_GGML_TYPES.has(id))
    expect(known, `id ${id}`).toBe(1)
  }
})
