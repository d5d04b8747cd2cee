import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Frame } from '../../contract/chat.ts'
import { KigoError } from '../../contract/errors.ts'
import { CHAT_SETTINGS_DEFAULTS, type ChatSettings } from '../../contract/sampling.ts'
import type { GenerateEvent, GenerateOptions } from '../engine/index.ts'
import type { TokenizerFacts } from '../tokenizer/types.ts'
import { Conversations, titleOf } from './conversations.ts'
import { Occupancy } from './occupancy.ts'
import { Replies, turnsOf, type ChatModel, type ModelSource } from './replies.ts'
import { Streams } from './streams.ts'
import type { ChatTurn } from './types.ts'

const tick = () => new Promise((resolve) => setTimeout(resolve, 0))
const letters = (text: string) => Int32Array.from([...text], (letter) => letter.codePointAt(0) ?? 0)

/** A model of one id a letter whose template is `role:content|`; what it says is in the test's hand. */
class FakeModel implements ChatModel {
  name = 'Fake 1B'
  nCtx = 200
  prompts_: string[] = []
  asked: GenerateOptions[] = []
  encoded: string[] = []
  say: (options: GenerateOptions) => AsyncGenerator<GenerateEvent, void, void> = (options) =>
    replying('ok')(options)
  templateFails: KigoError | null = null

  session = { generate: (options: GenerateOptions) => (this.asked.push(options), this.say(options)) }
  tokenizer = {
    facts: { model: 'gpt2', controlTexts: [] as string[] } as unknown as TokenizerFacts,
    encode: async (text: string) => (this.encoded.push(text), letters(text)),
    encodePrompt: async ({ text }: { text: string }) => (this.encoded.push(text), letters(text)),
    decode: async (ids: ArrayLike<number>) => String.fromCodePoint(...Array.from(ids)),
    count: async (text: string) => text.length,
  }
  prompts = {
    verdict: { present: true, ok: true, thinking: false, system: true, mode: 'template' as const },
    stop: [] as string[],
    endTokens: [] as number[],
    render: async (turns: readonly ChatTurn[], options: { addGenerationPrompt?: boolean } = {}) => {
      if (this.templateFails) throw this.templateFails
      const text =
        turns.map(({ role, content }) => `${role}:${content}|`).join('') +
        (options.addGenerationPrompt ? 'assistant:' : '')
      this.prompts_.push(text)
      return { text, barriers: [] }
    },
  }
}

/** A reply letter by letter, that ends early when it is cancelled; `pause` before each letter. */
function replying(text: string, pause: () => Promise<unknown> = async () => {}) {
  return async function* ({ signal, tokens }: GenerateOptions): AsyncGenerator<GenerateEvent, void, void> {
    let said = 0
    const stats = () => ({
      promptTokens: tokens.length,
      cachedTokens: 0,
      promptMs: 1,
      firstTokenMs: 1,
      tokens: said,
      tokensPerSecond: 9,
      seed: 42,
    })
    yield { type: 'prefill', done: tokens.length, total: tokens.length, cached: 0 }
    for (const letter of text) {
      await pause()
      if (signal?.aborted) return yield { type: 'done', reason: 'cancelled', stats: stats() }
      said++
      yield {
        type: 'text',
        text: letter,
        records: [{ id: letter.codePointAt(0) ?? 0, logprob: 0 }],
        tokens: said,
        tokensPerSecond: 9,
      }
    }
    yield { type: 'done', reason: 'end', stats: stats() }
  }
}

class FakeSource implements ModelSource {
  loaded: ChatModel | null
  available = true
  filesProblem: KigoError | null = null
  failed: KigoError | null = null
  readonly ready: () => Promise<ChatModel>
  constructor(model: ChatModel | null, ready?: () => Promise<ChatModel>) {
    this.loaded = model
    this.ready = ready ?? (async () => model ?? Promise.reject(new KigoError('NO_MODEL')))
  }
  async checkFiles() {
    if (this.filesProblem) throw this.filesProblem
  }
  fail(_model: ChatModel, error: KigoError) {
    this.failed = error
  }
}

function setup(source: (model: FakeModel) => ModelSource = (model) => new FakeSource(model)) {
  const model = new FakeModel()
  const conversations = new Conversations(() => {})
  const streams = new Streams()
  const occupancy = new Occupancy()
  const problems: KigoError[] = []
  const chosen: { settings: ChatSettings } = { settings: CHAT_SETTINGS_DEFAULTS }
  const models = source(model)
  const replies = new Replies({
    conversations,
    streams,
    occupancy,
    models,
    settings: () => chosen.settings,
    onProblem: (error) => problems.push(error),
  })
  /** Every frame of a stream, from the start to its end. */
  const read = (streamId: string) =>
    new Promise<Frame[]>((resolve) => {
      const frames: Frame[] = []
      let acknowledge = (_: unknown): void => {}
      streams.get(streamId).attach(
        {
          post(frame) {
            frames.push(frame)
            if (frame.type === 'text')
              queueMicrotask(() => acknowledge({ ack: frame.seq + frame.text.length }))
            if (frame.type === 'done' || frame.type === 'error') resolve(frames)
          },
          onMessage: (listener) => (acknowledge = listener),
          onClose: () => {},
          close: () => {},
        },
        0,
      )
    })
  /** Sends and waits for the end. */
  const ask = async (id: string, text: string) => {
    const { assistant } = replies.send(id, text)
    const frames = await read(assistant.streamId ?? '')
    const message = conversations.get(id).messages.at(-1)
    if (!message) throw new Error('no message')
    return { frames, message }
  }
  return { model, models, conversations, streams, occupancy, problems, chosen, replies, read, ask }
}

let kit: ReturnType<typeof setup>
let id: string
beforeEach(() => {
  kit = setup()
  id = kit.conversations.create().id
})

describe('a reply', () => {
  it('streams, ends, and stands in the conversation with its statistics', async () => {
    kit.model.say = replying('Hello!')
    const { frames, message } = await kit.ask(id, 'Hi')
    const text = frames.flatMap((frame) => (frame.type === 'text' ? [frame.text] : [])).join('')
    expect(text).toBe('Hello!')
    expect(frames.at(-1)).toMatchObject({
      type: 'done',
      seq: 6,
      reason: 'end',
      stats: { seed: 42, tokens: 6 },
    })
    expect(message).toMatchObject({
      role: 'assistant',
      text: 'Hello!',
      status: 'done',
      reason: 'end',
      model: 'Fake 1B',
    })
    expect(kit.conversations.list()).toMatchObject([{ id, title: 'Hi', streaming: false }])
  })

  it('is asked for with the settings in force when the message was sent', async () => {
    kit.chosen.settings = {
      ...CHAT_SETTINGS_DEFAULTS,
      systemPrompt: 'Be brief.',
      temperature: 0,
      maxTokens: 5,
      stop: ['x'],
      seed: 7,
    }
    await kit.ask(id, 'Hi')
    expect(kit.model.prompts_).toEqual(['system:Be brief.|user:Hi|assistant:'])
    expect(kit.model.asked[0]).toMatchObject({
      maxTokens: 5,
      stop: ['x'],
      sampling: { temperature: 0, seed: 7, topK: 40 },
    })
    expect(kit.model.asked[0]?.sampling).not.toHaveProperty('systemPrompt')
  })

  it('ends where the model’s template ends a turn', async () => {
    kit.model.prompts.stop = ['\n### user:']
    kit.model.prompts.endTokens = [7]
    await kit.ask(id, 'Hi')
    expect(kit.model.asked[0]).toMatchObject({ stop: ['\n### user:'], endTokens: [7] })
  })

  it('continues with the ids that the model saw, so that its cache is used', async () => {
    kit.model.say = replying('one')
    await kit.ask(id, 'a')
    kit.model.encoded = []
    kit.model.say = replying('two')
    await kit.ask(id, 'b')
    expect(kit.model.encoded).toEqual(['|user:b|assistant:'])
    expect(String.fromCodePoint(...Array.from(kit.model.asked[1]?.tokens ?? []))).toBe(
      'user:a|assistant:one|user:b|assistant:',
    )
  })

  it('can be followed by the next message the moment its end is seen', async () => {
    const { assistant } = kit.replies.send(id, 'a')
    await kit.read(assistant.streamId ?? '')
    expect(() => kit.replies.send(id, 'b')).not.toThrow()
  })

  it('is refused while another is being written, and nothing is added', async () => {
    const other = kit.conversations.create().id
    kit.replies.send(id, 'a')
    const second = kit.conversations.create().id
    expect(second).not.toBe(id)
    expect(() => kit.replies.send(second, 'b')).toThrow(expect.objectContaining({ code: 'SESSION_BUSY' }))
    expect(kit.conversations.get(other).messages.length).toBe(other === id ? 2 : 0)
    expect(kit.conversations.get(second).messages).toEqual([])
    await kit.replies.stopAll()
  })

  it('is refused without a model, and nothing is added', () => {
    const source = new FakeSource(null)
    source.available = false
    kit = setup(() => source)
    id = kit.conversations.create().id
    expect(() => kit.replies.send(id, 'a')).toThrow(expect.objectContaining({ code: 'NO_MODEL' }))
    expect(kit.conversations.get(id).messages).toEqual([])
    expect(kit.occupancy.taken).toBe(false)
  })

  it('waits for a model that is being loaded', async () => {
    let arrive = (_: ChatModel): void => {}
    const arriving = new Promise<ChatModel>((resolve) => (arrive = resolve))
    kit = setup(() => new FakeSource(null, () => arriving))
    id = kit.conversations.create().id
    const asking = kit.ask(id, 'a')
    await tick()
    expect(kit.conversations.get(id).messages.at(-1)).toMatchObject({ status: 'streaming', text: '' })
    arrive(kit.model)
    expect((await asking).message).toMatchObject({ text: 'ok', status: 'done' })
  })

  it('says why when that model does not come', async () => {
    kit = setup(
      () => new FakeSource(null, async () => Promise.reject(new KigoError('OUT_OF_MEMORY', 'Too big.'))),
    )
    id = kit.conversations.create().id
    const { frames, message } = await kit.ask(id, 'a')
    expect(frames).toEqual([
      {
        type: 'error',
        seq: 0,
        error: expect.objectContaining({ code: 'OUT_OF_MEMORY', message: 'Too big.' }),
      },
    ])
    expect(message).toMatchObject({ status: 'failed', error: { code: 'OUT_OF_MEMORY' } })
  })

  it('keeps its words when it is stopped', async () => {
    kit.model.say = replying('a long story', tick)
    const { assistant } = kit.replies.send(id, 'tell')
    const frames = kit.read(assistant.streamId ?? '')
    while ((kit.conversations.get(id).messages.at(-1)?.text.length ?? 0) < 3) await tick()
    await kit.replies.stop(id)
    expect((await frames).at(-1)).toMatchObject({ type: 'done', reason: 'cancelled' })
    const message = kit.conversations.get(id).messages.at(-1)
    expect(message?.text.length).toBeGreaterThanOrEqual(3)
    expect('a long story'.startsWith(message?.text ?? '?')).toBe(true)
    expect(kit.occupancy.taken).toBe(false)
  })

  it('can be stopped while it waits for the model', async () => {
    kit = setup(() => new FakeSource(null, () => new Promise<ChatModel>(() => {})))
    id = kit.conversations.create().id
    const { assistant } = kit.replies.send(id, 'a')
    const frames = kit.read(assistant.streamId ?? '')
    await kit.replies.stop(id)
    expect(await frames).toMatchObject([{ type: 'done', reason: 'cancelled' }])
  })

  it.each(['NUMERIC_ERROR', 'PROMPT_TOO_LONG', 'MODEL_CLOSED'] as const)(
    'ends with %s where the engine does, its words kept',
    async (code) => {
      kit.model.say = async function* () {
        yield { type: 'text', text: 'half', records: [], tokens: 1, tokensPerSecond: 1 }
        throw new KigoError(code)
      }
      const { frames, message } = await kit.ask(id, 'a')
      expect(frames.at(-1)).toMatchObject({ type: 'error', error: { code } })
      expect(message).toMatchObject({ status: 'failed', text: 'half', error: { code } })
      expect(kit.occupancy.taken).toBe(false)
      expect(kit.problems).toEqual([])
    },
  )

  it('lets go of a model whose file changed', async () => {
    const source = new FakeSource(kit.model)
    source.filesProblem = new KigoError('MODEL_FILE_CHANGED')
    kit = setup(() => source)
    id = kit.conversations.create().id
    const { message } = await kit.ask(id, 'a')
    expect(message.error?.code).toBe('MODEL_FILE_CHANGED')
    expect(source.failed?.code).toBe('MODEL_FILE_CHANGED')
  })

  it('keeps the model in use when the load that a message waited for failed', async () => {
    const source = new FakeSource(kit.model, () => Promise.reject(new KigoError('MODEL_NOT_FOUND')))
    kit = setup(() => source)
    id = kit.conversations.create().id
    expect((await kit.ask(id, 'a')).message.error?.code).toBe('MODEL_NOT_FOUND')
    expect(source.failed).toBeNull()
  })

  it('tells what a template raised, and logs what nobody expected', async () => {
    kit.model.templateFails = new KigoError('TEMPLATE_ERROR', 'Roles must alternate.')
    expect((await kit.ask(id, 'a')).message.error).toMatchObject({
      code: 'TEMPLATE_ERROR',
      message: 'Roles must alternate.',
    })
    kit.model.templateFails = null
    kit.model.say = async function* () {
      yield await Promise.reject(new TypeError('bug'))
    }
    expect((await kit.ask(id, 'b')).message.error?.code).toBe('INTERNAL')
    expect(kit.problems).toHaveLength(1)
  })

  it('goes away with its conversation, also while it is written', async () => {
    kit.model.say = replying('a long story', tick)
    const { assistant } = kit.replies.send(id, 'tell')
    await tick()
    await kit.replies.delete(id)
    expect(kit.conversations.list()).toEqual([])
    expect(() => kit.streams.get(assistant.streamId ?? '')).toThrow(
      expect.objectContaining({ code: 'STREAM_NOT_FOUND' }),
    )
    expect(kit.occupancy.taken).toBe(false)
  })
})

describe('while a reply is written', () => {
  it('its conversation is listed as streaming, and its prompt is told as it is read', async () => {
    kit.model.say = replying('ab', tick)
    const sent = kit.replies.send(id, 'tell')
    expect(sent).toMatchObject({
      user: { role: 'user', text: 'tell', status: 'done' },
      assistant: { role: 'assistant', text: '', status: 'streaming' },
    })
    expect(kit.conversations.list()).toMatchObject([{ id, streaming: true }])
    expect(kit.occupancy.taken).toBe(true)
    const frames = await kit.read(sent.assistant.streamId ?? '')
    const total = 'user:tell|assistant:'.length
    expect(frames[0]).toEqual({ type: 'prefill', done: total, total, cached: 0 })
    expect(frames[1]).toMatchObject({ type: 'text', text: 'a', tokens: 1, tokensPerSecond: 9 })
    // What was handed out is a copy, and stays as it was.
    expect(sent.assistant).toMatchObject({ text: '', status: 'streaming' })
  })

  it('what it has said so far is not told to the model as an answer', async () => {
    kit.model.say = replying('abc', tick)
    kit.replies.send(id, 'tell')
    while ((kit.conversations.get(id).messages.at(-1)?.text.length ?? 0) < 1) await tick()
    expect(turnsOf(kit.conversations.get(id), 'Hey')).toEqual([
      { role: 'system', content: 'Hey' },
      { role: 'user', content: 'tell' },
    ])
    await kit.replies.stopAll()
    expect(kit.conversations.get(id).messages.at(-1)).toMatchObject({ status: 'done', reason: 'cancelled' })
    expect(kit.occupancy.taken).toBe(false)
  })

  it('nothing else is stopped with it, and stopping what is not written does nothing', async () => {
    await kit.replies.stop(id)
    kit.model.say = replying('abc', tick)
    const { assistant } = kit.replies.send(id, 'tell')
    const frames = kit.read(assistant.streamId ?? '')
    await kit.replies.stop('another')
    expect((await frames).at(-1)).toMatchObject({ type: 'done', reason: 'end' })
  })
})

describe('a reply that was stopped before the model began', () => {
  const ZEROS = {
    ...{ promptTokens: 0, cachedTokens: 0, promptMs: 0, firstTokenMs: 0 },
    ...{ tokens: 0, tokensPerSecond: 0, seed: 0 },
  }

  it.each(['render', 'encode'] as const)('is done, with no figures: %s', async (step) => {
    const stopped = (): void => void kit.replies.stop(id)
    if (step === 'render') {
      kit.model.prompts.render = async () => {
        stopped()
        throw new KigoError('CANCELLED')
      }
    } else {
      kit.model.tokenizer.encodePrompt = async ({ text }) => {
        stopped()
        return letters(text)
      }
    }
    const { frames, message } = await kit.ask(id, 'a')
    expect(frames).toEqual([{ type: 'done', seq: 0, reason: 'cancelled', stats: ZEROS, model: 'Fake 1B' }])
    expect(message).toMatchObject({ status: 'done', reason: 'cancelled', stats: ZEROS })
    expect(message.error).toBeUndefined()
    expect(kit.model.asked).toEqual([])
    expect(kit.problems).toEqual([])
  })
})

describe('after a failure', () => {
  const failing = (code: 'MODEL_FILE_CHANGED' | 'MODEL_NOT_FOUND' | 'DEVICE_LOST' | 'NUMERIC_ERROR') => {
    const source = new FakeSource(kit.model)
    kit.model.say = async function* () {
      yield await Promise.reject(new KigoError(code))
    }
    const { model } = kit
    kit = setup(() => source)
    id = kit.conversations.create().id
    return { source, model }
  }

  it.each(['MODEL_FILE_CHANGED', 'MODEL_NOT_FOUND', 'DEVICE_LOST'] as const)(
    'of %s the model is let go',
    async (code) => {
      const { source } = failing(code)
      await kit.ask(id, 'a')
      expect(source.failed?.code).toBe(code)
    },
  )

  it('of the numbers alone the model stays', async () => {
    const { source } = failing('NUMERIC_ERROR')
    await kit.ask(id, 'a')
    expect(source.failed).toBeNull()
  })

  it('an engine that ends without saying how is a fault of Kigo’s', async () => {
    kit.model.say = async function* () {
      yield { type: 'text', text: 'half', records: [], tokens: 1, tokensPerSecond: 1 }
    }
    const { message } = await kit.ask(id, 'a')
    expect(message).toMatchObject({
      status: 'failed',
      text: 'half',
      error: {
        code: 'INTERNAL',
        data: { message: expect.stringContaining('without saying how') as unknown },
      },
    })
    expect(kit.problems).toHaveLength(1)
  })

  it('a whole reply stays whole though the tokenizer is gone when it ends', async () => {
    kit.model.tokenizer.decode = () => Promise.reject(new KigoError('MODEL_CLOSED'))
    expect((await kit.ask(id, 'a')).message).toMatchObject({ status: 'done', text: 'ok' })
    await kit.ask(id, 'b')
    expect(kit.model.encoded).toEqual(['user:a|assistant:', 'user:a|assistant:ok|user:b|assistant:'])
  })

  it('another model begins anew: it has not seen what the last one saw', async () => {
    await kit.ask(id, 'a')
    const other = new FakeModel()
    ;(kit.models as FakeSource).loaded = other
    vi.spyOn(kit.models, 'ready').mockResolvedValue(other)
    await kit.ask(id, 'b')
    expect(other.encoded).toEqual(['user:a|assistant:ok|user:b|assistant:'])
  })

  it('a conversation that is deleted takes all of its streams along', async () => {
    await kit.ask(id, 'a')
    await kit.ask(id, 'b')
    const ids = kit.conversations.get(id).messages.flatMap(({ streamId }) => streamId ?? [])
    expect(ids).toHaveLength(2)
    await kit.replies.delete(id)
    for (const streamId of ids) expect(() => kit.streams.get(streamId)).toThrow()
  })

  it('what cannot be counted while the model is there is told', async () => {
    kit.model.templateFails = new KigoError('TEMPLATE_ERROR')
    await expect(kit.replies.usage(id, 'x')).rejects.toMatchObject({ code: 'TEMPLATE_ERROR' })
  })
})

describe('what the model is told', () => {
  it('leaves out messages that got no word of an answer, so that roles alternate', async () => {
    kit.model.say = async function* () {
      yield await Promise.reject(new KigoError('PROMPT_TOO_LONG'))
    }
    await kit.ask(id, 'far too long')
    kit.model.say = replying('yes')
    await kit.ask(id, 'short')
    expect(kit.model.prompts_.at(-1)).toBe('user:short|assistant:')
    expect(turnsOf(kit.conversations.get(id), '').map((turn) => turn.content)).toEqual(['short', 'yes'])
  })

  it('has no system turn where the system prompt is blank', () => {
    expect(turnsOf(kit.conversations.get(id), '  \n')).toEqual([])
  })
})

describe('usage', () => {
  it('counts what the next prompt holds, and of it the draft, the system prompt and the template', async () => {
    kit.chosen.settings = { ...CHAT_SETTINGS_DEFAULTS, systemPrompt: 'Hey' }
    const empty = 'system:Hey|user:|assistant:'.length
    const template = empty - 'Hey'.length
    expect(await kit.replies.usage(id, '')).toEqual({ nCtx: 200, used: empty, draft: 0, system: 3, template })
    expect(await kit.replies.usage(id, 'x')).toMatchObject({ used: empty, draft: 1 })
    await kit.ask(id, 'a')
    const used = 'system:Hey|user:a|assistant:ok|user:|assistant:'.length
    expect(await kit.replies.usage(id, '')).toEqual({ nCtx: 200, used, draft: 0, system: 3, template })
    expect(await kit.replies.usage(id, 'xyz')).toEqual({ nCtx: 200, used, draft: 3, system: 3, template })
  })

  it('counts the prompt that is being answered while it is, with no second message behind it', async () => {
    kit.model.say = replying('a long story', tick)
    kit.replies.send(id, 'tell')
    await tick()
    kit.model.prompts_ = []
    expect(await kit.replies.usage(id, 'and')).toMatchObject({
      used: 'user:tell|assistant:'.length,
      draft: 3,
      system: 0,
    })
    expect(kit.model.prompts_.sort()).toEqual(['user:tell|assistant:', 'user:|assistant:'])
    await kit.replies.stop(id)
  })

  it('asks the tokenizer of nothing that is not there: a blank system prompt, an empty draft', async () => {
    const counted: string[] = []
    kit.model.tokenizer.count = async (text) => counted.push(text)
    kit.chosen.settings = { ...CHAT_SETTINGS_DEFAULTS, systemPrompt: ' \n' }
    expect(await kit.replies.usage(id, '')).toMatchObject({ system: 0, draft: 0 })
    expect(counted).toEqual([])
    expect(kit.model.prompts_).toHaveLength(2)
  })

  it('is not known any more when the model is unloaded while it is counted', async () => {
    const source = new FakeSource(kit.model)
    kit.model.tokenizer.count = async () => {
      source.loaded = null
      throw new KigoError('MODEL_CLOSED')
    }
    kit = setup(() => source)
    kit.chosen.settings = { ...CHAT_SETTINGS_DEFAULTS, systemPrompt: 'Hey' }
    expect(await kit.replies.usage(kit.conversations.create().id, 'x')).toBeNull()
  })

  it('is not known without a model', async () => {
    kit = setup(() => new FakeSource(null))
    expect(await kit.replies.usage(kit.conversations.create().id, 'x')).toBeNull()
  })
})

describe('a draft', () => {
  it('stays with its conversation until it is sent', async () => {
    kit.conversations.setDraft(id, 'What if')
    expect(kit.conversations.get(id).draft).toBe('What if')
    expect(kit.conversations.create()).toMatchObject({ id, draft: 'What if' })
    await kit.ask(id, 'What if it rains?')
    expect(kit.conversations.get(id).draft).toBe('')
    expect(kit.conversations.create().draft).toBe('')
  })

  it('stays where the message was refused', () => {
    kit.conversations.setDraft(id, 'Hello')
    const leave = kit.occupancy.take()
    expect(() => kit.replies.send(id, 'Hello')).toThrow(expect.objectContaining({ code: 'SESSION_BUSY' }))
    leave()
    expect(kit.conversations.get(id).draft).toBe('Hello')
  })

  it('of no conversation is refused', () => {
    expect(() => kit.conversations.setDraft('nonsense', 'a')).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  })
})

describe('conversations', () => {
  it('are listed once they hold a message, the last used first; an empty one is used again', async () => {
    expect(kit.conversations.create().id).toBe(id)
    expect(kit.conversations.list()).toEqual([])
    await kit.ask(id, 'first')
    await new Promise((resolve) => setTimeout(resolve, 5))
    const second = kit.conversations.create().id
    await kit.ask(second, 'second')
    expect(kit.conversations.list().map(({ title }) => title)).toEqual(['second', 'first'])
    expect(() => kit.conversations.get('nonsense')).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  })

  it.each([
    ['\n  Hello   world \nmore', 'Hello world'],
    ['   ', 'New chat'],
    ['word '.repeat(40), `${'word '.repeat(11)}word…`],
    ['俳'.repeat(100), `${'俳'.repeat(60)}…`],
    ['😀'.repeat(61), `${'😀'.repeat(60)}…`],
  ])('take the title of %j from its first line', (text, title) => {
    expect(titleOf(text)).toBe(title)
  })
})
