/** What holds for every file: what was written is what is read, and no bytes whatever break the reader. */
import fc from 'fast-check'
import { afterAll, expect, it } from 'vitest'
import { KigoError } from '../../contract/errors.ts'
import { GGML_TYPES } from './ggml-types.ts'
import { readGguf } from './index.ts'
import {
  array,
  bool,
  buildGguf,
  f64,
  i32,
  i64,
  text,
  u16,
  u64,
  u8,
  type Value,
} from './testing/build-gguf.ts'
import { TempFiles } from './testing/temp-files.ts'

const RUNS = { seed: 20240601, numRuns: 300 }
const files = new TempFiles()
afterAll(() => files.remove())

const narrow = (n: bigint) => (Number.isSafeInteger(Number(n)) ? Number(n) : n)
const unicode = fc.string({ unit: 'binary', maxLength: 20 }) // any code points, NUL and marks among them

/** A value and what reading it gives. */
const scalar: fc.Arbitrary<{ value: Value; read: unknown }> = fc.oneof(
  fc.nat(255).map((n) => ({ value: u8(n), read: n })),
  fc.nat(65535).map((n) => ({ value: u16(n), read: n })),
  fc.integer().map((n) => ({ value: i32(n), read: n })),
  fc.double().map((n) => ({ value: f64(n), read: n })),
  fc.boolean().map((on) => ({ value: bool(on), read: on })),
  unicode.map((s) => ({ value: text(s), read: s })),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((n) => ({ value: u64(n), read: narrow(n) })),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n) => ({ value: i64(n), read: narrow(n) })),
)
const list: fc.Arbitrary<{ value: Value; read: unknown }> = fc.oneof(
  fc.array(unicode).map((all) => ({ value: array(all.map(text), { type: 8 }), read: all })),
  fc
    .array(fc.integer())
    .map((all) => ({ value: array(all.map(i32), { type: 5 }), read: new Int32Array(all) })),
  fc.array(fc.boolean()).map((all) => ({ value: array(all.map(bool), { type: 7 }), read: all })),
)

const metadata = fc.uniqueArray(
  fc.tuple(
    unicode.filter((key) => key !== '' && key !== 'general.alignment' && !key.startsWith('split.')),
    fc.oneof(scalar, list),
  ),
  { selector: ([key]) => key, maxLength: 12 },
)
const tensors = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[a-z_.0-9]{1,20}$/),
    type: fc.constantFrom(...GGML_TYPES.values()),
    blocks: fc.integer({ min: 1, max: 3 }),
    more: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
  }),
  { selector: ({ name }) => name, maxLength: 8 },
)

it('what was written is what is read', async () => {
  await fc.assert(
    fc.asyncProperty(metadata, tensors, async (keys, list) => {
      const specs = list.map(({ name, type, blocks, more }) => ({
        name,
        type: type.id,
        dims: [blocks * type.blockSize, ...more],
      }))
      const path = files.write(
        buildGguf({ metadata: keys.map(([key, { value }]) => [key, value] as const), tensors: specs }),
      )
      const gguf = await readGguf(path)
      expect([...gguf.metadata]).toEqual(keys.map(([key, { read }]) => [key, read]))
      expect(gguf.tensors.map(({ name, typeId, dims }) => ({ name, type: typeId, dims }))).toEqual(specs)
      gguf.tensors.forEach((tensor, i) => {
        const { type, blocks, more } = list[i]!
        expect(tensor.bytes).toBe(more.reduce((product, dim) => product * dim, blocks * type.blockBytes))
      })
    }),
    RUNS,
  )
})

it('any bytes behind the magic are read or refused with a KigoError', async () => {
  const start = fc.constantFrom(
    Buffer.from('GGUF\u0003\0\0\0'),
    Buffer.from('GGUF\u0002\0\0\0'),
    Buffer.from('GGUF'),
  )
  // Small counts get further into the parser than random ones.
  const counts = fc
    .tuple(fc.nat(3), fc.nat(3))
    .map(([t, k]) => Buffer.concat([u64(BigInt(t)).bytes, u64(BigInt(k)).bytes]))
  const rest = fc.uint8Array({ maxLength: 200 })
  await fc.assert(
    fc.asyncProperty(start, counts, rest, async (magic, both, bytes) => {
      const thrown = await readGguf(files.write(Buffer.concat([magic, both, bytes]))).then(
        () => null,
        (error: unknown) => error,
      )
      if (thrown) expect(thrown).toBeInstanceOf(KigoError)
    }),
    RUNS,
  )
})
