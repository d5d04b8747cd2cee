/** Text from outside: files and stdin are bytes until they are shown to be UTF-8. */
import { readFile } from 'node:fs/promises'
import { KigoError } from '../../contract/errors.ts'

/** A text file, without a byte order mark. INVALID_INPUT, by name, where it cannot be read or is no UTF-8. */
export async function readTextFile(path: string): Promise<string> {
  const bytes = await readFile(path).catch((cause: Error) => {
    throw new KigoError('INVALID_INPUT', `${path} cannot be read: ${cause.message}.`, {
      hint: 'Check the path.',
      cause,
    })
  })
  return withoutMark(decodeUtf8(bytes))
}

/** A byte order mark says how a text is encoded; it is no part of what the text says. */
export function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/** Strict: a byte order mark stays, and what is no UTF-8 is INVALID_INPUT with the place of its first byte. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    const at = firstInvalid(bytes)
    throw new KigoError('INVALID_INPUT', `The text is not UTF-8: byte ${at} does not belong there.`, {
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
