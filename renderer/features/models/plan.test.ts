import { expect, test } from 'vitest'
import {
  whereItRuns,
  type Inspection,
  type LoadedModel,
  type MemoryOutlook,
  type MemoryPart,
} from '../../../contract/model.ts'
import { beyondTraining, defaultContext, largerContext, planOf, segments, verdict } from './plan.ts'

const GIB = 1024 ** 3
const onCpu = (free: number): MemoryPart => ({
  device: 'cpu',
  name: 'EPYC',
  layerFirst: 0,
  layerLast: 32,
  weights: 4 * GIB,
  kv: GIB,
  workspace: 0.5 * GIB,
  total: 5.5 * GIB,
  free,
  deviceTotal: 12 * GIB,
})
const memoryWith = (free: number, largestContext = 20_000): MemoryOutlook => ({
  ...onCpu(free),
  ctx: 8192,
  batch: 512,
  largestContext,
  parts: [onCpu(free)],
  slowdown: null,
  gpuRefusal: null,
})
const memory = memoryWith(8 * GIB)
const inspection: Inspection = {
  file: '/m.gguf',
  architecture: 'llama',
  name: 'M',
  quantization: 'Q4_K_M',
  parameters: 8e9,
  contextLength: 131072,
  layers: 32,
  fileBytes: 4 * GIB,
  tensors: { count: 1, byType: {} },
  vocabulary: { model: 'gpt2', pre: null, size: 9 },
  chatTemplate: { present: true, ok: true, thinking: false, system: true, mode: 'template' },
  memory,
  problem: null,
  notes: [],
  metadata: {},
}

test('the bar is other programs, weights, workspace, KV, and the rest is free', () => {
  const plan = planOf(memory)
  expect(plan.other).toBe(4 * GIB)
  expect(plan.free).toBe(2.5 * GIB)
  expect(plan.over).toBe(0)
  expect(segments(plan).map((s) => s.part)).toEqual(['other', 'weights', 'workspace', 'kv'])
  expect(segments(plan).reduce((sum, s) => sum + s.share, 0)).toBeCloseTo(9.5 / 12)
})

test('what does not fit lies past the capacity line, and the bar is still full', () => {
  const plan = planOf(onCpu(5 * GIB))
  expect(plan.over).toBe(0.5 * GIB)
  expect(segments(plan).at(-1)).toEqual({ part: 'over', share: 0.5 / 12.5 })
  expect(segments(plan).reduce((sum, s) => sum + s.share, 0)).toBeCloseTo(1)
})

test('a verdict has a kind and words', () => {
  const of = (change: Partial<Inspection>) => verdict({ ok: true, inspection: { ...inspection, ...change } })
  expect(verdict(undefined)).toBeNull()
  expect(of({})).toEqual({ kind: 'ok', words: 'fits' })
  expect(of({ memory: memoryWith(5 * GIB, 4608) })).toEqual({
    kind: 'warn',
    words: 'up to 4,608 context',
  })
  expect(of({ memory: memoryWith(3 * GIB, 0) })).toEqual({
    kind: 'no',
    words: '2.50 GiB too big',
  })
  expect(of({ memory: null, problem: { code: 'UNSUPPORTED_ARCHITECTURE', message: 'x' } })?.kind).toBe('no')
  expect(verdict({ ok: false, error: { code: 'MODEL_NOT_FOUND', message: 'x' } })).toEqual({
    kind: 'no',
    words: 'file is gone',
  })
})

test('the default context is 8192 unless the model or the memory is smaller', () => {
  expect(defaultContext(inspection)).toBe(8192)
  expect(defaultContext({ ...inspection, contextLength: 2048 })).toBe(2048)
  expect(defaultContext({ ...inspection, memory: { ...memory, largestContext: 4608 } })).toBe(4608)
})

test('a verdict is of each device by itself: one that overflows is not helped by the other', () => {
  const gpu = { ...onCpu(2 * GIB), device: 'cuda:0', name: 'RTX 4070' }
  const split = { ...memoryWith(100 * GIB, 0), parts: [gpu, onCpu(100 * GIB)], total: 11 * GIB }
  expect(verdict({ ok: true, inspection: { ...inspection, memory: split } })).toEqual({
    kind: 'no',
    words: '3.50 GiB too big',
  })
})

test('a model that shares the CPU fits, and the list says so', () => {
  const gpu = { ...onCpu(8 * GIB), device: 'cuda:0', name: 'RTX 4070' }
  const split = { ...memoryWith(16 * GIB), parts: [gpu, onCpu(8 * GIB)], slowdown: 2 }
  expect(verdict({ ok: true, inspection: { ...inspection, memory: split } })).toEqual({
    kind: 'warn',
    words: 'partly on the CPU',
  })
})

test('where a model runs is said in words', () => {
  const part = (device: string, layerFirst: number, layerLast: number): MemoryPart => ({
    ...onCpu(0),
    device,
    name: device === 'cpu' ? 'EPYC' : 'NVIDIA H200',
    layerFirst,
    layerLast,
  })
  const words = (slowdown: number | null, ...parts: MemoryPart[]) => whereItRuns({ parts, slowdown })
  expect(words(null, part('cuda:0', 0, 24))).toBe('All 24 layers on NVIDIA H200')
  expect(words(null, part('cpu', 0, 1))).toBe('The one layer on the CPU')
  expect(words(4.6, part('cuda:0', 0, 18), part('cpu', 18, 32))).toBe(
    '18 of 32 layers on NVIDIA H200, the rest on the CPU: expect it about 5 times slower than all on the GPU, by estimate',
  )
  expect(words(1.62, part('cuda:0', 0, 30), part('cpu', 30, 32))).toContain('about 1.6 times slower')
  expect(words(null, part('cuda:0', 0, 18), part('cuda:1', 18, 32))).toBe(
    '18 of 32 layers on NVIDIA H200, 14 on NVIDIA H200',
  )
})

test('a context that is longer than what the model was trained for is said', () => {
  expect(beyondTraining(131_072, inspection)).toBe('')
  expect(beyondTraining(131_073, inspection)).toBe('More than the 131,072 that it was trained for. ')
  expect(beyondTraining(4096, { contextLength: 0 })).toBe('')
})

test('a full context leads to one of twice its length, or as much as the prompt asks for, where that fits', () => {
  const loaded = (nCtx: number, most = 20_000): LoadedModel => ({
    path: '/m.gguf',
    inspection: { ...inspection, contextLength: 16_384, memory: memoryWith(8 * GIB, most) },
    device: 'cpu',
    placements: [],
    asked: { device: 'auto', gpuLayers: null, chatTemplate: '' },
    nCtx,
    threads: 1,
    loadMs: 1,
  })
  expect(largerContext(loaded(512), 512)).toBe(1024)
  expect(largerContext(loaded(512), 1000)).toBe(2048)
  expect(largerContext(loaded(512), 9000)).toBe(16_384)
  expect(largerContext(loaded(512, 9001), 9000)).toBe(9001)
  expect(largerContext(loaded(512, 9000), 9000)).toBeNull()
  expect(largerContext(loaded(16_384), 16_384)).toBeNull()
  expect(largerContext(loaded(512), 20_000)).toBeNull()
})
