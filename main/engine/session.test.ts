import { describe, expect, it, vi } from 'vitest'
import type { GenerateEvent } from './reply.ts'
import { Session, type GenerateOptions } from './session.ts'
import { END, failure, FakeAddon, FakeSession, piecesOf, type Script } from './testing/fake-addon.ts'

function make(pieces: Script['pieces'], extra: Partial<Script> & { nCtx?: number } = {}) {
  const script = { pieces, ...extra }
  const native = new FakeSession(extra.nCtx ?? 64, script)
  const context = {
    addon: new FakeAddon(script),
    pieces: piecesOf(script),
    endTokens: [END],
    nVocab: pieces.length + 1,
  }
  return { native, session: new Session(native, context) }
}

async function collect(session: Session, options: Partial<GenerateOptions> = {}) {
  const events: GenerateEvent[] = []
  for await (const event of session.generate({ tokens: [1, 1, 1], ...options })) events.push(event)
  const done = events.at(-1)
  if (done?.type !== 'done') throw new Error('the last event is not done')
  const texts = events.flatMap((event) => (event.type === 'text' ? [event.text] : []))
  const ids = events.flatMap((event) => (event.type === 'text' ? event.records.map(({ id }) => id) : []))
  return { events, texts, text: texts.join(''), ids, reason: done.reason, stats: done.stats }
}

describe('Session.generate', () => {
  it('gives prefill progress, the text in pieces, and last why it ended', async () => {
    const { session } = make(['Hel', 'lo', ' world'])
    const { events, text, ids, reason, stats } = await collect(session)
    expect(events[0]).toEqual({ type: 'prefill', done: 3, total: 3, cached: 0 })
    expect(text).toBe('Hello world')
    expect(ids).toEqual([1, 2, 3])
    expect(reason).toBe('end')
    expect(stats).toMatchObject({ promptTokens: 3, cachedTokens: 0, tokens: 3, tokensPerSecond: 100 })
    expect(stats.firstTokenMs).toBeGreaterThan(0)
  })

  it('holds back a character until its last byte has come', async () => {
    const bytes = new TextEncoder().encode('a😀')
    const { session } = make([bytes.slice(0, 2), bytes.slice(2, 4), bytes.slice(4), '!'])
    expect((await collect(session)).texts).toEqual(['a', '', '😀', '!'])
  })

  it.each<[string, Partial<GenerateOptions>, string]>([
    ['ends', {}, 'end'],
    ['is as long as it may be', { maxTokens: 2 }, 'length'],
  ])('leaves out a character that is not whole where a reply %s', async (_, options, reason) => {
    const { session } = make(['a', new Uint8Array([0xf0, 0x9f])])
    expect(await collect(session, options)).toMatchObject({ text: 'a', ids: [1, 2], reason })
    expect((await collect(make([new Uint8Array([0xf0, 0x9f])]).session, options)).text).toBe('')
  })

  it('leaves out a character that is not whole where a reply is stopped', async () => {
    const { session } = make(['a', new Uint8Array([0xf0, 0x9f]), new Uint8Array([0x98]), 'more'])
    const abort = new AbortController()
    let text = ''
    for await (const event of session.generate({ tokens: [1], signal: abort.signal })) {
      if (event.type !== 'text') continue
      text += event.text
      if (event.tokens >= 2) abort.abort()
    }
    expect(text.replace('more', '')).toBe('a')
  })

  it('ends at the tokens that the caller names as at those of the vocabulary', async () => {
    const { session, native } = make(['a', 'b', 'c'])
    await collect(session, { endTokens: [2, END] })
    expect([...(native.requests[0]?.endTokens ?? [])]).toEqual([END, 2])
    await collect(session, { endTokens: [2], ignoreEnd: true, maxTokens: 1 })
    expect([...(native.requests[1]?.endTokens ?? [])]).toEqual([])
  })

  it('ends before a stop sequence that spans tokens, and reports the tokens up to it', async () => {
    const { session, native } = make(['one', ' E', 'ND', ' of', ' it', ' all', ' and', ' more'])
    const { text, ids, reason, stats } = await collect(session, { stop: [' END'] })
    expect(text).toBe('one')
    expect(reason).toBe('stop')
    expect(ids).toEqual([1, 2, 3])
    expect(stats.tokens).toBe(3)
    expect(native.drawn).toBeLessThanOrEqual(4)
  })

  it('shows what only looked like a stop sequence', async () => {
    const { session } = make(['one', ' E', 'N'])
    const { text, reason } = await collect(session, { stop: [' END'] })
    expect(text).toBe('one EN')
    expect(reason).toBe('end')
  })

  it('stops at maxTokens and at a full context, each by its name', async () => {
    expect(await collect(make(['a', 'b', 'c']).session, { maxTokens: 2 })).toMatchObject({
      text: 'ab',
      reason: 'length',
    })
    expect(await collect(make(['a', 'b', 'c', 'd'], { nCtx: 5 }).session)).toMatchObject({
      text: 'ab',
      reason: 'context',
    })
  })

  it('goes on behind the end token if asked to', async () => {
    expect(await collect(make(['a']).session, { ignoreEnd: true, maxTokens: 3 })).toMatchObject({
      ids: [1, END, END],
      reason: 'length',
    })
  })

  it('stops within one token when the signal is aborted, keeping the text', async () => {
    const { session, native } = make(Array<string>(50).fill('x'))
    const controller = new AbortController()
    let text = ''
    let reason = ''
    for await (const event of session.generate({ tokens: [1], signal: controller.signal })) {
      if (event.type === 'text') text += event.text
      if (text.length === 3) controller.abort()
      if (event.type === 'done') reason = event.reason
    }
    expect(reason).toBe('cancelled')
    expect(text.length).toBeGreaterThanOrEqual(3)
    expect(native.drawn).toBeLessThanOrEqual(text.length + 1)
    expect(text.length).toBeLessThanOrEqual(5)
  })

  it('draws nothing when the signal was aborted before', async () => {
    const { session, native } = make(['a', 'b'])
    expect(await collect(session, { signal: AbortSignal.abort() })).toMatchObject({
      text: '',
      reason: 'cancelled',
    })
    expect(native.drawn).toBe(0)
  })

  it('stops and waits for the engine when the loop is left', async () => {
    const { session, native } = make(Array<string>(50).fill('x'))
    for await (const event of session.generate({ tokens: [1] })) if (event.type === 'text') break
    expect(native.requests[0]!.cancel.cancelled).toBe(true)
    const drawn = native.drawn
    expect(drawn).toBeLessThanOrEqual(3)
    // The session is free again at once.
    expect(await collect(session, { maxTokens: 1 })).toMatchObject({ reason: 'length' })
    expect(native.drawn).toBe(drawn + 1)
  })

  it('refuses a second job while one runs, and lets the first one finish', async () => {
    const { session } = make(['a', 'b'])
    const first = session.generate({ tokens: [1] })
    await first.next()
    expect(await failure(session.generate({ tokens: [1] }))).toMatchObject({ code: 'SESSION_BUSY' })
    expect(await failure(session.score([1, 1]))).toMatchObject({ code: 'SESSION_BUSY' })
    let text = ''
    for await (const event of first) if (event.type === 'text') text += event.text
    expect(text).toBe('ab')
  })

  it('is free again where the engine throws instead of promising, and says what was thrown', async () => {
    const { session, native } = make(['a'])
    const thrown = Object.assign(new Error('No more threads.'), { code: 'OUT_OF_MEMORY', data: {} })
    const throws = (): never => {
      throw thrown
    }
    vi.spyOn(native, 'generate').mockImplementationOnce(throws)
    expect(await failure(session.generate({ tokens: [1] }))).toMatchObject({ code: 'OUT_OF_MEMORY' })
    expect(await collect(session)).toMatchObject({ text: 'a', reason: 'end' })
  })

  it('keeps the penalties off the tokens that end a reply, also where it goes on behind them', async () => {
    const { session, native } = make(['a'])
    await collect(session, { sampling: { repeatPenalty: 1.3 } })
    await collect(session, { ignoreEnd: true, maxTokens: 2 })
    expect(native.requests.map(({ exemptTokens }) => [...exemptTokens])).toEqual([[END], [END]])
  })

  it('refuses a prompt that leaves no room, with the numbers', async () => {
    const { session } = make(['a'], { nCtx: 8 })
    const error = await failure(session.generate({ tokens: new Int32Array(8).fill(1) }))
    expect(error).toMatchObject({ code: 'PROMPT_TOO_LONG', data: { tokens: 8, nCtx: 8 } })
    expect(error.message).toContain('8')
    expect(await collect(session, { tokens: new Int32Array(7).fill(1) })).toMatchObject({
      text: 'a',
      reason: 'context',
    })
  })

  it('refuses an empty prompt, ids outside the vocabulary, and samplers outside their range', async () => {
    const { session, native } = make(['a'])
    for (const tokens of [[], [1, -1], [2], [0.5], [NaN]]) {
      expect(await failure(session.generate({ tokens }))).toMatchObject({ code: 'INVALID_INPUT' })
    }
    expect(await failure(session.generate({ tokens: [1], sampling: { temperature: -1 } }))).toMatchObject({
      code: 'INVALID_INPUT',
    })
    expect(native.requests).toEqual([])
  })

  it('draws a seed where none is given, hands it to the engine and reports it', async () => {
    const { session, native } = make(['a'])
    const seeds = [await collect(session), await collect(session)].map(({ stats }) => stats.seed)
    expect(native.requests.map(({ sampling }) => sampling.seed)).toEqual(seeds)
    expect(seeds[0]).not.toBe(seeds[1])
    expect((await collect(session, { sampling: { seed: 7 } })).stats.seed).toBe(7)
  })

  it('fills in the default samplers', async () => {
    const { session, native } = make(['a'])
    await collect(session, { sampling: { temperature: 0 } })
    expect(native.requests[0]!.sampling).toMatchObject({
      temperature: 0,
      topK: 40,
      topP: 0.95,
      minP: 0.05,
      repeatPenalty: 1,
      repeatLastN: 64,
    })
  })

  it('delivers the text so far, then fails with the code and facts of the engine', async () => {
    const { session } = make(['a', 'b', 'c'], { failAfter: { tokens: 2, code: 'NUMERIC_ERROR' } })
    let text = ''
    const reading = (async () => {
      for await (const event of session.generate({ tokens: [1] }))
        if (event.type === 'text') text += event.text
    })()
    expect(await failure(reading)).toMatchObject({ code: 'NUMERIC_ERROR', data: { layer: 3 } })
    expect(text).toBe('ab')
  })

  it('computes only what the cache does not share with the prompt', async () => {
    const { session } = make(['a', 'b'])
    await collect(session, { tokens: [1, 1, 1, 1] })
    expect((await collect(session, { tokens: [1, 1, 1, 1, 1, 2, 2] })).stats).toMatchObject({
      cachedTokens: 6,
      promptTokens: 1,
    })
  })
})

describe('Session.logits, score and truncate', () => {
  it('hand the tokens to the engine and give what it gives', async () => {
    const { session, native } = make(['a'])
    const logits = vi.spyOn(native, 'logits')
    const rows: [number, number][] = []
    await session.logits([1, 0, 1], { onRows: (from, values) => rows.push([from, values.length]) })
    expect(rows).toEqual([[0, 3]])
    expect(logits.mock.calls[0]?.[0]).toEqual(Int32Array.of(1, 0, 1))
    expect(await session.score([1, 1, 0])).toEqual(new Float64Array(2).fill(Math.log(1 / 4)))
    await collect(session)
    await session.truncate(2)
    expect(session.length).toBe(2)
    expect(session.nCtx).toBe(64)
  })

  it('take as many tokens as the context holds, and no more', async () => {
    const { session } = make(['a'], { nCtx: 4 })
    expect(await session.score([1, 1, 1, 1])).toHaveLength(3)
    expect(await failure(session.score([1, 1, 1, 1, 1]))).toMatchObject({
      code: 'PROMPT_TOO_LONG',
      data: { tokens: 5, nCtx: 4 },
    })
    expect(await failure(session.logits([], { onRows: () => {} }))).toMatchObject({ code: 'INVALID_INPUT' })
    expect(await failure(session.score([2]))).toMatchObject({
      code: 'INVALID_INPUT',
      message: 'Token 1 of the prompt is 2; this model’s tokens are 0 to 1.',
      data: { index: 0, token: 2, nVocab: 2 },
    })
  })

  it('are cancelled by their signal, before and while they run', async () => {
    const { session, native } = make(['a'])
    const cancelled: boolean[] = []
    vi.spyOn(native, 'logits').mockImplementation(async (_tokens, { cancel }) => {
      cancelled.push(cancel.cancelled)
      abort.abort()
      cancelled.push(cancel.cancelled)
    })
    const onRows = (): void => {}
    let abort = new AbortController()
    await session.logits([1], { onRows, signal: abort.signal })
    await session.logits([1], { onRows, signal: abort.signal })
    expect(cancelled).toEqual([false, true, true, true])
    abort = new AbortController()
    await session.logits([1], { onRows })
    expect(cancelled.slice(4)).toEqual([false, false])
  })

  it('leave a signal alone once they are through', async () => {
    const { session } = make(['a'])
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    await session.score([1, 1], { signal })
    await collect(session, { signal })
    const listeners = (calls: unknown[][]): unknown[] => calls.map(([type, listener]) => [type, listener])
    expect(added).toHaveBeenCalledTimes(2)
    expect(listeners(removed.mock.calls)).toEqual(listeners(added.mock.calls))
  })

  it('fail with the code of the engine, and leave the session free', async () => {
    const { session, native } = make(['a'])
    const lost = Object.assign(new Error('It is lost.'), { code: 'DEVICE_LOST', data: {} })
    for (const job of ['score', 'logits', 'truncate', 'close'] as const)
      vi.spyOn(native, job).mockRejectedValueOnce(lost)
    expect(await failure(session.score([1]))).toMatchObject({ code: 'DEVICE_LOST' })
    expect(await failure(session.logits([1], { onRows: () => {} }))).toMatchObject({ code: 'DEVICE_LOST' })
    expect(await failure(session.truncate(0))).toMatchObject({ code: 'DEVICE_LOST' })
    expect(await collect(session)).toMatchObject({ text: 'a' })
    expect(await failure(session.close())).toMatchObject({ code: 'DEVICE_LOST' })
  })

  it('are refused by name while another job runs, and once the session is closed', async () => {
    const { session } = make(['a'])
    const first = session.score([1, 1])
    expect(await failure(session.truncate(0))).toMatchObject({ code: 'SESSION_BUSY' })
    await first
    await session.close()
    expect(await failure(session.truncate(0))).toMatchObject({ code: 'MODEL_CLOSED' })
    expect(await failure(session.score([1]))).toMatchObject({ code: 'MODEL_CLOSED' })
  })
})

describe('what a session asks of the engine', () => {
  it('is what the caller wants, and nothing where it says nothing', async () => {
    const { session, native } = make(['a', 'b'])
    await collect(session)
    await collect(session, { maxTokens: 1, topLogprobs: 5 })
    await collect(session, { maxTokens: null })
    expect(native.requests.map(({ maxTokens, topLogprobs }) => [maxTokens, topLogprobs])).toEqual([
      [0, 0],
      [1, 5],
      [0, 0],
    ])
  })

  it('is told without the cached tokens while the prompt is read', async () => {
    const { session } = make(['a'])
    await collect(session, { tokens: [1, 1, 1, 1] })
    const { events } = await collect(session, { tokens: [1, 1, 1, 1, 1, 0, 0] })
    expect(events[0]).toEqual({ type: 'prefill', done: 2, total: 2, cached: 5 })
  })

  it('is nothing where a sampler is out of its range: that is told by its name', async () => {
    const { session } = make(['a'])
    const error = await failure(session.generate({ tokens: [1], sampling: { temperature: -1, topP: 7 } }))
    expect(error.message).toMatch(/^The sampling setting temperature is out of range: .+\.$/)
    expect(error.data).toMatchObject({
      issues: [{ path: 'temperature', message: expect.any(String) as unknown }, { path: 'topP' }],
    })
  })

  it('is nothing where the prompt is empty or too long: that is told in words', async () => {
    const { session } = make(['a'], { nCtx: 4 })
    expect(await failure(session.generate({ tokens: [] }))).toMatchObject({ message: 'The prompt is empty.' })
    expect(await failure(session.generate({ tokens: [1, 1, 1, 1] }))).toMatchObject({
      message: 'The prompt has 4 tokens; the context holds 4, of which one must be left for the reply.',
    })
  })
})

describe('Session.close', () => {
  it('cancels the reply, waits for it, and may be called again', async () => {
    const { session, native } = make(Array<string>(50).fill('x'))
    const events = session.generate({ tokens: [1] })
    await events.next()
    await Promise.all([session.close(), session.close()])
    expect(native.closed).toBe(1)
    const rest: GenerateEvent[] = []
    for await (const event of events) rest.push(event)
    expect(rest.at(-1)).toMatchObject({ type: 'done', reason: 'cancelled' })
    expect(await failure(session.generate({ tokens: [1] }))).toMatchObject({ code: 'MODEL_CLOSED' })
  })

  it('is what `await using` calls', async () => {
    const { session, native } = make(['a'])
    {
      await using used = session
      await collect(used)
    }
    expect(native.closed).toBe(1)
  })
})
