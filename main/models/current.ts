/**
 * The one model of the app: none, loading, loaded or failed. Every change is told with the whole state, so the
 * window only ever shows what is true.
 */
import { stat } from 'node:fs/promises'
import { KigoError } from '../../contract/errors.ts'
import type { Inspection, MemoryOutlook, ModelState, Placement } from '../../contract/model.ts'
import type { LoadSettings } from '../../contract/sampling.ts'
import type { GgufFileIdentity } from '../gguf/types.ts'
import type { Library } from './library.ts'
import { checkFits } from './memory.ts'

/** Least time between two progress events, ms. */
const PROGRESS_MS = 50

/** What the app holds of a loaded model. */
export interface OpenModel {
  readonly device: string
  readonly placements: Placement[]
  readonly nCtx: number
  readonly threads: number
  readonly loadMs: number
  readonly memory: MemoryOutlook
  /** As they were when the header was read. */
  readonly files: readonly GgufFileIdentity[]
  /** Tells why the model can answer nothing any more, where that comes by itself. */
  onDeath(listener: (error: KigoError) => void): void
  /** Bytes by device that closing gives back. */
  inUse(): Record<string, number>
  /** Ends what runs, waits, frees. Idempotent. */
  close(): Promise<void>
}

/** What a file is judged for. */
export interface InspectOptions extends Pick<
  LoadSettings,
  'contextLength' | 'device' | 'gpuLayers' | 'threads' | 'chatTemplate'
> {
  /** Bytes by device that count as free: those of the model that would be let go first. */
  reclaim: Readonly<Record<string, number>>
  signal?: AbortSignal
}

export interface OpenModelOptions extends LoadSettings {
  signal: AbortSignal
  onProgress: (doneBytes: number, totalBytes: number) => void
}

export interface CurrentModelOptions<M extends OpenModel> {
  inspect: (path: string, options: InspectOptions) => Promise<Inspection>
  open: (path: string, options: OpenModelOptions) => Promise<M>
  library: Library
  /** Ends what is being written with the model that is about to be closed. */
  beforeClose: () => Promise<void>
  onState: (state: ModelState) => void
  /** A model that nobody waited for any more could not be closed or opened cleanly. */
  onProblem: (error: unknown) => void
}

interface Opened<M> {
  model: M
  inspection: Inspection
}

interface Loading<M> {
  abort: AbortController
  result: Promise<Opened<M>>
}

export class CurrentModel<M extends OpenModel> {
  readonly #options: CurrentModelOptions<M>
  #state: ModelState
  #model: M | null = null
  #loading: Loading<M> | null = null
  /** What was let go and is still winding down; the next load begins after it. */
  #settling: Promise<void> = Promise.resolve()

  constructor(options: CurrentModelOptions<M>) {
    this.#options = options
    this.#state = { status: 'none', ...options.library.last() }
  }

  get state(): ModelState {
    return this.#state
  }

  get loaded(): M | null {
    return this.#model
  }

  /** The loaded model, or the one that is being loaded once it is there. NO_MODEL where there is neither. */
  async ready(): Promise<M> {
    if (this.#loading) return (await this.#loading.result).model
    if (this.#model) return this.#model
    throw new KigoError('NO_MODEL')
  }

  get available(): boolean {
    return this.#loading !== null || this.#model !== null
  }

  /** Judges a file as if the model in use were let go for it. Fails as reading and planning do. */
  async inspect(path: string, settings: Omit<InspectOptions, 'reclaim'>): Promise<Inspection> {
    await this.#settling // or what is being given back would count as taken
    return this.#options.inspect(path, { ...settings, reclaim: this.#model?.inUse() ?? {} })
  }

  /**
   * Judges the file, lets go of the model in use, loads. A file that is refused by its header or for want of
   * memory leaves the model in use as it is. Fails with MODEL_BUSY, CANCELLED and everything that inspecting
   * and loading can say.
   */
  async load(path: string, settings: LoadSettings): Promise<ModelState> {
    if (this.#loading) throw new KigoError('MODEL_BUSY')
    const abort = new AbortController()
    const name = this.#options.library.nameOf(path)
    const before = this.#state
    const work = this.#work(path, settings, abort.signal)
    const cancelled = new Promise<never>((_resolve, reject) => {
      abort.signal.addEventListener('abort', () => reject(loadCancelled(path)), { once: true })
    })
    // Cancelling is instant to the eye: the rest winds down by itself, and the next load waits for it.
    const result = Promise.race([work, cancelled])
    result.catch(() => {}) // told below; nobody may be waiting in ready()
    this.#loading = { abort, result }
    this.#setState({ status: 'loading', path, name, doneBytes: 0, totalBytes: 0 })
    try {
      const { model, inspection } = await result
      this.#loading = null
      this.#model = model
      this.#options.library.remember(path, inspection)
      const { device, placements, nCtx, threads, loadMs } = model
      const { gpuLayers, chatTemplate } = settings
      const asked = { device: settings.device, gpuLayers, chatTemplate }
      this.#setState({
        status: 'loaded',
        model: { path, inspection, device, placements, asked, nCtx, threads, loadMs },
      })
      model.onDeath((error) => this.fail(model, error))
      return this.#state
    } catch (thrown) {
      this.#loading = null
      const error = KigoError.from(thrown)
      if (abort.signal.aborted) this.#settle(work.then(({ model }) => model.close()))
      if (this.#model) this.#setState(before)
      else if (error.code === 'CANCELLED') this.#setState({ status: 'none', ...this.#options.library.last() })
      else {
        const known = this.#state.status === 'loading' ? this.#state.name : name
        this.#setState({ status: 'failed', path, name: known, error: error.toData() })
      }
      throw error
    }
  }

  /** A file that cannot even be tried is shown as a load that failed. */
  refuse(path: string, error: KigoError): void {
    if (this.available) return
    const name = this.#options.library.nameOf(path)
    this.#setState({ status: 'failed', path, name, error: error.toData() })
  }

  /** Nothing happens where nothing is being loaded. */
  cancelLoad(): void {
    this.#loading?.abort.abort()
  }

  /** The model is gone at once for everyone who asks; its memory follows. A load that is under way goes on. */
  unload(): void {
    const model = this.#model
    if (!model) return
    this.#release(model)
    if (!this.#loading) this.#setState({ status: 'none', ...this.#options.library.last() })
  }

  /**
   * `model` cannot go on (its file changed, its device is lost): it is let go, and `error` is shown, unless another one
   * is being loaded. Nothing happens where it is not in use any more.
   */
  fail(model: M, error: KigoError): void {
    const { state } = this
    if (this.#model !== model) return
    this.#release(model)
    if (state.status !== 'loaded') return
    const { path, inspection } = state.model
    this.#setState({ status: 'failed', path, name: inspection.name, error: error.toData() })
  }

  /** The library has forgotten `path`: what is not loaded does not name it either. */
  forgotten(path: string): void {
    const { state } = this
    const named = state.status === 'none' ? state.lastPath : state.status === 'failed' ? state.path : null
    if (named === path) this.#setState({ status: 'none', ...this.#options.library.last() })
  }

  /** Is every file of the model in use what it was? MODEL_NOT_FOUND, MODEL_FILE_CHANGED. */
  async checkFiles(): Promise<void> {
    for (const file of this.#model?.files ?? []) {
      const now = await stat(file.path).catch(() => null)
      if (!now)
        throw new KigoError('MODEL_NOT_FOUND', 'The model’s file is not there any more.', {
          data: { path: file.path },
        })
      if (now.size !== file.bytes || now.mtimeMs !== file.mtimeMs) {
        throw new KigoError('MODEL_FILE_CHANGED', undefined, {
          data: { path: file.path, bytesBefore: file.bytes, bytesNow: now.size },
        })
      }
    }
  }

  /** Ends everything; resolves when the memory is free. */
  async close(): Promise<void> {
    this.cancelLoad()
    await this.#loading?.result.catch(() => {})
    if (this.#model) this.#release(this.#model)
    await this.#settling
  }

  async #work(path: string, settings: LoadSettings, signal: AbortSignal): Promise<Opened<M>> {
    const { open } = this.#options
    await this.#settling
    signal.throwIfAborted()
    // Read beside the load, not before it: only a model in use must wait for the verdict before it is let go.
    const { contextLength, device, gpuLayers, threads, chatTemplate } = settings
    const wanted = { contextLength, device, gpuLayers, threads, chatTemplate }
    const inspecting = this.inspect(path, { ...wanted, signal })
    // The file's name stands for the model's until that is known. A failure is awaited below, or the load's says more.
    inspecting.then(
      ({ name }) => {
        if (!signal.aborted && this.#state.status === 'loading') this.#setState({ ...this.#state, name })
      },
      () => {},
    )
    const previous = this.#model
    if (previous) {
      const inspection = await inspecting
      if (inspection.problem) throw KigoError.from(inspection.problem)
      if (inspection.memory) checkFits(inspection.name, inspection.memory)
      signal.throwIfAborted()
      this.#release(previous)
      await this.#settling
      signal.throwIfAborted()
    }
    const model = await open(path, { ...settings, signal, onProgress: this.#progress(signal) })
    try {
      return { model, inspection: { ...(await inspecting), memory: model.memory } }
    } catch (error) {
      await model.close()
      throw error
    }
  }

  #progress(signal: AbortSignal): OpenModelOptions['onProgress'] {
    let last = 0
    return (doneBytes, totalBytes) => {
      const now = performance.now()
      if (
        signal.aborted ||
        this.#state.status !== 'loading' ||
        (now - last < PROGRESS_MS && doneBytes < totalBytes)
      )
        return
      last = now
      this.#setState({ ...this.#state, doneBytes, totalBytes })
    }
  }

  #release(model: M): void {
    this.#model = null
    this.#settle(this.#options.beforeClose().then(() => model.close()))
  }

  #settle(ending: Promise<void>): void {
    const quiet = ending.catch((error: unknown) => {
      if (!(error instanceof KigoError && error.code === 'CANCELLED') && !isAbort(error))
        this.#options.onProblem(error)
    })
    this.#settling = Promise.all([this.#settling, quiet]).then(() => {})
  }

  #setState(state: ModelState): void {
    this.#state = state
    this.#options.onState(state)
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

/** What those are told who wait for a model that was not wanted any more. */
const loadCancelled = (path: string): KigoError =>
  new KigoError('CANCELLED', 'The load was cancelled, so there is no reply.', {
    hint: 'Load a model, then write it again.',
    data: { path },
  })
