import { addAbortSignal, type Readable, type Writable } from 'node:stream'
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

/** Writes all of `text` and waits until the stream takes more, so that a slow reader bounds the memory. */
export async function write(stream: Writable, text: string | Uint8Array): Promise<void> {
  if (stream.write(text)) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('error', done).off('close', done)
      resolve()
    }
    stream.on('drain', done).on('error', done).on('close', done)
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
