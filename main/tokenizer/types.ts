/** The tokenizer's public face. Built from GGUF metadata alone; runs anywhere (worker, CLI, tests). */
import type { TemplateTokens } from './markers.ts'

export interface EncodeOptions {
  /**
   * Text of control tokens becomes those tokens. Off: user text stays text. User-defined tokens (a vocabulary's
   * own pieces, not markers) are found in either case.
   */
  special: boolean
  /** Add BOS / EOS where the vocabulary asks for it. */
  addBosEos: boolean
  /** Offsets into the text (UTF-16 units, ascending) that no control token may span; see RenderedPrompt. */
  barriers?: readonly number[]
  /** Texts that are control tokens here, though the file types them otherwise; see TemplateTokens. */
  markers?: readonly string[]
}

/** Plain data about a vocabulary, as it crosses from the worker. */
export interface TokenizerFacts {
  /** tokenizer.ggml.model: 'gpt2' (byte-level BPE), 'llama' (SentencePiece), 'gemma4' (BPE over ▁-escaped text). */
  readonly model: string
  /** tokenizer.ggml.pre as in use, or null for SentencePiece. */
  readonly pre: string | null
  readonly size: number
  readonly bos: number | null
  readonly eos: number | null
  readonly addBos: boolean
  readonly addEos: boolean
  /** Text of the BOS and EOS tokens, '' where there is none: what templates call bos_token and eos_token. */
  readonly bosText: string
  readonly eosText: string
  /** Every id that ends a generation: eos, eot, and the well-known end markers of the vocabulary. */
  readonly endTokens: readonly number[]
  /** Texts that encode() with `special` turns into control tokens. */
  readonly controlTexts: readonly string[]
}

export interface Tokenizer extends TokenizerFacts {
  encode(text: string, options: EncodeOptions): number[]
  /** `written`: what a template writes itself; `behind`: what it writes right behind an assistant's messages. */
  readonly templateTokens: (written: string, behind: readonly string[]) => TemplateTokens
  /** Bytes of the tokens, as a model means them: control tokens, but for those around a thought, give nothing unless asked for. */
  decodeBytes(ids: Iterable<number>, options?: { special?: boolean }): Uint8Array
  decode(ids: Iterable<number>, options?: { special?: boolean }): string
  /** The text of a token as the vocabulary writes it. */
  piece(id: number): string
  /** The bytes of every token in one block, for streaming on a thread that has no tokenizer. */
  pieces(): PieceTable
}

/** bytes[offsets[id] .. offsets[id+1]] is what token id adds to the text; most control tokens add nothing. Transferable. */
export interface PieceTable {
  bytes: Uint8Array<ArrayBuffer>
  /** One more than there are tokens. */
  offsets: Uint32Array<ArrayBuffer>
  /** The first token of a text loses this leading space (SentencePiece's prefix space). */
  stripLeadingSpace: boolean
}
