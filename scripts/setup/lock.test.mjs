import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { takeLock } from './lock.mjs'

const folder = mkdtempSync(join(tmpdir(), 'kigo-lock-'))
const lock = join(folder, 'lock')
beforeEach(() => rmSync(lock, { force: true }))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a lock', () => {
  it('is held by one', () => {
    expect(takeLock(lock)).toBe(true)
    expect(takeLock(lock)).toBe(false)
    expect(takeLock(lock)).toBe(false)
    rmSync(lock)
    expect(takeLock(lock)).toBe(true)
  })

  it('of a process that has ended is taken over', async () => {
    const module = JSON.stringify(join(import.meta.dirname, 'lock.mjs'))
    const script = `import(${module}).then(({ takeLock }) => takeLock(${JSON.stringify(lock)}))`
    await new Promise((done) => spawn(process.execPath, ['-e', script]).on('close', done))
    expect(readFileSync(lock, 'utf8')).not.toBe('')
    expect(takeLock(lock)).toBe(false) // frees it
    expect(takeLock(lock)).toBe(true)
  })

  it.skipIf(process.platform !== 'linux')('of an earlier process with the id of a living one, too', () => {
    for (const pid of [process.pid, process.ppid]) {
      writeFileSync(lock, `${pid} 1`)
      takeLock(lock)
      expect(takeLock(lock)).toBe(true)
      rmSync(lock)
    }
  })

  it('that nobody wrote into is taken over after a while', () => {
    writeFileSync(lock, '')
    expect(takeLock(lock)).toBe(false)
    expect(takeLock(lock)).toBe(false)
    const before = new Date(Date.now() - 10_000)
    utimesSync(lock, before, before)
    takeLock(lock)
    expect(takeLock(lock)).toBe(true)
  })
})
