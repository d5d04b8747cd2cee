/** Texts of a header. What Kigo acts on is UTF-8 or the file is refused; what is only shown is read as well as it can be. */
import { isUtf8 } from 'node:buffer'

/** Keys whose texts decide what a model reads and writes. */
export function isStrictKey(key: string): boolean {
  return key.startsWith('tokenizer.ggml.') || key.startsWith('tokenizer.chat_template')
}

/** UTF-8; UTF-16 with a mark or by its zeros; else a character a byte, as old Windows programs write. */
export function shownText(bytes: Buffer): string {
  const utf16 = fromUtf16(bytes)
  if (utf16 !== undefined) return utf16
  if (isUtf8(bytes)) return bytes.toString('utf8')
  // A text in another script that was cut within its last character.
  for (let length = bytes.length - 1; length >= bytes.length - 3 && length > 0; length--) {
    const whole = bytes.subarray(0, length)
    if (isUtf8(whole) && whole.some((byte) => byte >= 0x80)) return whole.toString('utf8')
  }
  return bytes.toString('latin1')
}

function fromUtf16(bytes: Buffer): string | undefined {
  if (bytes.length < 2 || bytes.length % 2 !== 0) return undefined
  const mark = bytes.readUInt16LE(0)
  const zerosAt = (first: number): boolean => bytes.every((byte, i) => (i % 2 === first) === (byte === 0))
  if (mark === 0xfeff || zerosAt(1)) return fromUtf16Le(bytes)
  if (mark === 0xfffe || zerosAt(0)) {
    return fromUtf16Le(Buffer.from(bytes).swap16())
  }
  return undefined
}

function fromUtf16Le(bytes: Buffer): string {
  return bytes
    .toString('utf16le')
    .replace(/^\uFEFF/, '')
    .replace(/\p{Surrogate}/gu, '\uFFFD')
}
