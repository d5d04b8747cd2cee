import type { HaikuResult } from '../../../contract/chat.ts'
import { KigoError } from '../../../contract/errors.ts'
import { MAX_ATTEMPTS, minuteInWords, runHaiku } from '../../haiku/index.ts'
import { DEVICE_OPTIONS, modelOptions, number, optionalNumber, parse } from '../args.ts'
import type { Command } from '../command.ts'
import { StatusLine, writeJson, writeLine, writeUntrusted, type Io } from '../io.ts'
import { modelPath } from '../../models/known.ts'
import { openPrompts } from '../prompts.ts'
import { openWithStatus } from './run.ts'

/** Room for the prompt and one haiku. */
const N_CTX = 1024

export const haiku: Command = {
  name: 'haiku',
  summary: 'the haiku test: a haiku that holds the minute',
  usage: `kigo haiku [--model MODEL] [--device D] [--threads N] [--minute M] [--seed N] [--json]

Asks the model for a haiku with the current minute in words, until one of three lines holds it exactly once;
${MAX_ATTEMPTS} attempts at most, each an honest generation with a fresh seed.

  --model MODEL   path of a .gguf file, or a known name; else smollm2
  --minute M      0 to 59, instead of the clock's
  --seed N        of the first attempt, and N+1, N+2 … of the others; else fresh random ones
  --device D      auto, cpu, cuda, cuda:1, cuda:0,1 …; see \`kigo devices\`
  --gpu-layers N  that many on the GPU, the rest on the CPU; else as many as fit
  --threads N     instead of one per physical core
  --json          {minute, words, haiku, attempts, seconds, device, placements, ok}, with every attempt`,

  async run(args, io) {
    const { values } = parse(args, {
      model: { type: 'string', short: 'm' },
      ...DEVICE_OPTIONS,
      threads: { type: 'string' },
      minute: { type: 'string' },
      seed: { type: 'string' },
      json: { type: 'boolean' },
    })
    const minute =
      values.minute === undefined
        ? new Date().getMinutes()
        : number(values.minute, '--minute', { min: 0, max: 59, integer: true })
    const seed = optionalNumber(values.seed, '--seed', {
      min: 0,
      max: 0xffff_ffff - MAX_ATTEMPTS,
      integer: true,
    })
    const status = new StatusLine(io)
    const path = modelPath(values.model ?? 'smollm2')
    await using model = await openWithStatus(
      path,
      { ...modelOptions(values), contextLength: N_CTX, signal: io.signal },
      status,
    )
    await using prompts = await openPrompts(model.tokenizer, io)
    const result = await runHaiku({
      model,
      prompts: prompts.builder,
      minute,
      ...(seed === null ? {} : { seeds: Array.from({ length: MAX_ATTEMPTS }, (_, i) => seed + i) }),
      signal: io.signal,
      onAttempt: (_attempt, count) =>
        status.show(`${minuteInWords(minute)}: attempt ${count} of ${MAX_ATTEMPTS}`),
    }).finally(() => status.clear())
    if (values.json) await writeJson(io, { ...result, placements: model.placements })
    else if (result.haiku !== null) await show(result, result.haiku, io)
    if (!result.ok)
      throw new KigoError(
        'HAIKU_FAILED',
        `No attempt of ${result.attempts.length} held “${result.words}” exactly once in three lines.`,
      )
    return 0
  },
}

async function show(result: HaikuResult, text: string, io: Io): Promise<void> {
  const { words, minute, attempts, seconds, model, device } = result
  const tries = attempts.length === 1 ? '1 attempt' : `${attempts.length} attempts`
  await writeUntrusted(io, `${text}\n\n`)
  await writeLine(
    io.stdout,
    `minute ${minute}, ${words} · ${tries} · ${seconds.toFixed(1)} s · ${model} on ${device}`,
  )
}
