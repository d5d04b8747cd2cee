/** From a header to what the addon opens: the configuration and every tensor it needs, of exactly the right shape. */
import { KigoError } from '../../contract/errors.ts'
import type { LayerConfig, ModelConfig, ModelDescription, TensorDescriptor } from '../engine/addon.ts'
import type { Gguf, GgufTensor } from '../gguf/index.ts'
import { ARCHITECTURES, type Architecture } from './architectures.ts'
import { modelConfig } from './config.ts'

/** Types of matrices that the engine multiplies with. Vectors (norms, biases) are always F32. */
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

/** A tensor that the configuration calls for. Two dimensions: a matrix; one: a vector. */
interface TensorSpec {
  name: string
  dims: number[]
  optional?: boolean
}

/**
 * Throws the errors of modelConfig; MODEL_INVALID where a tensor is missing or has another shape than the
 * hyperparameters imply; UNSUPPORTED_QUANTIZATION where it has a type that the engine does not run. What the
 * architecture does not use (further layers, unknown tensors) is left out of the description.
 */
export function describeModel(gguf: Gguf): ModelDescription {
  const config = modelConfig(gguf)
  if (gguf.tensors.length === 0) {
    throw new KigoError('MODEL_INVALID', 'This file holds a vocabulary only, no weights.', {
      hint: 'Choose the file of a whole model.',
      data: { expected: 'tensors', actual: 0 },
    })
  }
  const found = new Map(gguf.tensors.map((tensor) => [tensor.name, tensor]))
  for (let layer = 0; layer < config.nLayer; layer++) splitFused(found, `blk.${layer}`, config.layers[layer]!)

  const tensors = tensorSpecs(config, ARCHITECTURES[config.architecture]!).flatMap((spec) => {
    const tensor = found.get(spec.name)
    if (tensor) return [checked(tensor, spec)]
    if (spec.optional) return []
    throw invalid(`tensor ${spec.name} is missing`, { tensor: spec.name, expected: spec.dims })
  })
  return { config, tensors, files: gguf.files }
}

/** Every tensor that a forward pass of this configuration reads. */
function tensorSpecs(config: ModelConfig, arch: Architecture): TensorSpec[] {
  const { nEmbd, nVocab } = config
  const first = config.layers[0]!
  return [
    { name: 'token_embd.weight', dims: [nEmbd, nVocab] },
    { name: 'output_norm.weight', dims: [nEmbd] },
    { name: 'output.weight', dims: [nEmbd, nVocab], optional: true }, // absent: tied to token_embd
    ...(arch.outputBias ? [{ name: 'output.bias', dims: [nVocab], optional: true }] : []),
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
    let offset = fused.offset
    for (const [name, count] of [
      ['attn_q', nQ],
      ['attn_k', nKv],
      ['attn_v', nKv],
    ] as const) {
      const part = {
        ...fused,
        name: `${prefix}.${name}.${kind}`,
        dims: [...fused.dims.slice(0, -1), count],
        elements: (fused.elements / rows) * count,
        offset,
        bytes: (fused.bytes / rows) * count,
      }
      found.set(part.name, part)
      offset += part.bytes
    }
  }
}

function checked(tensor: GgufTensor, spec: TensorSpec): TensorDescriptor {
  // Trailing dimensions of 1 say nothing.
  const same = [0, 1, 2, 3].every((i) => (tensor.dims[i] ?? 1) === (spec.dims[i] ?? 1))
  if (!same) throw wrongShape(tensor, spec.dims)
  const isVector = spec.dims.length === 1
  if (isVector ? tensor.type !== 'F32' : !MATRIX_TYPES.has(tensor.type)) {
    throw new KigoError(
      'UNSUPPORTED_QUANTIZATION',
      isVector
        ? `Tensor ${tensor.name} has the type ${tensor.type}; Kigo takes norms and biases as F32 only.`
        : `Kigo does not run the quantisation ${tensor.type} yet (tensor ${tensor.name}).`,
      { data: { tensor: tensor.name, type: tensor.type } },
    )
  }
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
