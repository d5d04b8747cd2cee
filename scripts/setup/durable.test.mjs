import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { putFile, putFolder, writeWhole } from './durable.mjs'

/**
 * What reached the disk, in order: 'sync a', 'rename a to b'.
 * @type {string[]}
 */
const done = []
vi.mock('node:fs', async (actual) => {
  const fs = await actual()
  const opened = new Map()
  return {
    ...fs,
    openSync(path, ...rest) {
      const file = fs.openSync(path, ...rest)
      opened.set(file, path)
      return file
    },
    fsyncSync(file) {
      fs.fsyncSync(file)
      done.push(`sync ${name(opened.get(file))}`)
    },
    renameSync(from, to) {
      fs.renameSync(from, to)
      done.push(`rename ${name(from)} to ${name(to)}`)
    },
  }
})

const folder = mkdtempSync(join(tmpdir(), 'kigo-durable-'))
const at = (path) => join(folder, path)
const name = (path) => relative(folder, path).replace(`.${process.pid}`, '') || '.'
beforeEach(() => {
  done.length = 0
})
afterAll(() => rmSync(folder, { recursive: true }))

describe.skipIf(process.platform === 'win32')('what takes its place', () => {
  it('is synced before, as a file, and its name behind it', () => {
    writeFileSync(at('part'), 'new')
    writeFileSync(at('whole'), 'old')
    putFile(at('part'), at('whole'))
    expect(done).toEqual(['sync part', 'rename part to whole', 'sync .'])
    expect(readFileSync(at('whole'), 'utf8')).toBe('new')
  })

  it('is synced before, as a text', () => {
    writeWhole(at('stamp'), 'text')
    expect(done).toEqual(['sync stamp.tmp', 'rename stamp.tmp to stamp', 'sync .'])
    expect(readFileSync(at('stamp'), 'utf8')).toBe('text')
  })

  it('is synced before, as a folder with all files and folders in it, and the old one is gone', () => {
    mkdirSync(at('new/in'), { recursive: true })
    mkdirSync(at('place'))
    writeFileSync(at('place/old'), '')
    writeFileSync(at('new/a'), 'a')
    writeFileSync(at('new/in/b'), 'b')
    symlinkSync('nowhere', at('new/link'))
    putFolder(at('new'), at('place'))
    expect(done.slice(0, -2).sort()).toEqual(['sync new', 'sync new/a', 'sync new/in', 'sync new/in/b'])
    expect(done.slice(-2)).toEqual(['rename new to place', 'sync .'])
    expect(readdirSync(at('place')).sort()).toEqual(['a', 'in', 'link'])
  })
})
