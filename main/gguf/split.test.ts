import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { describeModel } from '../models/describe.ts'
import { readGguf } from './index.ts'
import { buildGguf, f32, i32, text, u16, type TensorToBuild, type Value } from './testing/build-gguf.ts'
import { TempFiles } from './testing/temp-files.ts'
import { tinyMetadata, tinyTensors } from './testing/tiny-model.ts'

let files: TempFiles
beforeEach(() => void (files = new TempFiles()))
afterEach(() => files.remove())

interface Split {
  tensors: TensorToBuild[][]
  /** What a part says of itself, where it is not the truth. */
  lies?: Record<number, Record<string, Value>>
}

/** Writes the parts and returns their paths. Only the first has the model's metadata, as converters do it. */
function writeParts({ tensors, lies = {} }: Split, prefix = 'Tiny Modell ü'): string[] {
  const count = tensors.length
  const total = tensors.flat().length
  return tensors.map((own, i) => {
    const keys: Record<string, Value> = {
      'split.no': u16(i),
      'split.count': u16(count),
      'split.tensors.count': i32(total),
      ...lies[i],
    }
    const metadata = [...(i === 0 ? tinyMetadata('llama') : []), ...Object.entries(keys)]
    return files.write(buildGguf({ metadata, tensors: own }), `${prefix}-0000${i + 1}-of-0000${count}.gguf`)
  })
}

const whole = tinyTensors('llama')
const thirds = [whole.slice(0, 5), whole.slice(5, 12), whole.slice(12)]

describe('a split model', () => {
  it('is whole, whichever part is given', async () => {
    const paths = writeParts({ tensors: thirds })
    const fromFirst = await readGguf(paths[0]!)
    expect(fromFirst.files.map((file) => file.path)).toEqual(paths)
    expect(fromFirst.tensors.map((tensor) => tensor.name)).toEqual(whole.map((tensor) => tensor.name))
    expect(fromFirst.tensors.map((tensor) => tensor.file)).toEqual([
      ...Array(5).fill(0),
      ...Array(7).fill(1),
      ...Array(8).fill(2),
    ])
    expect(fromFirst.metadata.get('general.name')).toBe('Tiny')
    for (const given of paths.slice(1)) expect(await readGguf(given)).toEqual(fromFirst)
    expect(describeModel(fromFirst).files).toHaveLength(3)
  })

  it('with a first part that holds metadata alone is whole too', async () => {
    const paths = writeParts({ tensors: [[], whole] })
    expect((await readGguf(paths[1]!)).tensors).toHaveLength(whole.length)
  })

  it('of one part needs no particular name', async () => {
    const keys: [string, Value][] = [
      ['split.count', u16(1)],
      ['split.no', u16(0)],
    ]
    const gguf = await readGguf(
      files.write(buildGguf({ metadata: [...tinyMetadata('llama'), ...keys], tensors: whole }), 'any.gguf'),
    )
    expect(gguf.files).toHaveLength(1)
  })

  it('with a missing part says which', async () => {
    const paths = writeParts({ tensors: thirds })
    rmSync(paths[1]!)
    await expect(readGguf(paths[2]!)).rejects.toMatchObject({
      code: 'MODEL_TRUNCATED',
      message: `Part 2 of 3 is missing: ${path.basename(paths[1]!)}.`,
      data: { part: 2, parts: 3 },
    })
  })

  it.each([
    ['capitals', ['M-00001-OF-00002.GGUF', 'M-00002-OF-00002.GGUF']],
    ['mixed', ['My-00001-of-00002.gguf', 'MY-00002-Of-00002.Gguf']],
  ])('is found whatever the case of its letters: %s', async (_, names) => {
    const paths = writeParts({ tensors: [whole.slice(0, 5), whole.slice(5)] }, 'x').map((from, i) => {
      const to = path.join(files.dir, names[i]!)
      renameSync(from, to)
      return to
    })
    for (const given of paths)
      expect((await readGguf(given)).files.map(({ path: file }) => file)).toEqual(paths)
  })

  it('prefers the spelling of the part that was given', async () => {
    const paths = writeParts({ tensors: [whole.slice(0, 5), whole.slice(5)] }, 'm')
    files.write(Buffer.from('another'), 'M-00002-of-00002.gguf')
    const found = (await readGguf(paths[0]!)).files.map(({ path: file }) => file)
    // On a file system that does not tell them apart there is only the one.
    if (readdirSync(files.dir).length === 3) expect(found).toEqual(paths)
  })

  it.each([
    ['whole, in order', [0, 1, 2], 'm.gguf'],
    ['in another order', [1, 0, 2], 'm.gguf'],
    ['two of three', [0, 1], 'm.gguf'],
    ['under the first one’s name', [0, 1, 2], 'Joined-00001-of-00003.gguf'],
  ])('whose parts were joined end to end says so: %s', async (_, order, name) => {
    const parts = writeParts({ tensors: thirds }).map((file) => readFileSync(file))
    const joined = files.write(Buffer.concat(order.map((i) => parts[i]!)), name)
    await expect(readGguf(joined)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining(`joined end to end, beginning with part ${order[0]! + 1} of 3`),
      hint: expect.stringMatching(/-00001-of-00003\.gguf.*--merge/),
    })
  })

  it.each<[string, (bytes: Buffer) => Buffer, string, RegExp]>([
    ['that is cut short', (bytes) => bytes.subarray(0, bytes.length - 64), 'MODEL_TRUNCATED', /cut short/],
    ['that is a web page', () => Buffer.from('<!doctype html>'), 'MODEL_NOT_GGUF', /a web page/],
    ['of zeros', (bytes) => Buffer.alloc(bytes.length), 'MODEL_NOT_GGUF', /download that did not finish/],
  ])('with a part %s says which', async (_, spoil, code, words) => {
    const paths = writeParts({ tensors: thirds })
    files.write(spoil(readFileSync(paths[1]!)), path.basename(paths[1]!))
    const error: unknown = await readGguf(paths[0]!).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code, message: expect.stringMatching(words), data: { part: 2, parts: 3 } })
    expect((error as Error).message).toMatch(/^Part 2 of 3, .*-00002-of-00003\.gguf: /)
  })

  it('whose file was renamed says how it must be named', async () => {
    const [first] = writeParts({ tensors: thirds })
    const renamed = files.write(buildGguf({ metadata: [['split.count', u16(3)]] }), 'renamed.gguf')
    await expect(readGguf(renamed)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      data: { expected: 'NAME-00001-of-00003.gguf' },
    })
    expect(first).toBeDefined()
  })

  it.each<[string, Split, RegExp]>([
    [
      'parts in the wrong order',
      { tensors: thirds, lies: { 1: { 'split.no': u16(2) } } },
      /split\.no is not 1/,
    ],
    [
      'parts of different models',
      { tensors: thirds, lies: { 2: { 'split.count': u16(4) } } },
      /split\.count is not 3/,
    ],
    [
      'a wrong tensor count',
      { tensors: thirds, lies: { 0: { 'split.tensors.count': i32(99) } } },
      /is 99, but the parts hold 20/,
    ],
    [
      'a tensor in two parts',
      { tensors: [whole, whole.slice(3, 4)] },
      /Two parts of this split model hold the tensor/,
    ],
    ['too many parts', { tensors: thirds, lies: { 0: { 'split.count': u16(65535) } } }, /at most 1000 parts/],
    [
      'a count that is text',
      { tensors: thirds, lies: { 0: { 'split.count': text('3') } } },
      /not a whole number/,
    ],
  ])('with %s is refused', async (_, split, words) => {
    const paths = writeParts(split)
    await expect(readGguf(paths[0]!)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(words),
    })
  })
})

describe('the refusal of a part', () => {
  const part = (keys: Record<string, Value>, name: string): string =>
    files.write(buildGguf({ metadata: Object.entries(keys) }), name)
  const third = (no: Value, count: Value = u16(3)) => ({ 'split.no': no, 'split.count': count })

  it.each([
    ['without the numbers', 'a.gguf'],
    ['with the number of another part', 'a-00002-of-00003.gguf'],
    ['with another count', 'a-00001-of-00004.gguf'],
    ['that goes on behind them', 'a-00001-of-00003.gguf.download'],
  ])('under a name %s says how it must be named', async (_, name) => {
    const file = part(third(u16(0)), name)
    await expect(readGguf(file)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: 'This is part 1 of 3 of a split model, but its name does not say so.',
      hint: 'Name it NAME-00001-of-00003.gguf, beside the other parts, as it was published.',
      data: { path: file, expected: 'NAME-00001-of-00003.gguf' },
    })
  })

  it.each<[string, Record<string, Value>, string]>([
    ['split.count', third(u16(0), text('3')), 'is not a whole number'],
    ['split.count', third(u16(0), i32(-3)), 'is not a whole number'],
    ['split.count', third(u16(0), f32(2.5)), 'is not a whole number'],
    ['split.count', third(u16(0), u16(1001)), 'is 1001; Kigo reads at most 1000 parts'],
    ['split.no', third(i32(-1)), 'is not a whole number'],
    ['split.no', third(text('1')), 'is not a whole number'],
  ])('names the key %s and the file: %j', async (key, keys, problem) => {
    const file = part(keys, 'a-00001-of-00003.gguf')
    await expect(readGguf(file)).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: `The file is damaged or was made wrongly: metadata key ${key} ${problem}.`,
      data: { key, path: file },
    })
  })

  it('names the key of a tensor count that is wrong', async () => {
    const [file] = writeParts({ tensors: thirds, lies: { 0: { 'split.tensors.count': i32(19) } } })
    await expect(readGguf(file!)).rejects.toMatchObject({
      message: expect.stringContaining('metadata key split.tensors.count is 19'),
      data: { key: 'split.tensors.count', path: file },
    })
  })

  it('comes with as many parts as Kigo reads only for want of the next', async () => {
    const file = part(third(u16(0), u16(1000)), 'a-00001-of-01000.gguf')
    await expect(readGguf(file)).rejects.toMatchObject({
      code: 'MODEL_TRUNCATED',
      message: 'Part 2 of 1000 is missing: a-00002-of-01000.gguf.',
      hint: 'Put all parts of the model into one folder.',
    })
  })

  it('that is no model is told of that part as of any file', async () => {
    const paths = writeParts({ tensors: thirds })
    files.write(Buffer.from('<html>Not found</html>'), path.basename(paths[1]!))
    await expect(readGguf(paths[0]!)).rejects.toMatchObject({ code: 'MODEL_NOT_GGUF' })
  })
})
