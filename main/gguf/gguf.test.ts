import { appendFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { goldenDir, modelPath } from '../testing/golden.ts'
import { processorTime } from '../testing/processor-time.ts'
import { readGguf } from './index.ts'
import { LIMITS } from './limits.ts'
import {
  array,
  bool,
  buildGguf,
  f32,
  f64,
  i16,
  i32,
  i64,
  i8,
  text,
  texts,
  u16,
  u32,
  u64,
  u8,
  type Value,
} from './testing/build-gguf.ts'
import { TempFiles } from './testing/temp-files.ts'
import { tinyModel } from './testing/tiny-model.ts'

const files = new TempFiles()
afterAll(() => files.remove())

async function valueOf(value: Value): Promise<unknown> {
  const gguf = await readGguf(files.write(buildGguf({ metadata: [['k', value]] })))
  return gguf.metadata.get('k')
}

describe('every value type is read', () => {
  it.each<[string, Value, unknown]>([
    ['u8', u8(255), 255],
    ['i8', i8(-128), -128],
    ['u16', u16(65535), 65535],
    ['i16', i16(-32768), -32768],
    ['u32', u32(4294967295), 4294967295],
    ['i32', i32(-2147483648), -2147483648],
    ['f32', f32(-1.5), -1.5],
    ['f64', f64(0.1), 0.1],
    ['f32 infinity', f32(-Infinity), -Infinity],
    ['bool', bool(true), true],
    ['text', text('Größe 大 🌸'), 'Größe 大 🌸'],
    ['empty text', text(''), ''],
    ['a replacement character that is there', text('\uFFFD'), '\uFFFD'],
    ['a byte order mark', text('\uFEFFa'), '\uFEFFa'],
    ['a NUL', text('a\0b'), 'a\0b'],
    ['u64 that a double holds', u64(2n ** 53n - 1n), 2 ** 53 - 1],
    ['u64 that a double does not hold', u64(2n ** 53n + 1n), 2n ** 53n + 1n],
    ['i64 below zero', i64(-5n), -5],
    ['the smallest i64', i64(-(2n ** 63n)), -(2n ** 63n)],
    ['texts', texts('a', '', 'ü'), ['a', '', 'ü']],
    ['booleans', array([bool(true), bool(false)]), [true, false]],
    ['no numbers', array([], { type: 4 }), new Uint32Array()],
    ['no texts', array([], { type: 8 }), []],
    ['u8s', array([u8(1), u8(2)]), new Uint8Array([1, 2])],
    ['i8s', array([i8(-1)]), new Int8Array([-1])],
    ['u16s', array([u16(1)]), new Uint16Array([1])],
    ['i16s', array([i16(-1)]), new Int16Array([-1])],
    ['u32s', array([u32(7)]), new Uint32Array([7])],
    ['i32s', array([i32(-7)]), new Int32Array([-7])],
    ['f32s', array([f32(0.5)]), new Float32Array([0.5])],
    ['f64s', array([f64(0.1)]), new Float64Array([0.1])],
    ['u64s', array([u64(2n ** 64n - 1n)]), new BigUint64Array([2n ** 64n - 1n])],
    ['i64s', array([i64(-1n)]), new BigInt64Array([-1n])],
    [
      'nested arrays',
      array([array([u32(1)]), array([texts('a'), texts()])]),
      [new Uint32Array([1]), [['a'], []]],
    ],
  ])('%s', async (_, value, expected) => {
    expect(await valueOf(value)).toEqual(expected)
  })

  it('at the edges of the read window too', async () => {
    // Texts and numbers of many lengths, so that some lie across each megabyte.
    const words = Array.from({ length: 60_000 }, (_, i) => `w${'ä'.repeat(i % 61)}${i}`)
    const long = 'long '.repeat(500_000)
    const numbers = Array.from({ length: 400_000 }, (_, i) => i)
    const gguf = await readGguf(
      files.write(
        buildGguf({
          metadata: [
            ['words', texts(...words)],
            ['long', text(long)],
            [
              'numbers',
              {
                type: 9,
                bytes: Buffer.concat([
                  u32(4).bytes,
                  u64(400_000n).bytes,
                  Buffer.from(new Uint32Array(numbers).buffer),
                ]),
              },
            ],
            ['last', u32(42)],
          ],
          tensors: [{ name: 'w', dims: [4] }],
        }),
      ),
    )
    expect(gguf.metadata.get('words')).toEqual(words)
    expect(gguf.metadata.get('long')).toBe(long)
    expect(gguf.metadata.get('numbers')).toEqual(new Uint32Array(numbers))
    expect(gguf.metadata.get('last')).toBe(42)
    expect(gguf.tensors).toHaveLength(1)
  })
})

describe('readGguf', () => {
  it('reads version 2 as version 3', async () => {
    const spec = tinyModel()
    const two = await readGguf(files.write(buildGguf({ ...spec, version: 2 }), 'two.gguf'))
    const three = await readGguf(files.write(buildGguf(spec), 'three.gguf'))
    expect(two.version).toBe(2)
    expect(two.metadata).toEqual(three.metadata)
    expect(two.tensors).toEqual(three.tensors)
  })

  it('gives tensors in file order with absolute offsets, sizes and the identity of the file', async () => {
    const path = files.write(
      buildGguf({
        tensors: [
          { name: 'b', dims: [64, 3], type: 2, offset: 32 },
          { name: 'a', dims: [2, 2, 2], offset: 0 },
        ],
      }),
    )
    const gguf = await readGguf(path)
    const start = gguf.tensors[1]!.offset
    expect(start % 32).toBe(0)
    expect(gguf.tensors).toEqual([
      {
        name: 'b',
        type: 'Q4_0',
        typeId: 2,
        dims: [64, 3],
        elements: 192,
        file: 0,
        offset: start + 32,
        bytes: 108,
      },
      { name: 'a', type: 'F32', typeId: 0, dims: [2, 2, 2], elements: 8, file: 0, offset: start, bytes: 32 },
    ])
    expect(gguf.files).toEqual([{ path, bytes: start + 32 + 108, mtimeMs: expect.any(Number) }])
  })

  it('accepts a header with neither keys nor tensors, and bytes behind the last tensor', async () => {
    expect(await readGguf(files.write(buildGguf({})))).toMatchObject({ tensors: [], alignment: 32 })
    const path = files.write(buildGguf({ tensors: [{ name: 'w', dims: [1] }] }))
    appendFileSync(path, Buffer.alloc(100))
    expect((await readGguf(path)).tensors[0]?.bytes).toBe(4)
  })

  it('accepts names, dimensions and alignments up to their limits', async () => {
    const key = 'k'.repeat(LIMITS.keyBytes)
    const name = 'n'.repeat(LIMITS.tensorNameBytes)
    const { alignment } = LIMITS
    const gguf = await readGguf(
      files.write(
        buildGguf({
          metadata: [
            [key, u8(1)],
            ['general.alignment', u32(alignment)],
          ],
          tensors: [
            { name, dims: [2, 1, 1, 2] },
            { name: 'w', dims: [1] },
          ],
          alignment,
        }),
      ),
    )
    expect(gguf.metadata.get(key)).toBe(1)
    expect(gguf.alignment).toBe(alignment)
    expect(gguf.tensors.map(({ offset }) => offset)).toEqual([alignment, 2 * alignment])
    expect(gguf.tensors[0]).toMatchObject({ name, dims: [2, 1, 1, 2], elements: 4, bytes: 16 })
  })

  it('accepts an alignment of one byte, and tensors that lie end to end in any order', async () => {
    const gguf = await readGguf(
      files.write(
        buildGguf({
          metadata: [['general.alignment', u32(1)]],
          tensors: [
            { name: 'last', dims: [3], type: 24, offset: 5 },
            { name: 'first', dims: [5], type: 24, offset: 0 },
          ],
          alignment: 1,
        }),
      ),
    )
    const start = gguf.tensors[1]!.offset
    expect(gguf.tensors.map(({ name, offset, bytes }) => [name, offset - start, bytes])).toEqual([
      ['last', 5, 3],
      ['first', 0, 5],
    ])
    expect(gguf.files[0]?.bytes).toBe(start + 8)
  })

  it('accepts arrays nested as deep, and as many booleans, as the limits allow', async () => {
    const nested = (depth: number): Value => (depth === 0 ? u8(1) : array([nested(depth - 1)]))
    expect(await valueOf(nested(LIMITS.arrayDepth))).toEqual([[[new Uint8Array([1])]]])
    const booleans = (count: number): Value => ({
      type: 9,
      bytes: Buffer.concat([u32(7).bytes, u64(BigInt(count)).bytes, Buffer.alloc(count, 1)]),
    })
    const half = LIMITS.booleans / 2
    const { metadata } = await readGguf(
      files.write(
        buildGguf({
          metadata: [
            ['a', booleans(half)],
            ['b', booleans(half)],
          ],
        }),
      ),
    )
    expect(metadata.get('b')).toHaveLength(half)
    const empty = array([], { type: 4 })
    const many = await valueOf(array(Array.from({ length: LIMITS.nestedArrays }, () => empty)))
    expect(many).toHaveLength(LIMITS.nestedArrays)
  })

  it('keeps keys such as __proto__ as plain keys', async () => {
    const gguf = await readGguf(
      files.write(
        buildGguf({
          metadata: [
            ['__proto__', u32(1)],
            ['constructor', u32(2)],
          ],
        }),
      ),
    )
    expect([...gguf.metadata]).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ])
  })
})

describe('headers of real size are read without quadratic work', () => {
  const golden = goldenDir()
  const cases = [
    { what: 'Gemma 3, 262,144 tokens', path: modelPath('gemma3') },
    { what: 'Qwen2, 151,936 tokens', path: golden && `${golden}tokenizer/qwen2.gguf` },
  ]
  for (const { what, path } of cases) {
    it.skipIf(!path)(`${what} (skipped where the file is absent)`, async () => {
      const spent = processorTime()
      await readGguf(path!)
      // 100 to 300 ms where measured; a step that looks at all tokens for each token takes minutes.
      expect(spent()).toBeLessThan(5000)
    })
  }
})
