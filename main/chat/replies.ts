/**
 * From a sent message to a finished reply: turns → rendered prompt → ids → tokens → text frames. One reply at a
 * time; the conversation and its stream hold the text, whoever watches.
 */
import { randomUUID } from 'node:crypto'
import type { ContextUsage, Conversation, Message, Reason, ReplyStats } from '../../contract/chat.ts'
import { KigoError, type ErrorCode } from '../../contract/errors.ts'
import type { ChatSettings } from '../../contract/sampling.ts'
import type { GenerateEvent, Session } from '../engine/index.ts'
import type { TokenizerClient } from '../tokenizer/client.ts'
import type { Conversations } from './conversations.ts'
import { encodeAfter, prefixAfter, type KnownPrefix } from './known-prefix.ts'
import type { Occupancy } from './occupancy.ts'
import type { Stream, Streams } from './streams.ts'
import type { ChatTurn, PromptBuilder } from './types.ts'

/** What writes replies: a loaded model with its session, tokenizer and template. */
export interface ChatModel {
  readonly name: string
  readonly nCtx: number
  readonly session: Pick<Session, 'generate'>
  readonly tokenizer: Pick<TokenizerClient, 'encode' | 'encodePrompt' | 'decode' | 'count' | 'facts'>
  readonly prompts: PromptBuilder
}

/** Where the model comes from: models/current.ts. */
export interface ModelSource {
  /** A model is loaded or being loaded. */
  readonly available: boolean
  readonly loaded: ChatModel | null
  ready(): Promise<ChatModel>
  checkFiles(): Promise<void>
  /** `model` cannot go on. */
  fail(model: ChatModel, error: KigoError): void
}

export interface RepliesOptions {
  conversations: Conversations
  streams: Streams
  models: ModelSource
  occupancy: Occupancy
  settings: () => ChatSettings
  /** Failures that nobody expected, for the log. */
  onProblem: (error: KigoError) => void
}

type Done = Extract<GenerateEvent, { type: 'done' }>

interface Running {
  abort: AbortController
  ended: Promise<void>
}

/** After these the model in memory is of no use any more. */
const FATAL: ReadonlySet<ErrorCode> = new Set(['MODEL_FILE_CHANGED', 'MODEL_NOT_FOUND', 'DEVICE_LOST'])

export class Replies {
  readonly #options: RepliesOptions
  readonly #running = new Map<string, Running>()
  /** What the model saw of each conversation, and which model. */
  readonly #known = new WeakMap<Conversation, { model: ChatModel; prefix: KnownPrefix }>()

  constructor(options: RepliesOptions) {
    this.#options = options
  }

  /** NO_MODEL and SESSION_BUSY add nothing; whatever happens later ends the stream with its error. */
  send(id: string, text: string): { user: Message; assistant: Message } {
    const { conversations, streams, models, occupancy, settings } = this.#options
    const conversation = conversations.get(id)
    if (!models.available) throw new KigoError('NO_MODEL')
    const leave = occupancy.take()

    const stream = streams.open(randomUUID())
    const user: Message = { id: randomUUID(), role: 'user', text, status: 'done' }
    const assistant: Message = {
      id: randomUUID(),
      role: 'assistant',
      text: '',
      status: 'streaming',
      streamId: stream.id,
    }
    conversations.add(conversation, user, assistant)
    conversation.draft = ''
    conversations.setStreaming(conversation, true)

    const abort = new AbortController()
    const ended = this.#write(conversation, assistant, stream, settings(), abort.signal).then((tellEnd) => {
      this.#running.delete(id)
      leave()
      conversations.setStreaming(conversation, false)
      // Last of all: who sees the end may send the next message at once.
      tellEnd()
    })
    this.#running.set(id, { abort, ended })
    return { user: { ...user }, assistant: { ...assistant } }
  }

  /** Resolves when the reply has ended; at once where none is being written. */
  async stop(id: string): Promise<void> {
    const running = this.#running.get(id)
    running?.abort.abort()
    await running?.ended
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.stop(id)))
  }

  async delete(id: string): Promise<void> {
    const { conversations, streams } = this.#options
    const conversation = conversations.get(id)
    const stopped = this.stop(id)
    conversations.delete(id)
    for (const message of conversation.messages) if (message.streamId) streams.drop(message.streamId)
    await stopped
  }

  /** What the next prompt would hold; null where no model is loaded. */
  async usage(id: string, draft: string): Promise<ContextUsage | null> {
    const { conversations, models, settings } = this.#options
    const conversation = conversations.get(id)
    const model = models.loaded
    if (!model) return null
    try {
      return await this.#count(conversation, model, settings().systemPrompt, draft)
    } catch (error) {
      if (models.loaded !== model) return null // it was unloaded meanwhile
      throw error
    }
  }

  async #count(
    conversation: Conversation,
    model: ChatModel,
    systemPrompt: string,
    draft: string,
  ): Promise<ContextUsage> {
    const tokens = async (turns: ChatTurn[]): Promise<number> => {
      const prompt = await model.prompts.render(turns, { addGenerationPrompt: true })
      return (await encodeAfter(model.tokenizer, this.#prefix(conversation, model), prompt)).length
    }
    const message = (content: string): ChatTurn => ({ role: 'user', content })
    const turns = turnsOf(conversation, systemPrompt)
    // Two messages of a person in a row are more than many a template takes.
    const answering = turns.at(-1)?.role === 'user'
    const [used, empty, system] = await Promise.all([
      tokens(answering ? turns : [...turns, message('')]),
      tokens([...turns.filter(({ role }) => role === 'system'), message('')]),
      systemPrompt.trim() === '' ? 0 : model.tokenizer.count(systemPrompt),
    ])
    const after = async (): Promise<number> =>
      answering ? used + (await model.tokenizer.count(draft)) : tokens([...turns, message(draft)])
    return {
      nCtx: model.nCtx,
      used,
      draft: draft === '' ? 0 : Math.max(0, (await after()) - used),
      system,
      template: Math.max(0, empty - system),
    }
  }

  /** Never rejects; resolves to what ends the stream. */
  async #write(
    conversation: Conversation,
    message: Message,
    stream: Stream,
    settings: ChatSettings,
    signal: AbortSignal,
  ): Promise<() => void> {
    const { models, onProblem } = this.#options
    let model: ChatModel | null = null
    try {
      model = await unlessAborted(models.ready(), signal)
      message.model = model.name
      await models.checkFiles()
      const { reason, stats } = await this.#generate(conversation, message, stream, model, settings, signal)
      return finish(message, stream, reason, stats)
    } catch (thrown) {
      if (signal.aborted) return finish(message, stream, 'cancelled', NOTHING)
      const error = KigoError.from(thrown)
      const data = error.toData()
      message.status = 'failed'
      message.error = data
      // Without a model the error is that of a load, and the model in use may be another one, and sound.
      if (model && FATAL.has(error.code)) models.fail(model, error)
      if (error.code === 'INTERNAL') onProblem(error)
      return () => stream.fail(data)
    }
  }

  async #generate(
    conversation: Conversation,
    message: Message,
    stream: Stream,
    model: ChatModel,
    settings: ChatSettings,
    signal: AbortSignal,
  ): Promise<Done> {
    const { systemPrompt, stop, maxTokens, ...sampling } = settings
    const prompt = await model.prompts.render(turnsOf(conversation, systemPrompt), {
      addGenerationPrompt: true,
      signal,
    })
    const tokens = await encodeAfter(model.tokenizer, this.#prefix(conversation, model), prompt)
    signal.throwIfAborted()
    const ids: number[] = []
    let end: Done | null = null
    for await (const event of model.session.generate({
      tokens,
      sampling,
      maxTokens,
      stop: [...stop, ...model.prompts.stop],
      endTokens: model.prompts.endTokens,
      signal,
    })) {
      if (event.type === 'prefill') {
        stream.prefill(event.done, event.total, event.cached)
      } else if (event.type === 'text') {
        for (const record of event.records) ids.push(record.id)
        stream.append(event.text, event.tokens, event.tokensPerSecond)
        message.text = stream.text
      } else {
        end = event
      }
    }
    if (!end)
      throw new KigoError('INTERNAL', undefined, {
        data: { message: 'the engine ended a reply without saying how' },
      })
    // Unloading in this moment must not make a failure of a whole reply.
    const prefix = await prefixAfter(
      model.tokenizer,
      { text: prompt.text, ids: tokens },
      { text: message.text, ids },
    ).catch(() => null)
    if (prefix) this.#known.set(conversation, { model, prefix })
    return end
  }

  #prefix(conversation: Conversation, model: ChatModel): KnownPrefix | null {
    const known = this.#known.get(conversation)
    return known?.model === model ? known.prefix : null
  }
}

/** A reply that was stopped before the model began. */
const NOTHING: ReplyStats = {
  promptTokens: 0,
  cachedTokens: 0,
  promptMs: 0,
  firstTokenMs: 0,
  tokens: 0,
  tokensPerSecond: 0,
  seed: 0,
}

function finish(message: Message, stream: Stream, reason: Reason, stats: ReplyStats): () => void {
  message.status = 'done'
  message.reason = reason
  message.stats = stats
  return () => stream.done(reason, stats, message.model)
}

/**
 * What the model is told of a conversation. A message that got no word of an answer (too long, stopped at once)
 * was never read, so it is left out, and roles keep alternating as templates require.
 */
export function turnsOf(conversation: Conversation, systemPrompt: string): ChatTurn[] {
  const turns: ChatTurn[] = systemPrompt.trim() === '' ? [] : [{ role: 'system', content: systemPrompt }]
  const { messages } = conversation
  messages.forEach((message, index) => {
    const next = messages[index + 1]
    if (message.role === 'assistant') {
      if (message.text !== '' && message.status !== 'streaming')
        turns.push({ role: 'assistant', content: message.text })
    } else if (!next || next.text !== '' || next.status === 'streaming') {
      turns.push({ role: 'user', content: message.text })
    }
  })
  return turns
}

/** `promise`, or a rejection the moment `signal` is aborted. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new KigoError('CANCELLED')), { once: true })
    promise.then(resolve, reject)
  })
}
