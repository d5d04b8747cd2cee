import type { FileHandle } from 'node:fs/promises'
import { isUtf8 } from 'node:buffer'
import { KigoError } from '../../contract/errors.ts'
import { LIMITS } from './limits.ts'
import { shownText } from './text.ts'

const WINDOW_BYTES = 1024 * 1024

/**
 * Walks forward through the header of one file with buffered reads. The file's bytes are awaited with `need(n)`;
 * after that the take functions are synchronous, so that 260k strings cost 260k function calls and ten awaits.
 * Numbers are little-endian. Every failure names `subject` and the byte offset.
 */
export class HeaderReader {
  /** What is being read, for errors: 'key tokenizer.ggml.tokens'. */
  subject = 'the header'
  readonly #handle: FileHandle
  readonly #path: string
  readonly #fileBytes: number
  readonly #signal: AbortSignal | undefined
  #window = Buffer.alloc(0)
  /** File offset of the window's first byte. */
  #windowStart = 0
  /** Next byte to take, in the window. */
  #pos = 0

  constructor(handle: FileHandle, path: string, fileBytes: number, signal?: AbortSignal) {
    this.#handle = handle
    this.#path = path
    this.#fileBytes = fileBytes
    this.#signal = signal
  }

  /** File offset of the next byte. */
  get at(): number {
    return this.#windowStart + this.#pos
  }

  /** Bytes that the header may still take. */
  get left(): number {
    return Math.min(this.#fileBytes, LIMITS.headerBytes) - this.at
  }

  has(n: number): boolean {
    return this.#window.length - this.#pos >= n
  }

  /** Makes the next n bytes available to the take functions. MODEL_TRUNCATED where the file ends before. */
  async need(n: number): Promise<void> {
    if (this.has(n)) return
    this.requireLeft(n)
    const start = this.at
    const size = Math.min(Math.max(n, WINDOW_BYTES), this.#fileBytes - start)
    const next = Buffer.allocUnsafe(size)
    const kept = this.#window.copy(next, 0, this.#pos)
    await this.#readInto(next.subarray(kept), start + kept)
    this.#window = next
    this.#windowStart = start
    this.#pos = 0
  }

  /** Refuses n bytes that the file does not have, before anything is allocated for them. */
  requireLeft(n: number): void {
    if (n <= this.left) return
    if (this.at + n <= this.#fileBytes) {
      throw this.invalid(`is too long: ${n} bytes; Kigo reads headers of at most ${LIMITS.headerBytes} bytes`)
    }
    throw new KigoError(
      'MODEL_TRUNCATED',
      `The file is cut short: it ends at byte ${this.#fileBytes}, inside ${this.subject}.`,
      {
        data: { at: this.at, subject: this.subject, needed: n, fileBytes: this.#fileBytes, path: this.#path },
      },
    )
  }

  /** The next n bytes in a buffer of their own. */
  async bytes(n: number): Promise<ArrayBuffer> {
    this.requireLeft(n)
    const block = new ArrayBuffer(n)
    const target = Buffer.from(block)
    const buffered = this.#window.copy(target, 0, this.#pos, Math.min(this.#window.length, this.#pos + n))
    if (buffered < n) {
      await this.#readInto(target.subarray(buffered), this.#windowStart + this.#window.length)
      this.#windowStart = this.at + n
      this.#window = Buffer.alloc(0)
      this.#pos = 0
    } else {
      this.#pos += n
    }
    return block
  }

  async #readInto(target: Buffer, position: number): Promise<void> {
    let done = 0
    while (done < target.length) {
      if (this.#signal?.aborted) throw new KigoError('CANCELLED')
      const { bytesRead } = await this.#handle.read(target, done, target.length - done, position + done)
      if (bytesRead === 0) {
        throw new KigoError(
          'MODEL_FILE_CHANGED',
          'The model file became shorter while its header was read.',
          {
            data: { at: position + done, path: this.#path },
          },
        )
      }
      done += bytesRead
    }
  }

  takeU8(): number {
    return this.#window.readUInt8(this.#advance(1))
  }

  takeU32(): number {
    return this.#window.readUInt32LE(this.#advance(4))
  }

  takeU64(): bigint {
    return this.#window.readBigUInt64LE(this.#advance(8))
  }

  /** A u64 that counts or measures something; beyond 2^53 it loses digits, which every limit refuses anyhow. */
  takeCount(): number {
    const pos = this.#advance(8)
    return this.#window.readUInt32LE(pos) + this.#window.readUInt32LE(pos + 4) * 0x1_0000_0000
  }

  /** n bytes as they lie; valid until the next need(). */
  takeView(n: number): DataView {
    return new DataView(this.#window.buffer, this.#window.byteOffset + this.#advance(n), n)
  }

  /** The next n bytes without taking them; valid until the next need(). */
  peek(n: number): Buffer {
    return this.#window.subarray(this.#pos, this.#pos + n)
  }

  /** n bytes of strict UTF-8. A byte order mark stays. */
  takeText(n: number): string {
    const start = this.#advance(n)
    const text = this.#window.toString('utf8', start, start + n)
    // Decoding puts U+FFFD for what is not UTF-8; only where one appears are the bytes themselves looked at.
    if (text.includes('\uFFFD') && !isUtf8(this.#window.subarray(start, start + n))) {
      this.#pos = start
      throw this.invalid('holds text that is not UTF-8')
    }
    return text
  }

  /** n bytes of text that is only shown, in whatever encoding. */
  takeShownText(n: number): string {
    const start = this.#advance(n)
    return shownText(this.#window.subarray(start, start + n))
  }

  #advance(n: number): number {
    const pos = this.#pos
    this.#pos += n
    return pos
  }

  /** MODEL_INVALID at the current offset (or `at`): '<subject> <problem>.' */
  invalid(problem: string, data: Record<string, unknown> = {}, at = this.at): KigoError {
    return new KigoError(
      'MODEL_INVALID',
      `The file is damaged or was made wrongly: ${this.subject} ${problem}.`,
      {
        data: { at, subject: this.subject, path: this.#path, ...data },
      },
    )
  }
}
