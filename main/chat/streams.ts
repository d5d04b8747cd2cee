/**
 * The token streams of this run. A stream's own buffer is the truth; a window attaches with a port and gets
 * what it lacks. The engine appends and never waits: a window that is slow, hidden or gone only makes its next
 * frame longer.
 */
import { KigoError } from '../../contract/errors.ts'
import type { Ack, Frame, Reason, ReplyStats } from '../../contract/chat.ts'
import type { ErrorData } from '../../contract/errors.ts'

/** Least time between two text frames, ms: one display frame. The first text goes at once. */
export const FRAME_MS = 16

/** The end of a MessagePort that main holds; made of Electron's by ipc/stream.ts. */
export interface StreamPort {
  post(frame: Frame): void
  onMessage(listener: (data: unknown) => void): void
  onClose(listener: () => void): void
  close(): void
}

type Final =
  | { type: 'done'; reason: Reason; stats: ReplyStats; model?: string | undefined }
  | { type: 'error'; error: ErrorData }

export class Stream {
  readonly id: string
  text = ''
  #tokens = 0
  #tokensPerSecond = 0
  #prefill: Extract<Frame, { type: 'prefill' }> | null = null
  #final: Final | null = null
  #attached = new Set<Attachment>()

  constructor(id: string) {
    this.id = id
  }

  prefill(done: number, total: number, cached: number): void {
    this.#prefill = { type: 'prefill', done, total, cached }
    for (const attachment of this.#attached) attachment.port.post(this.#prefill)
  }

  /** `tokens` and `tokensPerSecond` of the reply so far. */
  append(text: string, tokens: number, tokensPerSecond: number): void {
    this.text += text
    this.#tokens = tokens
    this.#tokensPerSecond = tokensPerSecond
    this.#flushAll()
  }

  done(reason: Reason, stats: ReplyStats, model?: string): void {
    this.#finish({ type: 'done', reason, stats, model })
  }

  fail(error: ErrorData): void {
    this.#finish({ type: 'error', error })
  }

  /** Sends everything from character `fromSeq` on to `port`, now and as it comes, then the end. */
  attach(port: StreamPort, fromSeq: number): void {
    const attachment: Attachment = {
      port,
      sent: Math.min(fromSeq, this.text.length),
      waiting: false,
      last: -Infinity,
      timer: null,
    }
    this.#attached.add(attachment)
    port.onMessage((data) => {
      if (!isAck(data) || !attachment.waiting || data.ack < attachment.sent) return
      attachment.waiting = false
      this.#flush(attachment)
    })
    port.onClose(() => this.#detach(attachment))
    if (this.#prefill && this.text === '' && !this.#final) port.post(this.#prefill)
    this.#flush(attachment)
  }

  /** Lets go of every window; for a stream that is dropped. */
  close(): void {
    for (const attachment of this.#attached) {
      this.#detach(attachment)
      attachment.port.close()
    }
  }

  #finish(final: Final): void {
    if (this.#final) return
    this.#final = final
    this.#flushAll()
  }

  #flushAll(): void {
    for (const attachment of this.#attached) this.#flush(attachment)
  }

  /** At most one text frame is on its way at a time, and at most one a display frame; the rest is coalesced. */
  #flush(to: Attachment): void {
    if (to.waiting || (to.timer && !this.#final) || !this.#attached.has(to)) return
    if (to.sent < this.text.length) {
      const wait = to.last + FRAME_MS - performance.now()
      if (wait > 0 && !this.#final) {
        to.timer = setTimeout(() => {
          to.timer = null
          this.#flush(to)
        }, wait)
        return
      }
      const text = this.text.slice(to.sent)
      to.port.post({
        type: 'text',
        seq: to.sent,
        text,
        tokens: this.#tokens,
        tokensPerSecond: this.#tokensPerSecond,
      })
      to.sent = this.text.length
      to.last = performance.now()
      to.waiting = true
    }
    if (this.#final) {
      to.port.post({ ...this.#final, seq: this.text.length })
      this.#detach(to)
    }
  }

  #detach(attachment: Attachment): void {
    if (attachment.timer) clearTimeout(attachment.timer)
    attachment.timer = null
    this.#attached.delete(attachment)
  }
}

interface Attachment {
  port: StreamPort
  /** Characters sent so far. */
  sent: number
  /** A text frame is on its way and not acknowledged. */
  waiting: boolean
  /** When the last text frame left, performance.now(). */
  last: number
  timer: NodeJS.Timeout | null
}

/** By id; a stream lives as long as the conversation it belongs to. */
export class Streams {
  #byId = new Map<string, Stream>()

  open(id: string): Stream {
    const stream = new Stream(id)
    this.#byId.set(id, stream)
    return stream
  }

  /** STREAM_NOT_FOUND if it never was or was dropped. */
  get(id: string): Stream {
    const stream = this.#byId.get(id)
    if (!stream) throw new KigoError('STREAM_NOT_FOUND', undefined, { data: { streamId: id } })
    return stream
  }

  drop(id: string): void {
    this.#byId.get(id)?.close()
    this.#byId.delete(id)
  }
}

function isAck(data: unknown): data is Ack {
  return typeof data === 'object' && data !== null && 'ack' in data && Number.isSafeInteger(data.ack)
}
