/**
 * The face of the native addon (native/binding), as TypeScript sees it. Types only: `loadAddon()` in load.ts
 * finds and checks the binary. Everything that can take longer than a millisecond runs on the model's own
 * native thread and returns a promise; a promise rejects with a plain Error that has `code` (an ErrorCode of
 * contract/errors.ts), `message` and `data`.
 */
import type { MemoryPlan, Placement } from '../../contract/model.ts'

export type { MemoryPlan, Placement }

/** What the engine needs to know of a model; made from the header by main/models/config.ts, checked again in C++. */
export interface ModelConfig {
  architecture: string
  nLayer: number
  nEmbd: number
  nVocab: number
  /** Trained context, tokens. */
  nCtxTrain: number
  /** RMSNorm epsilon. */
  normEps: number
  /** The embedding is multiplied by it (gemma: sqrt(nEmbd)); 1 is off. */
  embeddingScale: number
  /** c in logits = c·tanh(logits/c); 0 is off. */
  logitSoftcap: number
  layers: LayerConfig[]
}

/** One layer's kinds and sizes. Biases, q/k norms, post norms and output.weight are on where the tensor exists. */
export interface LayerConfig {
  mixer: 'attention'
  ffn: 'dense'
  nHead: number
  nHeadKv: number
  /** Values per head, q/k and v alike. */
  headDim: number
  nFf: number
  activation: 'silu' | 'gelu'
  /** Which pairs turn: 'norm' (2i, 2i+1), 'neox' (i, i+nRot/2). */
  rope: 'norm' | 'neox'
  /** Dimensions of a head that are rotated. */
  nRot: number
  ropeBase: number
  /** Angles are multiplied by it (linear scaling: 1/factor). */
  ropeScale: number
  /** YaRN's original context length; 0: no YaRN. ropeScale is 1/factor then. */
  yarnOriginalCtx: number
  /** cos and sin are multiplied by it (attn_factor and YaRN's 1+0.1·ln f, already multiplied together). */
  ropeMscale: number
  /** Angles are divided by rope_freqs.weight where that tensor exists. */
  ropeFreqs: boolean
  /** Scores are multiplied by it. */
  attnScale: number
  /** c in c·tanh(score/c); 0 is off. */
  attnSoftcap: number
  /** Sliding window, tokens; 0: full attention. */
  window: number
}

export interface TensorDescriptor {
  name: string
  /** ggml type id. */
  type: number
  /** GGUF order, fastest first; 1 to 4. */
  dims: number[]
  /** Index into files. */
  file: number
  /** Absolute byte offset in that file. */
  offset: number
  bytes: number
}

export interface ModelFile {
  path: string
  bytes: number
  /** Milliseconds since the epoch, with fraction (fs.Stats.mtimeMs): identity is rechecked before weights are read. */
  mtimeMs: number
}

export interface ModelDescription {
  config: ModelConfig
  tensors: TensorDescriptor[]
  files: ModelFile[]
}

export interface DeviceInfo {
  /** 'cpu', 'cuda:0'… what --device takes. */
  id: string
  name: string
  totalBytes: number
  freeBytes: number
  /** Of the free ones, what a GPU's driver takes itself once a model runs there, at most. No plan knows it. */
  driverBytes: number
  /** CPU: instruction set in use and physical cores; GPU: compute capability, driver, which cuBLAS or why none. */
  detail: string
  threads: number
  /** That it reads of its memory at best, nominal; 0: not known. */
  bytesPerSecond: number
  /** An Error with code and message: the device cannot be used any more. */
  problem: unknown
}

/** Of the placements together; what passes between them is workspace of the whole alone. */
export interface ModelMemory extends MemoryPlan {
  parts: MemoryPlan[]
}

export interface SessionOptions {
  nCtx: number
  /** Prompt tokens computed at once. */
  nBatch: number
}

/** Set from any thread; looked at between layers, and within large products. */
export interface CancelToken {
  cancel(): void
  readonly cancelled: boolean
}

/** contract Sampling with the seed resolved. */
export interface NativeSampling {
  temperature: number
  topK: number
  topP: number
  minP: number
  repeatPenalty: number
  repeatLastN: number
  presencePenalty: number
  frequencyPenalty: number
  seed: number
}

export interface GenerateRequest {
  /** The whole prompt; what the cache shares with it from the start is not computed again. */
  tokens: Int32Array
  sampling: NativeSampling
  /** Tokens at most; 0: until the context is full. */
  maxTokens: number
  /** End-of-generation set: generation ends at one of them, and it is not reported as text. */
  endTokens: Int32Array
  /** Tokens that no penalty touches: the end-of-generation set, also where a reply goes on behind those. */
  exemptTokens: Int32Array
  /** Report this many best candidates with each token, 0 to 10. */
  topLogprobs: number
  cancel: CancelToken
  /** Called on the JS thread after each prompt batch; done and total count the whole prompt, cached the reused part. */
  onPrefill: (done: number, total: number, cached: number) => void
  /** Called on the JS thread with the tokens since the last call, in order; never the end token. */
  onTokens: (records: TokenRecord[]) => void
}

export interface TokenRecord {
  id: number
  /** Natural log of the probability at temperature 1 before any sampler. */
  logprob: number
  /** Best first, at temperature 1 before any sampler; where topLogprobs asked for them. */
  top?: { id: number; logprob: number }[]
  /** Best first, as the draw saw them: after penalties, cuts and temperature; where topLogprobs asked. */
  kept?: { id: number; logprob: number }[]
}

export interface GenerateResult {
  reason: 'end' | 'length' | 'context' | 'cancelled'
  /** Prompt tokens computed / reused from the cache. */
  promptTokens: number
  cachedTokens: number
  promptMs: number
  /** From the call to the first token. */
  firstTokenMs: number
  /** Tokens reported. */
  tokens: number
  /** From the first token to the last, milliseconds. */
  decodeMs: number
}

export interface NativeSession {
  readonly nCtx: number
  /** Tokens in the cache. */
  readonly length: number
  generate(request: GenerateRequest): Promise<GenerateResult>
  /**
   * Logits of every position of `tokens` from an empty cache, in batches; rows are float32 [n][nVocab].
   * The engine waits until onRows has returned, so that a slow consumer bounds the memory.
   */
  logits(
    tokens: Int32Array,
    options: { cancel: CancelToken; onRows: (from: number, rows: Float32Array) => void | Promise<void> },
  ): Promise<void>
  /** Natural log-probability of tokens[i+1] after tokens[0..i], for i = 0 … n-2, from an empty cache. */
  score(tokens: Int32Array, options: { cancel: CancelToken }): Promise<Float64Array>
  /** Forget everything behind the first n tokens. */
  truncate(n: number): Promise<void>
  /** Idempotent; waits for the running job, which it cancels. */
  close(): Promise<void>
}

export interface NativeModel {
  /** Bytes in use by this model and its sessions, by the allocators' own tally. No parts once it is closed. */
  tally(): ModelMemory
  createSession(options: SessionOptions): Promise<NativeSession>
  /** Idempotent; cancels what runs, closes its sessions, waits. */
  close(): Promise<void>
}

export interface OpenOptions {
  /** All layers, in order. */
  placements: readonly Placement[]
  exact: boolean
  /** 0: chosen by the backend. */
  threads: number
  /** The engine's threads give way to the rest of the machine, so that the window stays alive; the default is off. */
  lowPriority?: boolean
  cancel: CancelToken
  onProgress: (doneBytes: number, totalBytes: number) => void
}

/** What parts of a model take with one session, exactly; they need not be all of it. */
export type Planner = (placements: readonly Placement[], session: SessionOptions) => ModelMemory

export interface Addon {
  readonly abiVersion: number
  /** Names of kigo_status in order, without the KIGO_ prefix. */
  readonly statusNames: string[]
  createCancelToken(): CancelToken
  /** Loads a further backend (CUDA; the fake one of the tests). Fails with DEVICE_UNAVAILABLE, in words. */
  loadBackend(path: string): Promise<void>
  /** The CPU is the last. */
  devices(): DeviceInfo[]
  /** Memory plans of a model for the devices that are there now. */
  planner(model: ModelDescription, options: { exact: boolean; threads: number }): Planner
  openModel(model: ModelDescription, options: OpenOptions): Promise<NativeModel>
}
