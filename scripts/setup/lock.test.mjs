import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { takeLock } from './lock.mjs'

const folder = mkdtempSync(join(tmpdir(), 'kigo-lock-'))
const lock = join(folder, 'lock')
const MODULE = JSON.stringify(join(import.meta.dirname, 'lock.mjs'))
const LOCK = JSON.stringify(lock)
const runScript = (script) =>
  new Promise((done) => spawn(process.execPath, ['-e', script], { stdio: 'ignore' }).on('close', done))
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
    await runScript(`import(${MODULE}).then(({ takeLock }) => takeLock(${LOCK}))`)
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

  it('of a dead process goes to one alone, however many want it', async () => {
    // Each takes it, looks whether somebody else is inside, and leaves it as one that was killed does.
    const inside = JSON.stringify(join(folder, 'inside'))
    const script = `import(${MODULE}).then(({ takeLock }) => {
      const { rmSync, writeFileSync } = process.getBuiltinModule('node:fs')
      const pause = new Int32Array(new SharedArrayBuffer(4))
      for (const end = Date.now() + 1500; Date.now() < end; ) {
        if (!takeLock(${LOCK})) continue
        writeFileSync(${inside}, '', { flag: 'wx' })
        Atomics.wait(pause, 0, 0, 1)
        rmSync(${inside})
        writeFileSync(${LOCK}, '1 1')
      }
    })`
    const codes = await Promise.all([1, 2, 3].map(() => runScript(script)))
    expect(codes).toEqual([0, 0, 0])
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
