/** Models of random weights in the shape and the types of real ones: for benchmarks without a download. */
import {
  array,
  bool,
  encodeHeader,
  f32,
  i32,
  listOfTexts,
  padding,
  text,
  u32,
  type Value,
} from '../gguf/encode.ts'
import { blockOf, type Mix, type WeightType } from './mixes.ts'
import type { Shape } from './shapes.ts'
import { syntheticVocabulary } from './vocabulary.ts'
import { randomWeights } from './weights.ts'

export { MIXES } from './mixes.ts'
export { SHAPES, type Shape } from './shapes.ts'

const ALIGNMENT = 32
const QUANTIZATION_VERSION = 2

/** Of biases: small beside what they are added to, which has a spread of about 1. */
const BIAS_SPREAD = 0.02

interface Tensor {
  name: string
  /** Row length first. */
  dims: number[]
  type: WeightType
  bytes: number
  offset: number
}

export interface SynthPlan {
  header: Buffer
  tensors: Tensor[]
  /** Of the whole file. */
  bytes: number
}

/** The header and where everything lies; the weights are made while the file is written. */
export function planSynth(shape: Shape, mix: Mix): SynthPlan {
  let end = 0
  const tensors = matricesOf(shape, mix).map((matrix) => {
    const { blockSize, blockBytes } = blockOf(matrix.type)
    const bytes = (matrix.dims.reduce((product, dim) => product * dim, 1) / blockSize) * blockBytes
    const offset = end + padding(end, ALIGNMENT)
    end = offset + bytes
    return { ...matrix, bytes, offset }
  })
  const encoded = encodeHeader({
    metadata: metadataOf(shape, mix),
    tensors: tensors.map(({ name, dims, type, offset }) => ({ name, dims, type: blockOf(type).id, offset })),
  })
  const header = Buffer.concat([encoded, Buffer.alloc(padding(encoded.length, ALIGNMENT))])
  return { header, tensors, bytes: header.length + end }
}

/** The file, chunk after chunk, in some megabytes of memory; the same for the same seed. */
export function* synthesize({ header, tensors }: SynthPlan, seed: number): Generator<Buffer> {
  yield header
  let end = 0
  for (const { name, dims, type, bytes, offset } of tensors) {
    yield Buffer.alloc(offset - end)
    if (name.endsWith('norm.weight')) yield ones(dims[0]!)
    else yield* randomWeights(type, bytes, spreadOf(name, dims), { seed, name })
    end = offset + bytes
  }
}

/** What a matrix gives has about the size of what it takes: activations stay finite through any depth. */
const spreadOf = (name: string, dims: number[]): number =>
  name.endsWith('.bias') ? BIAS_SPREAD : 1 / Math.sqrt(dims[0]!)

const ones = (length: number): Buffer => Buffer.from(new Float32Array(length).fill(1).buffer)

function matricesOf(shape: Shape, mix: Mix): Pick<Tensor, 'name' | 'dims' | 'type'>[] {
  const { embd, ff, headDim, heads, headsKv, layers, vocabulary } = shape
  const [q, kv] = [heads * headDim, headsKv * headDim]
  const matrix = (prefix: string, name: string, dims: [number, number], layer = 0) => ({
    name: `${prefix}${name}.weight`,
    dims,
    type: mix.typeOf(name, dims[0], layer, shape),
  })
  const vector = (name: string, length: number) => ({ name, dims: [length], type: 'F32' as const })
  const layerOf = (layer: number) => {
    const prefix = `blk.${layer}.`
    const of = (name: string, dims: [number, number]) => matrix(prefix, name, dims, layer)
    return [
      vector(`${prefix}attn_norm.weight`, embd),
      vector(`${prefix}ffn_norm.weight`, embd),
      of('attn_q', [embd, q]),
      of('attn_k', [embd, kv]),
      of('attn_v', [embd, kv]),
      of('attn_output', [q, embd]),
      of('ffn_gate', [embd, ff]),
      of('ffn_up', [embd, ff]),
      of('ffn_down', [ff, embd]),
      ...(shape.biases
        ? [
            vector(`${prefix}attn_q.bias`, q),
            vector(`${prefix}attn_k.bias`, kv),
            vector(`${prefix}attn_v.bias`, kv),
          ]
        : []),
    ]
  }
  return [
    matrix('', 'token_embd', [embd, vocabulary]),
    vector('output_norm.weight', embd),
    ...(shape.tied ? [] : [matrix('', 'output', [embd, vocabulary])]),
    ...Array.from({ length: layers }, (_, layer) => layerOf(layer)).flat(),
  ]
}

function metadataOf(shape: Shape, mix: Mix): [string, Value][] {
  const { architecture } = shape
  const { tokens, types, merges, ids } = syntheticVocabulary(shape.vocabulary)
  return [
    ['general.architecture', text(architecture)],
    ['general.name', text(`${shape.title}, random weights`)],
    ['general.description', text('Random weights and made-up tokens in the shape of a real model.')],
    ['general.alignment', u32(ALIGNMENT)],
    ['general.file_type', u32(mix.fileType)],
    ['general.quantization_version', u32(QUANTIZATION_VERSION)],
    [`${architecture}.block_count`, u32(shape.layers)],
    [`${architecture}.context_length`, u32(shape.context)],
    [`${architecture}.embedding_length`, u32(shape.embd)],
    [`${architecture}.feed_forward_length`, u32(shape.ff)],
    [`${architecture}.attention.head_count`, u32(shape.heads)],
    [`${architecture}.attention.head_count_kv`, u32(shape.headsKv)],
    [`${architecture}.attention.layer_norm_rms_epsilon`, f32(shape.normEps)],
    [`${architecture}.rope.freq_base`, f32(shape.ropeBase)],
    [`${architecture}.rope.dimension_count`, u32(shape.headDim)],
    [`${architecture}.vocab_size`, u32(shape.vocabulary)],
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text(shape.preTokenizer)],
    ['tokenizer.ggml.tokens', listOfTexts(tokens)],
    ['tokenizer.ggml.token_type', array(types.map(i32))],
    ['tokenizer.ggml.merges', listOfTexts(merges)],
    ['tokenizer.ggml.bos_token_id', u32(ids['<|endoftext|>'])],
    ['tokenizer.ggml.eos_token_id', u32(ids['<|im_end|>'])],
    ['tokenizer.ggml.add_bos_token', bool(false)],
    ['tokenizer.chat_template', text(CHATML)],
  ]
}

const CHATML = `{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`
