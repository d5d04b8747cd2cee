/**
 * A model's header and tokenizer in a worker thread of their own: the main thread never parses a vocabulary nor
 * tokenises a long text. One worker a model; close() ends it.
 */
import { Worker } from 'node:worker_threads'
import { KigoError } from '../../contract/errors.ts'
import type { RenderedPrompt } from '../chat/types.ts'
import { resourcePath } from '../resources.ts'
import type { TemplateTokens } from './markers.ts'
import type { OpenedModel, WorkerAnswer, WorkerReply, WorkerRequest } from './protocol.ts'
import type { EncodeOptions } from './types.ts'

export type { OpenedModel } from './protocol.ts'

export interface TokenizerClient extends OpenedModel {
  encode(text: string, options: EncodeOptions): Promise<Int32Array>
  /** Ids of a rendered prompt: its markers as special tokens, BOS once at most, never an EOS at the end. */
  encodePrompt(prompt: RenderedPrompt): Promise<Int32Array>
  /** Tokens of a text that is being typed: no BOS, no special tokens. */
  count(text: string): Promise<number>
  /** What a template's own words mean to the vocabulary; see Tokenizer. */
  readonly templateTokens: (written: string, behind: readonly string[]) => Promise<TemplateTokens>
  decode(ids: ArrayLike<number>, options?: { special?: boolean }): Promise<string>
  /** Calls `listener` once where the worker ends though nobody closed it: no call after that can be answered. */
  onDeath(listener: (error: KigoError) => void): void
  /** Idempotent. Calls that wait for an answer fail with MODEL_CLOSED. */
  close(): Promise<void>
}

/**
 * Reads the header of the GGUF file at `path` (and of its other parts), checks it and builds its tokenizer.
 * Fails with the errors of readGguf() and tokenizerFromGguf(), or CANCELLED where `signal` was aborted.
 */
export async function openTokenizerWorker(
  path: string,
  options: { signal?: AbortSignal } = {},
): Promise<TokenizerClient> {
  const { signal } = options
  if (signal?.aborted) throw new KigoError('CANCELLED')
  const worker = new Worker(resourcePath('main/tokenizer-worker.js'), { workerData: { path } })
  const waiting = new Map<
    number,
    { resolve: (value: WorkerAnswer) => void; reject: (error: KigoError) => void }
  >()
  let nextId = 0
  let ended: KigoError | null = null
  let death = (_error: KigoError): void => {}

  const end = (error: KigoError): void => {
    ended ??= error
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  const close = async (): Promise<void> => {
    end(new KigoError('MODEL_CLOSED'))
    await worker.terminate()
  }

  let abort = (): void => {}
  const opened = await new Promise<OpenedModel>((resolve, reject) => {
    abort = () => reject(new KigoError('CANCELLED'))
    signal?.addEventListener('abort', abort, { once: true })
    worker.on('message', (message: WorkerReply) => {
      if (message.type === 'opened') resolve(message.opened)
      else if (message.type === 'failed') reject(KigoError.from(message.error))
      else {
        const call = waiting.get(message.id)
        waiting.delete(message.id)
        if (message.type === 'reply') call?.resolve(message.value)
        else call?.reject(KigoError.from(message.error))
      }
    })
    const fail = (why: string, cause?: unknown): void => {
      const closed = ended !== null
      const error = workerEnded(why, cause)
      reject(error)
      end(error)
      if (!closed) death(error)
    }
    worker.on('error', (error) => fail(error.message, error))
    worker.on('exit', (code) => fail(`it ended with ${code}`))
  })
    .catch(async (error: unknown) => {
      // Not waited for where nobody waits any more: a read from a dead share may hold the thread for ever.
      const closing = close()
      if (!signal?.aborted) await closing
      throw error
    })
    .finally(() => signal?.removeEventListener('abort', abort))

  // A model that is open does not keep the process alive; a call that waits for its answer does.
  worker.unref()
  const call = (request: WorkerRequest): Promise<WorkerAnswer> => {
    if (ended) return Promise.reject(ended)
    worker.ref()
    return new Promise<WorkerAnswer>((resolve, reject) => {
      waiting.set(request.id, { resolve, reject })
      worker.postMessage(request)
    }).finally(() => {
      if (waiting.size === 0) worker.unref()
    })
  }

  const encode = async (text: string, encodeOptions: EncodeOptions): Promise<Int32Array> =>
    (await call({ id: nextId++, type: 'encode', text, options: encodeOptions })) as Int32Array

  return {
    ...opened,
    encode,
    encodePrompt: async (prompt) =>
      (await call({ id: nextId++, type: 'encodePrompt', prompt })) as Int32Array,
    count: async (text) => (await encode(text, { special: false, addBosEos: false })).length,
    templateTokens: async (written, behind) =>
      (await call({ id: nextId++, type: 'templateTokens', written, behind })) as TemplateTokens,
    decode: async (ids, { special = false } = {}) =>
      (await call({ id: nextId++, type: 'decode', ids: Array.from(ids), special })) as string,
    onDeath(listener) {
      death = listener
      if (ended && ended.code !== 'MODEL_CLOSED') listener(ended)
    },
    close,
  }
}

/** Its heap ran full, mostly: a thread that was stopped cannot be asked again. */
function workerEnded(message: string, cause: unknown): KigoError {
  return new KigoError('INTERNAL', 'The thread that holds the vocabulary of this model has ended.', {
    hint: 'Load the model again. If it happens again, please report it with the log.',
    data: { message },
    cause,
  })
}
