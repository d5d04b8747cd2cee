/** Which type each matrix gets: all of one, or llama.cpp's Q4_K_M, which is several. */
import { GGML_TYPES } from '../gguf/ggml-types.ts'
import type { Shape } from './shapes.ts'

export type WeightType = 'F32' | 'F16' | 'Q5_0' | 'Q8_0' | 'Q4_K' | 'Q6_K'

export interface Mix {
  /** general.file_type */
  fileType: number
  /** Of a matrix by its name without `blk.N.` and `.weight`, whose rows have `rowLength` values. */
  typeOf(matrix: string, rowLength: number, layer: number, shape: Shape): WeightType
}

export const MIXES: Readonly<Record<string, Mix>> = {
  F16: { fileType: 1, typeOf: () => 'F16' },
  Q8_0: { fileType: 7, typeOf: (_matrix, rowLength) => storable('Q8_0', rowLength) },
  Q4_K_M: {
    fileType: 15,
    typeOf(matrix, rowLength, layer, shape) {
      const head = matrix === 'output' || (matrix === 'token_embd' && shape.tied)
      if (head) return storable('Q6_K', rowLength)
      const precious = matrix === 'attn_v' || matrix === 'ffn_down'
      return storable(precious && getsMoreBits(layer, shape.layers) ? 'Q6_K' : 'Q4_K', rowLength)
    },
  },
}

/** llama.cpp's use_more_bits: the first and the last eighth of the layers, and every third between. */
function getsMoreBits(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8)
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2
}

const STANDS_IN: Partial<Record<WeightType, WeightType>> = { Q4_K: 'Q5_0', Q6_K: 'Q8_0' }

/** What llama.cpp takes where a row is no whole number of blocks. */
function storable(type: WeightType, rowLength: number): WeightType {
  if (rowLength % blockOf(type).blockSize === 0) return type
  const instead = STANDS_IN[type]
  return instead ? storable(instead, rowLength) : 'F16'
}

const BY_NAME = new Map([...GGML_TYPES.values()].map((type) => [type.name, type]))

export function blockOf(type: WeightType) {
  return BY_NAME.get(type)!
}
