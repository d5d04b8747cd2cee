import { open, stat } from 'node:fs/promises'
import { KigoError } from '../../contract/errors.ts'
import { readHeader, type Header } from './header.ts'
import { HeaderReader } from './header-reader.ts'
import type { GgufFileIdentity } from './types.ts'

/** One file of a model: who it is and what its header says. */
export interface Part {
  file: GgufFileIdentity
  header: Header
}

const SMALLEST_FILE = 4 + 4 + 8 + 8

/** What people hand in by mistake, by its first bytes. */
const OTHER_FORMATS: readonly (readonly [start: string, what: string])[] = [
  ['FUGG', 'a big-endian GGUF file; Kigo reads little-endian files only'],
  ['lmgg', 'a model in the old GGML format, from before GGUF'],
  ['fmgg', 'a model in the old GGMF format, from before GGUF'],
  ['tjgg', 'a model in the old GGJT format, from before GGUF'],
  ['PK\u0003\u0004', 'a ZIP archive (PyTorch weights are such archives), not a GGUF model'],
  ['version https://git-lfs', 'a Git LFS pointer: the model itself was not downloaded'],
  ['<!', 'a web page: the download gave a page in place of the model'],
  ['<h', 'a web page: the download gave a page in place of the model'],
]

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
  if (size === 0) throw new KigoError('MODEL_NOT_GGUF', 'The file is empty.', { data: { at: 0, path } })
  const length = Math.min(size, 32)
  await reader.need(length)
  const start = reader.peekLatin1(length)
  if (!start.startsWith('GGUF')) {
    const other = OTHER_FORMATS.find(([prefix]) => start.startsWith(prefix))
    throw new KigoError('MODEL_NOT_GGUF', other ? `This is ${other[1]}.` : undefined, {
      data: { at: 0, path },
    })
  }
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
