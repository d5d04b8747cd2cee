import { readdirSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../contract/errors.ts'
import type { ModelDescription } from '../engine/addon.ts'
import { GGML_TYPES } from '../gguf/ggml-types.ts'
import { readGguf } from '../gguf/index.ts'
import { buildGguf, u32, type GgufToBuild, type TensorToBuild } from '../gguf/testing/build-gguf.ts'
import { TempFiles } from '../gguf/testing/temp-files.ts'
import { TINY, tinyMetadata, tinyModel, tinyTensors } from '../gguf/testing/tiny-model.ts'
import { goldenDir, modelPath } from '../testing/golden.ts'
import { describeModel, paddedRows } from './describe.ts'

const files = new TempFiles()
afterAll(() => files.remove())

const typeId = (name: string) => [...GGML_TYPES.values()].find((type) => type.name === name)!.id

async function describeFile(spec: GgufToBuild): Promise<ModelDescription> {
  return describeModel(await readGguf(files.write(buildGguf(spec))))
}

/** The tiny model with its tensors changed. */
function bent(change: (tensors: TensorToBuild[]) => TensorToBuild[], architecture = 'llama'): GgufToBuild {
  return { metadata: tinyMetadata(architecture), tensors: change(tinyTensors(architecture)) }
}
const replaced = (name: string, change: Partial<TensorToBuild>) =>
  bent((tensors) => tensors.map((tensor) => (tensor.name === name ? { ...tensor, ...change } : tensor)))
const without = (name: string) => bent((tensors) => tensors.filter((tensor) => tensor.name !== name))
const added = (architecture: string, ...more: TensorToBuild[]) =>
  bent((tensors) => [...tensors, ...more], architecture)
const namesOf = (model: ModelDescription) => model.tensors.map((tensor) => tensor.name)

describe('describeModel', () => {
  it.each(['llama', 'qwen2', 'gemma3'])(
    'names every tensor of a tiny %s once, where it lies',
    async (architecture) => {
      const gguf = await readGguf(files.write(buildGguf(tinyModel(architecture))))
      const model = describeModel(gguf)
      expect(namesOf(model).toSorted()).toEqual(gguf.tensors.map((tensor) => tensor.name).toSorted())
      for (const tensor of model.tensors) {
        const {
          typeId: type,
          dims,
          file,
          offset,
          bytes,
        } = gguf.tensors.find(({ name }) => name === tensor.name)!
        expect(tensor).toEqual({ name: tensor.name, type, dims, file, offset, bytes })
      }
      expect(model.files).toBe(gguf.files)
    },
  )

  it.each<[string, TensorToBuild[]]>([
    [
      'llama',
      [
        { name: 'output.weight', dims: [TINY.nEmbd, TINY.nVocab] },
        { name: 'rope_freqs.weight', dims: [TINY.headDim / 2] },
        ...['attn_q', 'attn_output'].map((name) => ({ name: `blk.0.${name}.bias`, dims: [32] })),
        { name: 'blk.1.ffn_down.bias', dims: [TINY.nEmbd] },
      ],
    ],
    [
      'qwen2',
      [
        { name: 'output.weight', dims: [TINY.nEmbd, TINY.nVocab] },
        { name: 'output.bias', dims: [TINY.nVocab] },
        { name: 'blk.1.attn_v.bias', dims: [TINY.nHeadKv * TINY.headDim] },
      ],
    ],
    ['gemma3', [{ name: 'output.weight', dims: [TINY.nEmbd, TINY.nVocab] }]],
  ])('takes an own output matrix, biases and rope_freqs as %s reads them', async (architecture, extras) => {
    const names = namesOf(await describeFile(added(architecture, ...extras)))
    expect(names).toEqual(expect.arrayContaining(extras.map(({ name }) => name)))
    expect(names).toHaveLength(tinyTensors(architecture).length + extras.length)
  })

  it.each<[string, string, string]>([
    ['llama', 'blk.0.attn_q_norm.weight', 'norms that only other architectures have'],
    ['llama', 'blk.1.post_attention_norm.weight', 'norms that only other architectures have'],
    ['llama', 'blk.0.attn_norm.bias', 'the bias of a norm'],
    ['llama', 'blk.0.attn_qkv.weight', 'a second set of q, k and v'],
    ['llama', 'blk.0.attn_sinks.weight', 'sinks'],
    ['llama', 'blk.0.ffn_gate_exps.weight', 'experts'],
    ['llama', 'blk.0.attn_q.scale', 'a scale'],
    ['llama', 'blk.0.ffn_up.input_scale', 'a scale of inputs'],
    ['llama', 'blk.0.attn_q.weight.lora_a', 'an adapter'],
    ['llama', 'output.bias', 'a bias of the head'],
    ['llama', 'rope_factors_long.weight', 'factors without longrope'],
    ['llama', 'token_embd.bias', 'a bias of the embedding'],
    ['llama', 'token_embd_norm.weight', 'a norm of the embedding'],
    ['llama', 'token_types.weight', 'types of tokens'],
    ['llama', 'position_embd.weight', 'learned positions'],
    ['llama', 'output_norm.bias', 'the bias of the last norm'],
    ['llama', 'cls.weight', 'a classifier'],
    ['llama', 'cls.output.bias', 'a classifier'],
    ['llama', 'something.of.tomorrow', 'what nobody knows yet'],
    ['qwen2', 'blk.1.attn_output.bias', 'a bias that others have'],
    ['qwen2', 'blk.0.ffn_down.bias', 'a bias that others have'],
    ['qwen2', 'rope_freqs.weight', 'factors that others read'],
    ['gemma3', 'blk.0.attn_q.bias', 'a bias that others have'],
    ['gemma3', 'output.bias', 'a bias of the head'],
  ])('refuses a %s file with %s, by name: %s', async (architecture, name) => {
    await expect(describeFile(added(architecture, { name, dims: [32] }))).rejects.toMatchObject({
      code: 'UNSUPPORTED_ARCHITECTURE',
      message: expect.stringContaining(`Tensor ${name} has no place in the architecture ${architecture}`),
      data: { tensor: name, architecture },
    })
  })

  it('refuses a tensor of a layer beyond the last', async () => {
    await expect(
      describeFile(added('llama', { name: 'blk.2.attn_norm.weight', dims: [32] })),
    ).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('blk.2.attn_norm.weight belongs to layer 2, but the header counts 2'),
      data: { tensor: 'blk.2.attn_norm.weight' },
    })
  })

  it('leaves out what is known to do no harm, whatever its type', async () => {
    const model = await describeFile(
      added(
        'gemma3',
        { name: 'v.blk.0.attn_q.weight', dims: [256], type: typeId('IQ1_S') },
        { name: 'mm.input_projection.weight', dims: [7] },
        { name: 'a.conv1d.1.bias', dims: [7] },
        { name: 'blk.0.attn_rot_embd', dims: [4] },
        { name: 'blk.1.attn_rot_embd.weight', dims: [4] },
      ),
    )
    expect(namesOf(model).toSorted()).toEqual(
      tinyTensors('gemma3')
        .map((tensor) => String(tensor.name))
        .toSorted(),
    )
  })

  it.each(['F32', 'F16', 'BF16'])('takes norms and biases of type %s', async (type) => {
    const spec = added('llama', { name: 'blk.0.attn_q.bias', dims: [32] })
    const tensors = spec.tensors!.map((tensor) =>
      tensor.dims.length === 1 ? { ...tensor, type: typeId(type) } : tensor,
    )
    const model = await describeFile({ ...spec, tensors })
    for (const tensor of model.tensors.filter(({ dims }) => dims.length === 1))
      expect(tensor).toMatchObject({ type: typeId(type), bytes: tensor.dims[0]! * (type === 'F32' ? 4 : 2) })
  })

  it('leaves out the rows of an embedding, a head and its bias beyond the vocabulary', async () => {
    const { nEmbd, nVocab } = TINY
    const spec = bent(
      (tensors) => [
        ...tensors.map((tensor) =>
          tensor.name === 'token_embd.weight'
            ? { ...tensor, dims: [nEmbd, nVocab + 8], type: typeId('Q8_0') }
            : tensor,
        ),
        { name: 'output.weight', dims: [nEmbd, nVocab + 1, 1] },
        { name: 'output.bias', dims: [nVocab + 48] },
      ],
      'qwen2',
    )
    const gguf = await readGguf(files.write(buildGguf(spec)))
    const model = describeModel(gguf)
    const part = (name: string) => model.tensors.find((tensor) => tensor.name === name)
    expect(part('token_embd.weight')).toMatchObject({ dims: [nEmbd, nVocab], bytes: nVocab * 34 })
    expect(part('output.weight')).toMatchObject({ dims: [nEmbd, nVocab], bytes: nVocab * nEmbd * 4 })
    expect(part('output.bias')).toMatchObject({ dims: [nVocab], bytes: nVocab * 4 })
    for (const { name, offset } of model.tensors)
      expect(offset).toBe(gguf.tensors.find((tensor) => tensor.name === name)!.offset)
    expect(paddedRows(gguf, model)).toBe(8)
  })

  it('takes dimensions of 1 at the end for what they are: nothing', async () => {
    const model = await describeFile(replaced('output_norm.weight', { dims: [TINY.nEmbd, 1, 1] }))
    expect(model.tensors.find(({ name }) => name === 'output_norm.weight')?.dims).toEqual([TINY.nEmbd])
  })

  it('describes a fused attn_qkv as its three parts', async () => {
    const { nEmbd, nHead, nHeadKv, headDim } = TINY
    const [q, kv] = [nHead * headDim, nHeadKv * headDim]
    const spec = bent((tensors) => [
      ...tensors.filter(({ name }) => !/blk\.0\.attn_[qkv]\.weight/.test(String(name))),
      { name: 'blk.0.attn_qkv.weight', dims: [nEmbd, q + 2 * kv], type: typeId('Q8_0') },
      { name: 'blk.0.attn_qkv.bias', dims: [q + 2 * kv] },
    ])
    const gguf = await readGguf(files.write(buildGguf(spec)))
    const start = gguf.tensors.find(({ name }) => name === 'blk.0.attn_qkv.weight')!.offset
    const { tensors } = describeModel(gguf)
    const part = (name: string) => tensors.find((tensor) => tensor.name === name)
    expect(part('blk.0.attn_q.weight')).toMatchObject({ dims: [nEmbd, q], offset: start, bytes: q * 34 })
    expect(part('blk.0.attn_k.weight')).toMatchObject({
      dims: [nEmbd, kv],
      offset: start + q * 34,
      bytes: kv * 34,
    })
    expect(part('blk.0.attn_v.weight')).toMatchObject({
      dims: [nEmbd, kv],
      offset: start + (q + kv) * 34,
      bytes: kv * 34,
    })
    expect(part('blk.0.attn_v.bias')).toMatchObject({ dims: [kv], bytes: kv * 4 })
  })

  it.each<[string, GgufToBuild, ErrorCode, RegExp, object]>([
    [
      'a missing embedding',
      without('token_embd.weight'),
      'MODEL_INVALID',
      /token_embd\.weight is missing/,
      { tensor: 'token_embd.weight' },
    ],
    [
      'a missing layer tensor',
      without('blk.1.ffn_up.weight'),
      'MODEL_INVALID',
      /blk\.1\.ffn_up\.weight is missing/,
      { expected: [32, 64] },
    ],
    [
      'another shape',
      replaced('blk.0.ffn_down.weight', { dims: [TINY.nEmbd, TINY.nFf] }),
      'MODEL_INVALID',
      /has the shape \[32, 64\], but the header implies \[64, 32\]/,
      { tensor: 'blk.0.ffn_down.weight', expected: [64, 32], actual: [32, 64] },
    ],
    [
      'an embedding with fewer rows than tokens',
      replaced('token_embd.weight', { dims: [32, 15] }),
      'MODEL_INVALID',
      /implies \[32, 16\]/,
      {},
    ],
    [
      'a norm of another length',
      replaced('output_norm.weight', { dims: [31] }),
      'MODEL_INVALID',
      /\[31\].*\[32\]/,
      {},
    ],
    [
      'a third dimension',
      replaced('blk.0.attn_q.weight', { dims: [32, 32, 2] }),
      'MODEL_INVALID',
      /\[32, 32, 2\]/,
      {},
    ],
    [
      'a bias of another length',
      added('llama', { name: 'blk.0.attn_k.bias', dims: [3] }),
      'MODEL_INVALID',
      /attn_k\.bias/,
      { actual: [3] },
    ],
    [
      'an output matrix with fewer rows than tokens',
      added('llama', { name: 'output.weight', dims: [32, 8] }),
      'MODEL_INVALID',
      /output\.weight/,
      {},
    ],
    [
      'a type that the engine does not run',
      replaced('blk.0.ffn_up.weight', { type: typeId('IQ4_NL') }),
      'UNSUPPORTED_QUANTIZATION',
      /IQ4_NL yet \(tensor blk\.0\.ffn_up\.weight\)/,
      { tensor: 'blk.0.ffn_up.weight', type: 'IQ4_NL' },
    ],
    [
      'integers for weights',
      replaced('blk.0.ffn_up.weight', { type: typeId('I8') }),
      'UNSUPPORTED_QUANTIZATION',
      /I8/,
      {},
    ],
    [
      'a quantised norm',
      replaced('output_norm.weight', { type: typeId('Q8_0') }),
      'UNSUPPORTED_QUANTIZATION',
      /output_norm\.weight has the type Q8_0; Kigo takes norms and biases as F32, F16 or BF16/,
      { type: 'Q8_0' },
    ],
    ['a file without weights', { metadata: tinyMetadata('llama') }, 'MODEL_INVALID', /vocabulary only/, {}],
    [
      'more layers than there are',
      { ...tinyModel('llama', { 'llama.block_count': u32(3) }) },
      'MODEL_INVALID',
      /blk\.2\.\w+\.weight is missing/,
      {},
    ],
  ])('refuses %s', async (_, spec, code, words, data) => {
    await expect(describeFile(spec)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(words),
      data,
    })
  })

  it('refuses a fused attn_qkv whose rows do not add up', async () => {
    const spec = bent((tensors) => [
      ...tensors.filter(({ name }) => name !== 'blk.0.attn_q.weight'),
      { name: 'blk.0.attn_qkv.weight', dims: [32, 65] },
    ])
    await expect(describeFile(spec)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      data: { expected: [32, 64], actual: [32, 65] },
    })
  })

  it.each(['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1'])(
    'takes matrices of type %s',
    async (type) => {
      const model = await describeFile(
        bent((all) =>
          all.map((tensor) => (tensor.dims.length === 2 ? { ...tensor, type: typeId(type) } : tensor)),
        ),
      )
      expect(model.tensors.find(({ name }) => name === 'blk.1.ffn_gate.weight')?.type).toBe(typeId(type))
    },
  )
})

const golden = goldenDir()
const RUNS_ARCH = /^(llama.*|qwen2|gemma3)\.gguf$/
const RUNS_QUANT = /^(f16|bf16|q8_0|q4_0|q4_1|q5_0|q5_1|q4_k_s|q5_k_s|q6_k)\.gguf$/

describe.skipIf(!golden)('reference files (skipped where they are absent)', () => {
  const inFolder = (folder: string) =>
    golden ? readdirSync(golden + folder).filter((name) => name.endsWith('.gguf')) : []

  it.each(inFolder('arch'))(
    'arch/%s is described whole, or its architecture is refused by name',
    async (name) => {
      const gguf = await readGguf(`${golden}arch/${name}`)
      if (RUNS_ARCH.test(name)) expect(describeModel(gguf).tensors).toHaveLength(gguf.tensors.length)
      else {
        const architecture = gguf.metadata.get('general.architecture')
        expect(() => describeModel(gguf)).toThrow(
          `Kigo does not run the architecture ${String(architecture)} yet.`,
        )
      }
    },
  )

  it.each(inFolder('quant'))(
    'quant/%s is described whole, or its quantisation is refused by name',
    async (name) => {
      const gguf = await readGguf(`${golden}quant/${name}`)
      if (RUNS_QUANT.test(name)) expect(describeModel(gguf).tensors).toHaveLength(gguf.tensors.length)
      else
        expect(() => describeModel(gguf)).toThrow(
          /Kigo does not run the quantisation (IQ|TQ|MXFP4|Q2_K|Q3_K)/,
        )
    },
  )

  it.each(['qwen2', 'llama-bpe', 'llama-spm'])(
    'tokenizer/%s.gguf is said to hold no weights',
    async (name) => {
      const gguf = await readGguf(`${golden}tokenizer/${name}.gguf`)
      expect(() => describeModel(gguf)).toThrow('This file holds a vocabulary only, no weights.')
    },
  )
})

it.skipIf(!modelPath('smollm2') || !modelPath('gemma3'))(
  'both real models are described whole (skipped where they are absent)',
  async () => {
    for (const name of ['smollm2', 'gemma3'] as const) {
      const gguf = await readGguf(modelPath(name)!)
      expect(describeModel(gguf).tensors).toHaveLength(gguf.tensors.length)
    }
  },
)
