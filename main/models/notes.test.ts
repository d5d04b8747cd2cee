import { afterAll, expect, it } from 'vitest'
import { readGguf } from '../gguf/index.ts'
import { buildGguf, text, type Value } from '../gguf/testing/build-gguf.ts'
import { TempFiles } from '../gguf/testing/temp-files.ts'
import { tinyModel } from '../gguf/testing/tiny-model.ts'
import { describeModel } from './describe.ts'
import { notesOf } from './notes.ts'

const files = new TempFiles()
afterAll(() => files.remove())

const notesWith = async (pre: Value | null): Promise<string[]> => {
  const gguf = await readGguf(files.write(buildGguf(tinyModel('llama', { 'tokenizer.ggml.pre': pre }))))
  return notesOf(gguf, describeModel(gguf))
}

it('a file that names no pre-tokenizer runs with the default one, and that is noted', async () => {
  for (const pre of [null, text('')])
    expect(await notesWith(pre)).toEqual([expect.stringMatching(/tokenizer\.ggml\.pre.*“default”/)])
  expect(await notesWith(text('qwen2'))).toEqual([])
})
