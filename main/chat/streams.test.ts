import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Frame, ReplyStats } from '../../contract/chat.ts'
import { KigoError } from '../../contract/errors.ts'
import { FRAME_MS, Streams, type Stream, type StreamPort } from './streams.ts'

const STATS: ReplyStats = {
  promptTokens: 1,
  cachedTokens: 0,
  promptMs: 1,
  firstTokenMs: 1,
  tokens: 1,
  tokensPerSecond: 1,
  seed: 1,
}

/** A window's end: keeps the frames, acknowledges when told to (or always). */
class Window implements StreamPort {
  frames: Frame[] = []
  closed = false
  #auto: boolean
  #listener: (data: unknown) => void = () => {}
  #closeListener: () => void = () => {}

  constructor(auto = false) {
    this.#auto = auto
  }
  post(frame: Frame): void {
    this.frames.push(frame)
    if (this.#auto && frame.type === 'text') queueMicrotask(() => this.ack())
  }
  onMessage(listener: (data: unknown) => void): void {
    this.#listener = listener
  }
  onClose(listener: () => void): void {
    this.#closeListener = listener
  }
  close(): void {
    this.closed = true
  }
  say(data: unknown): void {
    this.#listener(data)
  }
  ack(): void {
    this.say({ ack: this.text.length + this.from })
  }
  vanish(): void {
    this.#closeListener()
  }
  get from(): number {
    const first = this.frames.find((frame) => frame.type === 'text')
    return first?.type === 'text' ? first.seq : 0
  }
  get texts(): string[] {
    return this.frames.flatMap((frame) => (frame.type === 'text' ? [frame.text] : []))
  }
  get text(): string {
    return this.texts.join('')
  }
}

let streams: Streams
let stream: Stream
beforeEach(() => {
  vi.useFakeTimers()
  streams = new Streams()
  stream = streams.open('s')
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a stream', () => {
  it('sends the first token at once', () => {
    const window = new Window()
    stream.attach(window, 0)
    stream.append('Hel', 1, 10)
    expect(window.frames).toEqual([{ type: 'text', seq: 0, text: 'Hel', tokens: 1, tokensPerSecond: 10 }])
  })

  it('batches what follows to one frame a display frame', async () => {
    const window = new Window(true)
    stream.attach(window, 0)
    stream.append('a', 1, 1)
    await vi.advanceTimersByTimeAsync(1)
    stream.append('b', 2, 2)
    stream.append('c', 3, 3)
    expect(window.texts).toEqual(['a'])
    await vi.advanceTimersByTimeAsync(FRAME_MS)
    expect(window.frames.at(-1)).toEqual({ type: 'text', seq: 1, text: 'bc', tokens: 3, tokensPerSecond: 3 })
  })

  it('sends at most one unacknowledged text frame and coalesces the rest', async () => {
    const window = new Window()
    stream.attach(window, 0)
    for (let i = 0; i < 100; i++) {
      stream.append(`${i} `, i, 1)
      await vi.advanceTimersByTimeAsync(FRAME_MS)
    }
    expect(window.texts).toHaveLength(1)
    window.ack()
    expect(window.texts).toHaveLength(2)
    expect(window.text).toBe(stream.text)
  })

  it('never holds a timer while it waits for an acknowledgement, so that the engine and quitting never wait', () => {
    stream.attach(new Window(), 0)
    for (let i = 0; i < 100; i++) stream.append('x', i, 1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends with done after all of the text, and its seq is the length of the text', () => {
    const window = new Window()
    stream.attach(window, 0)
    stream.append('one ', 1, 1)
    stream.append('two', 2, 1)
    stream.done('end', STATS)
    expect(window.frames.map((frame) => frame.type)).toEqual(['text'])
    window.ack()
    expect(window.frames.map((frame) => frame.type)).toEqual(['text', 'text', 'done'])
    expect(window.text).toBe('one two')
    expect(window.frames.at(-1)).toEqual({ type: 'done', seq: 7, reason: 'end', stats: STATS })
  })

  it('does not let the last text wait for the next display frame', async () => {
    const window = new Window(true)
    stream.attach(window, 0)
    stream.append('a', 1, 1)
    await vi.advanceTimersByTimeAsync(0)
    stream.append('b', 2, 1)
    expect(window.text).toBe('a')
    stream.done('end', STATS)
    expect(window.text).toBe('ab')
    expect(window.frames.at(-1)?.type).toBe('done')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends with the error where there was one, and only once', () => {
    const window = new Window()
    stream.attach(window, 0)
    const error = new KigoError('NUMERIC_ERROR').toData()
    stream.fail(error)
    stream.done('end', STATS)
    expect(window.frames).toEqual([{ type: 'error', seq: 0, error }])
  })

  it('is found again after a reload, from where the window asks', async () => {
    const before = new Window(true)
    stream.attach(before, 0)
    stream.append('Hello ', 1, 1)
    before.vanish()
    stream.append('world', 2, 1)
    const whole = new Window(true)
    stream.attach(whole, 0)
    const rest = new Window(true)
    stream.attach(rest, 3)
    stream.append('!', 3, 1)
    stream.done('end', STATS)
    await vi.advanceTimersByTimeAsync(FRAME_MS)
    expect(whole.text).toBe('Hello world!')
    expect(rest.text).toBe('lo world!')
    expect(rest.frames[0]).toMatchObject({ seq: 3 })
    expect(before.text).toBe('Hello ')
  })

  it('gives a late window everything and the end, after it has finished', () => {
    stream.append('all of it', 2, 1)
    stream.done('stop', STATS)
    const window = new Window()
    stream.attach(window, 0)
    expect(window.frames.map((frame) => frame.type)).toEqual(['text', 'done'])
    const ahead = new Window()
    stream.attach(ahead, 1_000_000)
    expect(ahead.frames).toEqual([{ type: 'done', seq: 9, reason: 'stop', stats: STATS }])
  })

  it('reports the prompt being read, also to a window that comes in the middle of it', () => {
    stream.prefill(512, 2048, 100)
    const window = new Window()
    stream.attach(window, 0)
    stream.prefill(1024, 2048, 100)
    expect(window.frames).toEqual([
      { type: 'prefill', done: 512, total: 2048, cached: 100 },
      { type: 'prefill', done: 1024, total: 2048, cached: 100 },
    ])
  })

  it('ignores acknowledgements that are wrong', async () => {
    const window = new Window()
    stream.attach(window, 0)
    stream.append('abc', 1, 1)
    stream.append('def', 2, 1)
    await vi.advanceTimersByTimeAsync(FRAME_MS)
    for (const nonsense of [null, 'x', {}, { ack: '3' }, { ack: 2 }, { ack: Number.NaN }])
      window.say(nonsense)
    expect(window.texts).toEqual(['abc'])
    window.say({ ack: 3 })
    expect(window.texts).toEqual(['abc', 'def'])
  })

  it('does not tell of the prompt any more once there is text', () => {
    stream.prefill(512, 2048, 100)
    stream.append('a', 1, 1)
    const late = new Window()
    stream.attach(late, 0)
    expect(late.frames.map((frame) => frame.type)).toEqual(['text'])
    const ended = streams.open('t')
    ended.prefill(512, 2048, 100)
    ended.done('cancelled', STATS)
    const last = new Window()
    ended.attach(last, 0)
    expect(last.frames.map((frame) => frame.type)).toEqual(['done'])
  })

  it('has one end for all who come later as well: the first', () => {
    const error = new KigoError('NUMERIC_ERROR').toData()
    stream.fail(error)
    stream.done('end', STATS)
    const window = new Window()
    stream.attach(window, 0)
    expect(window.frames).toEqual([{ type: 'error', seq: 0, error }])
  })

  it('sends nothing to a window that is gone, whatever it still says', () => {
    const window = new Window()
    stream.attach(window, 0)
    stream.append('a', 1, 1)
    stream.append('b', 2, 1)
    window.vanish()
    window.ack()
    expect(window.texts).toEqual(['a'])
  })

  it('is found by its id until it is dropped, and dropping what is not there does nothing', () => {
    expect(stream.id).toBe('s')
    expect(streams.get('s')).toBe(stream)
    streams.drop('t')
    expect(() => streams.get('t')).toThrow(
      expect.objectContaining({ code: 'STREAM_NOT_FOUND', data: { streamId: 't' } }),
    )
  })

  it('that was dropped is not found, and its windows are let go', () => {
    const window = new Window()
    stream.attach(window, 0)
    streams.drop('s')
    expect(window.closed).toBe(true)
    expect(() => streams.get('s')).toThrow(expect.objectContaining({ code: 'STREAM_NOT_FOUND' }))
  })
})
