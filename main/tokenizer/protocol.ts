/** What crosses between the client and its worker. Plain data; errors as ErrorData. */
import type { ErrorData } from '../../contract/errors.ts'
import type { RenderedPrompt } from '../chat/types.ts'
import type { ModelDescription } from '../engine/addon.ts'
import type { Gguf, Metadata } from '../gguf/types.ts'
import type { TemplateTokens } from './markers.ts'
import type { EncodeOptions, PieceTable, TokenizerFacts } from './types.ts'

/** Everything a loader needs of a model file, found in one pass over its header. */
export interface OpenedModel {
  /** The header without metadata. */
  gguf: Omit<Gguf, 'metadata'>
  /** Scalars only: arrays (the vocabulary, mostly) stay in the worker. */
  metadata: Metadata
  facts: TokenizerFacts
  pieces: PieceTable
  /** What the engine takes, or why this build cannot run the model though its header is sound. */
  description: { ok: true; model: ModelDescription; notes: string[] } | { ok: false; problem: ErrorData }
}

export type WorkerRequest =
  | { id: number; type: 'encode'; text: string; options: EncodeOptions }
  | { id: number; type: 'encodePrompt'; prompt: RenderedPrompt }
  | { id: number; type: 'templateTokens'; written: string; behind: readonly string[] }
  | { id: number; type: 'decode'; ids: number[]; special: boolean }

export type WorkerAnswer = Int32Array | string | TemplateTokens

export type WorkerReply =
  | { type: 'opened'; opened: OpenedModel }
  | { type: 'failed'; error: ErrorData }
  | { type: 'reply'; id: number; value: WorkerAnswer }
  | { type: 'error'; id: number; error: ErrorData }
