/**
 * The ports of running replies. Frames are gathered and applied once per animation frame; what was applied is
 * acknowledged then, so main coalesces while the window is busy. A gap, or a page that was reloaded, attaches
 * again from the text that is there.
 */
import type { Ack, Frame, Message } from '../../../contract/chat.ts'
import type { ErrorData } from '../../../contract/errors.ts'
import { STREAM_MESSAGE } from '../../../contract/ipc.ts'
import { request } from '../../app/bridge.ts'
import { applyFrames, startLive, type Live } from './stream.ts'

export interface StreamSink {
  /** Once per animation frame, with everything so far. */
  update(messageId: string, live: Live): void
  lost(messageId: string, live: Live, error: ErrorData): void
}

interface Stream {
  messageId: string
  live: Live
  port: MessagePort | null
  waiting: Frame[]
  attaching: boolean
}

const streams = new Map<string, Stream>()
let sink: StreamSink
let scheduled = false

/** Call once, before anything streams. */
export function listenForStreams(to: StreamSink): void {
  sink = to
  window.addEventListener('message', (event) => {
    if (event.source !== window || !isStreamMessage(event.data)) return
    const port = event.ports[0]
    if (port) receive(event.data.streamId, port)
  })
  document.addEventListener('visibilitychange', () => {
    if (document.hidden && scheduled) setTimeout(apply, 100)
  })
}

/** Follows the stream of a message; its text so far is known. */
export function follow(message: Message): void {
  const { streamId } = message
  if (streamId === undefined || streams.has(streamId)) return
  streams.set(streamId, {
    messageId: message.id,
    live: startLive(message.text),
    port: null,
    waiting: [],
    attaching: false,
  })
  attach(streamId)
}

/** Lets go of a stream whose conversation is gone. */
export function drop(messageId: string): void {
  for (const [streamId, stream] of streams) {
    if (stream.messageId === messageId) close(streamId, stream)
  }
}

function attach(streamId: string): void {
  const stream = streams.get(streamId)
  if (!stream || stream.attaching) return
  stream.attaching = true
  stream.port?.close()
  stream.port = null
  stream.waiting = []
  void request('stream.attach', { streamId, fromSeq: stream.live.text.length }).then((result) => {
    stream.attaching = false
    if (result.ok || streams.get(streamId) !== stream) return
    close(streamId, stream)
    sink.lost(stream.messageId, stream.live, result.error)
  })
}

function receive(streamId: string, port: MessagePort): void {
  const stream = streams.get(streamId)
  if (!stream) {
    // A port for a message that is not on screen yet: `follow` asks again when it is.
    port.close()
    return
  }
  stream.port?.close()
  stream.port = port
  stream.waiting = []
  port.onmessage = (event: MessageEvent<Frame>) => {
    if (stream.port !== port) return
    stream.waiting.push(event.data)
    schedule()
  }
}

function schedule(): void {
  if (scheduled) return
  scheduled = true
  // A hidden page has no animation frames; its replies must end all the same.
  if (document.hidden) setTimeout(apply, 100)
  else requestAnimationFrame(apply)
}

function apply(): void {
  scheduled = false
  for (const [streamId, stream] of streams) {
    if (stream.waiting.length === 0) continue
    const { live, gap } = applyFrames(stream.live, stream.waiting)
    stream.waiting = []
    stream.live = live
    stream.port?.postMessage({ ack: live.text.length } satisfies Ack)
    if (live.end !== null) close(streamId, stream)
    sink.update(stream.messageId, live)
    if (gap && live.end === null) attach(streamId)
  }
}

function close(streamId: string, stream: Stream): void {
  stream.port?.close()
  stream.port = null
  stream.waiting = []
  streams.delete(streamId)
}

function isStreamMessage(data: unknown): data is { type: string; streamId: string } {
  return (
    typeof data === 'object' &&
    data !== null &&
    'type' in data &&
    data.type === STREAM_MESSAGE &&
    'streamId' in data &&
    typeof data.streamId === 'string'
  )
}
