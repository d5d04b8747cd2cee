import { describe, expect, it } from 'vitest'
import { KigoError } from '../../contract/errors.ts'
import { fits, whereItRuns } from '../../contract/model.ts'
import type {
  Addon,
  DeviceInfo,
  MemoryPlan,
  ModelDescription,
  Placement,
  SessionOptions,
} from '../engine/addon.ts'
import { checkFits, failedToFit, planMemory, type MemoryOptions } from './memory.ts'

const GiB = 2 ** 30
const MiB = 2 ** 20
const N_LAYER = 8

const cpu: DeviceInfo = {
  id: 'cpu',
  name: 'EPYC',
  totalBytes: 16 * GiB,
  freeBytes: 8 * GiB,
  detail: 'avx2',
  threads: 4,
  driverBytes: 0,
  bytesPerSecond: 0,
  problem: null,
}
const gpu = (n: number, free: number, more: Partial<DeviceInfo> = {}): DeviceInfo => ({
  ...{ ...cpu, id: `cuda:${n}`, name: `GPU ${n}`, threads: 0 },
  ...{ totalBytes: 16 * GiB, freeBytes: free, bytesPerSecond: 400e9 },
  ...more,
})

/** Half a GiB of weights a layer, 64 KiB of KV cache a layer and token, 4 KiB of workspace a token of a batch. */
const planPart = ({ layerFirst, layerLast }: Placement, { nCtx, nBatch }: SessionOptions): MemoryPlan => {
  const layers = layerLast - layerFirst
  const [weights, kv, workspace] = [(layers * GiB) / 2, nCtx * layers * 2 ** 16, nBatch * 2 ** 12]
  return { weights, kv, workspace, total: weights + kv + workspace }
}
/** What passes between parts. */
const HAND_OVER = 4096
const planOf = (placements: readonly Placement[], session: SessionOptions) => {
  const parts = placements.map((placement) => planPart(placement, session))
  const sum = (key: keyof MemoryPlan) => parts.reduce((total, part) => total + part[key], 0)
  const handOver = HAND_OVER * (parts.length - 1)
  const [weights, kv, workspace] = [sum('weights'), sum('kv'), sum('workspace') + handOver]
  return { weights, kv, workspace, total: weights + kv + workspace, parts }
}
const whole = (nCtx: number) =>
  planPart({ device: '', layerFirst: 0, layerLast: N_LAYER }, { nCtx, nBatch: Math.min(512, nCtx) })

function fakeAddon(devices: DeviceInfo[]) {
  const asked: ({ exact: boolean; threads: number } & SessionOptions)[] = []
  const addon = {
    devices: () => devices,
    planner: (_model: ModelDescription, options: { exact: boolean; threads: number }) => {
      return (placements: readonly Placement[], session: SessionOptions) => {
        asked.push({ ...options, ...session })
        return planOf(placements, session)
      }
    },
  } as unknown as Addon
  return { addon, asked }
}

const model = (nCtxTrain: number): ModelDescription => {
  const layers = Array.from({ length: N_LAYER }, (_, i) => ({
    name: `blk.${i}.ffn_up.weight`,
    bytes: GiB / 2,
  }))
  return {
    config: { nCtxTrain, nLayer: N_LAYER },
    tensors: [{ name: 'token_embd.weight', bytes: GiB / 2 }, ...layers],
  } as unknown as ModelDescription
}
const options: MemoryOptions = { device: 'auto', exact: false, contextLength: null }

function plan(devices: DeviceInfo[], change: Partial<MemoryOptions> = {}, nCtxTrain = 32_768) {
  return planMemory(fakeAddon(devices).addon, model(nCtxTrain), { ...options, ...change })
}
const layersOf = ({ parts }: { parts: Placement[] }) =>
  parts.map(({ device, layerFirst, layerLast }) => `${device} ${layerFirst}-${layerLast}`)

function caught(step: () => unknown): KigoError {
  try {
    step()
  } catch (error) {
    if (error instanceof KigoError) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** The largest context whose whole fits into `free` bytes, counted one by one from below and so slow. */
function mostOnCpu(free: number): number {
  let nCtx = 0
  while (whole(nCtx + 1).total <= free) nCtx++
  return nCtx
}

describe('planMemory on the CPU', () => {
  it('takes the default context where it fits', () => {
    const memory = plan([{ ...cpu, freeBytes: 100 * GiB }])
    const known = { free: 100 * GiB, deviceTotal: 16 * GiB, ...whole(8192) }
    expect(memory).toEqual({
      device: 'cpu',
      ctx: 8192,
      batch: 512,
      ...known,
      largestContext: mostOnCpu(100 * GiB),
      parts: [{ device: 'cpu', name: 'EPYC', layerFirst: 0, layerLast: N_LAYER, ...known }],
      slowdown: null,
      gpuRefusal: null,
    })
  })

  it('takes the trained context where that is shorter, and says how much more would fit', () => {
    const most = mostOnCpu(cpu.freeBytes)
    expect(plan([cpu], {}, 2048)).toMatchObject({ ctx: 2048, largestContext: most })
    expect(fits(plan([cpu], { contextLength: most }, 2048))).toBe(true)
    expect(fits(plan([cpu], { contextLength: most + 1 }, 2048))).toBe(false)
  })

  it('never says more than can be asked for', () => {
    expect(plan([{ ...cpu, freeBytes: 1e9 * GiB }])).toMatchObject({ ctx: 8192, largestContext: 10_000_000 })
  })

  it('takes what fits where that is shorter still', () => {
    const memory = plan([{ ...cpu, freeBytes: 5 * GiB }])
    expect(memory.ctx).toBe(memory.largestContext)
    expect(memory.total).toBeLessThanOrEqual(5 * GiB)
    expect(whole(memory.ctx + 1).total).toBeGreaterThan(5 * GiB)
  })

  it('takes the context that was asked for, fitting or not', () => {
    const memory = plan([cpu], { contextLength: 100_000 }, 4096)
    expect(memory).toMatchObject({ ctx: 100_000, largestContext: mostOnCpu(cpu.freeBytes) })
    expect(fits(memory)).toBe(false)
  })

  it('never plans a batch longer than the context, and hands on exactness and threads', () => {
    const { addon, asked } = fakeAddon([cpu])
    planMemory(addon, model(100), { ...options, exact: true, contextLength: 64, threads: 3 })
    expect(asked.every(({ nBatch, nCtx }) => nBatch === Math.min(512, nCtx))).toBe(true)
    expect(asked.every(({ exact, threads }) => exact && threads === 3)).toBe(true)
  })

  it('says 0 where not even the smallest context fits', () => {
    expect(plan([{ ...cpu, freeBytes: 1 * GiB }])).toMatchObject({ largestContext: 0, ctx: 8192 })
  })

  it('passes on what the backend says, as a KigoError', () => {
    const { addon } = fakeAddon([cpu])
    addon.planner = () => () => {
      throw Object.assign(new Error('Tensor x is odd.'), { code: 'MODEL_INVALID', data: { tensor: 'x' } })
    }
    expect(caught(() => planMemory(addon, model(128), options))).toMatchObject({
      code: 'MODEL_INVALID',
      message: 'Tensor x is odd.',
      data: { tensor: 'x' },
    })
  })
})

describe('planMemory with GPUs', () => {
  it('takes the GPU for everything where it fits with a margin', () => {
    const exactly = whole(4096).total
    const roomy = plan([gpu(0, exactly + 128 * MiB), cpu], { contextLength: 4096 })
    expect(layersOf(roomy)).toEqual(['cuda:0 0-8'])
    expect(roomy.slowdown).toBeNull()
    expect(whereItRuns(roomy)).toBe('All 8 layers on GPU 0')
    const tight = plan([gpu(0, exactly + 127 * MiB), cpu], { contextLength: 4096 })
    expect(layersOf(tight)).toEqual(['cuda:0 0-7', 'cpu 7-8'])
  })

  it('computes more tokens at once where all layers are on GPUs with room for it, and in float16', () => {
    const at = (free: number, change: Partial<MemoryOptions> = {}, nCtx = 4096) =>
      plan([gpu(0, free), cpu], { device: 'cuda', contextLength: nCtx, ...change })
    const { weights, kv } = whole(4096)
    const exactly = weights + kv + 2048 * 2 ** 12
    expect(at(exactly)).toMatchObject({ batch: 2048, workspace: 2048 * 2 ** 12, total: exactly })
    const tight = at(exactly - 1)
    expect(tight).toMatchObject({ batch: 512, workspace: 512 * 2 ** 12 })
    expect(fits(tight)).toBe(true)
    expect(at(exactly, {}, 1024)).toMatchObject({ batch: 1024, workspace: 1024 * 2 ** 12 })
    expect(at(exactly, { exact: true }).batch).toBe(512)
    expect(at(exactly, { gpuLayers: 7 }).batch).toBe(512)
    expect(at(exactly, { device: 'cpu' }).batch).toBe(512)
    const two = plan([gpu(0, 4 * GiB), gpu(1, 4 * GiB), cpu], { device: 'cuda:0,1', contextLength: 4096 })
    expect(two.parts).toMatchObject([{ workspace: 2048 * 2 ** 12 }, { workspace: 2048 * 2 ** 12 }])
  })

  it('puts as many layers on the GPU as fit and the rest on the CPU, and says what that costs', () => {
    const memory = plan([gpu(0, 3 * GiB), { ...cpu, bytesPerSecond: 50e9 }], { contextLength: 2048 })
    expect(layersOf(memory)).toEqual(['cuda:0 0-4', 'cpu 4-8'])
    expect(memory.device).toBe('cuda:0 + cpu')
    const [first, rest] = memory.parts
    expect(first!.total).toBeLessThanOrEqual(3 * GiB - 128 * MiB)
    const [oneMore] = planOf([{ device: 'cuda:0', layerFirst: 0, layerLast: 5 }], {
      nCtx: 2048,
      nBatch: 512,
    }).parts
    expect(oneMore!.total).toBeGreaterThan(3 * GiB - 128 * MiB)
    expect(memory.total).toBe(first!.total + rest!.total + HAND_OVER)
    // 2 GiB at three quarters of 400 GB/s and 2.5 GiB (the head is the embedding) at 50, against 4.5 GiB on the GPU.
    const onGpu = (nLayers: number, gib: number) => nLayers * 11e-6 + (gib * GiB) / 300e9
    const onCpu = (nLayers: number, gib: number) => nLayers * 40e-6 + (gib * GiB) / 50e9
    expect(memory.slowdown).toBeCloseTo((onGpu(4, 2) + onCpu(4, 2.5)) / onGpu(8, 4.5), 6)
    expect(whereItRuns(memory)).toBe(
      '4 of 8 layers on GPU 0, the rest on the CPU: expect it about 4 times slower than all on the GPU, by estimate',
    )
  })

  it('takes the CPU where no layer fits on the GPU', () => {
    const memory = plan([gpu(0, 100 * MiB), cpu], { contextLength: 2048 })
    expect(layersOf(memory)).toEqual(['cpu 0-8'])
    expect(memory.slowdown).toBeGreaterThan(5)
  })

  it('keeps the default context and splits, rather than shortening it to fit on the GPU', () => {
    const memory = plan([gpu(0, 5 * GiB), { ...cpu, freeBytes: 100 * GiB }])
    expect(memory).toMatchObject({ ctx: 8192, largestContext: mostOnCpu(100 * GiB) })
    expect(memory.parts).toHaveLength(2)
  })

  it('takes the GPU with most free memory, and both where one is not enough', () => {
    const both = [gpu(0, 6 * GiB), gpu(1, 10 * GiB), cpu]
    expect(layersOf(plan(both, { contextLength: 4096 }))).toEqual(['cuda:1 0-8'])
    const spread = plan(both, { contextLength: 16_384 }) // 12 GiB
    expect(spread.parts.map(({ device }) => device)).toEqual(['cuda:1', 'cuda:0'])
    expect(spread.slowdown).toBeNull()
    expect(whereItRuns(spread)).toMatch(/^5 of 8 layers on GPU 1, 3 on GPU 0$/)
  })

  it('splits over the GPUs asked for by their free memory, in the order given', () => {
    const both = [gpu(0, 4 * GiB), gpu(1, 12 * GiB), cpu]
    const memory = plan(both, { device: 'cuda:0,1', contextLength: 2048 })
    expect(layersOf(memory)).toEqual(['cuda:0 0-2', 'cuda:1 2-8'])
    expect(layersOf(plan(both, { device: 'cuda:1,0', contextLength: 2048 }))).toEqual([
      'cuda:1 0-6',
      'cuda:0 6-8',
    ])
    expect(layersOf(plan([gpu(0, 8 * GiB), gpu(1, 8 * GiB), cpu], { device: 'cuda:0,1' }))).toEqual([
      'cuda:0 0-4',
      'cuda:1 4-8',
    ])
  })

  it('fills both GPUs before the CPU gets a layer', () => {
    const memory = plan([gpu(0, 2 * GiB), gpu(1, 2 * GiB), cpu], { contextLength: 1024 })
    expect(layersOf(memory)).toEqual(['cuda:0 0-3', 'cuda:1 3-6', 'cpu 6-8'])
  })

  it('obeys a number of layers, by itself and on devices asked for', () => {
    const both = [gpu(0, 8 * GiB), gpu(1, 7 * GiB), cpu]
    const at = (change: Partial<MemoryOptions>) => layersOf(plan(both, { contextLength: 1024, ...change }))
    expect(at({ gpuLayers: 3 })).toEqual(['cuda:0 0-3', 'cpu 3-8'])
    expect(at({ gpuLayers: 0 })).toEqual(['cpu 0-8'])
    expect(at({ gpuLayers: 99 })).toEqual(['cuda:0 0-8'])
    expect(at({ device: 'cuda:1', gpuLayers: 2 })).toEqual(['cuda:1 0-2', 'cpu 2-8'])
    expect(at({ device: 'cuda:0,1', gpuLayers: 4 })).toEqual(['cuda:0 0-2', 'cuda:1 2-4', 'cpu 4-8'])
    expect(layersOf(plan([cpu], { gpuLayers: 5, contextLength: 64 }))).toEqual(['cpu 0-8'])
  })

  it('takes a device that was asked for to the byte, and does not leave it', () => {
    const exactly = whole(4096).total
    for (const [free, fitting] of [
      [exactly, true],
      [exactly - 1, false],
    ] as const) {
      const memory = plan([gpu(0, free), cpu], { device: 'cuda:0', contextLength: 4096 })
      expect(layersOf(memory)).toEqual(['cuda:0 0-8'])
      expect(fits(memory)).toBe(fitting)
      expect(memory.largestContext).toBe(fitting ? 4096 : 4095)
    }
  })

  describe('leaves the driver what it takes itself', () => {
    const driverBytes = 144 * MiB
    const withDriver = (n: number, free: number) => gpu(n, free, { driverBytes })

    it('on a device that was asked for, to the byte', () => {
      const exactly = whole(4096).total
      const on = (free: number, change: Partial<MemoryOptions> = {}) =>
        plan([withDriver(0, free), cpu], { device: 'cuda:0', contextLength: 4096, ...change })
      const fitting = on(exactly + driverBytes)
      expect(fitting).toMatchObject({ free: exactly, total: exactly, largestContext: 4096 })
      expect(fits(fitting)).toBe(true)
      const lacking = on(exactly + driverBytes - 5)
      expect(lacking.largestContext).toBe(4095)
      expect(caught(() => checkFits('Tiny', lacking)).data).toMatchObject({
        freeBytes: exactly - 5,
        missingBytes: 5,
      })
      expect(fits(on(exactly + driverBytes - 5, { contextLength: lacking.largestContext }))).toBe(true)
      expect(on(driverBytes - 1).free).toBe(0)
    })

    it('and the desktop its margin, where Kigo chooses', () => {
      const exactly = whole(4096).total + driverBytes + 128 * MiB
      const on = (free: number) => layersOf(plan([withDriver(0, free), cpu], { contextLength: 4096 }))
      expect(on(exactly)).toEqual(['cuda:0 0-8'])
      expect(on(exactly - 1)).toEqual(['cuda:0 0-7', 'cpu 7-8'])
    })

    it('on each of several GPUs, and beside the CPU', () => {
      const parts = [
        { device: 'cuda:0', layerFirst: 0, layerLast: 4 },
        { device: 'cuda:1', layerFirst: 4, layerLast: 8 },
      ]
      const half = planPart(parts[0]!, { nCtx: 4096, nBatch: 512 }).total
      const on = (free: number, change: Partial<MemoryOptions>) =>
        plan([withDriver(0, free), withDriver(1, free), cpu], { contextLength: 4096, ...change })
      const both = { device: 'cuda:0,1' }
      expect(layersOf(on(half + driverBytes, both))).toEqual(['cuda:0 0-4', 'cuda:1 4-8'])
      expect(fits(on(half + driverBytes, both))).toBe(true)
      expect(fits(on(half + driverBytes - 1, both))).toBe(false)
      const split = { device: 'cuda:0', gpuLayers: 4 }
      expect(fits(on(half + driverBytes, split))).toBe(true)
      expect(fits(on(half + driverBytes - 1, split))).toBe(false)
    })

    it('from what a model that is let go gives back too, and from what can be had at most', () => {
      const exactly = whole(4096).total
      const on = (free: number, change: Partial<MemoryOptions>) =>
        plan([withDriver(0, free), cpu], { device: 'cuda:0', contextLength: 4096, ...change })
      const reclaim = { 'cuda:0': exactly }
      expect(on(driverBytes, { reclaim }).free).toBe(exactly)
      expect(on(driverBytes - 1, { reclaim }).free).toBe(exactly - 1)
      expect(on(9 * GiB, { atMost: { 'cuda:0': exactly } }).free).toBe(exactly - driverBytes)
    })
  })

  it('counts what is let go as free, and what was refused as taken', () => {
    const few = [gpu(0, 1 * GiB), cpu]
    const at = (change: Partial<MemoryOptions>) => plan(few, { contextLength: 1024, ...change })
    expect(layersOf(at({ reclaim: { 'cuda:0': 5 * GiB } }))).toEqual(['cuda:0 0-8'])
    expect(at({ reclaim: { 'cuda:0': 5 * GiB } }).free).toBe(6 * GiB)
    expect(layersOf(at({ reclaim: { 'cuda:0': 5 * GiB }, atMost: { 'cuda:0': 0 } }))).toEqual(['cpu 0-8'])
  })

  it('asks little: a search over contexts and layers stays below the blink of an eye', () => {
    const { addon, asked } = fakeAddon([gpu(0, 3 * GiB), gpu(1, 2 * GiB), { ...cpu, freeBytes: 4 * GiB }])
    planMemory(addon, model(131_072), options)
    expect(asked.length).toBeLessThan(2000) // some 50 µs each
  })
})

describe('checkFits', () => {
  it('lets pass what fits to the byte', () => {
    expect(() =>
      checkFits('Tiny', plan([{ ...cpu, freeBytes: whole(4096).total }], { contextLength: 4096 })),
    ).not.toThrow()
    expect(() =>
      checkFits('Tiny', plan([{ ...cpu, freeBytes: whole(4096).total - 1 }], { contextLength: 4096 })),
    ).toThrow()
  })

  it('says what is needed, what is free and which context would fit', () => {
    const memory = plan([{ ...cpu, freeBytes: 6 * GiB }], { contextLength: 8192 })
    const needed = whole(8192).total
    expect(caught(() => checkFits('Tiny 1B', memory))).toMatchObject({
      code: 'OUT_OF_MEMORY',
      message:
        'Tiny 1B does not fit with 8,192 context. It needs 8.00 GiB; 6.00 GiB are free: 2.00 GiB too little.',
      hint: 'Load it with 4,092 context or less.',
      data: {
        neededBytes: needed,
        freeBytes: 6 * GiB,
        missingBytes: needed - 6 * GiB,
        largestContext: 4092,
        device: 'cpu',
      },
    })
  })

  it('names the GPU, and the way to the CPU where no context fits', () => {
    const on = (free: number) => plan([gpu(0, free), cpu], { device: 'cuda:0', contextLength: 8192 })
    expect(caught(() => checkFits('Tiny', on(6 * GiB))).message).toContain('6.00 GiB are free on GPU 0: ')
    expect(caught(() => checkFits('Big', on(GiB)))).toMatchObject({
      hint: 'Let Kigo choose the device: what does not fit on the GPU runs on the CPU.',
      data: { device: 'cuda:0', largestContext: 0 },
    })
  })

  it('advises fewer layers on the GPU where those that were asked for do not fit', () => {
    const memory = plan([gpu(0, GiB), cpu], { device: 'cuda:0', gpuLayers: 6, contextLength: 1024 })
    expect(caught(() => checkFits('Tiny', memory))).toMatchObject({
      hint: 'Put fewer layers on the GPU, or let Kigo choose how many.',
      data: { device: 'cuda:0', largestContext: 0 },
    })
  })

  it('judges each part by its own device', () => {
    const memory = plan([gpu(0, 12 * GiB), { ...cpu, freeBytes: GiB }], { gpuLayers: 4, contextLength: 1024 })
    expect(memory.total).toBeLessThan(memory.free)
    expect(caught(() => checkFits('Tiny', memory))).toMatchObject({
      message:
        'Tiny does not fit with 1,024 context. It needs 2.25 GiB on EPYC; 1.00 GiB are free: 1.25 GiB too little.',
      data: { device: 'cpu' },
    })
  })

  it('advises a smaller model where no context fits', () => {
    expect(caught(() => checkFits('Big', plan([{ ...cpu, freeBytes: 0 }]))).hint).toBe(
      'Choose a smaller model, or close other programs.',
    )
  })
})

describe('failedToFit', () => {
  const refused = (device: string, neededBytes: number, missingBytes: number) =>
    new KigoError('OUT_OF_MEMORY', 'The GPU has no memory for the KV cache.', {
      data: { device, neededBytes, missingBytes },
    })

  it('says which context fits on the same devices now', () => {
    const devices = [gpu(0, 9 * GiB), { ...cpu, freeBytes: 100 * GiB }]
    const memory = plan(devices)
    expect(layersOf(memory)).toEqual(['cuda:0 0-8'])
    const replan = (change: Partial<MemoryOptions>) => plan(devices, change)
    const error = failedToFit('Tiny', refused('cuda:0', memory.kv, 2 * GiB), memory, 'total', replan)
    const room = memory.total - 2 * GiB - memory.workspace
    // With the batch of 2,048 that the next load plans too, where the GPU says that it has more than it gives.
    expect(memory.batch).toBe(2048)
    const fitting = plan([gpu(0, room), cpu], { device: 'cuda:0', batch: 2048 }).largestContext
    expect(fitting).toBeLessThan(plan([gpu(0, room), cpu], { device: 'cuda:0' }).largestContext)
    expect(fitting).toBeGreaterThan(1000)
    expect(error).toMatchObject({
      code: 'OUT_OF_MEMORY',
      message: 'Tiny does not fit with 8,192 context any more. The GPU has no memory for the KV cache.',
      hint: `Load it with ${fitting.toLocaleString('en-US')} context or less.`,
      data: { device: 'cuda:0', missingBytes: 2 * GiB, nCtx: 8192, largestContext: fitting },
    })
    // Refused before there was any cache: no context helps.
    const noWeights = refused('cuda:0', memory.weights, GiB)
    expect(failedToFit('Tiny', noWeights, memory, 'weights', replan).data).toMatchObject({
      largestContext: 0,
    })
  })

  it('offers the same context whichever part of the session was refused, the driver’s share left to it', () => {
    const driverBytes = 144 * MiB
    const devices = (free: number) => [gpu(0, free, { driverBytes }), cpu]
    const memory = plan(devices(9 * GiB), { device: 'cuda' })
    const { weights, kv, workspace } = memory
    const left = kv + workspace / 2 // behind the weights, when the session is opened
    const offered = (needed: number, free: number) => {
      const error = refused('cuda:0', needed, needed - free)
      const replan = (change: Partial<MemoryOptions>) => plan(devices(9 * GiB), change)
      return failedToFit('Tiny', error, memory, 'total', replan).data?.['largestContext']
    }
    const fitting = plan(devices(weights + left), { device: 'cuda', batch: memory.batch }).largestContext
    expect(fitting).toBeGreaterThan(1000)
    expect(fitting).toBeLessThan(8192)
    expect(offered(kv, left)).toBe(fitting)
    expect(offered(workspace, left - kv)).toBe(fitting)
    expect(offered(kv + workspace + driverBytes, left)).toBe(fitting)
  })

  it('keeps the split that was refused, and never offers more than was asked for', () => {
    const devices = [gpu(0, 3 * GiB), gpu(1, 3 * GiB), { ...cpu, freeBytes: 100 * GiB }]
    const memory = plan(devices, { device: 'cuda:0,1', gpuLayers: 6, contextLength: 2048 })
    const asked: Partial<MemoryOptions>[] = []
    const error = failedToFit(
      'Tiny',
      refused('cuda:1', memory.parts[1]!.workspace, 0),
      memory,
      'total',
      (change) => {
        asked.push(change)
        return plan(devices, change)
      },
    )
    expect(asked).toMatchObject([{ device: 'cuda:0,1', gpuLayers: 6, contextLength: null }])
    expect(error.data?.['largestContext']).toBe(2048)
  })

  it('leaves other errors alone', () => {
    const error = new KigoError('CANCELLED')
    expect(failedToFit('Tiny', error, plan([cpu]), 'total', () => plan([cpu]))).toBe(error)
  })
})

describe('planMemory where a GPU cannot compute the model', () => {
  const words = 'A matrix of this model has rows too long for this GPU.'
  const planRefusedBy = (refusing: string, devices: DeviceInfo[], change: Partial<MemoryOptions> = {}) => {
    const { addon } = fakeAddon(devices)
    addon.planner = () => (placements, session) => {
      if (placements.some(({ device }) => device === refusing))
        throw Object.assign(new Error(words), { code: 'UNSUPPORTED_QUANTIZATION', data: {} })
      return planOf(placements, session)
    }
    return planMemory(addon, model(4096), { ...options, ...change })
  }

  it('goes on to the CPU where Kigo chooses, and says why', () => {
    const memory = planRefusedBy('cuda:0', [gpu(0, 8 * GiB), cpu])
    expect(layersOf(memory)).toEqual([`cpu 0-${N_LAYER}`])
    expect(memory).toMatchObject({ slowdown: null, gpuRefusal: words })
    expect(whereItRuns(memory)).toBe(
      'All 8 layers on the CPU, and none on the GPU: a matrix of this model has rows too long for this GPU',
    )
  })

  it('takes another GPU that can', () => {
    const memory = planRefusedBy('cuda:0', [gpu(0, 8 * GiB), gpu(1, 8 * GiB), cpu])
    expect(layersOf(memory)).toEqual([`cuda:1 0-${N_LAYER}`])
    expect(whereItRuns(memory)).toBe('All 8 layers on GPU 1')
  })

  it('is an error where that GPU was asked for', () => {
    const step = () => planRefusedBy('cuda:0', [gpu(0, 8 * GiB), cpu], { device: 'cuda:0' })
    expect(caught(step)).toMatchObject({ code: 'UNSUPPORTED_QUANTIZATION', message: words })
  })

  it('says nothing of it where the CPU was asked for', () => {
    expect(planRefusedBy('cuda:0', [gpu(0, 8 * GiB), cpu], { device: 'cpu' })).toMatchObject({
      slowdown: null,
      gpuRefusal: null,
    })
  })
})
