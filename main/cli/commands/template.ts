import { z } from 'zod'
import { KigoError } from '../../../contract/errors.ts'
import { createPromptBuilder, type GivenTemplate } from '../../chat/prompt.ts'
import { renderTemplate } from '../../chat/template.ts'
import { openTokenizerWorker } from '../../tokenizer/client.ts'
import { choice, parse, UsageError } from '../args.ts'
import type { Command } from '../command.ts'
import { write, writeLine, writeUntrusted, type Io } from '../io.ts'
import { modelPath } from '../../models/known.ts'
import { openIsolation, TEMPLATE_OPTION, templateFrom } from '../prompts.ts'
import { readTextFile } from '../text.ts'

export const template: Command = {
  name: 'template',
  summary: 'the prompt that a chat template makes',
  usage: `kigo template (--model MODEL | --template FILE) [--messages FILE] [flags]

Prints the rendered prompt and nothing else: no line feed is added unless stdout is a terminal.

  --model MODEL      the template of a .gguf file, by path or known name, as a chat uses it
  --template FILE    a Jinja template, as it is
  --chat-template F  with --model: a template in place of the model's own
  --messages FILE    JSON: [{"role": "user", "content": "Hello"}] is the default
  --thinking on|off  sets enable_thinking
  --closed           without the beginning of a reply
  --bos T  --eos T   text of the BOS and EOS tokens; a model's own are the default
  --now ISO          what strftime_now() tells, as 2026-01-02T03:04:05`,

  async run(args, io) {
    const { values } = parse(args, {
      model: { type: 'string', short: 'm' },
      ...TEMPLATE_OPTION,
      template: { type: 'string' },
      messages: { type: 'string' },
      thinking: { type: 'string' },
      closed: { type: 'boolean' },
      bos: { type: 'string' },
      eos: { type: 'string' },
      now: { type: 'string' },
    })
    const { model, template } = values
    if ((model === undefined) === (template === undefined))
      throw new UsageError('Give either --model or --template')
    if (template !== undefined && values['chat-template'] !== undefined)
      throw new UsageError('--chat-template needs a model: --template alone renders a file as it is')
    const options: RenderOptions = {
      messages:
        values.messages === undefined
          ? [{ role: 'user', content: 'Hello' }]
          : await readMessages(values.messages),
      thinking:
        values.thinking === undefined
          ? undefined
          : choice(values.thinking, '--thinking', ['on', 'off']) === 'on',
      closed: values.closed ?? false,
      bos: values.bos,
      eos: values.eos,
      now: values.now === undefined ? undefined : parseTime(values.now),
      given: await templateFrom(values),
    }
    const text =
      model === undefined
        ? await renderFile(template!, options, io)
        : await renderModel(modelPath(model), options, io)
    await writeUntrusted(io, text)
    if (io.stdout.isTTY) await write(io.stdout, '\n')
    return 0
  },
}

interface RenderOptions {
  messages: z.output<typeof Messages>
  thinking: boolean | undefined
  closed: boolean
  bos: string | undefined
  eos: string | undefined
  now: Date | undefined
  /** In place of the model's own. */
  given: GivenTemplate | null
}

/** All but the role is the template's business: a call of a tool has no content, a picture has parts of it. */
const Messages = z.array(z.looseObject({ role: z.string() })).min(1)
const Turns = z.array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() }))

async function renderFile(
  path: string,
  { messages, thinking, closed, bos = '', eos = '', now }: RenderOptions,
  io: Io,
): Promise<string> {
  await using isolation = openIsolation(io)
  const context = {
    messages,
    add_generation_prompt: !closed,
    bos_token: bos,
    eos_token: eos,
    ...(thinking === undefined ? {} : { enable_thinking: thinking }),
  }
  return renderTemplate(isolation.run, await readTextFile(path), context, { now, signal: io.signal })
}

async function renderModel(
  path: string,
  { messages, thinking, closed, bos, eos, now, given }: RenderOptions,
  io: Io,
): Promise<string> {
  const turns = Turns.safeParse(messages)
  if (!turns.success)
    throw new KigoError(
      'INVALID_INPUT',
      'In a chat the roles are system, user and assistant, and each message has a content that is text.',
      { hint: 'Tools and parts of messages are for --template, which renders a file as it is.' },
    )
  const tokenizer = await openTokenizerWorker(path, { signal: io.signal })
  try {
    await using isolation = openIsolation(io)
    const { metadata, facts, templateTokens } = tokenizer
    const builder = await createPromptBuilder({
      metadata,
      given,
      tokensOf: templateTokens,
      facts: { ...facts, bosText: bos ?? facts.bosText, eosText: eos ?? facts.eosText },
      run: isolation.run,
      signal: io.signal,
      ...(now ? { now: () => now } : {}),
    })
    if (builder.verdict.problem) await writeLine(io.stderr, builder.verdict.problem)
    const options = {
      addGenerationPrompt: !closed,
      signal: io.signal,
      ...(thinking === undefined ? {} : { thinking }),
    }
    return (await builder.render(turns.data, options)).text
  } finally {
    await tokenizer.close()
  }
}

async function readMessages(path: string): Promise<RenderOptions['messages']> {
  const text = await readTextFile(path)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new KigoError(
      'INVALID_INPUT',
      `${path} is not JSON: ${cause instanceof Error ? cause.message : ''}.`,
      { cause },
    )
  }
  const messages = Messages.safeParse(json)
  if (messages.success) return messages.data
  const [issue] = messages.error.issues
  throw new KigoError(
    'INVALID_INPUT',
    `${path} is not a list of messages: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}.`,
    {
      hint: 'A message is {"role": "user", "content": "Hello"}.',
    },
  )
}

function parseTime(text: string): Date {
  const time = new Date(text)
  if (Number.isNaN(time.getTime()))
    throw new UsageError(`--now takes a time such as 2026-01-02T03:04:05, not '${text}'`)
  return time
}
