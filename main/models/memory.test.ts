import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KigoError } from '../../contract/errors.ts'
import type { Addon, DeviceInfo, MemoryPlan, ModelDescription } from '../engine/addon.ts'
import { checkFits, findDevice, largestContext, planMemory } from './memory.ts'

const GiB = 2 ** 30
const cpu: DeviceInfo = {
  id: 'cpu',
  backend: 'cpu',
  name: 'CPU',
  totalBytes: 16 * GiB,
  freeBytes: 8 * GiB,
  detail: 'avx2',
  threads: 4,
}
const gpu: DeviceInfo = {
  ...cpu,
  id: 'cuda:0',
  backend: 'cuda',
  name: 'GPU',
  totalBytes: 8 * GiB,
  freeBytes: 6 * GiB,
}

const planOf = (nCtx: number, nBatch: number): MemoryPlan => {
  const [weights, kv, workspace] = [4 * GiB, nCtx * 2 ** 19, nBatch * 2 ** 12]
  return { weights, kv, workspace, total: weights + kv + workspace }
}

/** An addon that has devices and plans: half a MiB of KV cache a token. */
function fakeAddon(devices: DeviceInfo[] = [cpu]) {
  const asked: { device: string; exact: boolean; nCtx: number; nBatch: number }[] = []
  const addon = {
    devices: () => devices,
    plan: (_model: ModelDescription, options: (typeof asked)[number]) => {
      asked.push(options)
      return planOf(options.nCtx, options.nBatch)
    },
  } as unknown as Addon
  return { addon, asked }
}

const model = (nCtxTrain: number) => ({ config: { nCtxTrain } }) as unknown as ModelDescription
const options = { device: 'auto', exact: false, contextLength: null }

describe('planMemory', () => {
  it('takes the default context where it fits', () => {
    const { addon } = fakeAddon([{ ...cpu, freeBytes: 100 * GiB }])
    expect(planMemory(addon, model(32_768), options)).toEqual({
      device: 'cpu',
      ctx: 8192,
      ...planOf(8192, 512),
      largestContext: 32_768,
      free: 100 * GiB,
      deviceTotal: 16 * GiB,
    })
  })

  it('takes the trained context where that is shorter', () => {
    expect(planMemory(fakeAddon().addon, model(2048), options)).toMatchObject({
      ctx: 2048,
      largestContext: 2048,
    })
  })

  it('takes what fits where that is shorter still', () => {
    const { addon } = fakeAddon([{ ...cpu, freeBytes: 5 * GiB }])
    const memory = planMemory(addon, model(32_768), options)
    expect(memory.ctx).toBe(memory.largestContext)
    expect(memory.total).toBeLessThanOrEqual(5 * GiB)
    expect(planOf(memory.ctx + 1, 512).total).toBeGreaterThan(5 * GiB)
  })

  it('takes the context that was asked for, fitting or not', () => {
    const memory = planMemory(fakeAddon().addon, model(4096), { ...options, contextLength: 100_000 })
    expect(memory).toMatchObject({ ctx: 100_000, largestContext: 4096 })
    expect(memory.total).toBeGreaterThan(memory.free)
  })

  it('never plans a batch longer than the context, and hands on exactness', () => {
    const { addon, asked } = fakeAddon()
    planMemory(addon, model(100), { ...options, exact: true, contextLength: 64 })
    expect(asked.every(({ nBatch, nCtx, exact }) => nBatch === Math.min(512, nCtx) && exact)).toBe(true)
  })

  it('says 0 where not even the smallest context fits', () => {
    const { addon } = fakeAddon([{ ...cpu, freeBytes: 1 * GiB }])
    expect(planMemory(addon, model(32_768), options)).toMatchObject({ largestContext: 0, ctx: 8192 })
  })

  it('passes on what the backend says, as a KigoError', () => {
    const { addon } = fakeAddon()
    addon.plan = () => {
      throw Object.assign(new Error('Tensor x is odd.'), { code: 'MODEL_INVALID', data: { tensor: 'x' } })
    }
    const thrown = (() => {
      try {
        return planMemory(addon, model(128), options)
      } catch (error) {
        return error
      }
    })()
    expect(thrown).toBeInstanceOf(KigoError)
    expect(thrown).toMatchObject({
      code: 'MODEL_INVALID',
      message: 'Tensor x is odd.',
      data: { tensor: 'x' },
    })
  })
})

describe('findDevice', () => {
  it('takes a GPU for auto where there is one, else the CPU', () => {
    expect(findDevice([cpu], 'auto').id).toBe('cpu')
    expect(findDevice([cpu, gpu], 'auto').id).toBe('cuda:0')
  })

  it('finds by full name, and cuda as cuda:0', () => {
    expect(findDevice([cpu, gpu], 'cpu').id).toBe('cpu')
    expect(findDevice([cpu, gpu], 'cuda').id).toBe('cuda:0')
  })

  it('says which devices there are where the asked one is not', () => {
    expect(() => findDevice([cpu], 'cuda:1')).toThrow('There is no device "cuda:1" here. Available: cpu.')
    expect(() => findDevice([], 'auto')).toThrow('Available: none.')
    expect(() => findDevice([cpu], 'cuda')).toThrow(expect.objectContaining({ code: 'DEVICE_UNAVAILABLE' }))
  })
})

describe('largestContext', () => {
  it('finds the edge, in few steps', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 21 }), fc.integer({ min: 0, max: 2 ** 21 }), (max, edge) => {
        let calls = 0
        const found = largestContext((nCtx) => (calls++, nCtx <= edge), max)
        const smallest = Math.min(16, max)
        expect(found).toBe(edge < smallest ? 0 : Math.min(edge, max))
        expect(calls).toBeLessThan(25)
      }),
      { seed: 7, numRuns: 500 },
    )
  })
})

describe('checkFits', () => {
  const memory = {
    device: 'cpu',
    ctx: 8192,
    ...planOf(8192, 512),
    largestContext: 4096,
    free: 9 * GiB,
    deviceTotal: 16 * GiB,
  }

  it('lets pass what fits to the byte', () => {
    expect(() => checkFits('Tiny', { ...memory, free: memory.total })).not.toThrow()
    expect(() => checkFits('Tiny', { ...memory, free: memory.total - 1 })).toThrow()
  })

  it('says what is needed, what is free and which context would fit', () => {
    const error = (() => {
      try {
        return checkFits('Tiny 1B', { ...memory, free: 6 * GiB })
      } catch (thrown) {
        return thrown as KigoError
      }
    })()
    expect(error).toMatchObject({
      code: 'OUT_OF_MEMORY',
      message: 'Tiny 1B does not fit with 8,192 context. It needs 8.00 GiB; 6.00 GiB are free.',
      hint: 'Load it with 4,096 context or less.',
      data: {
        neededBytes: memory.total,
        freeBytes: 6 * GiB,
        missingBytes: memory.total - 6 * GiB,
        largestContext: 4096,
      },
    })
  })

  it('advises a smaller model where no context fits', () => {
    expect(() => checkFits('Big', { ...memory, free: 0, largestContext: 0 })).toThrow(
      expect.objectContaining({ hint: 'Choose a smaller model, or close other programs.' }),
    )
  })
})
