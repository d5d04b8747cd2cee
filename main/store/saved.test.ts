import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KigoError } from '../../contract/errors.ts'
import { openSettings } from './settings.ts'

let folder: string
let file: string
let problems: KigoError[]
const open = (): ReturnType<typeof openSettings> => openSettings(file, (problem) => problems.push(problem))

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'kigo-saved-'))
  file = path.join(folder, 'settings.json')
  problems = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const RECENT = {
  path: '/models/ein Modell 俳句.gguf',
  name: 'Ein Modell',
  quantization: 'Q4_1',
  fileBytes: 98_362_432,
  usedAt: '2026-01-02T03:04:05.000Z',
}

describe('what was saved', () => {
  it('is read whole, and goes on being saved', async () => {
    const first = await open()
    first.update({ recents: [RECENT] })
    await first.flush()
    const second = await open()
    expect(second.current.recents).toEqual([RECENT])
    second.update({ window: { x: 1, y: 2, width: 300, height: 400, maximized: true } })
    await second.flush()
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      recents: [RECENT],
      window: { x: 1, y: 2, width: 300, height: 400, maximized: true },
    })
    expect(problems).toEqual([])
  })

  it('is not written before something changes', async () => {
    const store = await open()
    await store.flush()
    expect(readdirSync(folder)).toEqual([])
  })

  it('cannot be saved where a folder is: said with the file and a way out, and the next change tries again', async () => {
    const store = await open()
    mkdirSync(file)
    store.update({ recents: [RECENT] })
    await store.flush()
    expect(problems).toMatchObject([
      {
        code: 'INTERNAL',
        hint: expect.stringContaining('disk'),
        data: { file, message: expect.stringMatching(/EISDIR|ENOTEMPTY|EPERM|EEXIST/) },
        cause: expect.any(Error),
      },
    ])
    rmSync(file, { recursive: true })
    store.update({ recents: [] })
    await store.flush()
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ recents: [] })
    expect(problems).toHaveLength(1)
  })

  it('is kept aside under the time at which it could not be read, and said so with a way out', async () => {
    writeFileSync(file, '{"version":1,')
    const store = await open()
    const aside = readdirSync(folder)
    expect(aside).toEqual([
      expect.stringMatching(/^settings\.unreadable-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z\.json$/),
    ])
    expect(problems).toMatchObject([
      {
        code: 'INTERNAL',
        message: expect.stringContaining(aside[0]!),
        hint: expect.stringContaining('repair the file'),
        data: { file, message: expect.stringContaining('JSON') },
        cause: expect.any(SyntaxError),
      },
    ])
    store.update({ recents: [RECENT] })
    await store.flush()
    expect((await open()).current.recents).toEqual([RECENT])
  })
})
