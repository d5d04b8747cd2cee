import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DeviceInfo, MemoryPlan } from '../engine/addon.ts'
import { findTarget, largest, layOut } from './placement.ts'

const device = (id: string, freeBytes = 100, problem: unknown = null, bytesPerSecond = 0): DeviceInfo => ({
  ...{ id, name: id, totalBytes: 1000, freeBytes, detail: '', threads: 0 },
  ...{ driverBytes: 0, bytesPerSecond, problem },
})
const cpu = device('cpu')
const LOST = Object.assign(new Error('The GPU was lost.'), { code: 'DEVICE_LOST' })

describe('findTarget', () => {
  const devices = [device('cuda:0', 50), device('cuda:1', 70), cpu]
  const gpus = (asked: string) => findTarget(devices, asked).gpus.map(({ id }) => id)

  it('has all GPUs for auto, the fastest first, of equals the one with most free memory', () => {
    expect(gpus('auto')).toEqual(['cuda:1', 'cuda:0'])
    const unlike = [
      device('cuda:0', 80, null, 400),
      device('cuda:1', 50, null, 900),
      device('cuda:2', 90, null, 400),
      cpu,
    ]
    expect(findTarget(unlike, 'auto').gpus.map(({ id }) => id)).toEqual(['cuda:1', 'cuda:2', 'cuda:0'])
    const alike = [{ ...device('cuda:0', 90), driverBytes: 50 }, device('cuda:1', 50), cpu]
    expect(findTarget(alike, 'auto').gpus.map(({ id }) => id)).toEqual(['cuda:1', 'cuda:0'])
    expect(findTarget([cpu], 'auto')).toEqual({ gpus: [], cpu, auto: true })
  })

  it('finds by full name, cuda as cuda:0, and several in the order given', () => {
    expect(gpus('cpu')).toEqual([])
    expect(gpus('cuda')).toEqual(['cuda:0'])
    expect(gpus('cuda:1')).toEqual(['cuda:1'])
    expect(gpus('cuda:1,0')).toEqual(['cuda:1', 'cuda:0'])
  })

  it('says which devices there are where the asked one is not', () => {
    expect(() => findTarget([cpu], 'cuda:1')).toThrow('There is no device "cuda:1" here. Available: cpu.')
    expect(() => findTarget(devices, 'cuda:0,2')).toThrow('There is no device "cuda:2" here.')
    expect(() => findTarget([cpu], 'cuda')).toThrow(expect.objectContaining({ code: 'DEVICE_UNAVAILABLE' }))
  })

  it('refuses the same device twice', () => {
    expect(() => findTarget(devices, 'cuda:1,1')).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
  })

  it('leaves out a device that was lost, and says so where it is asked for', () => {
    const withLost = [device('cuda:0', 50, LOST), cpu]
    expect(findTarget(withLost, 'auto').gpus).toEqual([])
    expect(() => findTarget(withLost, 'cuda:0')).toThrow(
      expect.objectContaining({ code: 'DEVICE_LOST', message: 'The GPU was lost.' }),
    )
    expect(() => findTarget(withLost, 'cuda:1')).toThrow('The GPU was lost. Available: cpu.')
  })
})

describe('largest', () => {
  it('finds the edge, in few steps', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 21 }), fc.integer({ min: 0, max: 2 ** 21 }), (max, edge) => {
        let calls = 0
        const smallest = Math.min(16, max)
        const found = largest((n) => (calls++, n <= edge), smallest, max)
        expect(found).toBe(edge < smallest ? 0 : Math.min(edge, max))
        expect(calls).toBeLessThan(25)
      }),
      { seed: 7, numRuns: 500 },
    )
  })
})

describe('layOut', () => {
  /** A layer takes 10, whoever embeds 15 more, whoever has the head 25 more. */
  const NEEDS = (nLayer: number, first: number, last: number): number =>
    10 * (last - first) + (first === 0 ? 15 : 0) + (last === nLayer ? 25 : 0)

  function lay(nLayer: number, frees: number[], cpuFree: number, gpuLayers: number | null, auto: boolean) {
    const gpus = frees.map((free, i) => device(`cuda:${i}`, free))
    return layOut({
      target: { gpus, cpu: device('cpu', cpuFree), auto },
      nLayer,
      gpuLayers,
      plan: (placements) => {
        const parts = placements.map(({ layerFirst, layerLast }): MemoryPlan => {
          const weights = NEEDS(nLayer, layerFirst, layerLast)
          return { weights, kv: 0, workspace: 0, total: weights }
        })
        const total = parts.reduce((sum, part) => sum + part.total, 0)
        return { weights: total, kv: 0, workspace: 0, total, parts }
      },
      room: ({ freeBytes }) => freeBytes,
    })
  }

  it('always holds every layer once and in order, fits where it says so, and never leaves the GPUs idle for nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 3 }),
        fc.integer({ min: 0, max: 500 }),
        fc.option(fc.integer({ min: 0, max: 50 })),
        fc.boolean(),
        (nLayer, frees, cpuFree, gpuLayers, auto) => {
          const { placements, missing } = lay(nLayer, frees, cpuFree, gpuLayers, auto || frees.length === 0)
          let next = 0
          for (const { layerFirst, layerLast } of placements) {
            expect(layerFirst).toBe(next)
            expect(layerLast).toBeGreaterThan(layerFirst)
            next = layerLast
          }
          expect(next).toBe(nLayer)
          expect(new Set(placements.map((part) => part.device)).size).toBe(placements.length)
          const free = (id: string): number => (id === 'cpu' ? cpuFree : frees[Number(id.slice(5))]!)
          const over = placements.reduce((sum, part) => {
            const needed = NEEDS(nLayer, part.layerFirst, part.layerLast)
            return sum + Math.max(0, needed - free(part.device))
          }, 0)
          expect(missing).toBe(over)

          const onGpus = placements.filter((part) => part.device !== 'cpu').at(-1)?.layerLast ?? 0
          if (gpuLayers !== null && frees.length > 0) expect(onGpus).toBe(Math.min(gpuLayers, nLayer))
          if (auto && gpuLayers === null && missing === 0) {
            const wholeOnOne = frees.some((bytes) => bytes >= NEEDS(nLayer, 0, nLayer))
            if (wholeOnOne) expect(placements).toHaveLength(1)
            if (onGpus === 0)
              for (const bytes of frees) expect(bytes).toBeLessThan(25 + (nLayer === 1 ? 25 : 0))
          }
        },
      ),
      { seed: 11, numRuns: 1500 },
    )
  })

  it('fills several GPUs to the same share', () => {
    const { placements } = lay(30, [200, 400], 0, null, false)
    // 15 + 10 n of 200 and 10 (30 - n) + 25 of 400: even at about n = 10.
    expect(placements.map(({ layerLast }) => layerLast)).toEqual([10, 30])
  })
})
