import { parseArgs, type ParseArgsConfig } from 'node:util'
import { z } from 'zod'
import { LoadSettings, Sampling, SMALLEST_CONTEXT } from '../../contract/sampling.ts'
import { mostThreads } from '../engine/threads.ts'

/** The command line itself is wrong: said with the way to its help, exit 2. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig['options']>
type Parsed<O extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: O; allowPositionals: true; strict: true }>
>

/** Parses a command's arguments strictly; `positionals` says how many may stand without a flag. */
export function parse<const O extends Options>(
  args: string[],
  options: O,
  positionals: 'none' | 'some' = 'none',
): Parsed<O> {
  let parsed: Parsed<O>
  try {
    parsed = parseArgs({ args: joinValues(args, options), options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError(
      error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error),
    )
  }
  if (positionals === 'none' && parsed.positionals.length > 0)
    throw new UsageError(`Unexpected argument '${parsed.positionals[0]}'`)
  return parsed
}

/** `--prompt -5` becomes `--prompt=-5`: a value may begin with a dash, unless it is a flag of this command. */
function joinValues(args: string[], options: Options): string[] {
  const valued = new Set<string>()
  const flags = new Set<string>()
  for (const [name, { type, short }] of Object.entries(options)) {
    for (const flag of short ? [`--${name}`, `-${short}`] : [`--${name}`]) {
      flags.add(flag)
      if (type === 'string') valued.add(flag)
    }
  }
  const joined: string[] = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    const next = args[i + 1]
    if (arg === '--') return [...joined, ...args.slice(i)]
    if (valued.has(arg) && next?.startsWith('-') && !flags.has(next.split('=')[0]!)) {
      joined.push(arg.startsWith('--') ? `${arg}=${next}` : arg + next)
      i++
    } else {
      joined.push(arg)
    }
  }
  return joined
}

export function required(value: string | undefined, flag: string): string {
  if (value === undefined) throw new UsageError(`${flag} is missing`)
  return value
}

export interface Range {
  min: number
  max: number
  integer: boolean
  /** Where `max` comes from, if that is not plain. */
  because?: string
}
export const COUNT: Range = { min: 1, max: 10_000_000, integer: true }

export function number(text: string, flag: string, { min, max, integer, because }: Range): number {
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN
  if (value >= min && value <= max && (!integer || Number.isInteger(value))) return value
  throw new UsageError(
    `${flag} takes ${integer ? 'a whole number' : 'a number'} from ${min} to ${max}${because ? ` (${because})` : ''}, not '${text}'`,
  )
}

export function optionalNumber(text: string | undefined, flag: string, range: Range): number | null {
  return text === undefined ? null : number(text, flag, range)
}

/** "512,2048" */
export function numbers(text: string, flag: string, range: Range): number[] {
  return text.split(',').map((part) => number(part.trim(), flag, range))
}

/** "1,2,3", separated by commas or spaces; as the tokenizer's output is. */
export function tokenIds(text: string, flag = '--ids'): Int32Array {
  const parts = text.trim().split(/\s*,\s*|\s+/)
  return Int32Array.from(parts, (part) => number(part, flag, { min: 0, max: 2 ** 31 - 1, integer: true }))
}

export function choice<const C extends readonly string[]>(text: string, flag: string, choices: C): C[number] {
  if (choices.includes(text)) return text
  throw new UsageError(`${flag} takes ${choices.join(' or ')}, not '${text}'`)
}

export const DEVICE_OPTIONS = {
  device: { type: 'string' },
  'gpu-layers': { type: 'string' },
} as const satisfies Options

export const MODEL_OPTIONS = {
  model: { type: 'string', short: 'm' },
  ...DEVICE_OPTIONS,
  exact: { type: 'boolean' },
  threads: { type: 'string' },
  ctx: { type: 'string' },
} as const satisfies Options

/** Where the flags of these names were given, the options of Model.open. */
export function modelOptions(values: {
  device?: string
  'gpu-layers'?: string
  exact?: boolean
  threads?: string
  ctx?: string
}) {
  const device = values.device ?? 'auto'
  if (!LoadSettings.shape.device.safeParse(device).success)
    throw new UsageError(`--device takes auto, cpu, cuda, cuda:1 or cuda:0,1, not '${device}'`)
  const gpuLayers = optionalNumber(values['gpu-layers'], '--gpu-layers', { ...COUNT, min: 0, max: 10_000 })
  if (device === 'cpu' && gpuLayers)
    throw new UsageError(`--gpu-layers ${gpuLayers} does not go with --device cpu`)
  return {
    device,
    gpuLayers,
    exact: values.exact ?? false,
    threads: optionalNumber(values.threads, '--threads', {
      min: 1,
      max: mostThreads(),
      integer: true,
      because: 'as many as there are processors',
    }),
    contextLength: optionalNumber(values.ctx, '--ctx', { ...COUNT, min: SMALLEST_CONTEXT }),
  }
}

export const SAMPLING_OPTIONS = {
  temp: { type: 'string' },
  'top-k': { type: 'string' },
  'top-p': { type: 'string' },
  'min-p': { type: 'string' },
  'repeat-penalty': { type: 'string' },
  'repeat-last-n': { type: 'string' },
  'presence-penalty': { type: 'string' },
  'frequency-penalty': { type: 'string' },
  seed: { type: 'string' },
} as const satisfies Options

const SAMPLING_FLAGS = {
  temp: 'temperature',
  'top-k': 'topK',
  'top-p': 'topP',
  'min-p': 'minP',
  'repeat-penalty': 'repeatPenalty',
  'repeat-last-n': 'repeatLastN',
  'presence-penalty': 'presencePenalty',
  'frequency-penalty': 'frequencyPenalty',
  seed: 'seed',
} as const satisfies Record<keyof typeof SAMPLING_OPTIONS, keyof Sampling>

/** The samplers that the flags ask for; the ranges are those of the contract. */
export function sampling(values: Partial<Record<keyof typeof SAMPLING_FLAGS, string | undefined>>): Sampling {
  const given: Partial<Sampling> = {}
  for (const [flag, field] of Object.entries(SAMPLING_FLAGS) as [
    keyof typeof SAMPLING_FLAGS,
    keyof Sampling,
  ][]) {
    const text = values[flag]
    if (text === undefined) continue
    given[field] = number(text, `--${flag}`, rangeOf(field))
  }
  return Sampling.parse(given)
}

/** The range of a sampler, as the contract has it. */
function rangeOf(field: keyof Sampling): Range {
  const inner = Sampling.shape[field].unwrap()
  const { minValue, maxValue, format } = inner instanceof z.ZodNullable ? inner.unwrap() : inner
  return { min: minValue ?? -Infinity, max: maxValue ?? Infinity, integer: format === 'safeint' }
}
