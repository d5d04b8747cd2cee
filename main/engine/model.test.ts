import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'
import { KigoError } from '../../contract/errors.ts'
import type { TokenizerClient } from '../tokenizer/client.ts'
import { Model, type ModelOptions } from './model.ts'
import { END, failure, FakeAddon, piecesOf, type Script } from './testing/fake-addon.ts'

const SCRIPT: Script = { pieces: ['Hello', ' world'] }

function fakeTokenizer(description: Partial<TokenizerClient> = {}) {
  let closed = 0
  const client = {
    gguf: { files: [{ path: 'model.gguf', bytes: 1, mtimeMs: 1 }] },
    metadata: new Map([['general.name', 'Tiny']]),
    facts: { endTokens: [END] },
    pieces: piecesOf(SCRIPT),
    description: { ok: true, model: { config: { nLayer: 1, nCtxTrain: 32_768, nVocab: 3 }, tensors: [] } },
    close: async () => {
      closed++
    },
    ...description,
  } as unknown as TokenizerClient
  return { client, closed: () => closed }
}

function open(options: ModelOptions = {}, addon = new FakeAddon(SCRIPT), tokenizer = fakeTokenizer()) {
  const model = Model.open('model.gguf', options, {
    addon: () => addon,
    openTokenizer: async () => tokenizer.client,
  })
  return { model, addon, tokenizer }
}

describe('Model.open', () => {
  it('opens with progress, and generates', async () => {
    const progress: number[] = []
    await using model = await open({ onProgress: (done, total) => progress.push(done / total) }).model
    expect(progress).toEqual([0, 0.25, 0.5, 0.75, 1])
    expect(model).toMatchObject({ name: 'Tiny', device: 'cpu', contextLength: 8192, threads: 2 })
    await using session = await model.createSession({ contextLength: 100 })
    expect(session.nCtx).toBe(100)
    let text = ''
    for await (const event of session.generate({ tokens: [1] })) if (event.type === 'text') text += event.text
    expect(text).toBe('Hello world')
  })

  it('chooses the context that fits where none is asked for', async () => {
    const addon = new FakeAddon(SCRIPT)
    addon.kvBytesPerToken = 2 ** 20
    await using model = await open({}, addon).model
    expect(model.contextLength).toBeLessThan(1024)
    expect(model.contextLength).toBeGreaterThan(1000)
  })

  it('refuses, before anything loads, what does not fit, with the bytes and the context that would', async () => {
    const addon = new FakeAddon(SCRIPT)
    addon.kvBytesPerToken = 2 ** 20
    const { model, tokenizer } = open({ contextLength: 8192 }, addon)
    const error = await failure(model)
    expect(error.code).toBe('OUT_OF_MEMORY')
    expect(error.data).toMatchObject({ nCtx: 8192, largestContext: 1023 })
    expect(addon.models).toEqual([])
    expect(tokenizer.closed()).toBe(1)
  })

  it('refuses a device that is not there, by name', async () => {
    for (const device of ['cuda', 'cuda:1', 'abacus']) {
      const error = await failure(open({ device }).model)
      expect(error.code).toBe('DEVICE_UNAVAILABLE')
      expect(error.message).toContain(device)
    }
  })

  it('refuses more threads than there are processors, before anything is read, and says how many there are', async () => {
    const most = availableParallelism()
    const { model, addon, tokenizer } = open({ threads: most + 1 })
    const error = await failure(model)
    expect(error).toMatchObject({ code: 'INVALID_INPUT', data: { threads: most + 1, most } })
    expect(error.hint).toContain(`at most ${most},`)
    expect(addon.models).toEqual([])
    expect(tokenizer.closed()).toBe(0)
    await using accepted = await open({ threads: most }).model
    expect(accepted.threads).toBe(most)
  })

  it('says why a sound file cannot be run, and closes its worker', async () => {
    const problem = new KigoError('UNSUPPORTED_ARCHITECTURE', 'Kigo does not run rwkv yet.').toData()
    const tokenizer = fakeTokenizer({ description: { ok: false, problem } })
    const error = await failure(open({}, new FakeAddon(SCRIPT), tokenizer).model)
    expect(error.toData()).toMatchObject({ code: problem.code, message: problem.message })
    expect(tokenizer.closed()).toBe(1)
  })

  it('is cancelled by its signal at any point of loading, and leaves nothing behind', async () => {
    for (const at of [0, 250, 750]) {
      const controller = new AbortController()
      const { model, addon, tokenizer } = open({
        signal: controller.signal,
        onProgress: (done) => done === at && controller.abort(),
      })
      expect(await failure(model)).toMatchObject({ code: 'CANCELLED' })
      expect(addon.models).toEqual([])
      expect(tokenizer.closed()).toBe(1)
    }
    expect(await failure(open({ signal: AbortSignal.abort() }).model)).toMatchObject({ code: 'CANCELLED' })
  })
})

describe('Model.close', () => {
  it('is idempotent, closes sessions and worker, and ends what runs', async () => {
    const { model: opening, addon, tokenizer } = open()
    const model = await opening
    const session = await model.createSession()
    const events = session.generate({ tokens: [1] })
    await events.next()
    await Promise.all([model.close(), model.close()])
    expect(addon.models[0]!.closed).toBe(1)
    expect(addon.models[0]!.sessions[0]!.closed).toBe(1)
    expect(tokenizer.closed()).toBe(1)
    expect(await failure(model.createSession())).toMatchObject({ code: 'MODEL_CLOSED' })
    let last = ''
    for await (const event of events) if (event.type === 'done') last = event.reason
    expect(last).toBe('cancelled')
  })
})
