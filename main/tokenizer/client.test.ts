import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { build } from 'vite'
import type { KigoError } from '../../contract/errors.ts'
import { readGguf } from '../gguf/index.ts'
import { goldenDir, modelPath } from '../testing/golden.ts'
import { openTokenizerWorker, type TokenizerClient } from './client.ts'
import { encodePrompt, StreamDecoder, tokenizerFromGguf, type Tokenizer } from './index.ts'

// The worker is built here from the sources, so that these tests need no build of the app.
let folder = ''
let script = 'worker.mjs'
vi.mock(import('../resources.ts'), async (original) => ({
  ...(await original()),
  resourcePath: () => path.join(folder, script),
}))
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'kigo-worker-'))
  await build({
    configFile: false,
    logLevel: 'silent',
    ssr: { noExternal: true },
    build: {
      outDir: folder,
      minify: false,
      ssr: true,
      rolldownOptions: {
        input: path.join(import.meta.dirname, 'tokenizer-worker.ts'),
        output: { entryFileNames: 'worker.mjs' },
      },
    },
  })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const golden = goldenDir()
const smollm2 = modelPath('smollm2')

describe.skipIf(!smollm2)('a tokenizer in its worker', () => {
  let client: TokenizerClient
  let local: Tokenizer
  beforeAll(async () => {
    client = await openTokenizerWorker(smollm2 as string)
    local = tokenizerFromGguf((await readGguf(smollm2 as string)).metadata)
  })
  afterAll(() => client.close())

  it('tells all that a loader needs of the file', () => {
    expect(client.gguf.tensors.length).toBeGreaterThan(100)
    expect(client.metadata.get('general.architecture')).toBe('llama')
    expect([...client.metadata.values()].some((value) => typeof value === 'object')).toBe(false)
    expect(client.facts).toMatchObject({
      model: 'gpt2',
      size: local.size,
      endTokens: local.endTokens,
      controlTexts: local.controlTexts,
    })
    expect(client.description).toMatchObject({ ok: true, model: { config: { architecture: 'llama' } } })
  })

  it('encodes and decodes as the tokenizer itself does', async () => {
    const text = 'Hello <|im_start|> wörld 🙂'
    expect([...(await client.encode(text, { special: true, addBosEos: true }))]).toEqual(
      local.encode(text, { special: true, addBosEos: true }),
    )
    const prompt = { text, barriers: [7] }
    expect([...(await client.encodePrompt(prompt))]).toEqual(encodePrompt(local, prompt))
    expect(await client.count('Hello there')).toBe(
      local.encode('Hello there', { special: false, addBosEos: false }).length,
    )
    expect(await client.decode(await client.encode(text, { special: false, addBosEos: false }))).toBe(text)
    const ids = await client.encode(text, { special: false, addBosEos: false })
    const decoder = new StreamDecoder(client.pieces)
    expect([...ids].map((id) => decoder.push(id)).join('')).toBe(text)
  })

  it('errors keep their code on the way', async () => {
    await expect(client.decode([1e9])).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(await client.count('still there')).toBeGreaterThan(0)
  })

  it('ends once, and says so to those who wait', async () => {
    const other = await openTokenizerWorker(smollm2 as string)
    const waiting = other.count('x'.repeat(100_000))
    const failed = expect(waiting).rejects.toMatchObject({ code: 'MODEL_CLOSED' })
    await Promise.all([other.close(), other.close()])
    await failed
    await expect(other.count('x')).rejects.toMatchObject({ code: 'MODEL_CLOSED' })
  })

  it('can be cancelled while it opens', async () => {
    await expect(
      openTokenizerWorker(smollm2 as string, { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'CANCELLED' })
    const controller = new AbortController()
    const opening = openTokenizerWorker(smollm2 as string, { signal: controller.signal })
    controller.abort()
    await expect(opening).rejects.toMatchObject({ code: 'CANCELLED' })
  })
})

describe('a worker that ends by itself', () => {
  afterEach(() => void (script = 'worker.mjs'))

  /** Opens a worker that runs `onCall` when it is asked for the first time. */
  function openDying(onCall: string): Promise<TokenizerClient> {
    script = 'dying.mjs'
    writeFileSync(
      path.join(folder, script),
      `import { parentPort } from 'node:worker_threads'
      parentPort.on('message', () => { ${onCall} })
      parentPort.postMessage({ type: 'opened', opened: {} })`,
    )
    return openTokenizerWorker('any.gguf')
  }

  it.each([
    ['ends', 'process.exit(3)', 'it ended with 3'],
    ['throws', "throw new Error('thrown')", 'thrown'],
  ])('because it %s is told once, and to every call', async (_what, onCall, message) => {
    const client = await openDying(onCall)
    const deaths: KigoError[] = []
    client.onDeath((error) => deaths.push(error))
    const failure = { code: 'INTERNAL', data: { message: expect.stringContaining(message) as string } }
    await expect(client.count('x')).rejects.toMatchObject(failure)
    await expect(client.count('y')).rejects.toMatchObject(failure)
    expect(deaths).toEqual([expect.objectContaining(failure)])
    await client.close()
    expect(deaths).toHaveLength(1)
  })

  it('is told to one who listens later, too; one that was closed is not', async () => {
    const client = await openDying('process.exit(3)')
    await expect(client.count('x')).rejects.toMatchObject({ code: 'INTERNAL' })
    const deaths: KigoError[] = []
    client.onDeath((error) => deaths.push(error))
    expect(deaths).toHaveLength(1)

    const other = await openDying('process.exit(3)')
    other.onDeath((error) => deaths.push(error))
    await other.close()
    expect(deaths).toHaveLength(1)
  })
})

describe('a file that cannot be opened', () => {
  it('fails with the reader’s own error', async () => {
    await expect(openTokenizerWorker(path.join(folder, 'missing.gguf'))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    })
    const file = path.join(folder, 'text.gguf')
    writeFileSync(file, 'this is not a model, only text')
    await expect(openTokenizerWorker(file)).rejects.toMatchObject({ code: 'MODEL_NOT_GGUF' })
  })

  it.skipIf(!golden)('a vocabulary without weights opens, and says why it cannot run', async () => {
    const client = await openTokenizerWorker(`${golden}tokenizer/llama-spm.gguf`)
    expect(client.facts.model).toBe('llama')
    expect(client.description.ok).toBe(false)
    await client.close()
  })
})
