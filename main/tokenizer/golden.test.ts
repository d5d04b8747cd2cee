import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { readGguf, type Metadata } from '../gguf/index.ts'
import { goldenDir, modelPath } from '../testing/golden.ts'
import { tokenizerFromGguf, type Tokenizer } from './index.ts'

interface Row {
  text: string
  ids: number[]
  ids_special?: number[]
  ids_full: number[]
}

const golden = goldenDir()
const read = <T>(path: string): T => JSON.parse(readFileSync(`${golden}tokenizer/${path}`, 'utf8')) as T

function expectRows(tokenizer: Tokenizer, rows: Row[]): void {
  expect(rows.length).toBeGreaterThan(50)
  for (const { text, ids, ids_special: special, ids_full: full } of rows) {
    expect(tokenizer.encode(text, { special: false, addBosEos: false }), JSON.stringify(text)).toEqual(ids)
    if (special)
      expect(
        tokenizer.encode(text, { special: true, addBosEos: false }),
        `special ${JSON.stringify(text)}`,
      ).toEqual(special)
    expect(
      tokenizer.encode(text, { special: true, addBosEos: true }),
      `full ${JSON.stringify(text)}`,
    ).toEqual(full)
  }
}

describe.skipIf(!golden)('ids of the reference vocabularies', () => {
  const vocabularies = ['gpt-2', 'qwen2', 'llama-bpe', 'llama-spm', 'phi-3', 'gemma-4']
  it.each(vocabularies)('%s: plain, with special tokens, and in full', async (name) => {
    const { metadata } = await readGguf(`${golden}tokenizer/${name}.gguf`)
    expectRows(tokenizerFromGguf(metadata), read<Row[]>(`${name}.json`))
  })

  const models = [
    ['smollm2', modelPath('smollm2')],
    ['gemma3', modelPath('gemma3')],
  ] as const
  it.each(models.filter(([, path]) => path))(
    '%s: plain, with special tokens, and in full',
    async (name, path) => {
      const { metadata } = await readGguf(path as string)
      expectRows(tokenizerFromGguf(metadata), read<Row[]>(`${name}.json`))
    },
  )
})

describe.skipIf(!golden || !existsSync(`${golden}tokenizer/pre`))(
  'every pre-tokenizer name, over the vocabulary of GPT-2',
  () => {
    let metadata: Metadata
    beforeAll(async () => {
      metadata = (await readGguf(`${golden}tokenizer/gpt-2.gguf`)).metadata
    })
    const groups = golden
      ? readdirSync(`${golden}tokenizer/pre`).map((file) =>
          read<{ pre: string[]; rows: Row[] }>(`pre/${file}`),
        )
      : []
    const names = groups.flatMap(({ pre, rows }) => pre.map((name) => ({ name, rows })))
    it.each(names)('$name', ({ name, rows }) => {
      expectRows(tokenizerFromGguf(metadata, { pre: name }), rows)
    })
  },
)
