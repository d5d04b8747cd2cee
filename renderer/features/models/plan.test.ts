import { expect, test } from 'vitest'
import type { Inspection } from '../../../contract/model.ts'
import { defaultContext, planOf, segments, verdict, type Memory } from './plan.ts'

const GIB = 1024 ** 3
const memory: Memory = {
  device: 'cpu',
  ctx: 8192,
  weights: 4 * GIB,
  kv: GIB,
  workspace: 0.5 * GIB,
  total: 5.5 * GIB,
  largestContext: 20_000,
  free: 8 * GIB,
  deviceTotal: 12 * GIB,
}
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
  const plan = planOf({ ...memory, free: 5 * GIB })
  expect(plan.over).toBe(0.5 * GIB)
  expect(segments(plan).at(-1)).toEqual({ part: 'over', share: 0.5 / 12.5 })
  expect(segments(plan).reduce((sum, s) => sum + s.share, 0)).toBeCloseTo(1)
})

test('a verdict has a kind and words', () => {
  const of = (change: Partial<Inspection>) => verdict({ ok: true, inspection: { ...inspection, ...change } })
  expect(verdict(undefined)).toBeNull()
  expect(of({})).toEqual({ kind: 'ok', words: 'fits' })
  expect(of({ memory: { ...memory, free: 5 * GIB, largestContext: 4608 } })).toEqual({
    kind: 'warn',
    words: 'up to 4,608 context',
  })
  expect(of({ memory: { ...memory, free: 3 * GIB, largestContext: 0 } })).toEqual({
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
