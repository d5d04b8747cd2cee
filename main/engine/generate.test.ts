/** Generation with a real model, through the whole engine: cache, seeds, ends. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { modelPath } from '../testing/golden.ts'
import { Model, type GenerateEvent, type GenerateOptions, type Session } from './index.ts'
import { failure } from './testing/fake-addon.ts'

const path = modelPath('smollm2')

async function generate(session: Session, options: GenerateOptions) {
  let text = ''
  const ids: number[] = []
  const prefill: GenerateEvent[] = []
  for await (const event of session.generate(options)) {
    if (event.type === 'prefill') prefill.push(event)
    if (event.type === 'text') {
      text += event.text
      for (const { id } of event.records) ids.push(id)
    } else if (event.type === 'done') {
      return { text, ids, prefill, reason: event.reason, stats: event.stats }
    }
  }
  throw new Error('no last event')
}

describe.skipIf(path === null)('generation (skipped without the model smollm2)', () => {
  let model: Model
  let prompt: Int32Array
  beforeAll(async () => {
    model = await Model.open(path!, { contextLength: 512 })
    prompt = await model.tokenizer.encode('Once upon a time, in a small village by the sea,', {
      special: false,
      addBosEos: true,
    })
  })
  afterAll(() => model.close())

  const followUp = (): Promise<Int32Array> =>
    model.tokenizer.encode(' Then, one day, a ship came home from the far north', {
      special: false,
      addBosEos: false,
    })

  it('a follow-up computes only its new tokens', async () => {
    await using session = await model.createSession()
    const first = await generate(session, { tokens: prompt, sampling: { temperature: 0 }, maxTokens: 16 })
    expect(first.stats).toMatchObject({ cachedTokens: 0, promptTokens: prompt.length, tokens: 16 })
    const tokens = [...prompt, ...first.ids, ...(await followUp())]
    const second = await generate(session, { tokens, sampling: { temperature: 0 }, maxTokens: 16 })
    // The last token of a reply was drawn but not yet read by the model.
    expect(second.stats.cachedTokens).toBeGreaterThanOrEqual(prompt.length + 15)
    expect(second.stats.cachedTokens + second.stats.promptTokens).toBe(tokens.length)
    // Progress is of what is computed, and begins before anything is.
    const { promptTokens: total, cachedTokens: cached } = second.stats
    expect(second.prefill).toEqual([
      { type: 'prefill', done: 0, total, cached },
      { type: 'prefill', done: total, total, cached },
    ])
  })

  it('the cache changes nothing but the time (exact)', async () => {
    await using exact = await Model.open(path!, { exact: true, contextLength: 256 })
    await using session = await exact.createSession()
    await using fresh = await exact.createSession()
    const first = await generate(session, { tokens: prompt, sampling: { temperature: 0 }, maxTokens: 8 })
    const tokens = [...prompt, ...first.ids, ...(await followUp())]
    const cached = await generate(session, { tokens, sampling: { temperature: 0 }, maxTokens: 8 })
    const again = await generate(fresh, { tokens, sampling: { temperature: 0 }, maxTokens: 8 })
    expect(cached.stats.cachedTokens).toBeGreaterThan(0)
    expect(again.stats.cachedTokens).toBe(0)
    expect(again.ids).toEqual(cached.ids)
  })

  it('keeps the common beginning when a prompt changes behind it', async () => {
    await using session = await model.createSession()
    await generate(session, { tokens: prompt, maxTokens: 4 })
    const other = [...prompt.slice(0, 6), ...Array.from({ length: 20 }, (_, i) => 100 + i)]
    const { stats } = await generate(session, { tokens: other, maxTokens: 4 })
    expect(stats).toMatchObject({ cachedTokens: 6, promptTokens: 20 })
  })

  it('same seed, same text, whatever the cache held; another seed, another text', async () => {
    await using session = await model.createSession()
    const once = (seed: number) => generate(session, { tokens: prompt, sampling: { seed }, maxTokens: 24 })
    const first = await once(7)
    const other = await once(8)
    const again = await once(7)
    expect(again.text).toBe(first.text)
    expect(other.text).not.toBe(first.text)
    await using fresh = await model.createSession()
    expect((await generate(fresh, { tokens: prompt, sampling: { seed: 7 }, maxTokens: 24 })).text).toBe(
      first.text,
    )
  })

  it('stops before a stop sequence in its own words', async () => {
    await using session = await model.createSession()
    const options = { tokens: prompt, sampling: { temperature: 0 }, maxTokens: 40 }
    const whole = await generate(session, options)
    // From the middle of one word into the next: it spans tokens.
    const at = whole.text.indexOf(' ', 20)
    const stop = whole.text.slice(at - 2, at + 4)
    const stopped = await generate(session, { ...options, stop: [stop] })
    expect(stopped.reason).toBe('stop')
    expect(stopped.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)))
    expect(stopped.ids).toEqual(whole.ids.slice(0, stopped.ids.length))
  })

  it('a reply ends though the penalties see its end token in every turn of the prompt', async () => {
    await using session = await model.createSession()
    const turns = ['Good morning!', 'And to you!', 'Goodbye!', 'Goodbye! Have a nice day.']
    const text = turns.map((t, i) => `<|im_start|>${i % 2 ? 'assistant' : 'user'}\n${t}<|im_end|>\n`).join('')
    const tokens = await model.tokenizer.encode(text.slice(0, text.lastIndexOf('<|im_end|>')), {
      special: true,
      addBosEos: false,
    })
    const penalties = { repeatPenalty: 1.5, presencePenalty: 2, frequencyPenalty: 2, repeatLastN: 256 }
    const reply = await generate(session, {
      tokens,
      sampling: { temperature: 0, ...penalties },
      maxTokens: 40,
    })
    expect(reply).toMatchObject({ reason: 'end', text: '' })
  })

  it('ends with reason context where the context is full, exactly there', async () => {
    await using session = await model.createSession({ contextLength: prompt.length + 10 })
    const { reason, stats } = await generate(session, { tokens: prompt, ignoreEnd: true })
    expect(reason).toBe('context')
    expect(stats.tokens).toBeGreaterThanOrEqual(10)
    expect(stats.tokens).toBeLessThanOrEqual(11)
  })

  it('refuses a prompt as long as the context, and goes on afterwards', async () => {
    await using session = await model.createSession({ contextLength: 16 })
    const error = await failure(session.generate({ tokens: new Int32Array(16).fill(100) }))
    expect(error).toMatchObject({ code: 'PROMPT_TOO_LONG', data: { tokens: 16, nCtx: 16 } })
    expect((await generate(session, { tokens: [100], maxTokens: 2 })).stats.tokens).toBe(2)
  })

  it('reports log-probabilities and the best candidates of each token', async () => {
    await using session = await model.createSession()
    for await (const event of session.generate({
      tokens: prompt,
      sampling: { temperature: 0 },
      maxTokens: 3,
      topLogprobs: 5,
    })) {
      if (event.type !== 'text') continue
      for (const { id, logprob, top } of event.records) {
        expect(logprob).toBeLessThanOrEqual(0)
        expect(top!.length).toBe(5)
        expect(top![0]).toEqual({ id, logprob })
        expect(top!.map((candidate) => candidate.logprob)).toEqual(
          top!.map((candidate) => candidate.logprob).sort((a, b) => b - a),
        )
      }
    }
  })

  it('two sessions of a model do not disturb each other', async () => {
    await using a = await model.createSession()
    await using b = await model.createSession()
    const options = { tokens: prompt, sampling: { temperature: 0 }, maxTokens: 12 }
    const alone = await generate(a, options)
    const [first, second] = await Promise.all([generate(a, options), generate(b, options)])
    expect(first.text).toBe(alone.text)
    expect(second.text).toBe(alone.text)
  })
})
