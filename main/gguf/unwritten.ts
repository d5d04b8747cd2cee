/** Downloads that reserve the whole file first: its header has come, and where its end will be there are holes. */
import { open, stat } from 'node:fs/promises'
import { dataEnd } from './layout.ts'
import type { Part } from './part.ts'

/** No norm or bias of a model is so long: a matrix ends there. */
const LOOKED_AT = 1024 * 1024

/** Does the file end in weights that nobody has written? Only a file with holes is looked at, and of it the end. */
export async function endsUnwritten({ file, header }: Part): Promise<boolean> {
  const blocks = (await stat(file.path).catch(() => null))?.blocks ?? Infinity // gone: whoever reads it next says so
  const end = dataEnd(header)
  if (!(blocks * 512 < file.bytes - LOOKED_AT) || end - header.end < LOOKED_AT) return false
  const handle = await open(file.path, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(LOOKED_AT), 0, LOOKED_AT, end - LOOKED_AT)
    return buffer.subarray(0, bytesRead).every((byte) => byte === 0)
  } finally {
    await handle.close()
  }
}
