import { KigoError } from '../../contract/errors.ts'
import type { ReplyStats } from '../../contract/chat.ts'
import type { Session } from '../engine/index.ts'

/** Measures one session: prompts and replies behind a cache of any depth. */
export class Bencher {
  readonly #session: Session
  readonly #ids: Int32Array
  readonly #signal: AbortSignal

  constructor(session: Session, nVocab: number, signal: AbortSignal) {
    this.#session = session
    this.#signal = signal
    // Any ids do: the time does not depend on them. Fixed ones make runs comparable.
    this.#ids = Int32Array.from({ length: session.nCtx }, (_, i) => (i * 7919 + 13) % nVocab)
  }

  /** Exactly `depth` tokens in the cache: read as a prompt where they are missing, and kept from test to test. */
  async fill(depth: number): Promise<void> {
    if (this.#session.length < depth) await this.#generate(depth, 1)
    if (this.#session.length > depth) await this.#session.truncate(depth)
  }

  /** Tokens per second of a prompt of `tokens` behind `depth` cached ones, by the engine's clock. */
  async prompt(tokens: number, depth: number): Promise<number> {
    await this.fill(depth)
    const { stats } = await this.#generate(depth + tokens, 1)
    return (stats.promptTokens / stats.promptMs) * 1000
  }

  /**
   * Tokens per second of `tokens` generated behind `depth` cached ones (one at least: there is no empty prompt), by
   * the clock of the one who receives them: the step, its sampler, its way here and its text.
   */
  async generation(tokens: number, depth: number): Promise<number> {
    await this.fill(depth)
    // The first token comes from the prompt; from it to the last are `tokens` steps.
    const { stats, first, last } = await this.#generate(Math.max(depth, 1), tokens + 1)
    // All came at once: only the engine knows how long they took.
    if (last.tokens === first.tokens) return stats.tokensPerSecond
    return ((last.tokens - first.tokens) / (last.at - first.at)) * 1000
  }

  async #generate(promptLength: number, maxTokens: number): Promise<Measured> {
    const options = {
      tokens: this.#ids.subarray(0, promptLength),
      sampling: { temperature: 0 },
      maxTokens,
      ignoreEnd: true,
    }
    let first: Arrival | null = null
    let last: Arrival = { tokens: 0, at: 0 }
    for await (const event of this.#session.generate({ ...options, signal: this.#signal })) {
      if (event.type === 'text' && event.records.length > 0) {
        last = { tokens: event.tokens, at: performance.now() }
        first ??= last
      }
      if (event.type !== 'done') continue
      if (event.reason === 'cancelled') throw new KigoError('CANCELLED')
      return { stats: event.stats, first: first ?? last, last }
    }
    throw new KigoError('INTERNAL', 'A generation ended without its last event.')
  }
}

/** So many tokens of a reply had been received at this time, ms. */
interface Arrival {
  tokens: number
  at: number
}

interface Measured {
  stats: ReplyStats
  first: Arrival
  last: Arrival
}
