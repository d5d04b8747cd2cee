/** The tokenizer's public face. Built from GGUF metadata alone; runs anywhere (worker, CLI, tests). */

export interface EncodeOptions {
  /** Text of special and user-defined tokens becomes those tokens. Off: user text stays text. */
  special: boolean
  /** Add BOS / EOS where the vocabulary asks for it. */
  addBosEos: boolean
}

export interface Tokenizer {
  /** tokenizer.ggml.model: 'gpt2' (byte-level BPE) or 'llama' (SentencePiece). */
  readonly model: string
  /** tokenizer.ggml.pre as in use, or null for SentencePiece. */
  readonly pre: string | null
  readonly size: number
  readonly bos: number | null
  readonly eos: number | null
  readonly addBos: boolean
  readonly addEos: boolean
  /** Every id that ends a generation: eos, eot, and the well-known end markers of the vocabulary. */
  readonly endTokens: readonly number[]
  encode(text: string, options: EncodeOptions): number[]
  /** Bytes of the tokens, as a model means them: special tokens give nothing unless asked for. */
  decodeBytes(ids: Iterable<number>, options?: { special?: boolean }): Uint8Array
  decode(ids: Iterable<number>, options?: { special?: boolean }): string
  /** The text of a token as the vocabulary writes it. */
  piece(id: number): string
  /** The bytes of every token in one block, for streaming on a thread that has no tokenizer. */
  pieces(): PieceTable
}

/** bytes[offsets[id] .. offsets[id+1]] is what token id adds to the text; control tokens add nothing. Transferable. */
export interface PieceTable {
  bytes: Uint8Array
  offsets: Uint32Array
  /** The first token of a text loses this leading space (SentencePiece's prefix space). */
  stripLeadingSpace: boolean
}
