import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { goldenDir } from '../testing/golden.ts'
import { readGguf } from './index.ts'
import type { Metadata, MetadataValue } from './types.ts'
import { checkVocabulary, specialId } from './vocabulary.ts'

const sixteen = Array.from({ length: 16 }, (_, i) => `t${i}`)

function vocabulary(changes: Record<string, MetadataValue | undefined> = {}): Metadata {
  const entries: Record<string, MetadataValue | undefined> = {
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.tokens': sixteen,
    'tokenizer.ggml.scores': new Float32Array(16),
    'tokenizer.ggml.token_type': new Int32Array(16).fill(1),
  }
  for (const [key, value] of Object.entries(changes)) entries[`tokenizer.ggml.${key}`] = value
  return new Map(
    Object.entries(entries).filter((entry): entry is [string, MetadataValue] => entry[1] !== undefined),
  )
}

describe('checkVocabulary', () => {
  it('gives model, pre and size', () => {
    expect(checkVocabulary(vocabulary())).toEqual({ model: 'llama', pre: null, size: 16, notes: [] })
    expect(checkVocabulary(vocabulary({ model: 'gpt2', pre: 'qwen2' }))).toEqual({
      model: 'gpt2',
      pre: 'qwen2',
      size: 16,
      notes: [],
    })
  })

  it('gives null where there is no tokenizer', () => {
    expect(checkVocabulary(new Map())).toBeNull()
  })

  it('needs neither scores nor types', () => {
    expect(checkVocabulary(vocabulary({ scores: undefined, token_type: undefined }))?.size).toBe(16)
  })

  it('takes -1, as converters write it, for a special token that there is not', () => {
    for (const none of [0xffff_ffff, -1]) {
      const ids = { seperator_token_id: none, padding_token_id: none, bos_token_id: none }
      expect(checkVocabulary(vocabulary(ids))?.size).toBe(16)
    }
  })

  it.each<[string, MetadataValue]>([
    ['padding_token_id', 16],
    ['padding_token_id', -2],
    ['padding_token_id', 2n ** 63n],
    ['padding_token_id', '<pad>'],
    ['seperator_token_id', 4294967294],
    ['mask_token_id', 99],
    ['cls_token_id', 0.5],
    ['a_role_of_tomorrow_token_id', 1e9],
  ])('notes %s %s, which nothing uses, and goes on', (key, value) => {
    const notes = checkVocabulary(vocabulary({ [key]: value }))?.notes
    expect(notes).toEqual([expect.stringContaining(key)])
    expect(notes?.[0]).toContain('Kigo has no use for it')
  })

  it.each<[string, MetadataValue, string]>([
    ['bos_token_id', 16, 'The usual 1 stands for it'],
    ['eos_token_id', 4294967294, 'The usual 2 stands for it'],
    ['unknown_token_id', -2, 'The usual 0 stands for it'],
    ['eot_token_id', 99, 'It is taken as absent'],
    ['fim_pre_token_id', 2n ** 60n, 'It is taken as absent'],
  ])('says what stands for %s %s, which is no token', (key, value, words) => {
    const notes = checkVocabulary(vocabulary({ [key]: value }))?.notes
    expect(notes).toEqual([expect.stringContaining(words)])
    expect(notes?.[0]).toContain(`${key} is ${String(value)}, no token of this vocabulary of 16`)
  })

  it('has no usual ids for byte-level BPE', () => {
    const { notes } = checkVocabulary(vocabulary({ model: 'gpt2', eos_token_id: 99 }))!
    expect(notes).toEqual([expect.stringContaining('It is taken as absent')])
  })

  it('knows what an id says', () => {
    const metadata = vocabulary({ bos_token_id: 3, eos_token_id: 16, eot_token_id: 0xffff_ffff })
    expect(['bos', 'eos', 'eot', 'eom'].map((role) => specialId(metadata, role, 16))).toEqual([
      3,
      'outside',
      null,
      undefined,
    ])
  })

  it.each<[string, Record<string, MetadataValue | undefined>, RegExp]>([
    ['no tokens', { tokens: [] }, /tokens holds 0 tokens/],
    [
      'tokens that are numbers',
      { tokens: new Int32Array(16) },
      /tokens is an array of 16, not a list of texts/,
    ],
    ['fewer scores than tokens', { scores: new Float32Array(15) }, /scores has 15 entries for 16 tokens/],
    ['scores that are texts', { scores: sixteen }, /scores is not a list of float32/],
    [
      'a score that is not a number',
      { scores: new Float32Array(16).fill(NaN, 3, 4) },
      /scores is not a number for token 3/,
    ],
    ['more types than tokens', { token_type: new Int32Array(17) }, /token_type has 17 entries/],
    ['types that are flags', { token_type: [true] }, /token_type is not a list of 32-bit integers/],
    ['merges that are numbers', { merges: new Uint32Array(2) }, /merges is an array of 2/],
    ['an unknown token that is text', { unknown_token_id: '<unk>' }, /unknown_token_id is "<unk>"/],
    ['half an id', { eos_token_id: 1.5 }, /eos_token_id is 1\.5, no id/],
    [
      'an eos outside where its default is outside too',
      { eos_token_id: 9, tokens: ['a', 'b'], scores: undefined, token_type: undefined },
      /eos_token_id is 9, and its default 2 is outside the vocabulary of 2 tokens too/,
    ],
    [
      'a default eos outside',
      { tokens: ['a', 'b'], scores: undefined, token_type: undefined },
      /eos_token_id is absent, and its default 2/,
    ],
    [
      'a default of byte-level BPE outside',
      { model: 'gpt2', tokens: sixteen.slice(6), scores: undefined, token_type: undefined },
      /default 11/,
    ],
    [
      'a byte token without brackets',
      { token_type: new Int32Array(16).fill(6, 5, 6) },
      /not spelled <0xHH> \(token 5\)/,
    ],
  ])('refuses %s', (_, changes, words) => {
    expect(() => checkVocabulary(vocabulary(changes))).toThrow(words)
    expect(() => checkVocabulary(vocabulary(changes))).toThrow(
      expect.objectContaining({ code: 'MODEL_INVALID' }),
    )
  })

  it('takes <0x00> and <0xff> as bytes, <0xG0> and <0x000> not', () => {
    const types = new Int32Array(16).fill(1)
    types[0] = 6
    const withFirst = (token: string) =>
      vocabulary({ tokens: [token, ...sixteen.slice(1)], token_type: types })
    for (const token of ['<0x00>', '<0xff>', '<0xFF>'])
      expect(checkVocabulary(withFirst(token))).not.toBeNull()
    for (const token of ['<0xG0>', '<0x000>', '<0x0>', '0x00', '<0x00> '])
      expect(() => checkVocabulary(withFirst(token))).toThrow()
  })

  const golden = goldenDir()
  it.skipIf(!golden)('accepts every reference vocabulary (skipped where they are absent)', async () => {
    const names = readdirSync(`${golden}tokenizer`).filter((name) => name.endsWith('.gguf'))
    expect(names.length).toBeGreaterThan(4)
    for (const name of names) {
      const { metadata } = await readGguf(`${golden}tokenizer/${name}`)
      expect(checkVocabulary(metadata)?.size).toBeGreaterThan(30_000)
    }
  })
})
