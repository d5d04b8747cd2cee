import { KigoError } from '../../contract/errors.ts'
import type { TokenizerClient } from '../tokenizer/client.ts'
import type { Session } from './session.ts'

/**
 * Perplexity as llama-perplexity counts it: chunks of nCtx tokens, what is left at the end unused, BOS in the first
 * place of each chunk where the vocabulary adds it; the tokens behind the first half of each chunk are scored.
 */
export class Perplexity {
  readonly #tokens: Int32Array
  readonly #nCtx: number
  readonly #bos: number | null
  #chunks = 0
  #count = 0
  /** Sums of the negative log-probabilities and of their squares. */
  #sum = 0
  #squares = 0

  private constructor(tokens: Int32Array, nCtx: number, bos: number | null) {
    this.#tokens = tokens
    this.#nCtx = nCtx
    this.#bos = bos
  }

  /** INVALID_INPUT: the text is shorter than one chunk. */
  static async of(
    tokenizer: Pick<TokenizerClient, 'encode' | 'facts'>,
    text: string,
    nCtx: number,
  ): Promise<Perplexity> {
    const tokens = await tokenizer.encode(text, { special: false, addBosEos: true })
    if (tokens.length < nCtx) {
      throw new KigoError('INVALID_INPUT', `The text has ${tokens.length} tokens; one chunk needs ${nCtx}.`, {
        hint: 'Give a longer text or a smaller --ctx.',
        data: { tokens: tokens.length, nCtx },
      })
    }
    const { addBos, bos } = tokenizer.facts
    return new Perplexity(tokens, nCtx, addBos ? bos : null)
  }

  /** Chunks scored so far. */
  get chunks(): number {
    return this.#chunks
  }

  get totalChunks(): number {
    return Math.floor(this.#tokens.length / this.#nCtx)
  }

  /** Scores one more chunk; `session` holds nCtx tokens at least. */
  async scoreNext(session: Pick<Session, 'score'>, signal?: AbortSignal): Promise<void> {
    const chunk = this.#tokens.slice(this.#chunks * this.#nCtx, (this.#chunks + 1) * this.#nCtx)
    if (this.#bos !== null) chunk[0] = this.#bos
    const logProbs = await session.score(chunk, { signal })
    // logProbs[i] is that of token i+1.
    for (let i = Math.floor(this.#nCtx / 2); i < this.#nCtx - 1; i++) {
      const surprise = -logProbs[i]!
      this.#sum += surprise
      this.#squares += surprise * surprise
      this.#count++
    }
    this.#chunks++
  }

  result(): { perplexity: number; stderr: number; tokens: number; chunks: number } {
    const mean = this.#sum / this.#count
    const variance = this.#squares / this.#count - mean * mean
    const perplexity = Math.exp(mean)
    // The standard error of the mean, carried through exp().
    const stderr = variance > 0 ? Math.sqrt(variance / (this.#count - 1)) * perplexity : 0
    return { perplexity, stderr, tokens: this.#count, chunks: this.#chunks }
  }
}
