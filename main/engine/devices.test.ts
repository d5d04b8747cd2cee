/**
 * Models on several devices, from the choice to the last token: the tests' fake backend is the GPUs here
 * (native/fake/settings.h tells its settings), and with `compute` it gives the CPU's own numbers.
 */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { whereItRuns } from '../../contract/model.ts'
import { planMemory } from '../models/memory.ts'
import { resourcePath } from '../resources.ts'
import { goldenDir } from '../testing/golden.ts'
import { deviceList, loadAddon, Model, type ModelOptions } from './index.ts'
import { failure } from './testing/fake-addon.ts'

const fake = resourcePath('native/libkigo_fake.so')
const golden = goldenDir()
const file = `${golden}arch/llama.gguf`
const PROMPT = Array.from({ length: 20 }, (_, i) => (37 * i + 11) % 300)

const settings = (text: string): void => {
  process.env['KIGO_FAKE'] = text
}
afterEach(() => settings(''))

describe('the library for GPUs', () => {
  /** As a process that has just started. */
  async function start(library: string | undefined) {
    vi.resetModules()
    vi.stubEnv('KIGO_GPU_LIBRARY', library)
    const engine = await import('./index.ts')
    const devices = (await engine.loadEngine()).devices()
    return engine.deviceList(devices)
  }
  afterEach(() => vi.unstubAllEnvs())

  it('that does not run here is said in words, and the CPU is there all the same', async () => {
    for (const [setting, words] of [
      ['no_driver', /no driver/],
      ['old_driver', /too old: it is 1, 2 is needed/],
    ] as const) {
      settings(setting)
      const { devices, noGpu } = await start(fake)
      expect(noGpu).toMatchObject({ code: 'DEVICE_UNAVAILABLE', message: expect.stringMatching(words) })
      expect(devices.filter(({ problem }) => problem === null).map(({ id }) => id)).toEqual(['cpu'])
    }
  })

  it('that is not there, or is no library, is said too', async () => {
    expect((await start('/nowhere/libkigo.so')).noGpu?.message).toBe(
      'This Kigo was built without GPU support.',
    )
    expect((await start(import.meta.filename)).noGpu).toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
      message: expect.stringContaining('cannot be loaded'),
    })
    expect((await start('')).noGpu?.message).toContain('KIGO_GPU_LIBRARY is empty')
  })

  it('is loaded from a folder that nobody may write to, whatever its name', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'kigo-'))
    const readOnly = path.join(folder, 'Grafik für 日本')
    mkdirSync(readOnly)
    const copy = path.join(readOnly, 'libkigo_cuda.so')
    copyFileSync(fake, copy)
    chmodSync(readOnly, 0o555)
    try {
      const { devices, noGpu } = await start(copy)
      expect(noGpu).toBeNull()
      expect(devices.map(({ id }) => id)).toContain('fake:0')
    } finally {
      chmodSync(readOnly, 0o755)
      rmSync(folder, { recursive: true })
    }
  })
})

describe.skipIf(golden === null)('models over devices (skipped without golden data)', () => {
  /** Bytes of one layer, and of all of it, on the fake device. */
  let sizes: { layer: number; whole: number }
  beforeAll(async () => {
    await loadAddon().loadBackend(fake)
    settings('')
    await using model = await open({ device: 'fake' })
    const nLayer = model.placements.at(-1)!.layerLast
    const { weights, kv, workspace } = model.memory
    sizes = { layer: Math.ceil((weights + kv) / nLayer), whole: weights + kv + workspace }
    expect(nLayer).toBe(2)
  })

  function open(options: ModelOptions = {}): Promise<Model> {
    return Model.open(file, { contextLength: 256, ...options })
  }
  async function reply(model: Model): Promise<number[]> {
    await using session = await model.createSession()
    const ids: number[] = []
    const sampling = { temperature: 0.8, seed: 5 }
    for await (const event of session.generate({ tokens: PROMPT, sampling, maxTokens: 40, ignoreEnd: true }))
      if (event.type === 'text') ids.push(...event.records.map(({ id }) => id))
    expect(ids).toHaveLength(40)
    return ids
  }
  async function logits(model: Model): Promise<number[]> {
    await using session = await model.createSession()
    const rows: number[] = []
    await session.logits(PROMPT, { onRows: (_from, values) => void rows.push(...values) })
    return rows
  }
  const devices = (model: Model) => model.placements.map(({ device }) => device)

  it('auto takes the GPU where all fits, both GPUs, GPU and CPU, or the CPU, with one text on all of them', async () => {
    await using alone = await open({ device: 'cpu' })
    const text = await reply(alone)
    const expected = await logits(alone)
    const { whole } = sizes
    const cases: [string, string[]][] = [
      [`total=${4 * whole}`, ['fake:0']],
      [`devices=2,total=${Math.floor(0.8 * whole)}`, ['fake:0', 'fake:1']],
      [`total=${Math.floor(0.8 * whole)}`, ['fake:0', 'cpu']],
      ['total=1000', ['cpu']],
    ]
    for (const [setting, where] of cases) {
      settings(`compute,${setting}`)
      await using model = await open()
      expect(devices(model)).toEqual(where)
      expect(model.device).toBe(where.join(' + '))
      expect(await reply(model)).toEqual(text)
      expect(await logits(model)).toEqual(expected)
    }
  })

  it('the plan of each part is its tally to the byte', async () => {
    settings(`compute,total=${sizes.whole}`)
    await using model = await open({ device: 'fake', gpuLayers: 1 })
    await using _session = await model.createSession()
    const { parts, ...whole } = model.tally()
    expect(devices(model)).toEqual(['fake:0', 'cpu'])
    const plan = ({ weights, kv, workspace, total }: (typeof parts)[number]) => ({
      weights,
      kv,
      workspace,
      total,
    })
    expect(parts.map(plan)).toEqual(model.memory.parts.map(plan))
    expect(plan(whole)).toEqual(plan(model.memory))
    expect(model.inUse()).toEqual({ 'fake:0': parts[0]!.total, cpu: parts[1]!.kv + parts[1]!.workspace })
  })

  it('a device that cannot compute the model is passed over, and is an error where it was asked for', async () => {
    settings('compute,devices=2,refuses=1.0,bandwidth=900.100')
    {
      await using second = await open()
      expect(devices(second)).toEqual(['fake:1'])
    }
    settings('compute,refuses=1')
    await using model = await open()
    expect(devices(model)).toEqual(['cpu'])
    expect(whereItRuns(model.memory)).toBe(
      'All 2 layers on the CPU, and none on the GPU: a matrix of this model has rows too long for the fake device',
    )
    expect(await failure(open({ device: 'fake' }))).toMatchObject({ code: 'UNSUPPORTED_QUANTIZATION' })
  })

  it('a number of layers is obeyed, and too many for the device are refused with what is missing', async () => {
    settings('compute')
    {
      await using one = await open({ gpuLayers: 1 })
      expect(whereItRuns(one.memory)).toContain('1 of 2 layers on Fake device, the rest on the CPU')
      await using none = await open({ gpuLayers: 0 })
      expect(devices(none)).toEqual(['cpu'])
    }
    settings(`total=${sizes.layer}`)
    const error = await failure(open({ gpuLayers: 2 }))
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', data: { device: 'fake:0', freeBytes: sizes.layer } })
    expect(error.data?.['missingBytes']).toBeGreaterThan(0)
  })

  it('memory that another program takes after the plan: the bytes, the device, and a context that loads', async () => {
    settings('')
    await using model = await open({ device: 'fake' })
    settings(`total=${model.memory.total - Math.floor(model.memory.kv / 2)}`)
    loadAddon().devices() // where the backend reads its settings
    const error = await failure(model.createSession())
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', data: { device: 'fake:0', nCtx: 256 } })
    expect(error.data?.['missingBytes']).toBeGreaterThan(0)
    const context = Number(error.data?.['largestContext'])
    expect(context).toBeGreaterThanOrEqual(16)
    expect(context).toBeLessThan(256)
    await model.close()
    await using smaller = await open({ device: 'fake', contextLength: context })
    await using session = await smaller.createSession()
    expect(session.nCtx).toBe(context)
  })

  it('a model that fits runs: what the driver takes with the first prompt was kept free', async () => {
    const driver = 5000
    const on = (total: number) => `compute,driver=${driver},total=${total}`
    settings(on(sizes.whole + driver))
    {
      await using model = await open({ device: 'fake' })
      expect(model.memory).toMatchObject({ free: model.memory.total, total: sizes.whole })
      expect(await reply(model)).toHaveLength(40)
      const { kv, workspace } = model.memory // the session's, which is closed
      const [info] = loadAddon().devices()
      expect(info).toMatchObject({ id: 'fake:0', freeBytes: kv + workspace, driverBytes: driver })
    }
    settings('') // a driver that has taken nothing yet
    loadAddon().devices()
    settings(on(sizes.whole + driver - 1))
    const error = await failure(open({ device: 'fake' }))
    expect(error).toMatchObject({ code: 'OUT_OF_MEMORY', data: { device: 'fake:0', missingBytes: 1 } })
    await using smaller = await open({
      device: 'fake',
      contextLength: Number(error.data?.['largestContext']),
    })
    expect(smaller.contextLength).toBeGreaterThan(128)
    expect(await reply(smaller)).toHaveLength(40)
  })

  it('what is offered beside another program runs too, and what fits in place of a model does when that is gone', async () => {
    const driver = 5000
    settings(`compute,driver=${driver}`)
    const model = await open({ device: 'fake' })
    const total = model.memory.total - Math.floor(model.memory.kv / 4) + driver
    settings(`compute,driver=${driver},total=${total - driver}`) // taken by another program
    loadAddon().devices()
    const error = await failure(model.createSession())
    const context = Number(error.data?.['largestContext'])
    expect(context).toBeGreaterThan(64)
    await model.close()
    const smaller = await open({ device: 'fake', contextLength: context })
    expect(await reply(smaller)).toHaveLength(40)

    // The driver keeps what it took, and that it may take it again is counted: with the model in use and without.
    const tokenizer = smaller.tokenizer
    if (!tokenizer.description.ok) throw new Error('the model is sound')
    const { largestContext } = planMemory(loadAddon(), tokenizer.description.model, {
      ...{ device: 'fake', exact: false, contextLength: null, reclaim: smaller.inUse() },
    })
    await smaller.close()
    expect(largestContext).toBeGreaterThan(64)
    await using again = await open({ device: 'fake', contextLength: largestContext })
    expect(await reply(again)).toHaveLength(40)
  })

  it('memory that is refused to the weights closes what was open, and says that no context would fit', async () => {
    settings(`devices=2,oom_at=${sizes.whole}.1000`)
    expect(await failure(open({ device: 'fake:0,1' }))).toMatchObject({
      code: 'OUT_OF_MEMORY',
      data: { device: 'fake:1' },
    })
    expect(await failure(open({ device: 'fake:1' }))).toMatchObject({
      code: 'OUT_OF_MEMORY',
      data: { device: 'fake:1', largestContext: 0 },
    })
    settings('devices=2')
    for (const { id, freeBytes, totalBytes } of loadAddon().devices())
      if (id !== 'cpu') expect(freeBytes).toBe(totalBytes)
  })

  it('a device that is lost in the middle of a reply is listed with the reason, and the CPU goes on', async () => {
    settings('compute,lost_at=30')
    await using model = await open({ gpuLayers: 1 })
    await using session = await model.createSession()
    let tokens = 0
    const writing = (async () => {
      for await (const event of session.generate({ tokens: PROMPT, ignoreEnd: true }))
        if (event.type === 'text') tokens = event.tokens
    })()
    expect(await failure(writing)).toMatchObject({ code: 'DEVICE_LOST', data: { device: 'fake:0' } })
    expect(tokens).toBeGreaterThan(8)

    const { devices: listed, noGpu } = deviceList(loadAddon().devices())
    expect(listed.find(({ id }) => id === 'fake:0')).toMatchObject({
      name: 'Fake device',
      freeBytes: 0,
      problem: 'The fake device is lost.',
    })
    expect(noGpu).toMatchObject({ code: 'DEVICE_LOST' })
    expect(await failure(open({ device: 'fake' }))).toMatchObject({ code: 'DEVICE_LOST' })
    await using again = await open()
    expect(devices(again)).toEqual(['cpu'])
    expect(await reply(again)).toHaveLength(40)
  })
})
