import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { templateVerdict } from '../chat/prompt.ts'
import { loadAddon } from '../engine/index.ts'
import { nodeLauncher } from '../isolated/node-launcher.ts'
import { createIsolation } from '../isolated/run-isolated.ts'
import { resourcePath } from '../resources.ts'
import { modelPath } from '../testing/golden.ts'
import { inspectInThread } from './inspect-client.ts'
import { inspectModel } from './inspect.ts'

const isolation = createIsolation(nodeLauncher)
const folder = mkdtempSync(path.join(tmpdir(), 'kigo-inspect-'))
afterAll(() => {
  isolation.close()
  rmSync(folder, { recursive: true })
})

const options = { addon: loadAddon, run: isolation.run, device: 'cpu', exact: false, contextLength: null }
const built =
  existsSync(resourcePath('main/inspect-worker.js')) && existsSync(resourcePath('native/kigo.node'))
const models = [modelPath('smollm2'), modelPath('gemma3')].filter((file) => file !== null)

describe.skipIf(!built)('inspecting in a thread (skipped where dist is not built)', () => {
  it.skipIf(models.length === 0).each(models)('says of %s what inspecting at home says', async (file) => {
    const { memory, ...verdict } = await inspectInThread(file, options)
    const { memory: plan, ...expected } = await inspectModel(file, {
      ...options,
      addon: loadAddon(),
      templateVerdict: ({ metadata }) => templateVerdict(metadata, isolation.run),
    })
    expect(verdict).toEqual(expected)
    expect(memory).toMatchObject({ device: 'cpu', ctx: plan?.ctx, weights: plan?.weights, kv: plan?.kv })
  })

  it('plans the memory for the context that was asked for', async () => {
    for (const file of models.slice(0, 1)) {
      const small = await inspectInThread(file, { ...options, contextLength: 512 })
      const large = await inspectInThread(file, { ...options, contextLength: 4096 })
      expect(small.memory?.ctx).toBe(512)
      expect(large.memory?.kv).toBe((small.memory?.kv ?? 0) * 8)
    }
  })

  it('judges the template of the settings in place of the file’s, and fails where that does not work', async () => {
    for (const file of models.slice(0, 1)) {
      const lost = '{% for m in messages %}{% if m.role != "system" %}{{ m.content }}{% endif %}{% endfor %}'
      const own = await inspectInThread(file, { ...options, chatTemplate: '  \n' })
      const given = await inspectInThread(file, { ...options, chatTemplate: lost })
      expect(own.chatTemplate).toMatchObject({ ok: true, system: true })
      expect(given.chatTemplate).toMatchObject({ ok: true, system: false })
      await expect(inspectInThread(file, { ...options, chatTemplate: '{% if %}' })).rejects.toMatchObject({
        code: 'TEMPLATE_ERROR',
        message: expect.stringContaining('The chat template of the settings') as unknown,
      })
    }
  })

  it('fails with what is wrong with the file', async () => {
    const file = path.join(folder, 'words.gguf')
    writeFileSync(file, 'These are words.')
    await expect(inspectInThread(file, options)).rejects.toMatchObject({ code: 'MODEL_NOT_GGUF' })
    await expect(inspectInThread(path.join(folder, 'none.gguf'), options)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    })
  })

  it('ends the moment it is cancelled', async () => {
    const abort = new AbortController()
    const inspecting = inspectInThread(models[0] ?? folder, { ...options, signal: abort.signal })
    abort.abort()
    await expect(inspecting).rejects.toMatchObject({ code: 'CANCELLED' })
  })
})
