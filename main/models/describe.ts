/** From a header to what the addon opens: the configuration and every tensor it needs, of exactly the right shape. */
import { KigoError } from '../../contract/errors.ts'
import type { LayerConfig, ModelConfig, ModelDescription, TensorDescriptor } from '../engine/addon.ts'
import type { Gguf, GgufTensor } from '../gguf/index.ts'
import { ARCHITECTURES, type Architecture } from './architectures.ts'
import { modelConfig } from './config.ts'

/** Types of matrices that the engine multiplies with. */
const MATRIX_TYPES: ReadonlySet<string> = new Set([
  'F32',
  'F16',
  'BF16',
  'Q8_0',
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q4_K',
  'Q5_K',
  'Q6_K',
])

/** Types of vectors (norms, biases), which the engine turns into float32 as it loads them. */
const VECTOR_TYPES: ReadonlySet<string> = new Set(['F32', 'F16', 'BF16'])

/**
 * Tensors that are no part of what a model computes from text, so that nothing is lost without them: the parts of an
 * image or sound encoder that some programs put into the model's own file, and a table of rotation frequencies that
 * old converters copied, which follow from the header.
 */
const HARMLESS: readonly RegExp[] = [/^(v|mm|a)\./, /^blk\.\d+\.attn_rot_embd(\.weight|\.inv_freq)?$/]

/** A tensor that the configuration calls for. Two dimensions: a matrix; one: a vector. */
interface TensorSpec {
  name: string
  dims: number[]
  optional?: boolean
  /** It has a row (or value) a token, and may have more of them than there are tokens: they are left out. */
  perToken?: boolean
}

/**
 * Throws the errors of modelConfig; MODEL_INVALID where a tensor is missing, has another shape than the
 * hyperparameters imply or belongs to a layer that they do not count; UNSUPPORTED_QUANTIZATION where it has a type
 * that the engine does not run; UNSUPPORTED_ARCHITECTURE where the file has a tensor that the architecture has no use
 * for: without it the text would be wrong.
 */
export function describeModel(gguf: Gguf): ModelDescription {
  const config = modelConfig(gguf)
  if (gguf.tensors.length === 0) {
    throw new KigoError('MODEL_INVALID', 'This file holds a vocabulary only, no weights.', {
      hint: 'Choose the file of a whole model.',
      data: { expected: 'tensors', actual: 0 },
    })
  }
  const left = new Map(gguf.tensors.map((tensor) => [tensor.name, tensor]))
  for (let layer = 0; layer < config.nLayer; layer++) splitFused(left, `blk.${layer}`, config.layers[layer]!)

  const tensors = tensorSpecs(config, ARCHITECTURES[config.architecture]!).flatMap((spec) => {
    const tensor = left.get(spec.name)
    left.delete(spec.name)
    if (tensor) return [checked(tensor, spec)]
    if (spec.optional) return []
    throw invalid(`tensor ${spec.name} is missing`, { tensor: spec.name, expected: spec.dims })
  })
  for (const name of left.keys()) if (!HARMLESS.some((known) => known.test(name))) throw useless(name, config)
  return { config, tensors, files: gguf.files }
}

/** Rows of the embedding beyond the vocabulary, which models are padded with. */
export function paddedRows(gguf: Gguf, { config }: ModelDescription): number {
  const embedding = gguf.tensors.find(({ name }) => name === EMBEDDING)
  return (embedding?.dims[1] ?? config.nVocab) - config.nVocab
}

function useless(tensor: string, { architecture, nLayer }: ModelConfig): KigoError {
  const layer = Number(/^blk\.(\d+)\./.exec(tensor)?.[1] ?? 0)
  if (layer >= nLayer) {
    const problem = `tensor ${tensor} belongs to layer ${layer}, but the header counts ${nLayer}`
    return invalid(problem, { tensor, expected: nLayer })
  }
  return new KigoError(
    'UNSUPPORTED_ARCHITECTURE',
    `Tensor ${tensor} has no place in the architecture ${architecture} as Kigo knows it. Without it the text would be wrong, so it was not loaded.`,
    { data: { architecture, tensor } },
  )
}

const EMBEDDING = 'token_embd.weight'

/** Every tensor that a forward pass of this configuration reads. */
function tensorSpecs(config: ModelConfig, arch: Architecture): TensorSpec[] {
  const { nEmbd, nVocab } = config
  const first = config.layers[0]!
  return [
    { name: EMBEDDING, dims: [nEmbd, nVocab], perToken: true },
    { name: 'output_norm.weight', dims: [nEmbd] },
    { name: 'output.weight', dims: [nEmbd, nVocab], perToken: true, optional: true }, // absent: tied to token_embd
    ...(arch.outputBias ? [{ name: 'output.bias', dims: [nVocab], perToken: true, optional: true }] : []),
    ...(arch.ropeFreqs ? [{ name: 'rope_freqs.weight', dims: [first.nRot / 2], optional: true }] : []),
    ...config.layers.flatMap((layer, i) =>
      layerSpecs(layer, arch, nEmbd).map((spec) => ({ ...spec, name: `blk.${i}.${spec.name}` })),
    ),
  ]
}

function layerSpecs(layer: LayerConfig, arch: Architecture, nEmbd: number): TensorSpec[] {
  const { nQ, nKv } = projectionRows(layer)
  const matrices: readonly (readonly [name: string, columns: number, rows: number])[] = [
    ['attn_q', nEmbd, nQ],
    ['attn_k', nEmbd, nKv],
    ['attn_v', nEmbd, nKv],
    ['attn_output', nQ, nEmbd],
    ['ffn_gate', nEmbd, layer.nFf],
    ['ffn_up', nEmbd, layer.nFf],
    ['ffn_down', layer.nFf, nEmbd],
  ]
  const norms: readonly (readonly [name: string, length: number])[] = [
    ['attn_norm', nEmbd],
    ['ffn_norm', nEmbd],
    ...(arch.qkNorm
      ? [['attn_q_norm', layer.headDim] as const, ['attn_k_norm', layer.headDim] as const]
      : []),
    ...(arch.postNorms ? [['post_attention_norm', nEmbd] as const, ['post_ffw_norm', nEmbd] as const] : []),
  ]
  return [
    ...norms.map(([name, length]) => ({ name: `${name}.weight`, dims: [length] })),
    ...matrices.map(([name, columns, rows]) => ({ name: `${name}.weight`, dims: [columns, rows] })),
    ...matrices
      .filter(([name]) => arch.biases.includes(name))
      .map(([name, , rows]) => ({ name: `${name}.bias`, dims: [rows], optional: true })),
  ]
}

function projectionRows(layer: LayerConfig): { nQ: number; nKv: number } {
  return { nQ: layer.nHead * layer.headDim, nKv: layer.nHeadKv * layer.headDim }
}

/**
 * Some converters write q, k and v as one tensor attn_qkv, rows in this order. Rows lie one after another in the
 * file, so each third is described as a tensor of its own.
 */
function splitFused(found: Map<string, GgufTensor>, prefix: string, layer: LayerConfig): void {
  const { nQ, nKv } = projectionRows(layer)
  for (const kind of ['weight', 'bias']) {
    const fused = found.get(`${prefix}.attn_qkv.${kind}`)
    if (!fused || found.has(`${prefix}.attn_q.${kind}`)) continue
    const rows = fused.dims.at(-1)!
    if (rows !== nQ + 2 * nKv) throw wrongShape(fused, [...fused.dims.slice(0, -1), nQ + 2 * nKv])
    found.delete(fused.name)
    let first = 0
    for (const [name, count] of [
      ['attn_q', nQ],
      ['attn_k', nKv],
      ['attn_v', nKv],
    ] as const) {
      const part = { ...rowsOf(fused, first, count), name: `${prefix}.${name}.${kind}` }
      found.set(part.name, part)
      first += count
    }
  }
}

/** Rows of a matrix (values of a vector) as a tensor. They lie one after another in the file. */
function rowsOf(tensor: GgufTensor, first: number, count: number): GgufTensor {
  const rows = tensor.dims.at(-1)!
  const rowBytes = tensor.bytes / rows
  return {
    ...tensor,
    dims: [...tensor.dims.slice(0, -1), count],
    elements: (tensor.elements / rows) * count,
    offset: tensor.offset + first * rowBytes,
    bytes: count * rowBytes,
  }
}

function checked(found: GgufTensor, spec: TensorSpec): TensorDescriptor {
  const isVector = spec.dims.length === 1
  if (isVector ? !VECTOR_TYPES.has(found.type) : !MATRIX_TYPES.has(found.type)) {
    throw new KigoError(
      'UNSUPPORTED_QUANTIZATION',
      isVector
        ? `Tensor ${found.name} has the type ${found.type}; Kigo takes norms and biases as F32, F16 or BF16.`
        : `Kigo does not run the quantisation ${found.type} yet (tensor ${found.name}).`,
      { data: { tensor: found.name, type: found.type } },
    )
  }
  // Trailing dimensions of 1 say nothing.
  const dims = found.dims.slice(
    0,
    Math.max(spec.dims.length, found.dims.findLastIndex((dim) => dim !== 1) + 1),
  )
  const rows = spec.dims.at(-1)!
  const isPadded = spec.perToken && dims.length === spec.dims.length && dims.at(-1)! > rows
  const tensor = isPadded ? rowsOf({ ...found, dims }, 0, rows) : found
  const same = [0, 1, 2, 3].every((i) => (tensor.dims[i] ?? 1) === (spec.dims[i] ?? 1))
  if (!same) throw wrongShape(found, spec.dims)
  const { name, typeId, file, offset, bytes } = tensor
  return { name, type: typeId, dims: spec.dims, file, offset, bytes }
}

function wrongShape(tensor: GgufTensor, expected: number[]): KigoError {
  const show = (dims: number[]) => `[${dims.join(', ')}]`
  return invalid(
    `tensor ${tensor.name} has the shape ${show(tensor.dims)}, but the header implies ${show(expected)}`,
    {
      tensor: tensor.name,
      expected,
      actual: tensor.dims,
    },
  )
}

function invalid(problem: string, data: Record<string, unknown>): KigoError {
  return new KigoError('MODEL_INVALID', `The file is damaged or was made wrongly: ${problem}.`, { data })
}
