import { describe, expect, it, vi } from 'vitest'
import type { Inspection, ModelState, RecentModel } from '../../contract/model.ts'
import { LoadSettings } from '../../contract/sampling.ts'
import { modelHandlers, type ModelDeps } from './model.ts'

const STATE: ModelState = { status: 'none', lastPath: null, lastName: null }
const RECENTS = [{ path: '/a.gguf' }] as RecentModel[]
const INSPECTION = { name: 'A' } as Inspection

/** The handlers, and what they ask of the parts behind them. */
function model() {
  const asked: unknown[][] = []
  const note =
    (what: string, answer?: unknown) =>
    (...input: unknown[]): unknown => {
      asked.push([what, ...input])
      return answer
    }
  const deps = {
    models: {
      state: STATE,
      load: note('load', Promise.resolve(STATE)),
      cancelLoad: note('cancelLoad'),
      unload: note('unload'),
      forgotten: vi.fn(),
    },
    library: { list: note('list', RECENTS), forget: note('forget', Promise.resolve([])) },
    settings: { current: { load: LoadSettings.parse({ device: 'cpu', contextLength: 512 }) } },
    inspect: note('inspect', Promise.resolve(INSPECTION)),
    pick: note('pick', Promise.resolve('/picked.gguf')),
    reveal: note('reveal'),
  }
  return { asked, handlers: modelHandlers(deps as unknown as ModelDeps) }
}

describe.skipIf(process.platform === 'win32')('what the page asks of models', () => {
  it('is the state, the recent ones, and a choice in the system’s dialog', async () => {
    const { handlers } = model()
    expect(await handlers['model.state'](null, null)).toBe(STATE)
    expect(await handlers['model.recents'](null, null)).toBe(RECENTS)
    expect(await handlers['model.pick'](null, null)).toBe('/picked.gguf')
  })

  it('is to load one by the settings that are kept, but for those that it gives', async () => {
    const { handlers, asked } = model()
    expect(await handlers['model.load']({ path: '/m/../a.gguf' }, null)).toBe(STATE)
    await handlers['model.load']({ path: '/a.gguf', settings: { contextLength: 1024 } }, null)
    const kept = LoadSettings.parse({ device: 'cpu', contextLength: 512 })
    expect(asked).toEqual([
      ['load', '/a.gguf', kept],
      ['load', '/a.gguf', { ...kept, contextLength: 1024 }],
    ])
  })

  it('is to look into one, and to show where it lies', async () => {
    const { handlers, asked } = model()
    const looked = await handlers['model.inspect']({ path: '/m/../a.gguf', contextLength: 99 }, null)
    expect(looked).toBe(INSPECTION)
    expect(await handlers['model.reveal']({ path: '/m/../a.gguf' }, null)).toBeNull()
    expect(asked).toEqual([
      ['inspect', '/a.gguf', 99],
      ['reveal', '/a.gguf'],
    ])
  })

  it('is to stop a load, to let a model go, to forget one', async () => {
    const { handlers, asked } = model()
    expect(await handlers['model.cancelLoad'](null, null)).toBeNull()
    expect(await handlers['model.unload'](null, null)).toBeNull()
    expect(await handlers['model.forget']({ path: '/a.gguf' }, null)).toEqual([])
    expect(asked).toEqual([['cancelLoad'], ['unload'], ['forget', '/a.gguf']])
  })
})
