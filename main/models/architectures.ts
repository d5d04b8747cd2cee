/** The architectures that Kigo runs: one row each. To add one, add its row; ARCHITECTURE.md says what else. */
export interface Architecture {
  /** Which pairs of a head turn. */
  rope: 'norm' | 'neox'
  /** The rotation covers the whole head; a file that says otherwise is refused. */
  wholeHead: boolean
  /** Values per head: attention.key_length where the file has it, or always n_embd / n_head. */
  headDim: 'keyLength' | 'embedding'
  /** rope_freqs.weight and, with longrope, rope_factors_*.weight are read. */
  ropeFreqs: boolean
  activation: 'silu' | 'gelu'
  /** The embedding is multiplied by sqrt(n_embd). */
  scaledEmbedding: boolean
  /** Matrices of a layer that may have a bias. */
  biases: readonly string[]
  /** output.bias is read. */
  outputBias: boolean
  /** q and k get an RMS norm per head. */
  qkNorm: boolean
  /** Attention and FFN outputs get an RMS norm before they join the residual. */
  postNorms: boolean
  /** final_logit_softcapping is read. */
  logitSoftcap: boolean
  /** Sliding windows, where attention.sliding_window is given: every `period`th layer sees everything. */
  sliding: { period: number; ropeBase: number } | null
  /** What every model of the architecture has, where a file leaves out the epsilon: some programs do. */
  own: { normEps: number; ropeBase: number } | null
  /** Block count of the one size whose query scale is 1/sqrt(n_embd / n_head) in place of 1/sqrt(head_dim). */
  embeddingScaledQueries: number | null
}

const PLAIN = {
  wholeHead: true,
  ropeFreqs: false,
  activation: 'silu',
  scaledEmbedding: false,
  outputBias: false,
  qkNorm: false,
  postNorms: false,
  logitSoftcap: false,
  sliding: null,
  own: null,
  embeddingScaledQueries: null,
} as const

export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: {
    ...PLAIN,
    rope: 'norm',
    headDim: 'keyLength',
    ropeFreqs: true,
    biases: ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'],
  },
  qwen2: {
    ...PLAIN,
    rope: 'neox',
    headDim: 'embedding',
    biases: ['attn_q', 'attn_k', 'attn_v'],
    outputBias: true,
  },
  gemma3: {
    ...PLAIN,
    rope: 'neox',
    wholeHead: false,
    headDim: 'keyLength',
    activation: 'gelu',
    scaledEmbedding: true,
    biases: [],
    qkNorm: true,
    postNorms: true,
    logitSoftcap: true,
    sliding: { period: 6, ropeBase: 10_000 },
    own: { normEps: 1e-6, ropeBase: 1_000_000 },
    embeddingScaledQueries: 62,
  },
}
