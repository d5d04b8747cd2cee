/** Every check of the format, raised once: which code, which words, which key or tensor, which byte. */
import { mkdirSync, readFileSync, truncateSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { afterAll, describe, expect, it } from 'vitest'
import { KigoError, type ErrorCode } from '../../contract/errors.ts'
import { readGguf } from './index.ts'
import { LIMITS } from './limits.ts'
import {
  array,
  bool,
  buildGguf,
  counted,
  f32,
  text,
  texts,
  u32,
  u64,
  u8,
  type GgufToBuild,
  type Value,
} from './testing/build-gguf.ts'
import { TempFiles } from './testing/temp-files.ts'
import { tinyModel } from './testing/tiny-model.ts'

const files = new TempFiles()
afterAll(() => files.remove())

async function errorOf(bytes: Buffer, name?: string): Promise<KigoError> {
  const error = await readGguf(files.write(bytes, name)).then(
    () => expect.unreachable('a broken file was accepted'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(KigoError)
  return error as KigoError
}

type Case = [
  what: string,
  file: GgufToBuild | Buffer,
  code: ErrorCode,
  words: RegExp,
  data?: Record<string, unknown>,
]

const one = (value: Value, key: string | Buffer = 'k'): GgufToBuild => ({ metadata: [[key, value]] })
/** A file whose only key starts at byte 24, its value (of the one-letter key) at 37. */
const VALUE_AT = 24 + 8 + 1 + 4
/** A key whose text decides what a model reads. */
const STRICT = 'tokenizer.chat_template'
const tensor = (dims: (number | bigint)[], type = 0, more = {}): GgufToBuild => ({
  tensors: [{ name: 't', dims, type, ...more }],
})
const aligned = (value: Value): GgufToBuild => one(value, 'general.alignment')
const HUGE = 2n ** 63n

const CASES: Case[] = [
  ['an empty file', Buffer.alloc(0), 'MODEL_NOT_GGUF', /empty/],
  ['another format', Buffer.from('hello world, this is no model'), 'MODEL_NOT_GGUF', /not a GGUF/, { at: 0 }],
  ['a ZIP archive', Buffer.from('PK\u0003\u0004 and more'), 'MODEL_NOT_GGUF', /ZIP/],
  ['a web page', Buffer.from('<!doctype html><title>Log in</title>'), 'MODEL_NOT_GGUF', /web page/],
  [
    'a Git LFS pointer',
    Buffer.from('version https://git-lfs.github.com/spec/v1\n'),
    'MODEL_NOT_GGUF',
    /Git LFS/,
  ],
  ['an old GGML file', { magic: 'tjgg' }, 'MODEL_NOT_GGUF', /GGJT/],
  ['reversed magic', { magic: 'FUGG' }, 'MODEL_NOT_GGUF', /big-endian/],
  ['version 0', { version: 0 }, 'MODEL_NOT_GGUF', /version 0/, { at: 4 }],
  ['version 1', { version: 1 }, 'MODEL_NOT_GGUF', /version 1, an early form/, { at: 4 }],
  ['version 4', { version: 4 }, 'MODEL_NOT_GGUF', /version 4/, { at: 4, version: 4 }],
  ['big-endian version 3', { version: 0x03000000 }, 'MODEL_NOT_GGUF', /big-endian/, { at: 4 }],
  ['nothing behind the magic', Buffer.from('GGUF'), 'MODEL_TRUNCATED', /ends at byte 4/],
  ['a cut count', buildGguf({}).subarray(0, 23), 'MODEL_TRUNCATED', /ends at byte 23/],

  [
    'too many keys',
    { keyCount: LIMITS.keys + 1 },
    'MODEL_INVALID',
    /count of metadata keys/,
    { count: LIMITS.keys + 1 },
  ],
  ['keys without end', { keyCount: HUGE }, 'MODEL_INVALID', /count of metadata keys/],
  ['more keys than bytes', { keyCount: 1000 }, 'MODEL_TRUNCATED', /count of metadata keys/],
  ['too many tensors', { tensorCount: HUGE }, 'MODEL_INVALID', /count of tensors/],
  ['more tensors than bytes', { tensorCount: 2 }, 'MODEL_TRUNCATED', /count of tensors/],
  [
    'one key too many',
    { ...one(texts('a long enough value')), keyCount: 2 },
    'MODEL_TRUNCATED',
    /metadata key 2 of 2/,
  ],

  ['an empty key', one(u8(1), ''), 'MODEL_INVALID', /metadata key 1 of 1 has an empty name/],
  ['a long key', one(u8(1), 'k'.repeat(LIMITS.keyBytes + 1)), 'MODEL_INVALID', /65,536 bytes/],
  [
    'a key beyond the file',
    buildGguf(one(u8(1))).fill(0xff, 24, 28),
    'MODEL_INVALID',
    /has a name of 4,294,967,295/,
    { at: 32 },
  ],
  [
    'a key twice',
    {
      metadata: [
        ['a.b', u8(1)],
        ['a.b', u8(1)],
      ],
    },
    'MODEL_INVALID',
    /a\.b appears twice/,
    { key: 'a.b', at: 40 },
  ],

  [
    'an unknown value type',
    one({ type: 13, bytes: Buffer.alloc(8) }),
    'MODEL_INVALID',
    /value type 13/,
    { at: VALUE_AT },
  ],
  [
    'a boolean of 2',
    one({ type: 7, bytes: Buffer.from([2]) }),
    'MODEL_INVALID',
    /boolean with the value 2/,
    { at: VALUE_AT },
  ],
  [
    'a text that is cut',
    one({ type: 8, bytes: counted('abc', 4) }),
    'MODEL_TRUNCATED',
    /inside metadata key k/,
    { at: VALUE_AT + 8 },
  ],
  [
    'a text of 2^63 bytes',
    one({ type: 8, bytes: counted('abc', HUGE) }),
    'MODEL_TRUNCATED',
    /inside metadata key k/,
  ],
  [
    'a text that is not UTF-8',
    one(text(Buffer.from([0xe2, 0x28, 0xa1])), STRICT),
    'MODEL_INVALID',
    /key tokenizer\.chat_template holds text/,
    { at: VALUE_AT + STRICT.length - 1 + 8 },
  ],
  ['an array of unknown type', one(array([], { type: 99 })), 'MODEL_INVALID', /array of value type 99/],
  [
    'an array of 2^63 numbers',
    one(array([u32(1)], { count: HUGE })),
    'MODEL_TRUNCATED',
    /inside metadata key k/,
  ],
  [
    'an array one short',
    one(array([u32(1), u32(2)], { count: 3 })),
    'MODEL_TRUNCATED',
    /inside metadata key k/,
  ],
  [
    'an array of 2^63 texts',
    one(array([text('a')], { count: HUGE })),
    'MODEL_TRUNCATED',
    /inside metadata key k/,
  ],
  [
    'an array of booleans with a 3',
    one(array([u8(1), u8(3)], { type: 7 })),
    'MODEL_INVALID',
    /value 3/,
    { at: VALUE_AT + 13 },
  ],
  [
    'an array with a text that is not UTF-8',
    one(array([text('a'), text(Buffer.from([0x80]))]), 'tokenizer.ggml.tokens'),
    'MODEL_INVALID',
    /not UTF-8/,
  ],
  [
    'arrays nested too deep',
    one(nested(LIMITS.arrayDepth + 1)),
    'MODEL_INVALID',
    /nests arrays more than 4 deep/,
  ],
  [
    'too many nested arrays',
    one(array([], { type: 9, count: LIMITS.nestedArrays + 1 })),
    'MODEL_INVALID',
    /65,537 nested arrays/,
  ],
  [
    'too many booleans',
    one(array([], { type: 7, count: LIMITS.booleans + 1 })),
    'MODEL_INVALID',
    /1,048,577 booleans/,
  ],
  [
    'too many booleans in all',
    {
      metadata: [
        ['a', booleans(LIMITS.booleans)],
        ['b', booleans(1)],
      ],
    },
    'MODEL_INVALID',
    /key b holds 1 booleans/,
  ],

  [
    'alignment 0',
    aligned(u32(0)),
    'MODEL_INVALID',
    /general\.alignment is "0"/,
    { key: 'general.alignment', at: 24 },
  ],
  ['alignment 24', aligned(u32(24)), 'MODEL_INVALID', /not a power of two/],
  ['alignment 2 MiB', aligned(u32(2 ** 21)), 'MODEL_INVALID', /not a power of two/],
  ['alignment as u64', aligned(u64(32n)), 'MODEL_INVALID', /as u32/],
  ['alignment as text', aligned(text('32')), 'MODEL_INVALID', /as u32/],
  ['alignment as an array', aligned(array([u32(32)])), 'MODEL_INVALID', /is an array/],

  ['a tensor without a name', { tensors: [{ name: '', dims: [1] }] }, 'MODEL_INVALID', /empty name/],
  [
    'a tensor with a long name',
    { tensors: [{ name: 'x'.repeat(128), dims: [1] }] },
    'MODEL_INVALID',
    /128 bytes/,
  ],
  [
    'a tensor name that is not UTF-8',
    { tensors: [{ name: Buffer.from([0xff]), dims: [1] }] },
    'MODEL_INVALID',
    /not UTF-8/,
  ],
  [
    'a tensor twice',
    {
      tensors: [
        { name: 'w', dims: [1] },
        { name: 'w', dims: [1] },
      ],
    },
    'MODEL_INVALID',
    /tensor w appears twice/,
    { tensor: 'w' },
  ],
  ['no dimensions', tensor([]), 'MODEL_INVALID', /tensor t has 0 dimensions/, { tensor: 't', at: 24 }],
  ['five dimensions', tensor([1, 1, 1, 1, 1]), 'MODEL_INVALID', /5 dimensions/, { tensor: 't' }],
  ['a dimension of 0', tensor([4, 0]), 'MODEL_INVALID', /dimension of 0/, { tensor: 't' }],
  ['2^64 elements', tensor([2 ** 32, 2 ** 32]), 'MODEL_INVALID', /more elements/, { tensor: 't' }],
  ['a dimension of 2^63', tensor([HUGE]), 'MODEL_INVALID', /more elements/, { tensor: 't' }],
  ['2^55 bytes', tensor([2 ** 52]), 'MODEL_INVALID', /more bytes/, { tensor: 't' }],
  [
    'a row that is no multiple of the block',
    tensor([33, 2], 2),
    'MODEL_INVALID',
    /rows of 33 values; Q4_0 needs a multiple of 32/,
    { tensor: 't' },
  ],
  ['an unknown type', tensor([32], 99), 'UNSUPPORTED_QUANTIZATION', /type 99/, { tensor: 't', type: 99 }],
  [
    'the removed type Q4_2',
    tensor([32], 4),
    'UNSUPPORTED_QUANTIZATION',
    /Q4_2, which was removed/,
    { tensor: 't', type: 4 },
  ],
  ['the removed type Q4_0_4_8', tensor([32], 32), 'UNSUPPORTED_QUANTIZATION', /Q4_0_4_8, which was removed/],

  [
    'an offset that is not aligned',
    tensor([8], 0, { offset: 16 }),
    'MODEL_INVALID',
    /starts at 16/,
    { tensor: 't' },
  ],
  [
    'an offset beyond the file',
    { ...tensor([8], 0, { offset: 2n ** 62n }), dataBytes: 32 },
    'MODEL_TRUNCATED',
    /Tensor t ends/,
  ],
  [
    'the largest offset',
    { ...tensor([8], 0, { offset: 2n ** 64n - 32n }), dataBytes: 32 },
    'MODEL_TRUNCATED',
    /Tensor t ends/,
  ],
  [
    'a tensor one byte too long',
    { ...tensor([8]), dataBytes: 31 },
    'MODEL_TRUNCATED',
    /t ends 1 byte past the end/,
    { tensor: 't', missingBytes: 1 },
  ],
  ['no data at all', { ...tensor([8]), dataBytes: 0 }, 'MODEL_TRUNCATED', /ends 32 bytes past/],
  [
    'two tensors on one spot',
    {
      tensors: [
        { name: 'a', dims: [16] },
        { name: 'b', dims: [8], offset: 32 },
      ],
    },
    'MODEL_INVALID',
    /tensors a and b overlap/,
    { tensor: 'b', other: 'a' },
  ],
]

function booleans(count: number): Value {
  return { type: 9, bytes: Buffer.concat([u32(7).bytes, u64(BigInt(count)).bytes, Buffer.alloc(count)]) }
}

function nested(depth: number): Value {
  return depth === 0 ? u8(1) : array([nested(depth - 1)])
}

describe('readGguf refuses', () => {
  it.each(CASES)('%s', async (_, file, code, words, data = {}) => {
    const error = await errorOf(Buffer.isBuffer(file) ? file : buildGguf(file))
    expect(error.message).toMatch(words)
    expect(error.code).toBe(code)
    expect(error.data).toMatchObject(data)
    expect(error.data?.['at']).toBeTypeOf('number')
    expect(error.hint).not.toBe('')
  })

  it.each<[string, GgufToBuild, string, string]>([
    ['version 1', { version: 1 }, 'version 1, an early form that Kigo does not read', 'a newer conversion'],
    [
      'big-endian bytes',
      { version: 0x02000000 },
      'big-endian; Kigo reads little-endian',
      'the little-endian file',
    ],
  ])('%s, with a way out', async (_, file, words, hint) => {
    const error = await errorOf(buildGguf(file))
    expect(error.message).toContain(words)
    expect(error.hint).toContain(hint)
    expect(error.data).toMatchObject({ at: 4, version: file.version })
  })

  it('of several tensors that are cut, the one that lacks most, with what the file has', async () => {
    const whole = buildGguf({
      tensors: [
        { name: 'a', dims: [8] },
        { name: 'c', dims: [8], offset: 64 },
        { name: 'b', dims: [8], offset: 32 },
      ],
    })
    const path = 'cut-most.gguf'
    const error = await errorOf(whole.subarray(0, whole.length - 80), path)
    expect(error).toMatchObject({
      code: 'MODEL_TRUNCATED',
      message: 'The file is cut short. Tensor c ends 80 bytes past the end of the file.',
      data: { tensor: 'c', missingBytes: 80, fileBytes: whole.length - 80 },
    })
    expect(error.data?.['path']).toContain(path)
  })

  it('tensors that overlap by one byte, whatever their order in the table', async () => {
    for (const [first, second] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const tensors = {
        a: { name: 'a', dims: [5], type: 24, offset: 0 },
        b: { name: 'b', dims: [3], type: 24, offset: 4 },
      }
      const metadata: GgufToBuild['metadata'] = [['general.alignment', u32(1)]]
      const error = await errorOf(
        buildGguf({ metadata, tensors: [tensors[first], tensors[second]], alignment: 1 }),
      )
      expect(error.message).toContain('tensors a and b overlap')
      expect(error.data).toMatchObject({ tensor: 'b', other: 'a' })
    }
  })

  it('counts beyond their limits, with both numbers', async () => {
    const error = await errorOf(buildGguf({ keyCount: LIMITS.keys + 1 }))
    expect(error.message).toContain('the count of metadata keys is 65,537; Kigo reads at most 65,536')
    expect(error.data).toMatchObject({ count: 65_537, limit: 65_536 })
  })

  it('a file cut anywhere in its header or data', async () => {
    const whole = buildGguf(tinyModel('llama'))
    const step = 61 // every byte would be 50,000 files
    for (let length = 4; length < whole.length; length += step) {
      const error = await errorOf(whole.subarray(0, length))
      expect(error.code, `cut at ${length}`).toBe('MODEL_TRUNCATED')
    }
    expect((await readGguf(files.write(whole))).tensors.length).toBe(20)
  })

  it('a header larger than its limit, without reading it', async () => {
    // A sparse file: one text claims 200 MiB, and the file is that long.
    const path = files.write(buildGguf(one({ type: 8, bytes: counted('', 200 * 2 ** 20) })))
    truncateSync(path, 300 * 2 ** 20)
    await expect(readGguf(path)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(/at most 67,108,864 bytes/),
    })
  })
})

describe('readGguf says in words that', () => {
  it('there is no such file', async () => {
    await expect(readGguf(`${files.dir}/none.gguf`)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
    await expect(readGguf(`${files.write(Buffer.alloc(4))}/below-a-file`)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    })
  })

  it('a folder is no file', async () => {
    mkdirSync(`${files.dir}/folder.gguf`)
    await expect(readGguf(`${files.dir}/folder.gguf`)).rejects.toMatchObject({ code: 'MODEL_UNREADABLE' })
  })

  it.skipIf(process.platform === 'win32')('a pipe is no file, without waiting for a writer', async () => {
    execFileSync('mkfifo', [`${files.dir}/pipe.gguf`])
    await expect(readGguf(`${files.dir}/pipe.gguf`)).rejects.toMatchObject({ code: 'MODEL_UNREADABLE' })
  })

  it('it was cancelled', async () => {
    const path = files.write(buildGguf(tinyModel()))
    await expect(readGguf(path, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' })
  })
})

it('the generator writes what it is told: a sound file is accepted', async () => {
  const spec = tinyModel('qwen2', {
    'general.alignment': u32(64),
    'a.flag': bool(true),
    'a.number': f32(0.5),
  })
  const gguf = await readGguf(files.write(buildGguf({ ...spec, alignment: 64 })))
  expect(gguf).toMatchObject({ version: 3, alignment: 64 })
  expect(gguf.metadata.get('a.flag')).toBe(true)
  expect(gguf.metadata.get('a.number')).toBe(0.5)
  expect(gguf.tensors.every(({ offset }) => offset % 64 === 0)).toBe(true)
  expect(readFileSync(gguf.files[0]!.path).length).toBe(gguf.files[0]!.bytes)
})
