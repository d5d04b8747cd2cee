/** The messages that a person types or pastes: a line, a pasted block, or a block between triple quotes. */
import { createInterface } from 'node:readline'
import { EventQueue } from '../engine/event-queue.ts'
import type { Io } from './io.ts'

const QUOTES = '"""'

/** Puts lines together to messages. */
export class MessageLines {
  #pasted: string[] = []
  #block: string[] | null = null

  /** A block between triple quotes is open: what comes is part of it. */
  get inBlock(): boolean {
    return this.#block !== null
  }

  /** More belongs to what came. */
  get isBegun(): boolean {
    return this.inBlock || this.#pasted.length > 0
  }

  /** The message that this line ends; null: more belongs to it. `pasting`: its line feed was pasted, not typed. */
  push(line: string, pasting: boolean): string | null {
    if (pasting) {
      this.#pasted.push(line)
      return null
    }
    const text = [...this.#pasted, line].join('\n')
    const pasted = this.#pasted.length > 0
    this.#pasted = []
    if (this.#block) return this.#add(text)
    const start = text.trim()
    if (pasted || !start.startsWith(QUOTES)) return text
    this.#block = []
    // Quotes that stand alone on their line add no line of their own.
    return start === QUOTES ? null : this.#add(start.slice(QUOTES.length))
  }

  /** What was begun and not ended. */
  rest(): string | null {
    const lines = [...(this.#block ?? []), ...this.#pasted]
    this.drop()
    return lines.length > 0 ? lines.join('\n') : null
  }

  /** Forgets what was begun. */
  drop(): void {
    this.#block = null
    this.#pasted = []
  }

  #add(text: string): string | null {
    const block = this.#block ?? []
    const end = text.trimEnd()
    const ends = end.endsWith(QUOTES)
    const content = ends ? end.slice(0, -QUOTES.length) : text
    if (!ends || content !== '') block.push(content)
    this.#block = ends ? null : block
    return ends ? block.join('\n') : null
  }
}

/** Terminals that are asked to put these around what is pasted. */
const PASTE_ON = '\x1b[?2004h'
const PASTE_OFF = '\x1b[?2004l'

export interface Messages extends Disposable {
  /** One after the other, until the input ends. */
  read(): AsyncGenerator<string, void, void>
  /** Asks a person for the next one; nothing where nobody sits at a terminal. */
  prompt(): void
  /** Forgets a message that was begun; false: none was. */
  drop(): boolean
  /** Ends the reading: what was not read is not answered. */
  close(): void
}

export function openMessages(io: Pick<Io, 'stdin' | 'stdout'>, onInterrupt: () => void): Messages {
  const interactive = Boolean(io.stdin.isTTY)
  const terminal = Boolean(interactive && io.stdout.isTTY)
  const lines = createInterface({ input: io.stdin, output: io.stdout, terminal, prompt: '> ' })
  const messages = new EventQueue<string>()
  const begun = new MessageLines()
  let open = true
  let pasting = false

  const prompt = (): void => {
    if (!interactive || !open) return
    lines.setPrompt(begun.inBlock ? '... ' : '> ')
    lines.prompt(true) // what was typed ahead is typed on
  }
  const onKey = (_text: string | undefined, key: { sequence?: string } | undefined): void => {
    if (key?.sequence === '\x1b[200~') pasting = true
    if (key?.sequence === '\x1b[201~') pasting = false
  }
  lines.on('line', (line) => {
    const message = begun.push(line, pasting)
    if (message !== null) messages.push(message)
    else if (begun.inBlock && !pasting) prompt()
  })
  lines.on('close', () => {
    open = false
    // A person who leaves did not mean to send it.
    const rest = interactive ? null : begun.rest()
    if (rest !== null) messages.push(rest)
    messages.end()
  })
  // Ctrl+C arrives here from a terminal, and by the signal otherwise.
  lines.on('SIGINT', onInterrupt)
  if (terminal) {
    io.stdin.on('keypress', onKey)
    io.stdout.write(PASTE_ON)
  }
  return {
    read: () => messages.read(),
    prompt,
    drop: () => {
      const any = begun.isBegun || lines.line !== ''
      begun.drop()
      // To the end of the line, and all that is before it.
      if (terminal && open) for (const name of ['e', 'u']) lines.write(null as never, { ctrl: true, name })
      return any
    },
    close: () => lines.close(),
    [Symbol.dispose]: () => {
      lines.close()
      if (!terminal) return
      io.stdin.off('keypress', onKey)
      io.stdout.write(PASTE_OFF)
    },
  }
}
