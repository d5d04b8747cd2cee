/** What other programs write in other ways: the same model in each of them gives the same numbers, planned to the byte. */
import { existsSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { readGguf } from '../gguf/index.ts'
import {
  buildGguf,
  f32,
  text,
  texts,
  u32,
  type GgufToBuild,
  type TensorToBuild,
  type Value,
} from '../gguf/testing/build-gguf.ts'
import { randomFrom } from '../gguf/testing/mutate.ts'
import { TempFiles } from '../gguf/testing/temp-files.ts'
import { TINY, tinyModel } from '../gguf/testing/tiny-model.ts'
import { resourcePath } from '../resources.ts'
import { Model } from './index.ts'

const files = new TempFiles()
afterAll(() => files.remove())

const F16 = 1
const BF16 = 30

/** With all that its tokenizer needs. */
const tiny = (architecture: string, changes: Record<string, Value | null> = {}): GgufToBuild =>
  tinyModel(architecture, { 'tokenizer.ggml.merges': texts(), ...changes })

/** Eighths from -1 to 1, by the tensor's name: each type of number holds them exactly. */
function values(name: string, count: number): number[] {
  const random = randomFrom([...name].reduce((sum, character) => sum * 31 + character.charCodeAt(0), 7))
  return Array.from({ length: count }, () => (random(17) - 8) / 8)
}

function encode(value: number, type: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  if (type === 0) return bytes
  if (type === BF16) return bytes.subarray(2)
  // Sign, exponent and fraction of a float32 that float16 holds as a normal number, or zero.
  const bits = bytes.readUInt32LE()
  const half =
    value === 0
      ? 0
      : ((bits >>> 16) & 0x8000) | ((((bits >>> 23) & 0xff) - 112) << 10) | ((bits >>> 13) & 0x3ff)
  bytes.writeUInt16LE(half)
  return bytes.subarray(0, 2)
}

/** Writes the model with its weights filled in. */
async function write(spec: GgufToBuild): Promise<string> {
  const bytes = buildGguf(spec)
  const { tensors } = await readGguf(files.write(bytes))
  for (const { name, elements, typeId, offset } of tensors) {
    Buffer.concat(values(name, elements).map((value) => encode(value, typeId))).copy(bytes, offset)
  }
  return files.write(bytes, `model-${count++}.gguf`)
}
let count = 0

const IDS = Int32Array.from({ length: 12 }, (_, i) => (i * 7) % TINY.nVocab)

async function logitsOf(spec: GgufToBuild, exact: boolean): Promise<number[]> {
  await using model = await Model.open(await write(spec), { exact, device: 'cpu', contextLength: 64 })
  await using session = await model.createSession()
  const rows: number[] = []
  await session.logits(IDS, { onRows: (_from, logits) => void rows.push(...logits) })
  const { weights, kv, workspace, total } = model.memory
  expect(model.tally()).toMatchObject({ weights, kv, workspace, total })
  expect(rows).toHaveLength(IDS.length * TINY.nVocab)
  expect(rows.every(Number.isFinite)).toBe(true)
  return rows
}

const withBiases = (architecture: string): TensorToBuild[] => [
  ...tiny(architecture).tensors!,
  ...(architecture === 'gemma3' ? [] : [{ name: 'blk.1.attn_k.bias', dims: [TINY.nHeadKv * TINY.headDim] }]),
]
const withVectors = (architecture: string, type: number): TensorToBuild[] =>
  withBiases(architecture).map((tensor) => (tensor.dims.length === 1 ? { ...tensor, type } : tensor))
const head: TensorToBuild = { name: 'output.weight', dims: [TINY.nEmbd, TINY.nVocab] }
const padded = (tensors: TensorToBuild[], rows: number): TensorToBuild[] =>
  tensors.map((tensor) =>
    /^(token_embd|output)\./.test(String(tensor.name)) ? { ...tensor, dims: [TINY.nEmbd, rows] } : tensor,
  )

describe.skipIf(!existsSync(resourcePath('native/kigo.node')))(
  'the same numbers come from a model (skipped where dist is not built)',
  () => {
    const cases: [string, string, Partial<GgufToBuild>, Partial<GgufToBuild>][] = [
      'llama',
      'qwen2',
      'gemma3',
    ].flatMap((name) => [
      [
        'with norms and biases in F16',
        name,
        { tensors: withBiases(name) },
        { tensors: withVectors(name, F16) },
      ],
      [
        'with norms and biases in BF16',
        name,
        { tensors: withBiases(name) },
        { tensors: withVectors(name, BF16) },
      ],
      [
        'with a padded embedding',
        name,
        { tensors: withBiases(name) },
        { tensors: padded(withBiases(name), TINY.nVocab + 48) },
      ],
      [
        'with a padded head of its own',
        name,
        { tensors: [...withBiases(name), head] },
        { tensors: padded([...withBiases(name), head], TINY.nVocab + 1) },
      ],
      [
        'with tensors that do no harm',
        name,
        { tensors: withBiases(name) },
        {
          tensors: [
            { name: 'v.blk.0.attn_q.weight', dims: [32, 32] },
            ...withBiases(name),
            { name: 'blk.0.attn_rot_embd', dims: [4] },
          ],
        },
      ],
    ])
    it.each(cases)('%s: %s', async (_, architecture, plain, other) => {
      for (const exact of [true, false]) {
        const expected = await logitsOf({ ...tiny(architecture), ...plain }, exact)
        expect(await logitsOf({ ...tiny(architecture), ...other }, exact)).toEqual(expected)
      }
    })

    it('of Gemma 3 that leaves out what all of them have', async () => {
      const sliding = {
        'gemma3.attention.sliding_window': u32(4),
        'gemma3.attention.sliding_window_pattern': u32(2),
      }
      const key = 'gemma3.attention.layer_norm_rms_epsilon'
      const said = tiny('gemma3', { ...sliding, [key]: f32(1e-6), 'gemma3.rope.freq_base': f32(1e6) })
      const unsaid = tiny('gemma3', { ...sliding, [key]: null })
      const expected = await logitsOf(said, true)
      expect(await logitsOf(unsaid, true)).toEqual(
        expected.map((value) => expect.closeTo(value, 5) as unknown),
      )
      const other = tiny('gemma3', { ...sliding, [key]: f32(1e-6) })
      expect(await logitsOf(other, true)).not.toEqual(expected)
    })

    it('says in words what it put right', async () => {
      const odd = tiny('llama', { 'tokenizer.ggml.padding_token_id': u32(999), 'general.author': text('é') })
      await using model = await Model.open(await write({ ...odd, tensors: padded(odd.tensors!, 24) }), {
        device: 'cpu',
      })
      expect(model.notes).toEqual([
        expect.stringContaining('padding_token_id is 999'),
        'The embedding has 8 rows beyond the vocabulary of 16: left out.',
      ])
    })
  },
)
