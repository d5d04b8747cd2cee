/** Text from outside: files and stdin are bytes until they are shown to be UTF-8. */
import { readFile } from 'node:fs/promises'
import { KigoError } from '../../contract/errors.ts'

/** A text file, without a byte order mark. INVALID_INPUT, by name, where it cannot be read or is no UTF-8. */
export async function readTextFile(path: string): Promise<string> {
  return withoutMark(await readWholeTextFile(path, 'Check the path.'))
}

/** The same with its byte order mark; `hint` is the way out where there is no such file. */
export async function readWholeTextFile(path: string, hint: string): Promise<string> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    const why = REASONS[cause.code ?? ''] ?? cause.message
    const name = path || 'A file without a name'
    throw new KigoError('INVALID_INPUT', `${name} cannot be read: ${why}.`, { hint, cause })
  })
  return decodeUtf8(bytes, path)
}

const REASONS: Partial<Record<string, string>> = {
  EACCES: 'you may not read it',
  EISDIR: 'it is a folder',
  ELOOP: 'it is a link that leads to itself',
  ENAMETOOLONG: 'its name is too long',
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  ERR_INVALID_ARG_VALUE: 'there is no such file',
}

/** A byte order mark says how a text is encoded; it is no part of what the text says. */
export function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/**
 * Strict: a byte order mark stays, and what is no UTF-8 is INVALID_INPUT with the place of its first byte. `name`:
 * what the text is called.
 */
export function decodeUtf8(bytes: Uint8Array, name = 'The text'): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    const at = firstInvalid(bytes)
    throw new KigoError('INVALID_INPUT', `${name} is not UTF-8 text: byte ${at} does not belong there.`, {
      hint: 'Convert it first, for example with iconv.',
      data: { at },
    })
  }
}

/** What decodes without error is as long as the bytes it came from, up to the first that is wrong. */
function firstInvalid(bytes: Uint8Array): number {
  let good = 0
  let bad = bytes.length
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (isPrefixValid(bytes.subarray(0, middle))) good = middle
    else bad = middle
  }
  return good
}

function isPrefixValid(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}
