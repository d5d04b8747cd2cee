import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PartFile } from './part-file.ts'

/** Bytes that the disk takes before it is full. */
let room = Infinity
/** What was synced and renamed, in order. */
let steps: string[] = []
vi.mock(import('node:fs'), async (original) => {
  const real = await original()
  const writeSync = (file: number, bytes: Uint8Array, at: number) => {
    if (room === 0) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
    const length = Math.min(room, bytes.length - at)
    room -= length
    return real.writeSync(file, bytes, at, length)
  }
  return {
    ...real,
    writeSync: writeSync as typeof fs.writeSync,
    fsyncSync(file) {
      real.fsyncSync(file)
      steps.push('sync')
    },
    renameSync(from, to) {
      real.renameSync(from, to)
      steps.push('rename')
    },
  }
})

let folder: string
let out: string
beforeEach(() => {
  room = Infinity
  steps = []
  folder = mkdtempSync(path.join(tmpdir(), 'kigo-part-'))
  out = path.join(folder, 'out')
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('a file that is written whole or not at all', () => {
  it('has its name once it is finished', () => {
    const file = new PartFile(out, '--out')
    file.append(Buffer.from('one '))
    expect(existsSync(out)).toBe(false)
    file.append(Buffer.from('two'))
    file.finish()
    file.discard()
    expect(readFileSync(out, 'utf8')).toBe('one two')
    expect(readdirSync(folder)).toEqual(['out'])
  })

  it('is on the disk before it has its name', () => {
    const file = new PartFile(out, '--out')
    file.append(Buffer.from('whole'))
    file.finish()
    expect(steps).toEqual(['sync', 'rename'])
  })

  it('is refused in words where the disk has less room than it takes', () => {
    expect(() => new PartFile(out, '--out', 2 ** 60)).toThrow(
      expect.objectContaining({
        code: 'INVALID_INPUT',
        message: expect.stringMatching(/takes 1152921504\.61 GB and the disk has [\d.]+ GB free/),
        hint: expect.stringContaining('another disk'),
      }),
    )
    expect(readdirSync(folder)).toEqual([])
  })

  it('says that the disk is full when it becomes so, and leaves nothing', () => {
    const file = new PartFile(out, '--out')
    room = 5
    file.append(Buffer.from('four'))
    expect(() => file.append(Buffer.from('four'))).toThrow(
      expect.objectContaining({
        code: 'INVALID_INPUT',
        message: `${out} cannot be written: the disk is full.`,
      }),
    )
    file.discard()
    expect(readdirSync(folder)).toEqual([])
  })
})
