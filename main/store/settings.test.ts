import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KigoError } from '../../contract/errors.ts'
import { CHAT_SETTINGS_DEFAULTS } from '../../contract/sampling.ts'
import { openSettings } from './settings.ts'

let folder: string
let file: string
let problems: KigoError[]
const open = (): ReturnType<typeof openSettings> => openSettings(file, (problem) => problems.push(problem))

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'kigo-settings-'))
  file = path.join(folder, 'settings.json')
  problems = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('settings', () => {
  it('start from the defaults where there is no file, and say nothing', async () => {
    const store = await open()
    expect(store.current.chat).toEqual(CHAT_SETTINGS_DEFAULTS)
    expect(store.current.recents).toEqual([])
    expect(problems).toEqual([])
    expect(readdirSync(folder)).toEqual([])
  })

  it('are there again after a restart', async () => {
    const store = await open()
    store.update({ chat: { ...store.current.chat, temperature: 0 } })
    store.update({ window: { x: -5, y: 10, width: 900, height: 700, maximized: false } })
    expect(store.current.chat.temperature).toBe(0)
    await store.flush()
    const again = await open()
    expect(again.current).toEqual(store.current)
    expect(again.current.chat.temperature).toBe(0)
  })

  it('write the last of many changes, in order, into one whole file', async () => {
    const store = await open()
    for (let topK = 0; topK < 200; topK++) {
      store.update({ chat: { ...store.current.chat, topK } })
      if (topK % 50 === 0) await store.flush()
    }
    await store.flush()
    expect(JSON.parse(readFileSync(file, 'utf8')).chat.topK).toBe(199)
    expect(readdirSync(folder)).toEqual(['settings.json'])
  })

  it.each([
    ['cut short', '{"version":1,"chat":{"temp'],
    ['not JSON', '\u0000\u0001'],
    ['of the wrong shape', '["settings"]'],
    ['of a later version', '{"version":2}'],
  ])('that are %s are kept aside whole and said so; Kigo starts with the defaults', async (_what, text) => {
    writeFileSync(file, text)
    const store = await open()
    expect(store.current.chat).toEqual(CHAT_SETTINGS_DEFAULTS)
    expect(problems).toHaveLength(1)
    const kept = readdirSync(folder)
    expect(kept).toHaveLength(1)
    expect(kept[0]).toMatch(/^settings\.unreadable-.*\.json$/)
    expect(readFileSync(path.join(folder, kept[0] ?? ''), 'utf8')).toBe(text)
    expect(problems[0]?.message).toContain(kept[0])

    store.update({ chat: { ...store.current.chat, topK: 7 } })
    await store.flush()
    expect(readdirSync(folder)).toHaveLength(2)
  })

  const recent = {
    path: '/m/a.gguf',
    name: 'A',
    quantization: 'Q8_0',
    fileBytes: 5,
    usedAt: '2026-11-18T10:00:00Z',
  }
  const sound = {
    version: 1,
    appearance: { theme: 'dark', season: 'spring' },
    chat: { topK: 7, stop: [' '] },
    load: { threads: 3 },
    window: { x: 1, y: 2, width: 900, height: 700, maximized: false },
    recents: [recent],
  }

  it.each([
    ['a byte order mark', Buffer.from(`\ufeff${JSON.stringify(sound)}`)],
    ['UTF-16', Buffer.from(`\ufeff${JSON.stringify(sound)}`, 'utf16le')],
    ['an offset in a date', { ...sound, recents: [{ ...recent, usedAt: '2026-11-18T10:00:00+01:00' }] }],
    ['a date without a zone', { ...sound, recents: [{ ...recent, usedAt: '2026-11-18T10:00:00' }] }],
    [
      'a field that this version does not have',
      { ...sound, chat: { ...sound.chat, mirostat: 2 }, later: {} },
    ],
  ])('with %s are read whole, and nothing is said', async (_what, content) => {
    writeFileSync(file, Buffer.isBuffer(content) ? content : JSON.stringify(content))
    const store = await open()
    expect(problems).toEqual([])
    expect(store.current).toMatchObject({
      ...sound,
      recents: [{ ...recent, usedAt: expect.stringContaining('2026-11-18T10:00:00') }],
    })
  })

  it.each([
    ['chat.temperature', { ...sound, chat: { ...sound.chat, temperature: 'hot' } }],
    ['chat.minP', { ...sound, chat: { ...sound.chat, minP: 2 } }],
    ['appearance.hemisphere', { ...sound, appearance: { ...sound.appearance, hemisphere: 'equator' } }],
    ['load.device', { ...sound, load: { ...sound.load, device: 'Vulkan 0' } }],
    ['load.gpuLayers', { ...sound, load: { ...sound.load, gpuLayers: -1 } }],
    ['version', { ...sound, version: 'one' }],
    ['recents.1.path', { ...sound, recents: [recent, { ...recent, path: 5 }] }],
    ['recents.1', { ...sound, recents: [recent, 'A'] }],
  ])(
    'of which %s is bad lose that alone; the file as it was is kept, and it is said once',
    async (name, content) => {
      const text = JSON.stringify(content)
      writeFileSync(file, text)
      const store = await open()
      expect(store.current).toMatchObject(sound)
      const { chat, load, appearance } = store.current
      expect([chat.temperature, chat.minP, load.device, load.gpuLayers, appearance.hemisphere]).toEqual([
        CHAT_SETTINGS_DEFAULTS.temperature,
        CHAT_SETTINGS_DEFAULTS.minP,
        'auto',
        null,
        'north',
      ])
      expect(problems.map(({ data }) => data?.['fields'])).toEqual([expect.arrayContaining([name])])
      expect(problems[0]?.message).toContain(name)
      await store.flush()
      const kept = readdirSync(folder).filter((entry) => entry !== 'settings.json')
      expect(kept).toEqual([expect.stringMatching(/^settings\.unreadable-.*\.json$/)])
      expect(readFileSync(path.join(folder, kept[0]!), 'utf8')).toBe(text)

      expect((await open()).current).toEqual(store.current)
      expect(problems).toHaveLength(1)
    },
  )

  it('of which a section, the window’s place or the list of models is of another kind keep the rest', async () => {
    writeFileSync(file, JSON.stringify({ ...sound, chat: 5, window: { x: 'left' }, recents: {} }))
    const { current } = await open()
    expect(current).toMatchObject({
      load: sound.load,
      appearance: sound.appearance,
      window: null,
      recents: [],
    })
    expect(current.chat).toEqual(CHAT_SETTINGS_DEFAULTS)
    expect(problems.map(({ data }) => data?.['fields'])).toEqual([['window', 'recents', 'chat']])
  })

  it('keep a model of which only the path is sound, by its file’s name', async () => {
    writeFileSync(
      file,
      JSON.stringify({ recents: [{ path: '/m/b.gguf', usedAt: 'yesterday', fileBytes: -1 }] }),
    )
    const store = await open()
    await store.flush()
    expect(store.current.recents).toEqual([
      { path: '/m/b.gguf', name: 'b.gguf', quantization: '', fileBytes: 0, usedAt: '' },
    ])
  })

  it('that cannot even be opened are left alone for the whole run', async () => {
    mkdirSync(file)
    writeFileSync(path.join(file, 'precious'), 'x')
    const store = await open()
    store.update({ chat: { ...store.current.chat, topK: 7 } })
    await store.flush()
    expect(problems.map((problem) => problem.message)).toEqual([expect.stringContaining('are not saved')])
    expect(readdirSync(file)).toEqual(['precious'])
  })

  it('get defaults for fields that an older version did not have', async () => {
    writeFileSync(file, '{"version":1,"chat":{"topK":7}}')
    const store = await open()
    expect(store.current.chat).toEqual({ ...CHAT_SETTINGS_DEFAULTS, topK: 7 })
    expect(problems).toEqual([])
  })

  it('that cannot be written are said so, and stay in force for this run', async () => {
    const store = await open()
    mkdirSync(file) // a folder stands where the file should be
    store.update({ chat: { ...store.current.chat, topK: 3 } })
    await store.flush()
    expect(problems).toHaveLength(1)
    expect(problems[0]?.message).toBe('The settings could not be saved.')
    expect(store.current.chat.topK).toBe(3)
  })
})
