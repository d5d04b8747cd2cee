import { open, stat } from 'node:fs/promises'
import { KigoError } from '../../contract/errors.ts'
import { foreignFile, START_BYTES } from './foreign.ts'
import { readHeader, type Header } from './header.ts'
import { HeaderReader } from './header-reader.ts'
import type { GgufFileIdentity } from './types.ts'

/** One file of a model: who it is and what its header says. */
export interface Part {
  file: GgufFileIdentity
  header: Header
}

const SMALLEST_FILE = 4 + 4 + 8 + 8

/** Opens one file, reads and checks its header. The weights are not read. */
export async function readPart(path: string, signal?: AbortSignal): Promise<Part> {
  // A pipe or a device would make open() wait for ever, so the kind of file is asked first.
  const stats = await stat(path).catch((error: unknown) => rejectIo(path, error))
  if (stats.isDirectory())
    throw new KigoError('MODEL_UNREADABLE', 'This is a folder, not a file.', {
      hint: 'Choose the .gguf file in it.',
      data: { path },
    })
  if (!stats.isFile())
    throw new KigoError('MODEL_UNREADABLE', 'This is not a regular file.', { data: { path } })

  const handle = await open(path, 'r').catch((error: unknown) => rejectIo(path, error))
  try {
    const { size, mtimeMs } = await handle.stat()
    const reader = new HeaderReader(handle, path, size, signal)
    await checkMagic(reader, size, path)
    const header = await readHeader(reader)
    return { file: { path, bytes: size, mtimeMs }, header }
  } catch (error) {
    if (error instanceof KigoError) throw error
    return rejectIo(path, error)
  } finally {
    await handle.close()
  }
}

async function checkMagic(reader: HeaderReader, size: number, path: string): Promise<void> {
  if (size === 0)
    throw new KigoError('MODEL_NOT_GGUF', 'The file is empty.', {
      hint: 'Its download did not finish, or did not begin: download it again.',
      data: { at: 0, path },
    })
  const length = Math.min(size, START_BYTES)
  await reader.need(length)
  const start = reader.peek(length)
  if (start.toString('latin1', 0, 4) !== 'GGUF') throw foreignFile(path, start)
  if (size < SMALLEST_FILE) reader.requireLeft(SMALLEST_FILE)
}

/** An I/O error in words. */
function rejectIo(path: string, error: unknown): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ENOENT' || code === 'ENOTDIR')
    throw new KigoError('MODEL_NOT_FOUND', undefined, { data: { path }, cause: error })
  if (code === '') throw error
  const reason =
    code === 'EACCES' || code === 'EPERM'
      ? 'Kigo may not read this file.'
      : `The file cannot be read (${code}).`
  throw new KigoError('MODEL_UNREADABLE', reason, { data: { path, reason: code }, cause: error })
}
