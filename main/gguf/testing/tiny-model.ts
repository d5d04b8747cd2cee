/** The smallest whole models: sound headers and tensors (all zero) of each architecture, for tests to bend. */
import {
  array,
  f32,
  i32,
  text,
  texts,
  u32,
  type GgufToBuild,
  type TensorToBuild,
  type Value,
} from './build-gguf.ts'

/** Sizes: 2 layers, width 32, 4 heads of 8 (2 for keys and values), FFN 64, 16 tokens. */
export const TINY = { nLayer: 2, nEmbd: 32, nHead: 4, nHeadKv: 2, headDim: 8, nFf: 64, nVocab: 16 } as const

export function tinyMetadata(
  architecture: string,
  changes: Record<string, Value | null> = {},
): [string, Value][] {
  const ids = Array.from({ length: TINY.nVocab }, (_, i) => i)
  const entries: Record<string, Value> = {
    'general.architecture': text(architecture),
    'general.name': text('Tiny'),
    [`${architecture}.block_count`]: u32(TINY.nLayer),
    [`${architecture}.context_length`]: u32(128),
    [`${architecture}.embedding_length`]: u32(TINY.nEmbd),
    [`${architecture}.feed_forward_length`]: u32(TINY.nFf),
    [`${architecture}.attention.head_count`]: u32(TINY.nHead),
    [`${architecture}.attention.head_count_kv`]: u32(TINY.nHeadKv),
    [`${architecture}.attention.layer_norm_rms_epsilon`]: f32(1e-5),
    'tokenizer.ggml.model': text('gpt2'),
    'tokenizer.ggml.pre': text('qwen2'),
    'tokenizer.ggml.tokens': texts(...ids.map((id) => `t${id}`)),
    'tokenizer.ggml.token_type': array(ids.map(() => i32(1))),
  }
  for (const [key, value] of Object.entries(changes)) {
    if (value) entries[key] = value
    else delete entries[key]
  }
  return Object.entries(entries)
}

export function tinyTensors(architecture: string): TensorToBuild[] {
  const { nLayer, nEmbd, nHead, nHeadKv, headDim, nFf, nVocab } = TINY
  const layer: Record<string, number[]> = {
    attn_norm: [nEmbd],
    ffn_norm: [nEmbd],
    attn_q: [nEmbd, nHead * headDim],
    attn_k: [nEmbd, nHeadKv * headDim],
    attn_v: [nEmbd, nHeadKv * headDim],
    attn_output: [nHead * headDim, nEmbd],
    ffn_gate: [nEmbd, nFf],
    ffn_up: [nEmbd, nFf],
    ffn_down: [nFf, nEmbd],
    ...(architecture === 'gemma3'
      ? {
          attn_q_norm: [headDim],
          attn_k_norm: [headDim],
          post_attention_norm: [nEmbd],
          post_ffw_norm: [nEmbd],
        }
      : {}),
  }
  return [
    { name: 'token_embd.weight', dims: [nEmbd, nVocab] },
    { name: 'output_norm.weight', dims: [nEmbd] },
    ...Array.from({ length: nLayer }, (_, i) =>
      Object.entries(layer).map(([name, dims]) => ({ name: `blk.${i}.${name}.weight`, dims })),
    ).flat(),
  ]
}

export function tinyModel(architecture = 'llama', changes: Record<string, Value | null> = {}): GgufToBuild {
  return { metadata: tinyMetadata(architecture, changes), tensors: tinyTensors(architecture) }
}
