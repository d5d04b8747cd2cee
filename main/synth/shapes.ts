/** Sizes of well-known models, so that random weights take the time and the memory of the real ones. */
export interface Shape {
  /** Stands in general.name. */
  title: string
  architecture: 'llama' | 'qwen2'
  layers: number
  /** Width of the residual stream. */
  embd: number
  /** Width inside the FFN. */
  ff: number
  heads: number
  /** Heads of keys and values; each serves heads / headsKv query heads. */
  headsKv: number
  headDim: number
  vocabulary: number
  /** Tokens that the model was trained for. */
  context: number
  ropeBase: number
  normEps: number
  /** No matrix of its own for the output: the embedding serves for both. */
  tied: boolean
  /** q, k and v have a bias. */
  biases: boolean
  /** tokenizer.ggml.pre */
  preTokenizer: string
}

export const SHAPES: Readonly<Record<string, Shape>> = {
  'smollm2-135m': {
    title: 'SmolLM2 135M',
    architecture: 'llama',
    layers: 30,
    embd: 576,
    ff: 1536,
    heads: 9,
    headsKv: 3,
    headDim: 64,
    vocabulary: 49_152,
    context: 8192,
    ropeBase: 100_000,
    normEps: 1e-5,
    tied: true,
    biases: false,
    preTokenizer: 'smollm',
  },
  'qwen2.5-0.5b': {
    title: 'Qwen2.5 0.5B',
    architecture: 'qwen2',
    layers: 24,
    embd: 896,
    ff: 4864,
    heads: 14,
    headsKv: 2,
    headDim: 64,
    vocabulary: 151_936,
    context: 32_768,
    ropeBase: 1_000_000,
    normEps: 1e-6,
    tied: true,
    biases: true,
    preTokenizer: 'qwen2',
  },
  'llama-3.1-8b': {
    title: 'Llama 3.1 8B',
    architecture: 'llama',
    layers: 32,
    embd: 4096,
    ff: 14_336,
    heads: 32,
    headsKv: 8,
    headDim: 128,
    vocabulary: 128_256,
    context: 131_072,
    ropeBase: 500_000,
    normEps: 1e-5,
    tied: false,
    biases: false,
    preTokenizer: 'llama-bpe',
  },
}
