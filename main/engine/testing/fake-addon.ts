/**
 * An addon without a model, for tests of what stands above the engine: its sessions say what a script tells them,
 * one token a turn of the event loop, and obey cancel as the real ones do.
 */
import { KigoError } from '../../../contract/errors.ts'
import type {
  Addon,
  CancelToken,
  DeviceInfo,
  GenerateRequest,
  GenerateResult,
  ModelMemory,
  NativeModel,
  NativeSession,
  Planner,
} from '../addon.ts'
import { ABI_VERSION } from '../load.ts'
import type { PieceTable } from '../../tokenizer/types.ts'

/** The id that ends a reply; ids 1, 2, … are the pieces of the script. */
export const END = 0

export interface Script {
  /** What the model says, a piece a token; then END. Bytes, so that a character can be cut. */
  pieces: (string | Uint8Array)[]
  /** Thrown after this many tokens. */
  failAfter?: { tokens: number; code: string }
}

export class FakeSession implements NativeSession {
  readonly nCtx: number
  readonly requests: GenerateRequest[] = []
  /** Tokens that were drawn, of all replies. */
  drawn = 0
  #cache: number[] = []
  #script: Script
  #running: Promise<unknown> = Promise.resolve()
  #cancels = new Set<CancelToken>()
  closed = 0

  constructor(nCtx: number, script: Script) {
    this.nCtx = nCtx
    this.#script = script
  }

  get length(): number {
    return this.#cache.length
  }

  generate(request: GenerateRequest): Promise<GenerateResult> {
    this.requests.push(request)
    this.#cancels.add(request.cancel)
    const job = this.#generate(request).finally(() => this.#cancels.delete(request.cancel))
    this.#running = job.catch(() => {})
    return job
  }

  async #generate(request: GenerateRequest): Promise<GenerateResult> {
    const prompt = [...request.tokens]
    let cached = 0
    while (cached < prompt.length - 1 && this.#cache[cached] === prompt[cached]) cached++
    this.#cache = prompt
    const total = prompt.length - cached
    await turn()
    request.onPrefill(prompt.length, prompt.length, cached)
    let tokens = 0
    const end = (reason: GenerateResult['reason']): GenerateResult => {
      return {
        reason,
        promptTokens: total,
        cachedTokens: cached,
        promptMs: 2,
        firstTokenMs: 3,
        tokens,
        decodeMs: 10 * Math.max(0, tokens - 1),
      }
    }
    for (;;) {
      await turn()
      if (request.cancel.cancelled) return end('cancelled')
      if (this.#script.failAfter?.tokens === tokens) throw addonError(this.#script.failAfter.code)
      if (this.#cache.length >= this.nCtx) return end('context')
      this.drawn++
      const id = tokens < this.#script.pieces.length ? tokens + 1 : END
      if (request.endTokens.includes(id)) return end('end')
      request.onTokens([{ id, logprob: -0.5 }])
      tokens++
      this.#cache.push(id)
      if (tokens === request.maxTokens) return end('length')
    }
  }

  async logits(tokens: Int32Array, { onRows }: Parameters<NativeSession['logits']>[1]): Promise<void> {
    await turn()
    await onRows(0, new Float32Array(tokens.length))
  }

  async score(tokens: Int32Array): Promise<Float64Array> {
    await turn()
    return new Float64Array(tokens.length - 1).fill(Math.log(1 / 4))
  }

  async truncate(n: number): Promise<void> {
    this.#cache.length = n
  }

  async close(): Promise<void> {
    this.closed++
    for (const cancel of this.#cancels) cancel.cancel()
    await this.#running
  }
}

export class FakeModel implements NativeModel {
  readonly sessions: FakeSession[] = []
  #script: Script
  closed = 0

  constructor(script: Script) {
    this.#script = script
  }

  tally(): ModelMemory {
    return { weights: 0, kv: 0, workspace: 0, total: 0, parts: [] }
  }

  async createSession({ nCtx }: { nCtx: number }): Promise<FakeSession> {
    const session = new FakeSession(nCtx, this.#script)
    this.sessions.push(session)
    return session
  }

  async close(): Promise<void> {
    this.closed++
    await Promise.all(this.sessions.map((session) => session.close()))
  }
}

const CPU: DeviceInfo = {
  id: 'cpu',
  name: 'fake',
  totalBytes: 2 ** 30,
  freeBytes: 2 ** 30,
  driverBytes: 0,
  detail: '',
  threads: 2,
  bytesPerSecond: 0,
  problem: null,
}

export class FakeAddon implements Addon {
  readonly abiVersion = ABI_VERSION
  readonly statusNames: string[] = []
  readonly models: FakeModel[] = []
  readonly #script: Script
  /** Bytes that a token of context takes, by plan(). */
  kvBytesPerToken = 1024

  constructor(script: Script) {
    this.#script = script
  }

  createCancelToken(): CancelToken {
    let cancelled = false
    return {
      cancel: () => {
        cancelled = true
      },
      get cancelled() {
        return cancelled
      },
    }
  }

  async loadBackend(): Promise<void> {
    throw addonError('DEVICE_UNAVAILABLE')
  }

  devices(): DeviceInfo[] {
    return [CPU]
  }

  /** 1000 bytes of weights, whatever the layers. */
  planner(): Planner {
    return (placements, { nCtx }) => {
      const kv = nCtx * this.kvBytesPerToken
      const whole = { weights: 1000, kv, workspace: 0, total: 1000 + kv }
      return { ...whole, parts: placements.map(() => whole) }
    }
  }

  async openModel(
    _model: unknown,
    { cancel, onProgress }: Parameters<Addon['openModel']>[1],
  ): Promise<FakeModel> {
    for (let done = 0; done <= 1000; done += 250) {
      await turn()
      if (cancel.cancelled) throw addonError('CANCELLED')
      onProgress(done, 1000)
    }
    const model = new FakeModel(this.#script)
    this.models.push(model)
    return model
  }
}

/** As the addon rejects: a plain Error with code and data. */
function addonError(code: string): Error {
  return Object.assign(new Error(`the engine says ${code}`), { code, data: { layer: 3 } })
}

/** The piece table of a script: END adds nothing. */
export function piecesOf({ pieces }: Script): PieceTable {
  const bytes = pieces.map((piece) => (typeof piece === 'string' ? new TextEncoder().encode(piece) : piece))
  const offsets = new Uint32Array(pieces.length + 2)
  bytes.forEach((piece, i) => (offsets[i + 2] = offsets[i + 1]! + piece.length))
  return { bytes: new Uint8Array(Buffer.concat(bytes)), offsets, stripLeadingSpace: false }
}

/** The code that a promise or an iteration fails with; fails if it does not. */
export async function failure(work: Promise<unknown> | AsyncIterable<unknown>): Promise<KigoError> {
  try {
    if (Symbol.asyncIterator in work) for await (const _ of work);
    else await work
  } catch (error) {
    if (error instanceof KigoError) return error
    throw error
  }
  throw new Error('it did not fail')
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
