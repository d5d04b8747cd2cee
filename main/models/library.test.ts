import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Inspection } from '../../contract/model.ts'
import { openSettings, type SettingsStore } from '../store/settings.ts'
import { createLibrary, fileName } from './library.ts'

let folder: string
let settings: SettingsStore
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'kigo-library-'))
  settings = await openSettings(path.join(folder, 'settings.json'), (error) => {
    throw error
  })
})
afterEach(async () => {
  await settings.flush()
  rmSync(folder, { recursive: true })
})

const inspection = (name: string): Inspection => ({ name, quantization: 'Q4_1', fileBytes: 5 }) as Inspection

describe('the library', () => {
  it('lists the newest first, each file once, and says which are still there', async () => {
    const library = createLibrary(settings)
    const [a, b] = [path.join(folder, 'a.gguf'), path.join(folder, 'b.gguf')]
    writeFileSync(a, 'x')
    library.remember(a, inspection('A'))
    library.remember(b, inspection('B'))
    library.remember(a, inspection('A again'))
    const recents = await library.list()
    expect(recents.map(({ name, exists }) => [name, exists])).toEqual([
      ['A again', true],
      ['B', false],
    ])
    expect(library.last()).toEqual({ lastPath: a, lastName: 'A again' })
  })

  it('does not take a folder for a model', async () => {
    const library = createLibrary(settings)
    const file = path.join(folder, 'c.gguf')
    mkdirSync(file)
    library.remember(file, inspection('C'))
    expect((await library.list())[0]?.exists).toBe(false)
  })

  it('forgets a file, and has no last model when none is left', async () => {
    const library = createLibrary(settings)
    library.remember('/x/a.gguf', inspection('A'))
    expect(await library.forget('/x/a.gguf')).toEqual([])
    expect(library.last()).toEqual({ lastPath: null, lastName: null })
  })

  it('survives a restart and stays bounded', async () => {
    for (let i = 0; i < 50; i++) createLibrary(settings).remember(`/x/${i}.gguf`, inspection(`M${i}`))
    await settings.flush()
    const again = createLibrary(await openSettings(path.join(folder, 'settings.json'), () => {}))
    const recents = await again.list()
    expect(recents).toHaveLength(20)
    expect(recents[0]?.name).toBe('M49')
  })

  it('knows a model’s own name once it was loaded', () => {
    const library = createLibrary(settings)
    expect(library.nameOf('/x/Qwen3-8B.Q4_K_M.GGUF')).toBe('Qwen3-8B.Q4_K_M')
    library.remember('/x/Qwen3-8B.Q4_K_M.GGUF', inspection('Qwen3 8B'))
    expect(library.nameOf('/x/Qwen3-8B.Q4_K_M.GGUF')).toBe('Qwen3 8B')
    expect(fileName('/x/plain')).toBe('plain')
    expect(library.nameOf('/x/Large-00002-of-00005.gguf')).toBe('Large')
  })

  it('answers though a file’s share does not, and asks it once', async () => {
    const asked: string[] = []
    let dead = true
    let wake = (_there: boolean): void => {}
    const look = (file: string): Promise<boolean> => {
      asked.push(file)
      const answers = file !== '/dead/a.gguf' || !dead
      return answers ? Promise.resolve(true) : new Promise((resolve) => (wake = resolve))
    }
    const library = createLibrary(settings, look, 1)
    library.remember('/dead/a.gguf', inspection('a'))
    library.remember('/here/b.gguf', inspection('b'))
    const there = async () => (await library.list()).map(({ exists }) => exists)
    expect(await there()).toEqual([true, false])
    expect(await there()).toEqual([true, false])
    expect(asked.filter((file) => file === '/dead/a.gguf')).toHaveLength(1)
    dead = false
    wake(true)
    await expect.poll(there).toEqual([true, true])
  })
})
