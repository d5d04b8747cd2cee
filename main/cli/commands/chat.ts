import { KigoError } from '../../../contract/errors.ts'
import { whereItRuns } from '../../../contract/model.ts'
import type { Sampling } from '../../../contract/sampling.ts'
import { encodeAfter, prefixAfter, type KnownPrefix } from '../../chat/known-prefix.ts'
import type { ChatTurn, PromptBuilder } from '../../chat/types.ts'
import type { GenerateEvent, Model, Session } from '../../engine/index.ts'
import {
  COUNT,
  MODEL_OPTIONS,
  modelOptions,
  optionalNumber,
  parse,
  required,
  sampling,
  SAMPLING_OPTIONS,
} from '../args.ts'
import { CANCELLED, type Command } from '../command.ts'
import { grouped } from '../../numbers.ts'
import { StatusLine, write, writeLine, writeUntrusted, type Io } from '../io.ts'
import { modelPath } from '../../models/known.ts'
import { openMessages } from '../messages.ts'
import { openPrompts, TEMPLATE_OPTION, templateFrom } from '../prompts.ts'
import { openWithStatus } from './run.ts'

export const chat: Command = {
  name: 'chat',
  summary: 'a conversation in the terminal',
  usage: `kigo chat --model MODEL [--system TEXT] [flags]

A line is a message, and so is a pasted block; one of several lines is typed between """ and """. Ctrl+C stops the
reply; Ctrl+C twice, or Ctrl+D, leaves; /new starts over.

  --model MODEL           path of a .gguf file, or a known name (smollm2, gemma3)
  --system TEXT           system prompt
  --chat-template FILE    a Jinja template in place of the model's own
  --max-tokens N          tokens of a reply at most
  --ctx N                 context length; else the smallest of 8192, the model's, and what fits
  --temp T (0.8)  --top-k N (40)  --top-p P (0.95)  --min-p P (0.05)
  --repeat-penalty X (1)  --repeat-last-n N (64)  --presence-penalty X (0)  --frequency-penalty X (0)
  --seed N                for every reply; else a random one each
  --exact                 reference mode: float32 throughout; slow
  --device D              auto, cpu, cuda, cuda:1, cuda:0,1 …; see \`kigo devices\`
  --gpu-layers N          that many on the GPU, the rest on the CPU; else as many as fit
  --threads N             instead of one per physical core`,

  async run(args, io) {
    const { values } = parse(args, {
      ...MODEL_OPTIONS,
      ...SAMPLING_OPTIONS,
      ...TEMPLATE_OPTION,
      system: { type: 'string' },
      'max-tokens': { type: 'string' },
    })
    const options = {
      sampling: sampling(values),
      maxTokens: optionalNumber(values['max-tokens'], '--max-tokens', COUNT),
    }
    const path = modelPath(required(values.model, '--model'))
    const template = await templateFrom(values)
    await using model = await openWithStatus(
      path,
      { ...modelOptions(values), signal: io.signal },
      new StatusLine(io),
    )
    await using prompts = await openPrompts(model.tokenizer, io, template)
    await using session = await model.createSession()
    await writeLine(
      io.stderr,
      `${model.name}, ${grouped(model.contextLength)} context. ${whereItRuns(model.memory)}. Ctrl+C stops a reply, Ctrl+D leaves, /new starts over.`,
    )
    const conversation = new Conversation(model, session, prompts.builder, options, values.system)
    return await converse(conversation, io)
  },
}

/** What was said, and what of it the cache holds. */
class Conversation {
  readonly #model: Model
  readonly #session: Session
  readonly #prompts: PromptBuilder
  readonly #options: { sampling: Sampling; maxTokens: number | null }
  readonly #system: ChatTurn[]
  #turns: ChatTurn[]
  #known: KnownPrefix | null = null

  constructor(
    model: Model,
    session: Session,
    prompts: PromptBuilder,
    options: { sampling: Sampling; maxTokens: number | null },
    system?: string,
  ) {
    this.#model = model
    this.#session = session
    this.#prompts = prompts
    this.#options = options
    this.#system = system === undefined ? [] : [{ role: 'system', content: system }]
    this.#turns = [...this.#system]
  }

  startOver(): void {
    this.#turns = [...this.#system]
    this.#known = null
  }

  /** The events of a reply. A message that could not be answered is not part of the conversation. */
  async *reply(message: string, signal: AbortSignal): AsyncGenerator<GenerateEvent, void, void> {
    const turns: ChatTurn[] = [...this.#turns, { role: 'user', content: message }]
    const prompt = await this.#prompts.render(turns, { signal })
    const tokens = await encodeAfter(this.#model.tokenizer, this.#known, prompt)
    let text = ''
    const ids: number[] = []
    for await (const event of this.#session.generate({
      tokens,
      ...this.#options,
      stop: this.#prompts.stop,
      endTokens: this.#prompts.endTokens,
      signal,
    })) {
      if (event.type === 'text') {
        text += event.text
        for (const { id } of event.records) ids.push(id)
      }
      yield event
    }
    if (text === '') return
    this.#turns = [...turns, { role: 'assistant', content: text }]
    this.#known = await prefixAfter(this.#model.tokenizer, { text: prompt.text, ids: tokens }, { text, ids })
  }
}

/** Reads messages and writes replies until the person leaves; resolves to the exit status. */
async function converse(conversation: Conversation, io: Io): Promise<number> {
  let reply: AbortController | null = null
  let interrupted = false
  let warned = false

  const interrupt = (): void => {
    if (reply) {
      reply.abort()
    } else if (messages.drop()) {
      io.stderr.write('\nThe message was dropped.\n')
      messages.prompt()
    } else if (warned) {
      leave()
    } else {
      warned = true
      io.stderr.write('\nCtrl+C again or Ctrl+D leaves.\n')
      messages.prompt()
    }
  }
  using messages = openMessages(io, interrupt)
  const leave = (): void => {
    interrupted = true
    reply?.abort()
    messages.close()
  }
  if (io.signal.aborted) leave()
  io.signal.addEventListener('abort', leave, { once: true })

  messages.prompt()
  for await (const message of messages.read()) {
    if (interrupted) break
    warned = false
    if (message.trim() === '/new') {
      conversation.startOver()
      await writeLine(io.stderr, 'A new conversation.')
    } else if (/^\/[a-z]+$/.test(message.trim())) {
      await writeLine(io.stderr, `There is no ${message.trim()} here: /new starts over, Ctrl+D leaves.`)
    } else if (message.trim() !== '') {
      reply = new AbortController()
      await answer(conversation, message, reply.signal, io)
      reply = null
    }
    messages.prompt()
  }
  io.signal.removeEventListener('abort', leave)
  if (io.stdin.isTTY) io.stdout.write('\n')
  return interrupted ? CANCELLED : 0
}

async function answer(
  conversation: Conversation,
  message: string,
  signal: AbortSignal,
  io: Io,
): Promise<void> {
  const status = new StatusLine(io)
  let text = ''
  try {
    for await (const event of conversation.reply(message, signal)) {
      if (event.type === 'prefill') {
        status.show(`reading, ${grouped(event.done)} of ${grouped(event.total)} tokens`)
      } else if (event.type === 'text') {
        status.clear()
        text += event.text
        await writeUntrusted(io, event.text)
      } else if (event.reason === 'context') {
        text += '\n'
        await writeLine(io.stdout, '')
        await writeLine(
          io.stderr,
          'The context is full: the reply ends here. /new starts over; a larger --ctx leaves more room.',
        )
      }
    }
  } catch (error) {
    const { code, message: sentence } = KigoError.from(error)
    if (signal.aborted) return
    if (code !== 'PROMPT_TOO_LONG' && code !== 'TEMPLATE_ERROR') throw error
    // The conversation stands as it was before this message.
    await writeLine(io.stderr, `error ${code}: ${sentence}`)
    await writeLine(io.stderr, 'hint: shorten the message, start over with /new, or give a larger --ctx')
  } finally {
    status.clear()
    if (text !== '' && !text.endsWith('\n')) await write(io.stdout, '\n')
  }
}
