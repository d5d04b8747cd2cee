import { afterAll, describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../contract/errors.ts'
import type { ModelConfig } from '../engine/addon.ts'
import { readGguf } from '../gguf/index.ts'
import { array, bool, buildGguf, f32, text, u32, type Value } from '../gguf/testing/build-gguf.ts'
import { TempFiles } from '../gguf/testing/temp-files.ts'
import { tinyModel } from '../gguf/testing/tiny-model.ts'
import { goldenDir, modelPath } from '../testing/golden.ts'
import { modelConfig } from './config.ts'

const files = new TempFiles()
afterAll(() => files.remove())

type Changes = Record<string, Value | null>

async function configOf(architecture: string, changes: Changes = {}): Promise<ModelConfig> {
  return modelConfig(await readGguf(files.write(buildGguf(tinyModel(architecture, changes)))))
}

const PLAIN_LAYER = {
  mixer: 'attention',
  ffn: 'dense',
  nHead: 4,
  nHeadKv: 2,
  headDim: 8,
  nFf: 64,
  activation: 'silu',
  rope: 'norm',
  nRot: 8,
  ropeBase: 10_000,
  ropeScale: 1,
  yarnOriginalCtx: 0,
  ropeMscale: 1,
  ropeFreqs: true,
  attnScale: 1 / Math.sqrt(8),
  attnSoftcap: 0,
  window: 0,
} as const

describe('llama', () => {
  it('has the defaults of the architecture', async () => {
    expect(await configOf('llama')).toEqual({
      architecture: 'llama',
      nLayer: 2,
      nEmbd: 32,
      nVocab: 16,
      nCtxTrain: 128,
      normEps: Math.fround(1e-5),
      embeddingScale: 1,
      logitSoftcap: 0,
      layers: [PLAIN_LAYER, PLAIN_LAYER],
    })
  })

  it('has as many key/value heads as heads where the file names none', async () => {
    expect((await configOf('llama', { 'llama.attention.head_count_kv': null })).layers[0]!.nHeadKv).toBe(4)
  })

  it('takes heads and FFN widths per layer', async () => {
    const config = await configOf('llama', {
      'llama.attention.key_length': u32(8),
      'llama.attention.head_count': array([u32(4), u32(2)]),
      'llama.attention.head_count_kv': array([u32(1), u32(2)]),
      'llama.feed_forward_length': array([u32(64), u32(96)]),
    })
    expect(config.layers).toMatchObject([
      { nHead: 4, nHeadKv: 1, nFf: 64 },
      { nHead: 2, nHeadKv: 2, nFf: 96 },
    ])
  })

  it('takes the head size from key_length, which may differ from n_embd / n_head', async () => {
    const changes = { 'llama.attention.key_length': u32(16), 'llama.attention.value_length': u32(16) }
    expect((await configOf('llama', changes)).layers[0]).toMatchObject({
      headDim: 16,
      nRot: 16,
      attnScale: 0.25,
    })
  })

  it.each<[string, Changes, object]>([
    ['none at all', {}, { ropeScale: 1 }],
    [
      'type none, which ignores the factor',
      { type: text('none'), factor: f32(4) },
      { ropeScale: 1, ropeMscale: 1 },
    ],
    [
      'linear',
      { type: text('linear'), factor: f32(4) },
      { ropeScale: 0.25, ropeMscale: 1, yarnOriginalCtx: 0 },
    ],
    ['a factor without type, which is linear', { factor: f32(2) }, { ropeScale: 0.5, yarnOriginalCtx: 0 }],
    ['factor 0, which means none', { type: text('linear'), factor: f32(0) }, { ropeScale: 1 }],
    ['attn_factor, under any type', { attn_factor: f32(1.5) }, { ropeScale: 1, ropeMscale: 1.5 }],
    [
      'YaRN',
      { type: text('yarn'), factor: f32(4), original_context_length: u32(64), attn_factor: f32(0.5) },
      { ropeScale: 0.25, yarnOriginalCtx: 64, ropeMscale: 0.5 * (1 + 0.1 * Math.log(4)) },
    ],
    [
      'YaRN from the trained context',
      { type: text('yarn'), factor: f32(2) },
      { yarnOriginalCtx: 128, ropeScale: 0.5 },
    ],
  ])('RoPE scaling: %s', async (_, scaling, expected) => {
    const changes = Object.fromEntries(
      Object.entries(scaling).map(([key, value]) => [`llama.rope.scaling.${key}`, value]),
    )
    expect((await configOf('llama', changes)).layers[1]).toMatchObject(expected)
  })

  it('reads the old name of linear scaling', async () => {
    expect((await configOf('llama', { 'llama.rope.scale_linear': f32(8) })).layers[0]!.ropeScale).toBe(0.125)
  })

  it('ignores a sliding window, as its models are run', async () => {
    expect((await configOf('llama', { 'llama.attention.sliding_window': u32(8) })).layers[0]!.window).toBe(0)
  })

  it('takes the vocabulary size from vocab_size where there is no tokenizer', async () => {
    const changes = {
      'tokenizer.ggml.tokens': null,
      'tokenizer.ggml.token_type': null,
      'llama.vocab_size': u32(77),
    }
    expect((await configOf('llama', changes)).nVocab).toBe(77)
  })
})

describe('qwen2', () => {
  it('turns pairs half a head apart and reads no rope_freqs', async () => {
    const config = await configOf('qwen2', { 'qwen2.rope.freq_base': f32(1e6) })
    expect(config.layers[0]).toEqual({ ...PLAIN_LAYER, rope: 'neox', ropeFreqs: false, ropeBase: 1e6 })
  })
})

describe('gemma3', () => {
  const plain = { ...PLAIN_LAYER, rope: 'neox', ropeFreqs: false, activation: 'gelu' }
  const sliding = (changes: Changes) =>
    configOf('gemma3', {
      'gemma3.block_count': u32(12),
      'gemma3.attention.sliding_window': u32(16),
      ...changes,
    })
  const windows = (config: ModelConfig) => config.layers.map((layer) => layer.window)

  it('scales the embedding and sees everything where no window is given', async () => {
    const config = await configOf('gemma3')
    expect(config.embeddingScale).toBe(Math.sqrt(32))
    expect(config.layers).toEqual([plain, plain])
  })

  it('slides in five layers of six by default, with a base of 10,000 and no scaling there', async () => {
    const config = await sliding({
      'gemma3.rope.freq_base': f32(1e6),
      'gemma3.rope.scaling.type': text('linear'),
      'gemma3.rope.scaling.factor': f32(8),
    })
    expect(windows(config)).toEqual([16, 16, 16, 16, 16, 0, 16, 16, 16, 16, 16, 0])
    expect(config.layers[4]).toEqual({ ...plain, window: 16 })
    expect(config.layers[5]).toEqual({ ...plain, ropeBase: 1e6, ropeScale: 0.125 })
  })

  it('keeps YaRN to the full layers, and attn_factor in all', async () => {
    const config = await sliding({
      'gemma3.rope.scaling.type': text('yarn'),
      'gemma3.rope.scaling.factor': f32(4),
      'gemma3.rope.scaling.attn_factor': f32(2),
    })
    expect(config.layers[0]).toMatchObject({ ropeScale: 1, yarnOriginalCtx: 0, ropeMscale: 2 })
    expect(config.layers[5]).toMatchObject({
      ropeScale: 0.25,
      yarnOriginalCtx: 128,
      ropeMscale: 2 * (1 + 0.1 * Math.log(4)),
    })
  })

  it.each<[string, Value, number[]]>([
    ['a period', u32(3), [16, 16, 0, 16, 16, 0, 16, 16, 0, 16, 16, 0]],
    ['period 0: all slide', u32(0), Array<number>(12).fill(16)],
    ['period 1: none slides', u32(1), Array<number>(12).fill(0)],
    [
      'a flag per layer',
      array([...'101010101011'].map((c) => bool(c === '1'))),
      [16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 16],
    ],
    [
      'a number per layer',
      array([...'011111111111'].map((c) => u32(Number(c)))),
      [0, ...Array<number>(11).fill(16)],
    ],
  ])('takes the pattern as %s', async (_, pattern, expected) => {
    expect(windows(await sliding({ 'gemma3.attention.sliding_window_pattern': pattern }))).toEqual(expected)
  })

  it('takes the base of sliding layers from the file', async () => {
    expect((await sliding({ 'gemma3.rope.freq_base_swa': f32(5000) })).layers[0]!.ropeBase).toBe(5000)
  })

  it('scales queries by n_embd / n_head in the size with 62 layers only', async () => {
    const changes = { 'gemma3.attention.key_length': u32(16), 'gemma3.attention.value_length': u32(16) }
    expect(
      (await configOf('gemma3', { ...changes, 'gemma3.block_count': u32(62) })).layers[0]!.attnScale,
    ).toBe(1 / Math.sqrt(8))
    expect((await configOf('gemma3', changes)).layers[0]!.attnScale).toBe(0.25)
  })

  it('turns part of a head where the file says so', async () => {
    expect((await configOf('gemma3', { 'gemma3.rope.dimension_count': u32(4) })).layers[0]!.nRot).toBe(4)
  })

  it('takes what all its models have where a program leaves it out, with its names for the bases', async () => {
    const none = {
      'gemma3.attention.layer_norm_rms_epsilon': null,
      'gemma3.attention.sliding_window': u32(8),
    }
    const own = await configOf('gemma3', { ...none, 'gemma3.block_count': u32(6) })
    expect(own.normEps).toBe(1e-6)
    expect([own.layers[0]!.ropeBase, own.layers[5]!.ropeBase]).toEqual([10_000, 1e6])
    const named = await configOf('gemma3', {
      ...none,
      'gemma3.block_count': u32(6),
      'gemma3.rope.local.freq_base': f32(5000),
      'gemma3.rope.global.freq_base': f32(2e6),
    })
    expect([named.layers[0]!.ropeBase, named.layers[5]!.ropeBase]).toEqual([5000, 2e6])
    const given = await configOf('gemma3', {
      'gemma3.attention.layer_norm_rms_epsilon': null,
      'gemma3.rope.freq_base': f32(3e6),
    })
    expect(given.layers[0]!.ropeBase).toBe(3e6)
  })

  it('caps the logits only where the file says so', async () => {
    expect((await configOf('gemma3')).logitSoftcap).toBe(0)
    expect((await configOf('gemma3', { 'gemma3.final_logit_softcapping': f32(30) })).logitSoftcap).toBe(30)
  })
})

it('takes a type that is named like an object method for no adapter', async () => {
  expect((await configOf('llama', { 'general.type': text('constructor') })).architecture).toBe('llama')
})

describe('modelConfig refuses', () => {
  it.each<[string, Changes, ErrorCode, RegExp]>([
    [
      'an unknown architecture',
      { 'general.architecture': text('mamba9') },
      'UNSUPPORTED_ARCHITECTURE',
      /mamba9/,
    ],
    [
      'the name of an object method',
      { 'general.architecture': text('constructor') },
      'UNSUPPORTED_ARCHITECTURE',
      /constructor/,
    ],
    [
      'no architecture',
      { 'general.architecture': null },
      'MODEL_INVALID',
      /general\.architecture is missing/,
    ],
    [
      'an architecture that is no name',
      { 'general.architecture': text('llama\u001b[31m') },
      'MODEL_INVALID',
      /"llama\\u001b\[31m", no name/,
    ],
    ['an architecture that is a number', { 'general.architecture': u32(1) }, 'MODEL_INVALID', /not text/],
    ['an adapter', { 'general.type': text('adapter') }, 'UNSUPPORTED_ARCHITECTURE', /LoRA/],
    ['a vision part', { 'general.type': text('mmproj') }, 'UNSUPPORTED_ARCHITECTURE', /mmproj/],
    [
      'a vision part of an old program',
      { 'general.architecture': text('clip') },
      'UNSUPPORTED_ARCHITECTURE',
      /vision part/,
    ],
    [
      'an importance matrix',
      { 'general.type': text('imatrix') },
      'UNSUPPORTED_ARCHITECTURE',
      /importance matrix/,
    ],
    [
      'an importance matrix that does not say its type',
      { 'general.architecture': null, 'imatrix.chunk_count': u32(1) },
      'UNSUPPORTED_ARCHITECTURE',
      /importance matrix/,
    ],
    [
      'a control vector',
      { 'general.architecture': text('controlvector') },
      'UNSUPPORTED_ARCHITECTURE',
      /control vector/,
    ],
    ['experts', { 'llama.expert_count': u32(8) }, 'UNSUPPORTED_ARCHITECTURE', /mixture of experts/],
    [
      'an embedding model',
      { 'llama.attention.causal': bool(false) },
      'UNSUPPORTED_ARCHITECTURE',
      /embedding model/,
    ],
    ['longrope', { 'llama.rope.scaling.type': text('longrope') }, 'UNSUPPORTED_ARCHITECTURE', /"longrope"/],
    [
      'values of another size than keys',
      { 'llama.attention.value_length': u32(16) },
      'UNSUPPORTED_ARCHITECTURE',
      /value_length 16/,
    ],

    ['no layers', { 'llama.block_count': u32(0) }, 'MODEL_INVALID', /block_count is 0/],
    ['too many layers', { 'llama.block_count': u32(513) }, 'MODEL_INVALID', /block_count is 513/],
    ['a missing layer count', { 'llama.block_count': null }, 'MODEL_INVALID', /block_count is missing/],
    ['a layer count that is text', { 'llama.block_count': text('2') }, 'MODEL_INVALID', /block_count is "2"/],
    ['half a layer', { 'llama.block_count': f32(2.5) }, 'MODEL_INVALID', /whole number/],
    ['width 0', { 'llama.embedding_length': u32(0) }, 'MODEL_INVALID', /embedding_length is 0/],
    ['a width without end', { 'llama.embedding_length': u32(2 ** 31) }, 'MODEL_INVALID', /embedding_length/],
    ['a missing width', { 'llama.embedding_length': null }, 'MODEL_INVALID', /embedding_length is missing/],
    ['context 0', { 'llama.context_length': u32(0) }, 'MODEL_INVALID', /context_length is 0/],
    ['a missing context', { 'llama.context_length': null }, 'MODEL_INVALID', /context_length is missing/],
    ['no heads', { 'llama.attention.head_count': u32(0) }, 'MODEL_INVALID', /head_count is 0/],
    [
      'a missing head count',
      { 'llama.attention.head_count': null },
      'MODEL_INVALID',
      /head_count is missing/,
    ],
    [
      'no key/value heads',
      { 'llama.attention.head_count_kv': u32(0) },
      'MODEL_INVALID',
      /head_count_kv is 0/,
    ],
    [
      'heads that do not share evenly',
      { 'llama.attention.head_count_kv': u32(3) },
      'MODEL_INVALID',
      /no multiple of the 3/,
    ],
    ['heads of broken size', { 'llama.embedding_length': u32(33) }, 'MODEL_INVALID', /heads of 8.25 values/],
    [
      'heads for one layer of two',
      { 'llama.attention.head_count': array([u32(4)]) },
      'MODEL_INVALID',
      /1 entries for 2 layers/,
    ],
    [
      'heads that are texts',
      { 'llama.attention.head_count': array([text('4'), text('4')]) },
      'MODEL_INVALID',
      /head_count is "4"/,
    ],
    [
      'an FFN of width 0',
      { 'llama.feed_forward_length': u32(0) },
      'MODEL_INVALID',
      /feed_forward_length is 0/,
    ],
    [
      'a missing FFN width',
      { 'llama.feed_forward_length': null },
      'MODEL_INVALID',
      /feed_forward_length is missing/,
    ],
    [
      'a missing epsilon',
      { 'llama.attention.layer_norm_rms_epsilon': null },
      'MODEL_INVALID',
      /epsilon is missing/,
    ],
    [
      'an epsilon that is not a number',
      { 'llama.attention.layer_norm_rms_epsilon': f32(NaN) },
      'MODEL_INVALID',
      /epsilon is NaN/,
    ],
    [
      'a negative epsilon',
      { 'llama.attention.layer_norm_rms_epsilon': f32(-1) },
      'MODEL_INVALID',
      /epsilon is -1/,
    ],
    [
      'half rotation in llama',
      { 'llama.rope.dimension_count': u32(4) },
      'MODEL_INVALID',
      /turns whole heads/,
    ],
    ['an odd rotation', { 'llama.rope.dimension_count': u32(7) }, 'MODEL_INVALID', /turn in pairs/],
    [
      'rotation beyond the head',
      { 'llama.rope.dimension_count': u32(16) },
      'MODEL_INVALID',
      /dimension_count is 16/,
    ],
    ['base 0', { 'llama.rope.freq_base': f32(0) }, 'MODEL_INVALID', /freq_base is 0/],
    ['an infinite base', { 'llama.rope.freq_base': f32(Infinity) }, 'MODEL_INVALID', /freq_base is Infinity/],
    [
      'a factor beyond every use',
      { 'llama.rope.scaling.factor': f32(1e-9) },
      'MODEL_INVALID',
      /factor is .*, beyond every use/,
    ],
    [
      'an attn_factor beyond every use',
      { 'llama.rope.scaling.attn_factor': f32(1e9) },
      'MODEL_INVALID',
      /attn_factor is 1000000000, beyond every use/,
    ],
    ['a negative factor', { 'llama.rope.scaling.factor': f32(-2) }, 'MODEL_INVALID', /factor is -2/],
    [
      'neither tokens nor vocab_size',
      { 'tokenizer.ggml.tokens': null },
      'MODEL_INVALID',
      /tokens is missing/,
    ],
  ])('%s', async (_, changes, code, words) => {
    await expect(configOf('llama', changes)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(words),
    })
  })

  it.each<[string, Changes, RegExp]>([
    [
      'a pattern for fewer layers',
      { 'gemma3.attention.sliding_window_pattern': array([bool(true)]) },
      /1 entries for 2/,
    ],
    [
      'a pattern of texts',
      { 'gemma3.attention.sliding_window_pattern': array([text('a'), text('b')]) },
      /pattern is "a"/,
    ],
    [
      'a pattern of threes',
      { 'gemma3.attention.sliding_window_pattern': array([u32(3), u32(3)]) },
      /pattern is 3/,
    ],
  ])('%s', async (_, changes, words) => {
    await expect(
      configOf('gemma3', { 'gemma3.attention.sliding_window': u32(8), ...changes }),
    ).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(words),
    })
  })

  it('qwen2 heads of another size than n_embd / n_head', async () => {
    await expect(configOf('qwen2', { 'qwen2.attention.key_length': u32(16) })).rejects.toMatchObject({
      code: 'UNSUPPORTED_ARCHITECTURE',
    })
  })

  it('an unknown architecture with the names of those that run', async () => {
    await expect(configOf('mamba9', {})).rejects.toMatchObject({
      hint: 'It runs llama, qwen2, gemma3: choose a model of one of these.',
    })
  })
})

const golden = goldenDir()
describe.skipIf(!golden)('reference files (skipped where they are absent)', () => {
  it.each<[string, object, object]>([
    [
      'arch/llama',
      { nLayer: 2, nEmbd: 64, nVocab: 384, nCtxTrain: 256 },
      { rope: 'norm', headDim: 16, nHead: 4, nHeadKv: 2 },
    ],
    ['arch/llama-mha', {}, { headDim: 32, nHeadKv: 4, attnScale: 1 / Math.sqrt(32) }],
    ['arch/llama-linear', {}, { ropeScale: 0.5, yarnOriginalCtx: 0, ropeMscale: 1 }],
    ['arch/llama-yarn', {}, { ropeScale: 0.25, yarnOriginalCtx: 64, ropeMscale: 1 + 0.1 * Math.log(4) }],
    ['arch/llama-rope-freqs', {}, { ropeBase: 500_000, ropeFreqs: true }],
    ['arch/qwen2', {}, { rope: 'neox', ropeBase: 1e6, headDim: 16, ropeFreqs: false }],
    [
      'arch/gemma3',
      { nLayer: 7, embeddingScale: 8, logitSoftcap: 0 },
      { activation: 'gelu', headDim: 32, window: 16, ropeBase: 10_000 },
    ],
    ['quant/q4_k_s', { nEmbd: 256 }, { headDim: 64, nFf: 512 }],
  ])('%s', async (name, config, layer) => {
    const actual = modelConfig(await readGguf(`${golden}${name}.gguf`))
    expect(actual).toMatchObject(config)
    expect(actual.layers[0]).toMatchObject(layer)
  })

  it('gemma3: of seven layers only the sixth sees everything', async () => {
    const { layers } = modelConfig(await readGguf(`${golden}arch/gemma3.gguf`))
    expect(layers.map((layer) => [layer.window, layer.ropeBase])).toEqual(
      Array.from({ length: 7 }, (_, i) => (i === 5 ? [0, 1e6] : [16, 10_000])),
    )
  })
})

const gemma3 = modelPath('gemma3')
it.skipIf(!gemma3)(
  'Gemma 3 270M (skipped where it is absent): full layers 5, 11 and 17, heads of 256',
  async () => {
    const { layers, embeddingScale } = modelConfig(await readGguf(gemma3!))
    expect(layers.flatMap((layer, i) => (layer.window === 0 ? [i] : []))).toEqual([5, 11, 17])
    expect(layers[0]).toMatchObject({
      window: 512,
      ropeBase: 10_000,
      headDim: 256,
      nHeadKv: 1,
      attnScale: 1 / 16,
    })
    expect(embeddingScale).toBe(Math.sqrt(640))
  },
)
