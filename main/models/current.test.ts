import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { KigoError } from '../../contract/errors.ts'
import type { Inspection, MemoryOutlook, ModelState } from '../../contract/model.ts'
import { LOAD_SETTINGS_DEFAULTS } from '../../contract/sampling.ts'
import type { GgufFileIdentity } from '../gguf/types.ts'
import { openSettings, type SettingsStore } from '../store/settings.ts'
import { CurrentModel, type InspectOptions, type OpenModel, type OpenModelOptions } from './current.ts'
import { createLibrary } from './library.ts'

/** A model that loads when told to, and records what became of it. */
class FakeModel implements OpenModel {
  device = 'cpu'
  placements = [ON_CPU]
  nCtx = 512
  threads = 2
  loadMs = 1
  memory = memory(100, 1000)
  closed = false
  files: GgufFileIdentity[] = []
  die = (_error: KigoError): void => {}
  readonly path: string
  constructor(file: string) {
    this.path = file
  }
  onDeath(listener: (error: KigoError) => void) {
    this.die = listener
  }
  inUse() {
    return { cpu: this.memory.total }
  }
  async close() {
    this.closed = true
  }
}

const ON_CPU = { device: 'cpu', layerFirst: 0, layerLast: 1 }

function memory(total: number, free: number): MemoryOutlook {
  const plan = { weights: total, kv: 0, workspace: 0, total, free, deviceTotal: free }
  const parts = [{ ...plan, ...ON_CPU, name: 'CPU' }]
  return {
    ...plan,
    device: 'cpu',
    ctx: 512,
    batch: 512,
    largestContext: 0,
    parts,
    slowdown: null,
    gpuRefusal: null,
  }
}

function inspection(file: string, more: Partial<Inspection> = {}): Inspection {
  return {
    file,
    architecture: 'llama',
    name: path.basename(file, '.gguf').toUpperCase(),
    quantization: 'Q4_1',
    parameters: 1,
    contextLength: 512,
    layers: 1,
    fileBytes: 100,
    tensors: { count: 1, byType: {} },
    vocabulary: { model: 'gpt2', pre: 'smollm', size: 10 },
    chatTemplate: { present: true, ok: true, thinking: false, system: true, mode: 'template' },
    memory: memory(100, 1000),
    problem: null,
    notes: [],
    metadata: {},
    ...more,
  }
}

/** The engine's part, with every step in the test's hand. */
function fakeEngine() {
  const opens: {
    path: string
    options: OpenModelOptions
    finish: () => FakeModel
    fail: (error: unknown) => void
  }[] = []
  const inspections = new Map<string, Inspection | KigoError>()
  return {
    opens,
    inspections,
    /** What was asked about each file, in order. */
    asked: [] as InspectOptions[],
    async inspect(file: string, options: InspectOptions) {
      this.asked.push(options)
      const found = inspections.get(file) ?? inspection(file)
      if (found instanceof KigoError) throw found
      const { memory: known } = found
      if (!known) return found
      const free = known.free + (options.reclaim['cpu'] ?? 0)
      return { ...found, memory: { ...known, free, parts: known.parts.map((part) => ({ ...part, free })) } }
    },
    open: (file: string, options: OpenModelOptions) => {
      return new Promise<FakeModel>((resolve, reject) => {
        const finish = () => {
          const model = new FakeModel(file)
          resolve(model)
          return model
        }
        opens.push({ path: file, options, finish, fail: reject })
      })
    },
  }
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 0))
const NO_CHOICE = LOAD_SETTINGS_DEFAULTS

let folder: string
let settings: SettingsStore
let engine: ReturnType<typeof fakeEngine>
let states: ModelState[]
let problems: unknown[]
let endings: string[]
let current: CurrentModel<FakeModel>
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'kigo-current-'))
  engine = fakeEngine()
  states = []
  problems = []
  endings = []
  settings = await openSettings(path.join(folder, 'settings.json'), () => {})
  current = new CurrentModel<FakeModel>({
    inspect: (file, options) => engine.inspect(file, options),
    open: engine.open,
    library: createLibrary(settings),
    beforeClose: async () => void endings.push('replies'),
    onState: (state) => states.push(state),
    onProblem: (problem) => problems.push(problem),
  })
})
afterEach(async () => {
  vi.useRealTimers()
  await settings.flush() // or a file appears while its folder is removed
  rmSync(folder, { recursive: true, force: true })
})

async function load(file: string): Promise<FakeModel> {
  const loading = current.load(file, NO_CHOICE)
  await tick()
  const model = engine.opens.at(-1)?.finish()
  await loading
  if (!model) throw new Error('nothing was opened')
  return model
}

describe('the current model', () => {
  it('goes from none through loading to loaded, and remembers the last one', async () => {
    expect(current.state).toEqual({ status: 'none', lastPath: null, lastName: null })
    await load('/m/a.gguf')
    // By the file's name at first, by its own as soon as that is read.
    expect(states).toMatchObject([
      { status: 'loading', name: 'a' },
      { status: 'loading', name: 'A' },
      { status: 'loaded' },
    ])
    expect(current.state).toMatchObject({
      status: 'loaded',
      model: { path: '/m/a.gguf', nCtx: 512, threads: 2 },
    })
    expect(endings).toEqual([])
    current.unload()
    expect(endings).toEqual(['replies'])
    expect(current.state).toEqual({ status: 'none', lastPath: '/m/a.gguf', lastName: 'A' })
  })

  it('names no model any more that the library has forgotten, loaded or failed, and names the one before it', async () => {
    const library = createLibrary(settings)
    const forget = async (file: string): Promise<void> => {
      await library.forget(file)
      current.forgotten(file)
    }
    await load('/m/a.gguf')
    await load('/m/b.gguf')
    await forget('/m/a.gguf')
    expect(current.state).toMatchObject({ status: 'loaded', model: { path: '/m/b.gguf' } })
    current.unload()
    await load('/m/a.gguf')
    current.unload()
    await forget('/m/a.gguf')
    expect(current.state).toEqual({ status: 'none', lastPath: '/m/b.gguf', lastName: 'B' })
    const failing = current.load('/m/b.gguf', NO_CHOICE)
    await tick()
    engine.opens.at(-1)?.fail(new KigoError('MODEL_NOT_FOUND'))
    await expect(failing).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
    expect(current.state).toMatchObject({ status: 'failed' })
    await forget('/m/b.gguf')
    expect(current.state).toEqual({ status: 'none', lastPath: null, lastName: null })
    expect(states.at(-1)).toEqual(current.state)
  })

  it('refuses a second load while one runs, and the first goes on', async () => {
    const first = current.load('/m/a.gguf', NO_CHOICE)
    await expect(current.load('/m/b.gguf', NO_CHOICE)).rejects.toMatchObject({ code: 'MODEL_BUSY' })
    expect(current.state).toMatchObject({ status: 'loading', path: '/m/a.gguf' })
    await tick()
    engine.opens[0]?.finish()
    await expect(first).resolves.toMatchObject({ status: 'loaded' })
  })

  it('tells progress, but not more often than can be seen', async () => {
    const loading = current.load('/m/a.gguf', NO_CHOICE)
    await tick()
    const open = engine.opens[0]
    // A second, and a report each millisecond.
    vi.useFakeTimers({ toFake: ['performance'], now: 1000 })
    for (let done = 1; done <= 1000; done++) {
      vi.advanceTimersByTime(1)
      open?.options.onProgress(done, 1000)
    }
    open?.finish()
    await loading
    const told = states.filter((state) => state.status === 'loading')
    expect(told.length).toBeGreaterThanOrEqual(20)
    expect(told.length).toBeLessThanOrEqual(22)
    expect(told.at(-1)).toMatchObject({ doneBytes: 1000, totalBytes: 1000 })
  })

  it('is none again the moment a load is cancelled, and what arrives late is closed', async () => {
    const loading = current.load('/m/a.gguf', NO_CHOICE)
    await tick()
    current.cancelLoad()
    expect(engine.opens[0]?.options.signal.aborted).toBe(true)
    await expect(loading).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(current.state.status).toBe('none')
    const late = engine.opens[0]?.finish()
    await tick()
    expect(late?.closed).toBe(true)
    expect(problems).toEqual([])
  })

  it('starts the next load only when the cancelled one has wound down', async () => {
    const first = current.load('/m/a.gguf', NO_CHOICE)
    await tick()
    current.cancelLoad()
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' })
    const second = current.load('/m/b.gguf', NO_CHOICE)
    await tick()
    expect(engine.opens).toHaveLength(1)
    engine.opens[0]?.fail(new KigoError('CANCELLED'))
    await tick()
    expect(engine.opens).toHaveLength(2)
    engine.opens[1]?.finish()
    await expect(second).resolves.toMatchObject({ status: 'loaded' })
  })

  it('is failed with the error where nothing is loaded, and can load again', async () => {
    const loading = current.load('/m/a.gguf', NO_CHOICE)
    await tick()
    engine.opens[0]?.fail(new KigoError('MODEL_TRUNCATED', 'It ends early.'))
    await expect(loading).rejects.toMatchObject({ code: 'MODEL_TRUNCATED' })
    expect(current.state).toMatchObject({
      status: 'failed',
      path: '/m/a.gguf',
      error: { code: 'MODEL_TRUNCATED', message: 'It ends early.' },
    })
    await load('/m/b.gguf')
    expect(current.state.status).toBe('loaded')
  })

  it.each([
    ['its header cannot be read', new KigoError('MODEL_NOT_GGUF'), 'MODEL_NOT_GGUF'],
    [
      'the engine does not run it',
      inspection('/m/b.gguf', { memory: null, problem: new KigoError('UNSUPPORTED_ARCHITECTURE').toData() }),
      'UNSUPPORTED_ARCHITECTURE',
    ],
    [
      'it would not fit, the memory of the one in use counted',
      inspection('/m/b.gguf', { memory: memory(1101, 1000) }),
      'OUT_OF_MEMORY',
    ],
  ])('keeps the model in use when a new file is refused because %s', async (_why, verdict, code) => {
    const model = await load('/m/a.gguf')
    engine.inspections.set('/m/b.gguf', verdict)
    await expect(current.load('/m/b.gguf', NO_CHOICE)).rejects.toMatchObject({ code })
    expect(model.closed).toBe(false)
    expect(current.loaded).toBe(model)
    expect(current.state).toMatchObject({ status: 'loaded', model: { path: '/m/a.gguf' } })
  })

  it('plans for the devices that the settings name, and says which were asked for', async () => {
    const chosen = { device: 'cuda:0,1', gpuLayers: 7, contextLength: 64, threads: 3 }
    const settings = { ...NO_CHOICE, ...chosen }
    const loading = current.load('/m/a.gguf', settings)
    await tick()
    expect(engine.asked).toMatchObject([{ ...chosen, reclaim: {} }])
    expect(engine.opens[0]?.options).toMatchObject({ device: 'cuda:0,1', gpuLayers: 7 })
    engine.opens[0]?.finish()
    expect(await loading).toMatchObject({
      status: 'loaded',
      model: {
        device: 'cpu',
        placements: [ON_CPU],
        asked: { device: 'cuda:0,1', gpuLayers: 7, chatTemplate: '' },
      },
    })
    await current.inspect('/m/b.gguf', NO_CHOICE)
    expect(engine.asked.at(-1)).toMatchObject({ device: 'auto', reclaim: { cpu: 100 } })
  })

  it('lets go of the model in use before the next one is loaded', async () => {
    const first = await load('/m/a.gguf')
    engine.inspections.set('/m/b.gguf', inspection('/m/b.gguf', { memory: memory(1100, 1000) }))
    const loading = current.load('/m/b.gguf', NO_CHOICE)
    await tick()
    expect(first.closed).toBe(true)
    expect(current.loaded).toBeNull()
    engine.opens[1]?.finish()
    await loading
    expect(current.loaded?.path).toBe('/m/b.gguf')
  })

  it('keeps the model in use when loading another is cancelled before it was let go', async () => {
    const model = await load('/m/a.gguf')
    const loading = current.load('/m/b.gguf', NO_CHOICE)
    current.cancelLoad()
    await expect(loading).rejects.toMatchObject({ code: 'CANCELLED' })
    await tick()
    expect(model.closed).toBe(false)
    expect(current.state).toMatchObject({ status: 'loaded', model: { path: '/m/a.gguf' } })
  })

  describe('while a file is judged that is to take the place of the model in use', () => {
    let first: FakeModel
    let loading: Promise<ModelState>
    let judge: (verdict: Inspection) => void
    beforeEach(async () => {
      first = await load('/m/a.gguf')
      engine.inspect = () => new Promise((resolve) => (judge = resolve))
      loading = current.load('/m/b.gguf', NO_CHOICE)
      await tick()
      states.length = 0
    })

    it('unloading lets that model go, and the load is shown to its end', async () => {
      current.unload()
      await tick()
      expect(first.closed).toBe(true)
      expect(current.state).toMatchObject({ status: 'loading', path: '/m/b.gguf' })
      judge(inspection('/m/b.gguf'))
      await tick()
      engine.opens.at(-1)?.options.onProgress(100, 100)
      engine.opens.at(-1)?.finish()
      await loading
      expect(new Set(states.map(({ status }) => status))).toEqual(new Set(['loading', 'loaded']))
    })

    it('a model that cannot go on is not brought back when the file is refused', async () => {
      current.fail(first, new KigoError('DEVICE_LOST'))
      judge(inspection('/m/b.gguf', { problem: new KigoError('UNSUPPORTED_ARCHITECTURE').toData() }))
      await expect(loading).rejects.toMatchObject({ code: 'UNSUPPORTED_ARCHITECTURE' })
      expect(first.closed).toBe(true)
      expect(current.loaded).toBeNull()
      expect(current.state).toMatchObject({ status: 'failed', path: '/m/b.gguf' })
    })
  })

  it('lets a message wait for the load, and says NO_MODEL where there is none', async () => {
    await expect(current.ready()).rejects.toMatchObject({ code: 'NO_MODEL' })
    const loading = current.load('/m/a.gguf', NO_CHOICE)
    const waiting = current.ready()
    await tick()
    const model = engine.opens[0]?.finish()
    expect(await waiting).toBe(model)
    await loading
    expect(await current.ready()).toBe(model)
  })

  it('tells the one who waits why there will be no model', async () => {
    const loading = current.load('/m/a.gguf', NO_CHOICE)
    const waiting = current.ready()
    await tick()
    engine.opens[0]?.fail(new KigoError('OUT_OF_MEMORY'))
    await expect(waiting).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
    await expect(loading).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
  })

  it('notices that a file was changed or deleted while it is loaded', async () => {
    const model = await load('/m/a.gguf')
    const file = path.join(folder, 'w.gguf')
    writeFileSync(file, 'weights')
    const { size, mtimeMs } = statSync(file)
    model.files = [{ path: file, bytes: size, mtimeMs }]
    await expect(current.checkFiles()).resolves.toBeUndefined()
    writeFileSync(file, 'weigh')
    await expect(current.checkFiles()).rejects.toMatchObject({ code: 'MODEL_FILE_CHANGED' })
    rmSync(file)
    await expect(current.checkFiles()).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
    current.fail(model, new KigoError('MODEL_FILE_CHANGED'))
    await tick()
    expect(model.closed).toBe(true)
    expect(current.state).toMatchObject({
      status: 'failed',
      name: 'A',
      error: { code: 'MODEL_FILE_CHANGED' },
    })
  })

  it('that can answer nothing any more is let go at once, and said', async () => {
    const model = await load('/m/a.gguf')
    model.die(new KigoError('INTERNAL', 'The thread ended.'))
    await tick()
    expect(model.closed).toBe(true)
    expect(current.loaded).toBeNull()
    await expect(current.ready()).rejects.toMatchObject({ code: 'NO_MODEL' })
    expect(current.state).toMatchObject({
      status: 'failed',
      path: '/m/a.gguf',
      error: { message: 'The thread ended.' },
    })
  })

  it('judges a file by the memory that there is once what was unloaded has given back its own', async () => {
    const model = await load('/m/a.gguf')
    let free = (): void => {}
    model.close = () => new Promise((resolve) => (free = resolve))
    current.unload()
    const asked = engine.asked.length
    const judging = current.inspect('/m/b.gguf', NO_CHOICE)
    await tick()
    expect(engine.asked).toHaveLength(asked)
    free()
    expect((await judging).name).toBe('B')
    expect(engine.asked.at(-1)?.reclaim).toEqual({})
  })

  it('is not touched by the failure of a model that was in use before', async () => {
    const first = await load('/m/a.gguf')
    const second = await load('/m/b.gguf')
    current.fail(first, new KigoError('DEVICE_LOST'))
    expect(current.loaded).toBe(second)
    expect(current.state).toMatchObject({ status: 'loaded', model: { path: '/m/b.gguf' } })
  })

  it('closes in the middle of a load, and waits until the memory is free', async () => {
    const loading = current.load('/m/a.gguf', NO_CHOICE)
    const failed = expect(loading).rejects.toMatchObject({ code: 'CANCELLED' })
    await tick()
    let closed = false
    const closing = current.close().then(() => (closed = true))
    await failed
    await tick()
    expect(closed).toBe(false)
    const late = engine.opens[0]?.finish()
    await closing
    expect(late?.closed).toBe(true)
  })
})
