/** Our reader against another one, file by file, on everything that is there. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { gguf as readWithOracle } from '@huggingface/gguf'
import { describe, expect, it } from 'vitest'
import { goldenDir, modelPath } from '../testing/golden.ts'
import { readGguf } from './index.ts'

const golden = goldenDir()
const files = [
  ...['arch', 'quant', 'tokenizer'].flatMap((folder) =>
    golden
      ? readdirSync(golden + folder)
          .filter((name) => name.endsWith('.gguf'))
          .map((name) => `${golden}${folder}/${name}`)
      : [],
  ),
  modelPath('smollm2'),
  modelPath('gemma3'),
].filter((file) => file !== null)

describe.skipIf(files.length === 0)(
  'readGguf agrees with @huggingface/gguf (skipped without golden data and models)',
  () => {
    it.each(files.map((file) => [path.basename(path.dirname(file)) + '/' + path.basename(file), file]))(
      'on %s',
      async (_, file) => {
        const ours = await readGguf(file)
        const theirs = await readWithOracle(file, { allowLocalFile: true })
        const { version, tensor_count, kv_count, ...metadata } = theirs.metadata as Record<string, unknown>
        expect(ours.version).toBe(version)
        expect(ours.metadata.size).toBe(Number(kv_count))
        expect(ours.tensors.length).toBe(Number(tensor_count))
        for (const [key, expected] of Object.entries(metadata))
          expectSame(key, ours.metadata.get(key), expected)

        expect(ours.tensors).toMatchObject(
          theirs.tensorInfos.map((tensor) => ({
            name: tensor.name,
            dims: tensor.shape.map(Number),
            typeId: tensor.dtype,
            file: 0,
            offset: Number(theirs.tensorDataOffset + tensor.offset),
          })),
        )
      },
    )

    it.each(files.map((file) => [path.basename(file), file]))(
      'the tensors of %s fill its data exactly',
      async (_, file) => {
        const { tensors, files: identities, alignment } = await readGguf(file)
        // The writers of these files leave no gaps but padding, so a wrong block size would show.
        const ordered = tensors.toSorted((a, b) => a.offset - b.offset)
        ordered.forEach((tensor, i) => {
          const next = ordered[i + 1]?.offset ?? identities[0]!.bytes
          expect(next - (tensor.offset + tensor.bytes), tensor.name).toBeGreaterThanOrEqual(0)
          expect(next - (tensor.offset + tensor.bytes), tensor.name).toBeLessThan(alignment)
        })
      },
    )
  },
)

/** Their numbers may be bigint, their arrays plain; ours are typed. */
function expectSame(key: string, ours: unknown, theirs: unknown): void {
  if (!Array.isArray(theirs)) {
    expect(typeof theirs === 'bigint' ? BigInt(ours as number) : ours, key).toEqual(theirs)
    return
  }
  const list = ours as ArrayLike<unknown>
  expect(list.length, key).toBe(theirs.length)
  // One expect an entry would take minutes for 262,144 tokens.
  const differs = theirs.findIndex((entry, i) => !Object.is(withoutMark(list[i]), entry))
  expect(
    differs === -1 ? 'same' : { entry: differs, ours: list[differs], theirs: theirs[differs] },
    key,
  ).toBe('same')
}

/** The oracle loses a byte order mark at the start of a text, which three vocabularies have as a token. */
function withoutMark(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/^\uFEFF/, '') : value
}
