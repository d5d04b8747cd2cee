import type { Reason, ReplyStats } from '../../contract/chat.ts'
import { StreamDecoder } from '../tokenizer/stream-decoder.ts'
import type { PieceTable } from '../tokenizer/types.ts'
import type { GenerateResult, TokenRecord } from './addon.ts'
import { StopMatcher } from './stop.ts'

export type GenerateEvent =
  /** Prompt tokens read so far, of those behind the `cached` ones that are still in memory. First with 0 read. */
  | { type: 'prefill'; done: number; total: number; cached: number }
  /**
   * New tokens and the text that may be shown now; it is empty while incomplete UTF-8 or what may become a stop
   * sequence is held back. `tokens` counts from the start of the reply.
   */
  | { type: 'text'; text: string; records: TokenRecord[]; tokens: number; tokensPerSecond: number }
  /** Always the last. */
  | { type: 'done'; reason: Reason; stats: ReplyStats }

type TextEvent = Extract<GenerateEvent, { type: 'text' }>

/** Turns the tokens of one reply into text events, and its figures into statistics. */
export class Reply {
  readonly #begin = performance.now()
  readonly #decoder: StreamDecoder
  readonly #stops: StopMatcher
  #tokens = 0
  #firstTokenAt: number | null = null
  #firstTextAt: number | null = null
  #stopped = false

  constructor(pieces: PieceTable, stop: readonly string[]) {
    this.#decoder = new StreamDecoder(pieces)
    this.#stops = new StopMatcher(stop)
  }

  /** A stop sequence was found: what the engine still sends is not part of the reply. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** The event for these tokens; null: none of them belongs to the reply. */
  take(records: readonly TokenRecord[]): TextEvent | null {
    if (this.#stopped || records.length === 0) return null
    this.#firstTokenAt ??= performance.now()
    const taken: TokenRecord[] = []
    let text = ''
    for (const record of records) {
      taken.push(record)
      const found = this.#stops.push(this.#decoder.push(record.id))
      text += found.text
      if (found.stopped) {
        this.#stopped = true
        break
      }
    }
    return this.#event(text, taken)
  }

  /** What was held back, if the reply did not end in a stop sequence. A character that is not whole stays out. */
  finish(): TextEvent | null {
    if (this.#stopped) return null
    const text = this.#stops.flush()
    return text === '' ? null : this.#event(text, [])
  }

  stats(result: GenerateResult, seed: number): ReplyStats {
    return {
      promptTokens: result.promptTokens,
      cachedTokens: result.cachedTokens,
      promptMs: result.promptMs,
      firstTokenMs: this.#firstTextAt === null ? result.firstTokenMs : this.#firstTextAt - this.#begin,
      tokens: this.#tokens,
      tokensPerSecond: rate(result.tokens, result.decodeMs),
      seed,
    }
  }

  #event(text: string, records: TokenRecord[]): TextEvent {
    const now = performance.now()
    if (text !== '') this.#firstTextAt ??= now
    this.#tokens += records.length
    return {
      type: 'text',
      text,
      records,
      tokens: this.#tokens,
      tokensPerSecond: rate(this.#tokens, now - (this.#firstTokenAt ?? now)),
    }
  }
}

/** Tokens per second; the first token belongs to the prompt's time. */
function rate(tokens: number, ms: number): number {
  return tokens > 1 && ms > 0 ? ((tokens - 1) / ms) * 1000 : 0
}
