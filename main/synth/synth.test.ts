import { createHash } from 'node:crypto'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Model } from '../engine/index.ts'
import { readGguf, type Gguf } from '../gguf/index.ts'
import { describeModel } from '../models/describe.ts'
import { tensorsByType } from '../models/quantization.ts'
import { resourcePath } from '../resources.ts'
import { tokenizerFromGguf } from '../tokenizer/index.ts'
import { MIXES, planSynth, SHAPES, synthesize, type Shape } from './index.ts'
import { blockOf } from './mixes.ts'
import { syntheticVocabulary } from './vocabulary.ts'
import { half, randomWeights } from './weights.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'kigo-synth-'))
afterAll(() => rmSync(folder, { recursive: true }))

const TINY: Shape = {
  ...SHAPES['smollm2-135m']!,
  ...{ layers: 4, embd: 64, ff: 256, heads: 4, headsKv: 2, headDim: 16, vocabulary: 700, context: 256 },
}

function write(shape: Shape, type: string, seed = 1): string {
  const file = path.join(folder, `${shape.title} ${type} ${seed}.gguf`)
  const to = openSync(file, 'w')
  for (const chunk of synthesize(planSynth(shape, MIXES[type]!), seed)) writeSync(to, chunk)
  closeSync(to)
  return file
}

/** The header as the reader understands it: of the plan alone, so that 16 GB need not be written for it. */
async function headerOf(shape: Shape, type: string): Promise<{ gguf: Gguf; bytes: number }> {
  const plan = planSynth(shape, MIXES[type]!)
  const file = path.join(folder, 'header.gguf')
  const to = openSync(file, 'w')
  writeSync(to, plan.header)
  writeSync(to, Buffer.alloc(1), 0, 1, plan.bytes - 1) // a hole up to the last byte
  closeSync(to)
  return { gguf: await readGguf(file), bytes: plan.bytes }
}

const counts = (gguf: Gguf): Record<string, number> =>
  Object.fromEntries(Object.entries(tensorsByType(gguf)).map(([type, { count }]) => [type, count]))

describe('the header', () => {
  // As the headers of the real models count them; Llama's own files have the 64 numbers of rope_freqs too.
  it.each([
    ['smollm2-135m', 'F16', { F16: 211, F32: 61 }],
    ['smollm2-135m', 'Q8_0', { Q8_0: 211, F32: 61 }],
    ['smollm2-135m', 'Q4_K_M', { Q5_0: 166, Q8_0: 15, Q4_K: 16, Q6_K: 14, F32: 61 }],
    ['qwen2.5-0.5b', 'F16', { F16: 169, F32: 121 }],
    ['qwen2.5-0.5b', 'Q8_0', { Q8_0: 169, F32: 121 }],
    ['qwen2.5-0.5b', 'Q4_K_M', { Q5_0: 132, Q8_0: 13, Q4_K: 12, Q6_K: 12, F32: 121 }],
    ['llama-3.1-8b', 'F16', { F16: 226, F32: 65 }],
    ['llama-3.1-8b', 'Q8_0', { Q8_0: 226, F32: 65 }],
    ['llama-3.1-8b', 'Q4_K_M', { Q4_K: 193, Q6_K: 33, F32: 65 }],
  ])('%s in %s has the tensors and types of the real model', async (name, type, expected) => {
    const shape = SHAPES[name]!
    const { gguf, bytes } = await headerOf(shape, type)
    expect(counts(gguf)).toEqual(expected)
    const { config } = describeModel(gguf)
    expect(config).toMatchObject({
      architecture: shape.architecture,
      nLayer: shape.layers,
      nEmbd: shape.embd,
      nVocab: shape.vocabulary,
      nCtxTrain: shape.context,
    })
    expect(config.layers[0]).toMatchObject({
      nHead: shape.heads,
      nHeadKv: shape.headsKv,
      headDim: shape.headDim,
      nFf: shape.ff,
    })
    const last = gguf.tensors.at(-1)!
    expect(last.offset + last.bytes).toBe(bytes)
    expect(tokenizerFromGguf(gguf.metadata).size).toBe(shape.vocabulary)
  })

  it('an output matrix of its own is one tensor more', async () => {
    const shape = SHAPES['qwen2.5-0.5b']!
    const [tied, untied] = [await headerOf(shape, 'F16'), await headerOf({ ...shape, tied: false }, 'F16')]
    expect([tied.gguf.tensors.length, untied.gguf.tensors.length]).toEqual([290, 291])
    expect(untied.bytes - tied.bytes).toBeGreaterThanOrEqual(2 * shape.embd * shape.vocabulary)
    expect(untied.gguf.tensors.find(({ name }) => name === 'output.weight')?.dims).toEqual([
      shape.embd,
      shape.vocabulary,
    ])
  })

  it('Q4_K_M gives more bits to the first and last eighth of the layers and every third between', async () => {
    const { gguf } = await headerOf(SHAPES['llama-3.1-8b']!, 'Q4_K_M')
    const typeOf = new Map(gguf.tensors.map(({ name, type }) => [name, type]))
    const precious = [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
    for (let layer = 0; layer < 32; layer++) {
      const type = precious.includes(layer) ? 'Q6_K' : 'Q4_K'
      expect(typeOf.get(`blk.${layer}.attn_v.weight`), `${layer}`).toBe(type)
      expect(typeOf.get(`blk.${layer}.ffn_down.weight`), `${layer}`).toBe(type)
      expect(typeOf.get(`blk.${layer}.attn_k.weight`)).toBe('Q4_K')
    }
    expect(typeOf.get('output.weight')).toBe('Q6_K')
    expect(typeOf.get('token_embd.weight')).toBe('Q4_K')
  })
})

describe('the vocabulary', () => {
  it('has a way to each of its tokens, and cuts text and puts it together again', async () => {
    const { gguf } = await headerOf(SHAPES['smollm2-135m']!, 'F16')
    const tokenizer = tokenizerFromGguf(gguf.metadata)
    const plain = { special: false, addBosEos: false }
    const { tokens } = syntheticVocabulary(49_152)
    for (const id of [300, 500, 6000, 40_000, 49_000]) {
      const text = tokens[id]!.replace('Ġ', ' ')
      expect(tokenizer.encode(text, plain), text).toEqual([id])
    }
    const text = 'Kimono lasted 1,000 years; ñ 俳句 🌸\n\tend'
    expect(tokenizer.decode(tokenizer.encode(text, plain))).toBe(text)
  })
})

describe('the weights', () => {
  it('are the same for the same seed, and others for another', () => {
    const hash = (seed: number): string => createHash('sha256').update(whole(seed)).digest('hex')
    const whole = (seed: number) => Buffer.concat([...synthesize(planSynth(TINY, MIXES['Q4_K_M']!), seed)])
    expect(hash(7)).toBe(hash(7))
    expect(hash(8)).not.toBe(hash(7))
  })

  it('are the same on every machine', () => {
    const sum = createHash('sha256')
    for (const type of ['F32', 'F16', 'Q8_0', 'Q5_0', 'Q4_K', 'Q6_K'] as const) {
      const bytes = blockOf(type).blockBytes * 1000
      for (const chunk of randomWeights(type, bytes, 0.03, { seed: 1, name: 'x' })) sum.update(chunk)
    }
    expect(sum.digest('hex')).toBe('9ba8b00f6a97e82853048e03d999a5f5b90b4f4a2f3dbb5b378be0b59ed7bc5d')
  })

  it('come in chunks of a few megabytes, however large the tensor', () => {
    let bytes = 0
    for (const chunk of randomWeights('Q6_K', 210 * 100_000, 1, { seed: 1, name: 'x' })) {
      expect(chunk.length).toBeLessThanOrEqual(2 ** 22)
      expect(chunk.length % 210).toBe(0)
      bytes += chunk.length
    }
    expect(bytes).toBe(21_000_000)
  })

  it('half precision: exact, rounded to even, subnormal, too large', () => {
    const cases: [number, number][] = [
      [0, 0],
      [1, 0x3c00],
      [-2, 0xc000],
      [65_504, 0x7bff],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [2 ** -14, 0x0400],
      [2 ** -24, 0x0001],
      [2 ** -26, 0],
      [2 - 2 ** -12, 0x4000],
      [1e6, 0x7c00],
    ]
    for (const [value, bits] of cases) expect(half(value), String(value)).toBe(bits)
  })
})

describe.skipIf(!existsSync(resourcePath('native/kigo.node')))(
  'the model (skipped where dist is not built)',
  () => {
    const shape = SHAPES['smollm2-135m']!

    it.each(Object.keys(MIXES))(
      'smollm2-135m in %s runs, and its logits are of a sound spread',
      async (type) => {
        const file = write(shape, type)
        await using model = await Model.open(file, { device: 'cpu', contextLength: 128 })
        await using session = await model.createSession()
        const ids = Int32Array.from({ length: 48 }, (_, i) => (i * 7919 + 13) % shape.vocabulary)
        await session.logits(ids, {
          onRows: (_from, rows) => {
            for (let at = 0; at < rows.length; at += shape.vocabulary) {
              const { mean, sd } = spread(rows.subarray(at, at + shape.vocabulary))
              expect(Math.abs(mean)).toBeLessThan(0.1)
              expect(sd).toBeGreaterThan(0.8)
              expect(sd).toBeLessThan(1.25)
            }
          },
        })
        // It knows nothing: each token about as likely as any other, and e^(1/2) less likely for the spread of 1.
        await session.truncate(0)
        const logprobs = await session.score(ids)
        const perplexity = Math.exp(-logprobs.reduce((sum, x) => sum + x, 0) / logprobs.length)
        expect(perplexity).toBeGreaterThan(shape.vocabulary / 2)
        expect(perplexity).toBeLessThan(shape.vocabulary * 4)
        rmSync(file)
      },
    )

    it('two seeds are two models', async () => {
      const replies: number[][] = []
      for (const seed of [1, 2]) {
        await using model = await Model.open(write(TINY, 'Q8_0', seed), { device: 'cpu', contextLength: 64 })
        await using session = await model.createSession()
        const ids: number[] = []
        for await (const event of session.generate({
          tokens: [5, 6],
          sampling: { temperature: 0 },
          maxTokens: 8,
        }))
          if (event.type === 'text') ids.push(...event.records.map(({ id }) => id))
        replies.push(ids)
      }
      expect(replies[0]).not.toEqual(replies[1])
    })
  },
)

function spread(values: Float32Array): { mean: number; sd: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0)
  return { mean, sd: Math.sqrt(squares / values.length) }
}
