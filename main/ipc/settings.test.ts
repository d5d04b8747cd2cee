import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CHAT_SETTINGS_DEFAULTS } from '../../contract/sampling.ts'
import { openSettings, type SettingsStore } from '../store/settings.ts'
import { settingsHandlers } from './settings.ts'

let folder: string
let settings: SettingsStore
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'kigo-ipc-settings-'))
  settings = await openSettings(path.join(folder, 'settings.json'), (problem) => {
    throw problem
  })
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What the next start of Kigo reads. */
async function saved(): Promise<SettingsStore['current']> {
  await settings.flush()
  return JSON.parse(readFileSync(path.join(folder, 'settings.json'), 'utf8')) as SettingsStore['current']
}

describe('a change of settings by the page', () => {
  it('of the chat touches what it names alone, counts at once, is answered whole and kept', async () => {
    const handlers = settingsHandlers({ settings })
    await handlers['settings.chat']({ temperature: 0.25 }, null)
    const answer = await handlers['settings.chat']({ topK: 7 }, null)
    const wanted = { ...CHAT_SETTINGS_DEFAULTS, temperature: 0.25, topK: 7 }
    expect(answer).toEqual(wanted)
    expect(settings.current.chat).toEqual(wanted)
    expect((await saved()).chat).toEqual(wanted)
  })

  it('of loading does so too, and leaves the chat’s alone', async () => {
    const handlers = settingsHandlers({ settings })
    const before = settings.current.load
    await handlers['settings.load']({ device: 'cpu' }, null)
    const answer = await handlers['settings.load']({ contextLength: 512 }, null)
    const wanted = { ...before, device: 'cpu', contextLength: 512 }
    expect(answer).toEqual(wanted)
    expect(settings.current.load).toEqual(wanted)
    expect(await saved()).toMatchObject({ load: wanted, chat: CHAT_SETTINGS_DEFAULTS })
  })
})
