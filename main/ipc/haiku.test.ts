import { describe, expect, it } from 'vitest'
import type { HaikuResult } from '../../contract/chat.ts'
import { KigoError } from '../../contract/errors.ts'
import type { LoadedModel } from '../chat/loaded-model.ts'
import { Occupancy } from '../chat/occupancy.ts'
import { haikuHandlers } from './haiku.ts'

const tick = () => new Promise((resolve) => setTimeout(resolve, 0))
const RESULT = { minute: 7 } as HaikuResult

/** Runs that end when the test says so; a stop is heard and takes a while to take effect. */
function setup() {
  const occupancy = new Occupancy()
  const runs: { signal: AbortSignal; end: () => void }[] = []
  let model: Promise<LoadedModel> = Promise.resolve({} as LoadedModel)
  const handlers = haikuHandlers({
    models: { ready: () => model },
    occupancy,
    run: (_model, signal) =>
      new Promise((resolve, reject) => {
        const end = (): void => (signal.aborted ? reject(new KigoError('CANCELLED')) : resolve(RESULT))
        runs.push({ signal, end })
      }),
  })
  const load = (loading: Promise<LoadedModel>): void => void (model = loading)
  return { occupancy, runs, handlers, load }
}

describe('the haiku test', () => {
  it('is stopped when the answer to the stop comes, and the next may begin', async () => {
    const { handlers, runs, occupancy } = setup()
    const first = Promise.resolve(handlers['haiku.run'](undefined, null))
    await tick()
    let stopped = false
    const stop = Promise.resolve(handlers['haiku.stop'](undefined, null)).then(() => (stopped = true))
    expect(runs[0]?.signal.aborted).toBe(true)
    await tick()
    expect(stopped).toBe(false)
    runs[0]?.end()
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' })
    await stop
    expect(occupancy.taken).toBe(false)
    const second = handlers['haiku.run'](undefined, null)
    await tick()
    runs[1]?.end()
    expect(await second).toBe(RESULT)
  })

  it('that is refused for another leaves that one stoppable', async () => {
    const { handlers, runs } = setup()
    const first = Promise.resolve(handlers['haiku.run'](undefined, null))
    expect(() => handlers['haiku.run'](undefined, null)).toThrow(
      expect.objectContaining({ code: 'SESSION_BUSY' }),
    )
    await tick()
    const stop = handlers['haiku.stop'](undefined, null)
    runs[0]?.end()
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' })
    await stop
    expect(runs).toHaveLength(1)
  })

  it('stops at once while it waits for a model', async () => {
    const { handlers, load, runs, occupancy } = setup()
    load(new Promise(() => {}))
    const waiting = Promise.resolve(handlers['haiku.run'](undefined, null))
    const stop = handlers['haiku.stop'](undefined, null)
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' })
    await stop
    expect([runs.length, occupancy.taken]).toEqual([0, false])
  })

  it('has nothing to stop where none runs', async () => {
    expect(await setup().handlers['haiku.stop'](undefined, null)).toBeNull()
  })
})
