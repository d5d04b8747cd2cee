import { KigoError } from '../../contract/errors.ts'
import type { MemoryOutlook } from '../../contract/model.ts'
import { checkFits, deviceOf, failedToFit, planMemory, type MemoryOptions } from '../models/memory.ts'
import { modelName } from '../models/inspect.ts'
import { findTarget } from '../models/placement.ts'
import { openTokenizerWorker, type TokenizerClient } from '../tokenizer/client.ts'
import type { Addon, ModelMemory, NativeModel, Placement } from './addon.ts'
import { loadEngine } from './load.ts'
import { Session } from './session.ts'
import { checkThreads } from './threads.ts'

export interface ModelOptions {
  /** 'auto', 'cpu', 'cuda', 'cuda:1', 'cuda:0,1'… */
  device?: string
  /** Layers on GPUs; null: as many as fit ('auto'), or all of them. */
  gpuLayers?: number | null
  /** Reference mode: float32 activations and KV, weights dequantised row by row. Slow. */
  exact?: boolean
  /** null: the physical cores that the process may use. */
  threads?: number | null
  /** The CPU's workers give way to the rest of the machine, so that a window beside them stays alive. */
  lowPriority?: boolean
  /** Tokens that sessions hold unless they ask otherwise; null: min(8192, trained, what fits). */
  contextLength?: number | null
  signal?: AbortSignal | undefined
  onProgress?: (doneBytes: number, totalBytes: number) => void
}

/** What a model is made with; tests put their own in place. */
export interface ModelParts {
  addon: () => Addon | Promise<Addon>
  openTokenizer: (path: string, options: { signal?: AbortSignal }) => Promise<TokenizerClient>
}

/** A loaded model: its weights, its native thread, and its tokenizer in a worker thread. */
export class Model implements AsyncDisposable {
  readonly path: string
  readonly name: string
  /** Encodes and decodes, and knows the header. */
  readonly tokenizer: TokenizerClient
  /** The plan that the load was judged by; `ctx` is the context length in use. */
  readonly memory: MemoryOutlook
  readonly threads: number
  readonly exact: boolean
  readonly nVocab: number
  /** What is odd about the file and was put right. */
  readonly notes: readonly string[]
  /** From the call of open(), milliseconds. */
  readonly loadMs: number
  readonly #native: NativeModel
  readonly #addon: Addon
  readonly #replan: (change: Partial<MemoryOptions>) => MemoryOutlook
  #closing: Promise<void> | null = null

  private constructor(
    fields: Pick<
      Model,
      'path' | 'name' | 'tokenizer' | 'memory' | 'threads' | 'exact' | 'nVocab' | 'notes' | 'loadMs'
    >,
    native: NativeModel,
    addon: Addon,
    replan: (change: Partial<MemoryOptions>) => MemoryOutlook,
  ) {
    this.path = fields.path
    this.name = fields.name
    this.tokenizer = fields.tokenizer
    this.memory = fields.memory
    this.threads = fields.threads
    this.exact = fields.exact
    this.nVocab = fields.nVocab
    this.notes = fields.notes
    this.loadMs = fields.loadMs
    this.#native = native
    this.#addon = addon
    this.#replan = replan
  }

  /**
   * Reads the header, judges it and the memory it needs, then loads. Fails with the errors of readGguf and
   * describeModel, INVALID_INPUT (more threads than processors), UNSUPPORTED_TOKENIZER, OUT_OF_MEMORY (before anything
   * is loaded), DEVICE_UNAVAILABLE, MODEL_FILE_CHANGED, CANCELLED; nothing is left behind then.
   */
  static async open(path: string, options: ModelOptions = {}, parts: ModelParts = PARTS): Promise<Model> {
    const {
      device = 'auto',
      gpuLayers = null,
      exact = false,
      threads = null,
      lowPriority = false,
      contextLength = null,
      signal,
      onProgress,
    } = options
    const begin = performance.now()
    checkThreads(threads)
    const addon = await parts.addon()
    findTarget(addon.devices(), device) // a device that is not here is said before the file is read
    const tokenizer = await parts.openTokenizer(path, signal ? { signal } : {})
    try {
      if (!tokenizer.description.ok) throw KigoError.from(tokenizer.description.problem)
      const { model: description, notes } = tokenizer.description
      const name = modelName({ ...tokenizer.gguf, metadata: tokenizer.metadata })
      const asked = { device, gpuLayers, exact, contextLength, threads }
      const replan = (change: Partial<MemoryOptions>): MemoryOutlook =>
        planMemory(addon, description, { ...asked, ...change })
      const memory = replan({})
      checkFits(name, memory)

      const cancel = addon.createCancelToken()
      const abort = (): void => cancel.cancel()
      if (signal?.aborted) abort()
      signal?.addEventListener('abort', abort, { once: true })
      const native = await addon
        .openModel(description, {
          placements: memory.parts,
          exact,
          threads: threads ?? 0,
          lowPriority,
          cancel,
          onProgress: onProgress ?? (() => {}),
        })
        .catch((error: unknown) => {
          throw failedToFit(name, KigoError.from(error), memory, 'weights', replan)
        })
        .finally(() => signal?.removeEventListener('abort', abort))

      const loadMs = performance.now() - begin
      const { nVocab } = description.config
      return new Model(
        { path, name, tokenizer, memory, threads: threads ?? cores(addon), exact, nVocab, notes, loadMs },
        native,
        addon,
        replan,
      )
    } catch (error) {
      await tokenizer.close()
      throw KigoError.from(error)
    }
  }

  /** Where the layers lie, in their order. */
  get placements(): Placement[] {
    return this.memory.parts.map(({ device, layerFirst, layerLast }) => ({ device, layerFirst, layerLast }))
  }

  /** 'cpu', 'cuda:0', 'cuda:0 + cpu' */
  get device(): string {
    return deviceOf(this.memory.parts)
  }

  /** Tokens that a session holds unless it asks otherwise. */
  get contextLength(): number {
    return this.memory.ctx
  }

  /** Bytes in use by the model and its sessions. */
  tally(): ModelMemory {
    return this.#native.tally()
  }

  /** `batch` is how many prompt tokens are computed at once, in place of the plan's. Fails with OUT_OF_MEMORY, INVALID_INPUT, MODEL_CLOSED. */
  async createSession(options: { contextLength?: number; batch?: number } = {}): Promise<Session> {
    if (this.#closing) throw new KigoError('MODEL_CLOSED')
    const nCtx = options.contextLength ?? this.contextLength
    const nBatch = Math.min(options.batch ?? this.memory.batch, nCtx)
    try {
      const native = await this.#native.createSession({ nCtx, nBatch })
      const { pieces, facts } = this.tokenizer
      return new Session(native, {
        addon: this.#addon,
        pieces,
        endTokens: facts.endTokens,
        nVocab: this.nVocab,
      })
    } catch (thrown) {
      const error = KigoError.from(thrown)
      // A session of another length than the plan's says nothing about the plan.
      if (nCtx !== this.contextLength) throw error
      throw failedToFit(this.name, error, this.memory, 'total', (change) =>
        this.#replan({ ...change, reclaim: this.inUse() }),
      )
    }
  }

  /**
   * Bytes by device that closing gives back. What is mapped on the CPU is not among them: the system counts it as
   * available already.
   */
  inUse(): Record<string, number> {
    const { parts } = this.tally()
    return Object.fromEntries(
      this.memory.parts.map(({ device }, i) => {
        const { total = 0, weights = 0 } = parts[i] ?? {}
        return [device, device === 'cpu' ? total - weights : total]
      }),
    )
  }

  /** Idempotent; cancels what runs, closes the sessions, waits. */
  close(): Promise<void> {
    this.#closing ??= Promise.all([this.#native.close(), this.tokenizer.close()]).then(() => {})
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

const PARTS: ModelParts = { addon: loadEngine, openTokenizer: openTokenizerWorker }

/** Threads that the CPU computes with by default. */
function cores(addon: Addon): number {
  return addon.devices().find(({ id }) => id === 'cpu')?.threads ?? 0
}
