import { open, type FileHandle } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HeaderReader } from './header-reader.ts'
import { TempFiles } from './testing/temp-files.ts'

let files: TempFiles
let handle: FileHandle
beforeEach(async () => {
  files = new TempFiles()
  handle = await open(files.write(Buffer.from(Array.from({ length: 100 }, (_, i) => i))))
})
afterEach(async () => {
  await handle.close()
  files.remove()
})

describe('HeaderReader', () => {
  it('says that the file changed where it has become shorter than it was', async () => {
    const reader = new HeaderReader(handle, 'x.gguf', 200)
    await expect(reader.need(150)).rejects.toMatchObject({
      code: 'MODEL_FILE_CHANGED',
      data: { at: 100, path: 'x.gguf' },
    })
    await expect(reader.bytes(150)).rejects.toMatchObject({ code: 'MODEL_FILE_CHANGED' })
  })

  it('refuses what the file does not have before it allocates', async () => {
    const reader = new HeaderReader(handle, 'x.gguf', 100)
    await expect(reader.bytes(2 ** 52)).rejects.toMatchObject({
      code: 'MODEL_TRUNCATED',
      data: { at: 0, needed: 2 ** 52 },
    })
    await expect(reader.need(101)).rejects.toMatchObject({ code: 'MODEL_TRUNCATED' })
  })

  it('keeps its place over small takes, blocks and what is buffered', async () => {
    const reader = new HeaderReader(handle, 'x.gguf', 100)
    await reader.need(4)
    expect(reader.takeU32()).toBe(0x03020100)
    expect(new Uint8Array(await reader.bytes(3))).toEqual(new Uint8Array([4, 5, 6]))
    expect(reader.at).toBe(7)
    expect(reader.left).toBe(93)
    expect(new Uint8Array(await reader.bytes(92)).at(-1)).toBe(98)
    await reader.need(1)
    expect(reader.takeU8()).toBe(99)
    expect(reader.left).toBe(0)
  })

  it('stops between two reads when it is cancelled', async () => {
    const abort = new AbortController()
    const reader = new HeaderReader(handle, 'x.gguf', 100, abort.signal)
    await reader.need(1)
    abort.abort()
    expect(reader.takeU8()).toBe(0)
    const late = new HeaderReader(handle, 'x.gguf', 100, abort.signal)
    await expect(late.need(1)).rejects.toMatchObject({ code: 'CANCELLED' })
  })
})
