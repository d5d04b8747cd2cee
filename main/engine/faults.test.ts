/**
 * The whole way from the native library to typed errors, on the tests' fake backend, which fails on demand
 * (native/fake/settings.h tells its settings).
 */
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { resourcePath } from '../resources.ts'
import { goldenDir } from '../testing/golden.ts'
import { loadAddon, Model, type ModelOptions, type Session } from './index.ts'
import type { GenerateEvent } from './reply.ts'
import { failure } from './testing/fake-addon.ts'

const golden = goldenDir()
const path = `${golden}arch/llama.gguf`
const PROMPT = [1, 2, 3, 4, 5, 6, 7, 8]

function settings(text: string): void {
  process.env['KIGO_FAKE'] = text
}
function open(options: ModelOptions = {}): Promise<Model> {
  return Model.open(path, { device: 'fake', contextLength: 256, ...options })
}

/** Far longer than a test may take: what waits for it instead of being cancelled fails by the test's own limit. */
const NEVER_MS = 3_600_000

/** A reply that is cancelled at the first event that `stop` picks: its events. */
async function cancelledAt(session: Session, stop: (event: GenerateEvent) => boolean) {
  const controller = new AbortController()
  const events: GenerateEvent[] = []
  const { signal } = controller
  for await (const event of session.generate({ tokens: PROMPT, ignoreEnd: true, signal })) {
    events.push(event)
    if (stop(event)) controller.abort()
  }
  return events
}

describe.skipIf(golden === null)('faults of a backend (skipped without golden data)', () => {
  beforeAll(() => loadAddon().loadBackend(resourcePath('native/libkigo_fake.so')))
  afterEach(() => settings(''))

  it('says what the backend says: the tokens of a script, then the end of maxTokens', async () => {
    settings('tokens=72.105')
    await using model = await open()
    await using session = await model.createSession()
    const ids: number[] = []
    for await (const event of session.generate({ tokens: PROMPT, maxTokens: 2, ignoreEnd: true })) {
      if (event.type === 'text') ids.push(...event.records.map(({ id }) => id))
    }
    expect(ids).toEqual([72, 105])
  })

  it('has no device where there is no driver', async () => {
    settings('no_driver')
    expect(await failure(open())).toMatchObject({ code: 'DEVICE_UNAVAILABLE' })
  })

  it('refuses what does not fit before loading', async () => {
    settings('total=20000')
    expect(await failure(open())).toMatchObject({ code: 'OUT_OF_MEMORY', data: { freeBytes: 20000 } })
  })

  it('tells an allocation that fails all the same, and leaves nothing behind', async () => {
    settings('oom_at=1000')
    expect(await failure(open())).toMatchObject({ code: 'OUT_OF_MEMORY' })
    settings('')
    await using model = await open()
    expect(model.tally().weights).toBeGreaterThan(0)
  })

  it('tells an allocation of the cache that fails; the model stays usable', async () => {
    settings('')
    await using model = await open()
    const { weights } = model.tally()
    settings(`oom_at=${weights + 10}`)
    loadAddon().devices() // where the backend reads its settings
    expect(await failure(model.createSession())).toMatchObject({ code: 'OUT_OF_MEMORY' })
    settings('')
    loadAddon().devices()
    await using session = await model.createSession()
    expect(session.nCtx).toBe(256)
  })

  it.each([
    ['nan_at=12', 'NUMERIC_ERROR'],
    ['lost_at=12', 'DEVICE_LOST'],
    ['changed_at=12', 'MODEL_FILE_CHANGED'],
    ['nan_at=3', 'NUMERIC_ERROR'],
  ])('%s ends the reply with %s', async (setting, code) => {
    settings(setting)
    await using model = await open()
    await using session = await model.createSession()
    expect(await failure(session.generate({ tokens: PROMPT, ignoreEnd: true }))).toMatchObject({ code })
  })

  it('cancels a slow load', async () => {
    settings(`load_ms=${NEVER_MS}`)
    const controller = new AbortController()
    const opening = open({ signal: controller.signal, onProgress: () => controller.abort() })
    expect(await failure(opening)).toMatchObject({ code: 'CANCELLED' })
  })

  it('cancels while the prompt is read: no token comes of it', async () => {
    settings(`token_ms=${NEVER_MS}`)
    await using model = await open()
    await using session = await model.createSession({ batch: 2 })
    const events = await cancelledAt(session, ({ type }) => type === 'prefill')
    expect(events.filter(({ type }) => type === 'text')).toEqual([])
    expect(events.at(-1)).toMatchObject({ type: 'done', reason: 'cancelled' })
  })

  it('cancels while tokens come, long before the context is full', async () => {
    settings('token_ms=50')
    await using model = await open()
    await using session = await model.createSession()
    const events = await cancelledAt(session, (event) => event.type === 'text' && event.tokens >= 2)
    expect(events.at(-1)).toMatchObject({ type: 'done', reason: 'cancelled' })
  })

  it('closes while a reply is being written', async () => {
    settings('token_ms=20')
    const model = await open()
    const session = await model.createSession()
    let reason = ''
    let writes = (): void => {}
    const writing = new Promise<void>((resolve) => (writes = resolve))
    const reading = (async () => {
      for await (const event of session.generate({ tokens: PROMPT, ignoreEnd: true })) {
        if (event.type === 'text') writes()
        if (event.type === 'done') reason = event.reason
      }
    })()
    await writing
    await Promise.all([model.close(), model.close(), reading])
    expect(reason).toBe('cancelled')
    expect(await failure(session.generate({ tokens: PROMPT }))).toMatchObject({ code: 'MODEL_CLOSED' })
  })
})
