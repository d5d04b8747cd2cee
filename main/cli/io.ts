import { fstatSync, writeSync } from 'node:fs'
import { addAbortSignal, Writable, type Readable } from 'node:stream'
import type { ChildLauncher } from '../isolated/types.ts'
import { visible } from './format.ts'

/** Where a command reads and writes; tests give their own. */
export interface Io {
  stdin: Readable & { isTTY?: boolean }
  stdout: Writable & { isTTY?: boolean; columns?: number }
  stderr: Writable & { isTTY?: boolean; columns?: number }
  /** Aborted by Ctrl+C, or when nobody reads stdout any more. */
  signal: AbortSignal
  /** How child processes are started; left out: as Node does it. */
  launcher?: ChildLauncher
}

/**
 * Writes all of `text` and waits until the stream takes more, so that a slow reader bounds the memory. A write that
 * fails resolves too: the stream tells of it by its event, once.
 */
export async function write(stream: Writable, text: string | Uint8Array): Promise<void> {
  await new Promise<void>((resolve) => {
    if (stream.write(text, () => resolve())) resolve()
  })
}

/**
 * The stream for stdout. Where that is a file it is one of our own: Node's takes a write that was cut short, as by a
 * disk that has just become full, for a whole one.
 */
export function openStdout(fallback: Io['stdout'] & { fd: number }): Io['stdout'] {
  const { fd } = fallback
  if (!isFile(fd)) return fallback
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      try {
        for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at)
        done()
      } catch (error) {
        done(error as Error)
      }
    },
  })
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile()
  } catch {
    return false // a window's program on Windows has no stdout at all
  }
}

/** Resolves when all that was written is out, or is lost and its event was told. */
export function flush(stream: Writable): Promise<void> {
  // An empty write may fail where nothing was written, so it is kept for what waits.
  return new Promise((resolve) => {
    if (stream.writableLength === 0) setImmediate(resolve)
    else stream.write('', () => setImmediate(resolve))
  })
}

export function writeLine(stream: Writable, line: string): Promise<void> {
  return write(stream, `${line}\n`)
}

/** What a model, or its file, says: as it is, but for a terminal, which it shall not steer. */
export function writeUntrusted({ stdout }: Io, text: string): Promise<void> {
  return write(stdout, stdout.isTTY ? visible(text.replaceAll('\r', '')) : text)
}

/** One object or list on one line, and nothing else: what `--json` promises. */
export function writeJson(io: Io, value: unknown): Promise<void> {
  return writeLine(io.stdout, JSON.stringify(value))
}

/** All of stdin, as it is. Throws once `signal` is aborted: nobody may ever end it. */
export async function readBytes(stream: Readable, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = []
  addAbortSignal(signal, stream)
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}

/** A status line on stderr that is written over; nothing where stderr is no terminal. */
export class StatusLine {
  readonly #stream: Io['stderr']
  #shown = false
  #last = 0

  constructor(io: Pick<Io, 'stderr'>) {
    this.#stream = io.stderr
  }

  /** A line that stays, terminal or not. */
  say(line: string): Promise<void> {
    this.clear()
    return writeLine(this.#stream, line)
  }

  /** At most ten times a second. */
  show(text: string): void {
    const now = performance.now()
    if (!this.#stream.isTTY || now - this.#last < 100) return
    this.#last = now
    this.#shown = true
    this.#stream.write(`\r\x1b[2K${text.slice(0, (this.#stream.columns || 80) - 1)}`)
  }

  clear(): void {
    if (this.#shown) this.#stream.write('\r\x1b[2K')
    this.#shown = false
  }
}
