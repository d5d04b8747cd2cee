/** Conversations and the token stream, as they cross to the window. Plain data. */
import type { ErrorData } from './errors.ts'

export type Reason = 'end' | 'stop' | 'length' | 'context' | 'cancelled'

export interface ReplyStats {
  promptTokens: number
  cachedTokens: number
  promptMs: number
  firstTokenMs: number
  tokens: number
  tokensPerSecond: number
  /** The seed in use, so that a reply can be had again. */
  seed: number
}

export interface Message {
  id: string
  role: 'user' | 'assistant'
  text: string
  /** assistant only: 'streaming' while its stream runs. */
  status: 'streaming' | 'done' | 'failed'
  streamId?: string
  reason?: Reason
  stats?: ReplyStats
  error?: ErrorData
  /** Name of the model that wrote it. */
  model?: string
}

export interface ConversationSummary {
  id: string
  title: string
  updatedAt: string
  streaming: boolean
}

export interface Conversation extends ConversationSummary {
  messages: Message[]
  /** What was typed and not sent. */
  draft: string
}

/**
 * Frames of one generation, over its MessagePort, main → window. `seq` counts characters of the reply's text
 * (UTF-16 units) before this frame's text, so that a window that attaches again names how much it has.
 * The window acknowledges with `{ack: seq + text.length}`; main sends at most one unacknowledged text frame
 * and coalesces the rest.
 */
export type Frame =
  /** Of `total` tokens that are computed, behind `cached` ones that are still in memory. */
  | { type: 'prefill'; done: number; total: number; cached: number }
  | { type: 'text'; seq: number; text: string; tokens: number; tokensPerSecond: number }
  /** `model`: the name of the one that wrote it; absent where it was stopped before a model was there. */
  | { type: 'done'; seq: number; reason: Reason; stats: ReplyStats; model?: string | undefined }
  | { type: 'error'; seq: number; error: ErrorData }

export interface Ack {
  ack: number
}

/** What the next prompt holds: of the loaded model, for one conversation and what is being typed. */
export interface ContextUsage {
  nCtx: number
  /** Tokens of the next prompt without the words of `draft`; of the prompt that is being answered while it is. */
  used: number
  /** Tokens that `draft` adds to them. */
  draft: number
  /** Of `used`: the system prompt of the settings. */
  system: number
  /** Of `used`: what the chat template adds to an empty chat, its own text and the marks of turns. */
  template: number
}

/** The haiku test: `kigo haiku --json`, and the card. */
export interface HaikuResult {
  minute: number
  words: string
  haiku: string | null
  ok: boolean
  seconds: number
  device: string
  model: string
  attempts: HaikuAttempt[]
}
export interface HaikuAttempt {
  seed: number
  text: string
  ok: boolean
  /** Why it did not count: 'word missing', 'word twice', 'not three lines'. */
  problem?: string
}
