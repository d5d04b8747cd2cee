import { afterAll, describe, expect, it } from 'vitest'
import { KigoError } from '../../contract/errors.ts'
import type { ChatTemplateVerdict, Inspection } from '../../contract/model.ts'
import type { Addon } from '../engine/addon.ts'
import type { Metadata } from '../gguf/types.ts'
import {
  array,
  buildGguf,
  f32,
  i64,
  text,
  u16,
  u32,
  u64,
  type GgufToBuild,
} from '../gguf/testing/build-gguf.ts'
import { TempFiles } from '../gguf/testing/temp-files.ts'
import { TINY, tinyMetadata, tinyModel, tinyTensors } from '../gguf/testing/tiny-model.ts'
import { modelPath } from '../testing/golden.ts'
import { tokenizerFromGguf } from '../tokenizer/index.ts'
import { inspectModel, type InspectOptions } from './inspect.ts'

const files = new TempFiles()
afterAll(() => files.remove())

const verdict: ChatTemplateVerdict = {
  present: true,
  ok: true,
  thinking: false,
  system: true,
  mode: 'template',
}
const plan = { weights: 1000, kv: 200, workspace: 30, total: 1230 }
const addon = {
  devices: () => [
    {
      ...{ id: 'cpu', name: 'CPU', totalBytes: 1e9, freeBytes: 5e8, detail: '', threads: 1 },
      ...{ driverBytes: 0, bytesPerSecond: 0, problem: null },
    },
  ],
  planner: () => (placements: unknown[]) => ({ ...plan, parts: placements.map(() => plan) }),
} as unknown as Addon
const options: InspectOptions = {
  addon,
  device: 'cpu',
  exact: false,
  contextLength: null,
  templateVerdict: () => Promise.resolve(verdict),
}

function inspect(spec: GgufToBuild, more: Partial<InspectOptions> = {}, name?: string): Promise<Inspection> {
  return inspectModel(files.write(buildGguf(spec), name), { ...options, ...more })
}

describe('inspectModel', () => {
  it('calls the model that comes with Kigo by its own name, and every other by its header', async () => {
    const spec = tinyModel('llama')
    expect(await inspect(spec, {}, 'SmolLM2-135M-Instruct.Q4_1.gguf')).toMatchObject({
      name: 'SmolLM2 135M Instruct',
    })
    expect(await inspect(spec, {}, 'SmolLM2-135M-Instruct.Q8_0.gguf')).toMatchObject({ name: 'Tiny' })
  })

  it('says what a sound model is and what it takes', async () => {
    const tensors = tinyTensors('llama')
    const elements = tensors.reduce((sum, { dims }) => sum + dims.map(Number).reduce((a, b) => a * b), 0)
    const path = files.write(buildGguf(tinyModel('llama', { 'general.file_type': u32(15) })))
    const inspection = await inspectModel(path, options)
    expect(inspection).toMatchObject({
      file: path,
      architecture: 'llama',
      name: 'Tiny',
      quantization: 'Q4_K_M',
      parameters: elements,
      contextLength: 128,
      layers: 2,
      tensors: { count: 20, byType: { F32: { count: 20, bytes: elements * 4 } } },
      vocabulary: { model: 'gpt2', pre: 'qwen2', size: TINY.nVocab },
      chatTemplate: verdict,
      memory: { device: 'cpu', ctx: 128, ...plan, largestContext: 10_000_000, free: 5e8, deviceTotal: 1e9 },
      problem: null,
      notes: [],
    })
    expect(inspection.fileBytes).toBeGreaterThan(elements * 4)
  })

  it('plans for the context that was asked for', async () => {
    expect((await inspect(tinyModel(), { contextLength: 64 })).memory?.ctx).toBe(64)
  })

  it('names a model by its file where it has no name of its own', async () => {
    const unnamed = tinyModel('llama', { 'general.name': null })
    expect((await inspect(unnamed, {}, 'Some Model-Q8_0.gguf')).name).toBe('Some Model-Q8_0')
    const part = { ...unnamed, metadata: [...unnamed.metadata!, ['split.count', u16(1)] as const] }
    expect((await inspect(part, {}, 'Big-00001-of-00001.GGUF')).name).toBe('Big')
  })

  it('shows names in one line without control characters', async () => {
    const name = text('\u001b]0;owned\u0007Two\r\nlines\u2028 ')
    expect((await inspect(tinyModel('llama', { 'general.name': name }))).name).toBe(']0;owned Two lines')
  })

  it.each([
    'general.name',
    'general.architecture',
    'tokenizer.ggml.model',
    'tokenizer.ggml.pre',
    'llama.rope.scaling.type',
  ])('stays short where %s has a million characters', async (key) => {
    const model = tinyModel('llama', { [key]: text('x'.repeat(1_000_000)) })
    const checkTokenizer = (metadata: Metadata): void => void tokenizerFromGguf(metadata)
    const inspection = await inspect(model, { checkTokenizer })
    const { metadata, ...rest } = inspection
    expect(metadata[key]).toHaveLength(4096)
    expect(JSON.stringify(rest).length).toBeLessThan(3000)
  })

  it('names the type with most bytes where the file names no mix', async () => {
    const tensors = tinyTensors('llama').map((t) => (t.dims.length === 2 ? { ...t, type: 8 } : t))
    expect((await inspect({ metadata: tinyMetadata('llama'), tensors })).quantization).toBe('Q8_0')
    const changes = { 'general.file_type': u32(999) }
    expect((await inspect({ metadata: tinyMetadata('llama', changes), tensors })).quantization).toBe('Q8_0')
    expect((await inspect(tinyModel('llama', { 'general.file_type': u32(1024 + 7) }))).quantization).toBe(
      'Q8_0',
    )
    expect((await inspect({ metadata: tinyMetadata('llama') })).quantization).toBe('none')
  })

  it('lists every scalar as JSON can hold it, and no array', async () => {
    const emoji = '🌸'
    const { metadata } = await inspect(
      tinyModel('llama', {
        'a.big': u64(2n ** 60n),
        'a.low': i64(-1n),
        'a.nan': f32(NaN),
        'a.list': array([u32(1)]),
        'a.long': text('x'.repeat(4095) + emoji),
      }),
    )
    expect(metadata).toMatchObject({
      'a.big': '1152921504606846976',
      'a.low': -1,
      'a.nan': 'NaN',
      'llama.block_count': 2,
    })
    expect(metadata).not.toHaveProperty('a.list')
    expect(metadata['a.long']).toBe('x'.repeat(4095))
    expect(JSON.parse(JSON.stringify(metadata))).toEqual(metadata)
  })

  it.each<[string, GgufToBuild, string, object]>([
    [
      'an architecture',
      tinyModel('mamba9'),
      'UNSUPPORTED_ARCHITECTURE',
      { architecture: 'mamba9', layers: 2, name: 'Tiny' },
    ],
    [
      'a quantisation',
      { metadata: tinyMetadata('llama'), tensors: [{ name: 'token_embd.weight', dims: [32, 16], type: 20 }] },
      'UNSUPPORTED_QUANTIZATION',
      { tensors: { count: 1, byType: { IQ4_NL: { count: 1, bytes: 16 * 18 } } }, contextLength: 128 },
    ],
    [
      'weights at all',
      { metadata: tinyMetadata('llama') },
      'MODEL_INVALID',
      { vocabulary: { size: 16 }, tensors: { count: 0, byType: {} } },
    ],
    [
      'an architecture in the file',
      tinyModel('llama', { 'general.architecture': null }),
      'MODEL_INVALID',
      { architecture: 'unknown', layers: 0 },
    ],
    [
      'a sound vocabulary',
      tinyModel('llama', { 'tokenizer.ggml.bos_token_id': text('99') }),
      'MODEL_INVALID',
      { vocabulary: { size: 16 } },
    ],
  ])('without %s it says so and still fills in the rest', async (_, spec, code, expected) => {
    const inspection = await inspect(spec)
    expect(inspection.problem?.code).toBe(code)
    expect(inspection.memory).toBeNull()
    expect(inspection).toMatchObject(expected)
  })

  it('notes what is odd and does no harm', async () => {
    const tensors = tinyTensors('gemma3').map((tensor) =>
      tensor.name === 'token_embd.weight' ? { ...tensor, dims: [TINY.nEmbd, TINY.nVocab + 1000] } : tensor,
    )
    const changes = {
      'tokenizer.ggml.padding_token_id': u32(32_000),
      'gemma3.attention.layer_norm_rms_epsilon': null,
    }
    const inspection = await inspect({ metadata: tinyMetadata('gemma3', changes), tensors })
    expect(inspection.problem).toBeNull()
    expect(inspection.notes).toEqual([
      expect.stringContaining('padding_token_id is 32000'),
      'The embedding has 1,000 rows beyond the vocabulary of 16: left out.',
      expect.stringContaining('epsilon of its norms: 0.000001'),
    ])
  })

  it('takes an unknown tokenizer for a problem of the model', async () => {
    const checkTokenizer = () => {
      throw new KigoError('UNSUPPORTED_TOKENIZER', 'Kigo does not know the tokenizer x.')
    }
    expect((await inspect(tinyModel(), { checkTokenizer })).problem).toMatchObject({
      code: 'UNSUPPORTED_TOKENIZER',
    })
  })

  it('takes an unknown device for a mistake of the question', async () => {
    await expect(inspect(tinyModel(), { device: 'cuda' })).rejects.toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
    })
  })

  it('throws what is wrong with the file itself', async () => {
    await expect(inspectModel(files.write(Buffer.from('no model at all')), options)).rejects.toMatchObject({
      code: 'MODEL_NOT_GGUF',
    })
    await expect(inspect(tinyModel(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CANCELLED',
    })
  })

  it('says nothing of a tokenizer that is not there', async () => {
    const changes = {
      'tokenizer.ggml.model': null,
      'tokenizer.ggml.tokens': null,
      'tokenizer.ggml.pre': null,
      'llama.vocab_size': u32(16),
    }
    expect(await inspect(tinyModel('llama', changes))).toMatchObject({
      vocabulary: { model: 'none', pre: null, size: 0 },
      problem: null,
    })
  })
})

const gemma3 = modelPath('gemma3')
it.skipIf(!gemma3)('Gemma 3 270M (skipped where it is absent)', async () => {
  expect(await inspectModel(gemma3!, options)).toMatchObject({
    name: 'Gemma 3 270m',
    architecture: 'gemma3',
    quantization: 'Q4_K_M',
    parameters: 268_098_176,
    layers: 18,
    contextLength: 32_768,
    fileBytes: 253_113_024,
    vocabulary: { model: 'llama', pre: 'default', size: 262_144 },
    problem: null,
  })
})
