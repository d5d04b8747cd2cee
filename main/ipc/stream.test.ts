import type { IpcMainInvokeEvent } from 'electron'
import { describe, expect, it, vi } from 'vitest'
import { STREAM_MESSAGE } from '../../contract/ipc.ts'
import { Streams } from '../chat/streams.ts'
import { streamHandlers } from './stream.ts'

/** One end of Electron's channel, with what was done to it. */
class Port {
  readonly posted: unknown[] = []
  readonly listeners: Record<string, (event: { data: unknown }) => void> = {}
  started = false
  closed = false
  postMessage(message: unknown): void {
    this.posted.push(message)
  }
  on(event: string, listener: (event: { data: unknown }) => void): void {
    this.listeners[event] = listener
  }
  start(): void {
    this.started = true
  }
  close(): void {
    this.closed = true
  }
}
const channels: { port1: Port; port2: Port }[] = []
vi.mock('electron', () => ({
  MessageChannelMain: class {
    port1 = new Port()
    port2 = new Port()
    constructor() {
      channels.push(this)
    }
  },
}))

function attach(streams: Streams, streamId: string, fromSeq: number) {
  const postMessage = vi.fn()
  const event = { sender: { postMessage } } as unknown as IpcMainInvokeEvent
  const answer = streamHandlers({ streams })['stream.attach']({ streamId, fromSeq }, event)
  const { port1, port2 } = channels.at(-1)!
  return { answer, postMessage, port1, port2 }
}

describe('a page that attaches to a stream', () => {
  it('gets one end of a channel, and through it what the stream holds from its place on', () => {
    const streams = new Streams()
    const stream = streams.open('s')
    stream.append('winter', 1, 5)
    const { answer, postMessage, port1, port2 } = attach(streams, stream.id, 3)
    expect(answer).toBeNull()
    expect(postMessage).toHaveBeenCalledExactlyOnceWith(STREAM_MESSAGE, { streamId: stream.id }, [port2])
    expect(port1.started).toBe(true)
    expect(port1.posted).toMatchObject([{ type: 'text', text: 'ter' }])
  })

  it('is heard when it has read, and then gets the rest', () => {
    const streams = new Streams()
    const stream = streams.open('s')
    stream.append('winter', 1, 5)
    const { port1 } = attach(streams, 's', 0)
    stream.append(' night', 2, 5)
    stream.fail({ code: 'CANCELLED', message: 'It was stopped.' })
    expect(port1.posted).toHaveLength(1)
    port1.listeners['message']!({ data: { ack: 6 } })
    expect(port1.posted.slice(1)).toMatchObject([
      { type: 'text', text: ' night' },
      { type: 'error', seq: 12 },
    ])
  })

  it('that is gone is sent nothing more', () => {
    const streams = new Streams()
    const stream = streams.open('s')
    const { port1 } = attach(streams, 's', 0)
    port1.listeners['close']!({ data: null })
    stream.append('winter', 1, 5)
    expect(port1.posted).toEqual([])
  })

  it('loses its channel with the stream', () => {
    const streams = new Streams()
    streams.open('s')
    const { port1 } = attach(streams, 's', 0)
    streams.drop('s')
    expect(port1.closed).toBe(true)
  })

  it('is told when its stream is not there, and gets no channel', () => {
    const before = channels.length
    const event = { sender: { postMessage: vi.fn() } } as unknown as IpcMainInvokeEvent
    const handlers = streamHandlers({ streams: new Streams() })
    expect(() => handlers['stream.attach']({ streamId: 'none', fromSeq: 0 }, event)).toThrow(
      expect.objectContaining({ code: 'STREAM_NOT_FOUND' }),
    )
    expect(channels).toHaveLength(before)
  })
})
