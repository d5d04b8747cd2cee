import { KigoError } from '../../contract/errors.ts'
import { Sampling } from '../../contract/sampling.ts'
import { grouped } from '../numbers.ts'
import type { PieceTable } from '../tokenizer/types.ts'
import type { Addon, CancelToken, NativeSampling, NativeSession } from './addon.ts'
import { EventQueue } from './event-queue.ts'
import { Reply, type GenerateEvent } from './reply.ts'

export interface GenerateOptions {
  /** The whole prompt, 1 … nCtx-1 ids; what the cache shares with it from the start is not computed again. */
  tokens: ArrayLike<number>
  /** Fields left out have their defaults; where the seed is null one is drawn, and reported in the statistics. */
  sampling?: Partial<Sampling>
  /** Tokens at most; null: until the context is full. */
  maxTokens?: number | null
  /** Tokens that end the reply, beside those that the vocabulary knows by name. */
  endTokens?: readonly number[]
  /** The reply ends before any of these, and no part of one is shown. */
  stop?: readonly string[]
  /** Report this many best candidates with each token, 0 to 10. */
  topLogprobs?: number
  /** Go on behind end-of-generation tokens, to measure speed. */
  ignoreEnd?: boolean
  /** Once aborted the reply ends within one token, with reason 'cancelled'. */
  signal?: AbortSignal | undefined
}

/** What a session needs of its model. */
export interface SessionContext {
  addon: Pick<Addon, 'createCancelToken'>
  pieces: PieceTable
  endTokens: readonly number[]
  nVocab: number
}

/** A KV cache, and one job at a time that works with it. */
export class Session implements AsyncDisposable {
  readonly #native: NativeSession
  readonly #context: SessionContext
  #busy = false
  #closing: Promise<void> | null = null

  /** Made by Model.createSession(). */
  constructor(native: NativeSession, context: SessionContext) {
    this.#native = native
    this.#context = context
  }

  get nCtx(): number {
    return this.#native.nCtx
  }

  /** Tokens in the cache. */
  get length(): number {
    return this.#native.length
  }

  /**
   * One reply, as events. Nothing runs before the first event is asked for; leaving the loop stops within one
   * token and waits for it. Fails with INVALID_INPUT, PROMPT_TOO_LONG, SESSION_BUSY, MODEL_CLOSED,
   * NUMERIC_ERROR, MODEL_FILE_CHANGED or DEVICE_LOST; the text so far was delivered then.
   */
  async *generate(options: GenerateOptions): AsyncGenerator<GenerateEvent, void, void> {
    const tokens = this.#checkTokens(options.tokens)
    if (tokens.length >= this.nCtx) throw promptTooLong(tokens.length, this.nCtx)
    const sampling = resolveSampling(options.sampling)
    const events = new EventQueue<GenerateEvent>()
    const reply = new Reply(this.#context.pieces, options.stop ?? [])
    // What ends a turn must not become less likely the longer the conversation is.
    const ends = new Set([...this.#context.endTokens, ...(options.endTokens ?? [])])
    const { cancel, end } = this.#begin(options.signal)
    const running = native(() =>
      this.#native.generate({
        tokens,
        sampling,
        maxTokens: options.maxTokens ?? 0,
        endTokens: Int32Array.from(options.ignoreEnd ? [] : ends),
        exemptTokens: Int32Array.from(ends),
        topLogprobs: options.topLogprobs ?? 0,
        cancel,
        // The addon counts from the prompt's beginning; what is read are the tokens behind the cached ones.
        onPrefill: (done, total, cached) =>
          events.push({ type: 'prefill', done: done - cached, total: total - cached, cached }),
        onTokens: (records) => {
          const event = reply.take(records)
          if (event) events.push(event)
          if (reply.stopped) cancel.cancel()
        },
      }),
    )
      .then((result) => {
        const rest = reply.finish()
        if (rest) events.push(rest)
        const reason = reply.stopped ? 'stop' : result.reason
        events.push({ type: 'done', reason, stats: reply.stats(result, sampling.seed) })
      })
      .then(
        () => events.end(),
        (error: unknown) => events.end(KigoError.from(error)),
      )
      .finally(end)
    try {
      yield* events.read()
    } finally {
      cancel.cancel()
      await running
    }
  }

  /**
   * Logits of every position of `tokens`, from an empty cache; `rows` is float32 [n][nVocab] for the positions
   * from `from` on. Fails as generate() does, and with CANCELLED.
   */
  async logits(
    tokens: ArrayLike<number>,
    options: { onRows: (from: number, rows: Float32Array) => void; signal?: AbortSignal | undefined },
  ): Promise<void> {
    await this.#run(tokens, options.signal, (ids, cancel) =>
      this.#native.logits(ids, { cancel, onRows: options.onRows }),
    )
  }

  /** Natural log-probability of tokens[i+1] after tokens[0..i], i = 0 … n-2, from an empty cache. Fails as logits(). */
  async score(
    tokens: ArrayLike<number>,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Float64Array> {
    return this.#run(tokens, options.signal, (ids, cancel) => this.#native.score(ids, { cancel }))
  }

  /** Forgets everything behind the first n tokens. */
  async truncate(n: number): Promise<void> {
    const { end } = this.#begin(undefined)
    await native(() => this.#native.truncate(n)).finally(end)
  }

  /** Idempotent; cancels what runs and waits for it. */
  close(): Promise<void> {
    this.#closing ??= native(() => this.#native.close())
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run<T>(
    tokens: ArrayLike<number>,
    signal: AbortSignal | undefined,
    job: (ids: Int32Array, cancel: CancelToken) => Promise<T>,
  ): Promise<T> {
    const ids = this.#checkTokens(tokens)
    if (ids.length > this.nCtx) throw promptTooLong(ids.length, this.nCtx)
    const { cancel, end } = this.#begin(signal)
    return native(() => job(ids, cancel)).finally(end)
  }

  /** Takes the session for one job; `end` gives it back. */
  #begin(signal: AbortSignal | undefined): { cancel: CancelToken; end: () => void } {
    if (this.#closing) throw new KigoError('MODEL_CLOSED')
    if (this.#busy) throw new KigoError('SESSION_BUSY')
    const cancel = this.#context.addon.createCancelToken()
    this.#busy = true
    const abort = (): void => cancel.cancel()
    if (signal?.aborted) abort()
    signal?.addEventListener('abort', abort, { once: true })
    return {
      cancel,
      end: () => {
        signal?.removeEventListener('abort', abort)
        this.#busy = false
      },
    }
  }

  #checkTokens(tokens: ArrayLike<number>): Int32Array {
    if (tokens.length === 0) throw new KigoError('INVALID_INPUT', 'The prompt is empty.')
    const { nVocab } = this.#context
    for (let i = 0; i < tokens.length; i++) {
      const id = tokens[i]!
      if (Number.isInteger(id) && id >= 0 && id < nVocab) continue
      throw new KigoError(
        'INVALID_INPUT',
        `Token ${i + 1} of the prompt is ${id}; this model’s tokens are 0 to ${nVocab - 1}.`,
        {
          data: { index: i, token: id, nVocab },
        },
      )
    }
    return Int32Array.from(tokens)
  }
}

/** Runs a call of the addon; what it throws comes out as a KigoError. */
async function native<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw KigoError.from(error)
  }
}

function resolveSampling(given: Partial<Sampling> | undefined): NativeSampling {
  const parsed = Sampling.safeParse(given ?? {})
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new KigoError(
      'INVALID_INPUT',
      `The sampling setting ${issue?.path.join('.') ?? ''} is out of range: ${issue?.message ?? ''}.`,
      {
        data: { issues: parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })) },
      },
    )
  }
  return { ...parsed.data, seed: parsed.data.seed ?? randomSeed() }
}

function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!
}

function promptTooLong(tokens: number, nCtx: number): KigoError {
  const numbers = `The prompt has ${grouped(tokens)} tokens; the context holds ${grouped(nCtx)}`
  return new KigoError('PROMPT_TOO_LONG', `${numbers}, of which one must be left for the reply.`, {
    data: { tokens, nCtx },
  })
}
