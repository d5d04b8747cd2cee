import type { Reason, ReplyStats } from '../../../contract/chat.ts'
import { plainPrompt, type GivenTemplate } from '../../chat/prompt.ts'
import type { ChatTurn } from '../../chat/types.ts'
import { Model } from '../../engine/index.ts'
import {
  COUNT,
  MODEL_OPTIONS,
  modelOptions,
  optionalNumber,
  parse,
  required,
  sampling,
  SAMPLING_OPTIONS,
  tokenIds,
  UsageError,
} from '../args.ts'
import { CANCELLED, type Command } from '../command.ts'
import { visible } from '../format.ts'
import { grouped } from '../../numbers.ts'
import { readBytes, StatusLine, write, writeJson, writeLine, writeUntrusted, type Io } from '../io.ts'
import { modelPath } from '../../models/known.ts'
import { openPrompts, TEMPLATE_OPTION, templateFrom } from '../prompts.ts'
import { decodeUtf8, readTextFile, withoutMark } from '../text.ts'

export const run: Command = {
  name: 'run',
  summary: 'one reply to a prompt',
  usage: `kigo run --model MODEL (--prompt TEXT | --prompt-file FILE | --ids 1,2,3 | < TEXT) [flags]

Prints the reply as it is written. Ctrl+C stops within a token.

  --model MODEL           path of a .gguf file, or a known name (smollm2, gemma3)
  --prompt TEXT           what you say; the model's chat template is put around it
  --prompt-file FILE      the same from a file, or from stdin for -; stdin is read as well where no prompt is given
  --system TEXT           system prompt
  --chat-template FILE    a Jinja template in place of the model's own
  --raw                   no template: the text is completed (models without a template always do so)
  --ids IDS               the whole prompt as token ids
  --max-tokens N          tokens at most; else until the model ends or the context is full
  --stop TEXT             ends before this text; may be given several times
  --ctx N                 context length; else the smallest of 8192, the model's, and what fits
  --temp T (0.8)  --top-k N (40)  --top-p P (0.95)  --min-p P (0.05)
  --repeat-penalty X (1)  --repeat-last-n N (64)  --presence-penalty X (0)  --frequency-penalty X (0)
  --seed N                the same seed gives the same text; else a random one, which --json reports
  --exact                 reference mode: float32 throughout; slow
  --device D              auto, cpu, cuda, cuda:1, cuda:0,1 …; see \`kigo devices\`
  --gpu-layers N          that many on the GPU, the rest on the CPU; else as many as fit
  --threads N             instead of one per physical core
  --json                  {text, ids, promptIds, reason, stats, device, placements, loadMs} when the reply has ended`,

  async run(args, io) {
    const { values } = parse(args, {
      ...MODEL_OPTIONS,
      ...SAMPLING_OPTIONS,
      ...TEMPLATE_OPTION,
      prompt: { type: 'string', short: 'p' },
      'prompt-file': { type: 'string' },
      system: { type: 'string' },
      raw: { type: 'boolean' },
      ids: { type: 'string' },
      'max-tokens': { type: 'string' },
      stop: { type: 'string', multiple: true },
      json: { type: 'boolean' },
    })
    const sources = [values.prompt, values['prompt-file'], values.ids].filter(
      (source) => source !== undefined,
    )
    if (sources.length > 1 || (sources.length === 0 && io.stdin.isTTY))
      throw new UsageError('Give one of --prompt, --prompt-file and --ids, or the prompt on stdin')
    for (const flag of ['system', 'chat-template'] as const) {
      if (values[flag] !== undefined && (values.raw || values.ids !== undefined))
        throw new UsageError(`--${flag} needs a chat template: it does not go with --raw or --ids`)
    }
    const given = values.ids === undefined ? null : tokenIds(values.ids)
    const options = {
      sampling: sampling(values),
      maxTokens: optionalNumber(values['max-tokens'], '--max-tokens', COUNT),
      stop: (values.stop ?? []).filter((stop) => stop !== ''),
      signal: io.signal,
    }
    const status = new StatusLine(io)
    try {
      const path = modelPath(required(values.model, '--model'))
      const text = given ? '' : (values.prompt ?? (await readPrompt(values['prompt-file'] ?? '-', io)))
      const template = await templateFrom(values)
      await using model = await openWithStatus(path, { ...modelOptions(values), signal: io.signal }, status)
      const { tokens, stop, endTokens } = given
        ? { tokens: given, stop: [], endTokens: [] }
        : await makePrompt(model, text, values.system, { raw: values.raw ?? false, template }, io)
      await using session = await model.createSession()

      let reply = ''
      const ids: number[] = []
      let end: { reason: Reason; stats: ReplyStats } | null = null
      for await (const event of session.generate({
        tokens,
        endTokens,
        ...options,
        stop: [...options.stop, ...stop],
      })) {
        if (event.type === 'prefill') {
          status.show(`reading the prompt, ${grouped(event.done)} of ${grouped(event.total)} tokens`)
        } else if (event.type === 'text') {
          status.clear()
          reply += event.text
          for (const { id } of event.records) ids.push(id)
          if (!values.json) await writeUntrusted(io, event.text)
        } else {
          end = event
        }
      }
      if (values.json)
        await writeJson(io, {
          text: reply,
          ids,
          promptIds: [...tokens],
          reason: end!.reason,
          stats: end!.stats,
          device: model.device,
          placements: model.placements,
          loadMs: model.loadMs,
        })
      else await finish(reply, end!, io)
      return end!.reason === 'cancelled' ? CANCELLED : 0
    } finally {
      status.clear()
    }
  },
}

/** A prompt from a file, or from stdin for '-', without the line feed at its end. */
async function readPrompt(file: string, io: Io): Promise<string> {
  const text =
    file === '-' ? withoutMark(decodeUtf8(await readBytes(io.stdin, io.signal))) : await readTextFile(file)
  const prompt = text.replace(/\r?\n$/, '')
  if (prompt !== '') return prompt
  throw new UsageError(
    file === '-' ? 'There is no prompt, and none on stdin: give one with --prompt TEXT' : `${file} is empty`,
  )
}

/** Loads a model, with the share that is read on a terminal's status line. */
export async function openWithStatus(
  path: string,
  options: Parameters<typeof Model.open>[1],
  status: StatusLine,
): Promise<Model> {
  const onProgress = (done: number, total: number): void =>
    status.show(`loading, ${Math.floor((100 * done) / Math.max(1, total))} %`)
  const model = await Model.open(path, { ...options, onProgress })
  status.clear()
  for (const note of model.notes) await status.say(`note: ${visible(note)}`)
  return model
}

interface Prompt {
  tokens: Int32Array
  /** Ends the reply where the vocabulary has no token for it. */
  stop: readonly string[]
  /** End it, beside those that the vocabulary knows by name. */
  endTokens: readonly number[]
}

async function makePrompt(
  model: Model,
  text: string,
  system: string | undefined,
  { raw, template }: { raw: boolean; template: GivenTemplate | null },
  io: Io,
): Promise<Prompt> {
  const { tokenizer } = model
  if (raw) {
    const tokens = await tokenizer.encodePrompt(plainPrompt(text, tokenizer.facts.controlTexts))
    return { tokens, stop: [], endTokens: [] }
  }
  await using prompts = await openPrompts(tokenizer, io, template)
  const turns: ChatTurn[] = [{ role: 'user', content: text }]
  if (system !== undefined) turns.unshift({ role: 'system', content: system })
  const rendered = await prompts.builder.render(turns, { signal: io.signal })
  const { stop, endTokens } = prompts.builder
  return { tokens: await tokenizer.encodePrompt(rendered), stop, endTokens }
}

/** Ends the line, and says on a terminal what a person may want to know. */
async function finish(
  text: string,
  { reason, stats }: { reason: Reason; stats: ReplyStats },
  io: Io,
): Promise<void> {
  if (!text.endsWith('\n')) await write(io.stdout, '\n')
  if (reason === 'context')
    await writeLine(io.stderr, 'The context is full: the reply ends here. A larger --ctx leaves more room.')
  if (!io.stderr.isTTY) return
  const prompt = `${grouped(stats.promptTokens)} prompt tokens in ${(stats.promptMs / 1000).toFixed(2)} s`
  await writeLine(
    io.stderr,
    `${prompt}, ${grouped(stats.tokens)} tokens, ${stats.tokensPerSecond.toFixed(1)} tok/s, seed ${stats.seed}`,
  )
}
