/** What the addon promises below Model and Session: endings at bad moments, and input that is not what it says. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { ERRORS } from '../../contract/errors.ts'
import { resourcePath } from '../resources.ts'
import type { Addon, ModelDescription, OpenOptions } from './addon.ts'
import { loadAddon } from './load.ts'

const addonPath = resourcePath('native/kigo.node')
const fakePath = resourcePath('native/libkigo_fake.so')

interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stderr: string
}

/** Far longer than a test may take: a process that waits for it, instead of ending, is killed and so found out. */
const NEVER_MS = 3_600_000

function child(scenario: string, fake: string): Promise<Ended> {
  const script = join(import.meta.dirname, 'testing', 'addon-child.mjs')
  const process_ = spawn(process.execPath, ['--expose-gc', script, addonPath, fakePath, scenario], {
    env: { ...process.env, KIGO_FAKE: fake },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 150_000,
  })
  let stderr = ''
  process_.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  return new Promise((resolve) => {
    process_.on('close', (code, signal) => resolve({ code, signal, stderr }))
  })
}

describe.skipIf(!existsSync(addonPath))('the addon (skipped where it is not built)', () => {
  describe('an end at a bad moment', () => {
    it.each([
      ['exit-while-loading', `load_ms=${NEVER_MS}`],
      ['exit-while-generating', 'token_ms=5'],
      ['leave-open', ''],
      ['collect-unclosed', ''],
      ['terminate-worker-while-loading', `load_ms=${NEVER_MS}`],
      ['terminate-worker-while-generating', 'token_ms=5'],
      ['throw-in-callback', 'token_ms=1'],
      ['no-more-threads', ''],
    ])('%s: the process ends by itself, without a crash', async (scenario, fake) => {
      const ended = await child(scenario, fake)
      expect(ended, ended.stderr).toMatchObject({ code: 0, signal: null })
    })
  })

  describe('input', () => {
    let addon: Addon
    beforeAll(() => {
      addon = loadAddon()
    })
    const model = (): ModelDescription => ({
      config: {
        architecture: 'llama',
        nLayer: 0,
        nEmbd: 8,
        nVocab: 8,
        nCtxTrain: 8,
        normEps: 1e-5,
        embeddingScale: 1,
        logitSoftcap: 0,
        layers: [],
      },
      tensors: [],
      files: [{ path: '/nowhere', bytes: 8, mtimeMs: 0 }],
    })
    const options = (): OpenOptions => ({
      placements: [{ device: 'cpu', layerFirst: 0, layerLast: 1 }],
      exact: false,
      threads: 0,
      cancel: addon.createCancelToken(),
      onProgress: () => {},
    })
    /** Opens with something in the wrong place, which TypeScript would not allow. */
    const open = (bend: (model: ModelDescription, options: OpenOptions) => void): Promise<unknown> => {
      const m = model()
      const o = options()
      bend(m, o)
      return addon.openModel(m, o).then(
        () => 'opened',
        (error: unknown) => error,
      )
    }

    it('names every status as contract/errors.ts does, in its order', () => {
      expect(addon.statusNames).toEqual(['OK', ...Object.keys(ERRORS)])
    })

    it.each<[string, (m: ModelDescription, o: OpenOptions) => void, string]>([
      ['no layers', () => {}, 'MODEL_INVALID'],
      ['a width that is no number', (m) => (m.config.nEmbd = NaN), 'INVALID_INPUT'],
      ['a width with a fraction', (m) => (m.config.nEmbd = 8.5), 'INVALID_INPUT'],
      ['a width beyond 32 bits', (m) => (m.config.nEmbd = 2 ** 40), 'INVALID_INPUT'],
      ['a text for a number', (m) => Object.assign(m.config, { nVocab: '8' }), 'INVALID_INPUT'],
      ['a count that its list contradicts', (m) => (m.config.nLayer = 3), 'INVALID_INPUT'],
      ['no tensors', (m) => Object.assign(m, { tensors: null }), 'INVALID_INPUT'],
      ['a path with a zero byte', (m) => (m.files[0]!.path = 'a\0b'), 'INVALID_INPUT'],
      ['a negative size', (m) => (m.files[0]!.bytes = -1), 'INVALID_INPUT'],
      ['too many threads', (_, o) => (o.threads = 5000), 'INVALID_INPUT'],
      [
        'a token of its own making',
        (_, o) => (o.cancel = { cancel() {}, cancelled: false }),
        'INVALID_INPUT',
      ],
      ['no callback', (_, o) => Object.assign(o, { onProgress: 7 }), 'INVALID_INPUT'],
      [
        'an unknown device',
        (_, o) => (o.placements = [{ device: 'abacus:0', layerFirst: 0, layerLast: 1 }]),
        'DEVICE_UNAVAILABLE',
      ],
      ['no place for a layer', (_, o) => (o.placements = []), 'INVALID_INPUT'],
      ['a place that is none', (_, o) => Object.assign(o, { placements: ['cpu'] }), 'INVALID_INPUT'],
    ])('%s is refused', async (_, bend, code) => {
      const error = await open(bend)
      expect(error).toBeInstanceOf(Error)
      expect(error).toMatchObject({ code, data: {} })
      expect((error as Error).message).not.toBe('')
    })

    it('refuses a library that is no backend, one that is not there, and what is no path', async () => {
      for (const path of ['/nowhere/libkigo.so', addonPath]) {
        await expect(addon.loadBackend(path)).rejects.toMatchObject({ code: 'DEVICE_UNAVAILABLE' })
      }
      await expect(addon.loadBackend(7 as unknown as string)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    })

    it('makes its classes by its own functions only', () => {
      const token = addon.createCancelToken()
      expect(token.cancelled).toBe(false)
      token.cancel()
      expect(token.cancelled).toBe(true)
    })
  })
})
