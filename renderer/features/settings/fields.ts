import { CHAT_SETTINGS_DEFAULTS, ChatSettings, LoadSettings } from '../../../contract/sampling.ts'
import { count } from '../../ui/format.ts'

/** The numeric fields of the panel. A slider covers the useful range; typing reaches all that the contract allows. */
export interface NumberField {
  label: string
  help: string
  slider?: { min: number; max: number; step: number }
  /** One press of ↑ or ↓ in the field. */
  step: number
  /** What an empty field says, where null is allowed: "random", "no limit". */
  empty?: string
}

export type ChatNumber =
  | 'temperature'
  | 'topK'
  | 'topP'
  | 'minP'
  | 'repeatPenalty'
  | 'repeatLastN'
  | 'presencePenalty'
  | 'frequencyPenalty'
  | 'seed'
  | 'maxTokens'
export type LoadNumber = 'contextLength' | 'gpuLayers' | 'threads'

export const CHAT_FIELDS: Record<ChatNumber, NumberField> = {
  temperature: {
    label: 'Temperature',
    help: 'Higher takes more chances, 0 takes none.',
    slider: { min: 0, max: 2, step: 0.05 },
    step: 0.05,
  },
  topK: {
    label: 'Top K',
    help: 'Keeps this many tokens at most. 0 is off.',
    slider: { min: 0, max: 100, step: 1 },
    step: 1,
  },
  topP: {
    label: 'Top P',
    help: 'Keeps the likeliest up to this sum. 1 is off.',
    slider: { min: 0, max: 1, step: 0.01 },
    step: 0.01,
  },
  minP: {
    label: 'Min P',
    help: 'Drops tokens far below the best one. 0 is off.',
    slider: { min: 0, max: 0.5, step: 0.01 },
    step: 0.01,
  },
  repeatPenalty: {
    label: 'Repeat penalty',
    help: 'Holds back words used lately. 1 is off.',
    slider: { min: 1, max: 2, step: 0.05 },
    step: 0.05,
  },
  repeatLastN: {
    label: 'Repeat last n',
    help: 'How many tokens back the penalties look. 0 is off.',
    slider: { min: 0, max: 512, step: 8 },
    step: 8,
  },
  presencePenalty: {
    label: 'Presence penalty',
    help: 'Once against every word used lately. 0 is off.',
    slider: { min: -2, max: 2, step: 0.1 },
    step: 0.1,
  },
  frequencyPenalty: {
    label: 'Frequency penalty',
    help: 'For each time a word was used lately. 0 is off.',
    slider: { min: -2, max: 2, step: 0.1 },
    step: 0.1,
  },
  seed: { label: 'Seed', help: 'The same number gives the same reply again.', step: 1, empty: 'random' },
  maxTokens: {
    label: 'Max tokens',
    help: 'Stops a reply after this many tokens.',
    step: 64,
    empty: 'no limit',
  },
}

export const LOAD_FIELDS: Record<LoadNumber, NumberField> = {
  contextLength: { label: 'Context length', help: 'What the model sees at once.', step: 256, empty: 'auto' },
  gpuLayers: {
    label: 'GPU layers',
    help: 'The first layers run on the GPU, the rest on the CPU.',
    step: 1,
    empty: 'auto',
  },
  threads: { label: 'Threads', help: 'Processor threads that compute.', step: 1, empty: 'auto' },
}

export type Parsed = { ok: true; value: number | null } | { ok: false; problem: string }

/**
 * What was typed into a field, as a whole. An empty field is null where that is allowed. `most`: what this computer
 * allows, where that is less than the contract does.
 */
export function parseField(name: ChatNumber | LoadNumber, text: string, most = Infinity): Parsed {
  const schema = schemaOf(name)
  if (text.trim() === '')
    return schema.safeParse(null).success
      ? { ok: true, value: null }
      : { ok: false, problem: 'A number is needed.' }
  const { min, max } = limits(name, most)
  const readings = readingsOf(text)
  const value = readings.find((number) => number >= min && number <= max && schema.safeParse(number).success)
  if (value !== undefined) return { ok: true, value }
  const [meant] = readings
  if (meant === undefined) return { ok: false, problem: 'A number is needed.' }
  if (meant < min) return { ok: false, problem: `${showNumber(min)} or more.` }
  if (meant > max) return { ok: false, problem: `${showNumber(max)} or less.` }
  return { ok: false, problem: 'A whole number.' }
}

const schemaOf = (name: ChatNumber | LoadNumber) =>
  name in LOAD_FIELDS ? LoadSettings.shape[name as LoadNumber] : ChatSettings.shape[name as ChatNumber]

const GROUPED = /^-?[1-9]\d{0,2}(?:([,\s'’_])\d{3})(?:\1\d{3})*(?:\.\d+)?$/
const PLAIN = /^[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[-+]?\d+)?$/i

/**
 * The number that the whole text is, with a point or a comma, grouped by threes or not: "1,234" may be two, and the
 * field knows which of them it takes. None where it is no number, or not one alone.
 */
function readingsOf(text: string): number[] {
  // Also digits of full width, as Japanese keyboards give them; and the minus of typographers.
  const bare = text.normalize('NFKC').trim().replace(/^[−–]/, '-')
  return [
    ...(GROUPED.test(bare) ? [Number(bare.replace(/[^\d.-]/g, ''))] : []),
    // Plus zero: no field has a zero below zero.
    ...(PLAIN.test(bare) ? [Number(bare.replace(',', '.')) + 0] : []),
  ]
}

/** Every digit that the value has: a field shows what counts. */
export const showNumber = (value: number): string => (Math.abs(value) < 1000 ? String(value) : count(value))

/** One step from a value, without the dust of binary fractions, kept inside what the contract allows. */
export function stepped(name: ChatNumber | LoadNumber, from: number, steps: number, most = Infinity): number {
  const field: NumberField =
    name in LOAD_FIELDS ? LOAD_FIELDS[name as LoadNumber] : CHAT_FIELDS[name as ChatNumber]
  const raw = Number((from + steps * field.step).toFixed(6))
  if (parseField(name, String(raw), most).ok) return raw
  const { min, max } = limits(name, most)
  return Math.min(max, Math.max(min, raw))
}

/** The range that the contract allows, and this computer. */
export function limits(name: ChatNumber | LoadNumber, most = Infinity): { min: number; max: number } {
  const schema = schemaOf(name)
  const below = schema.safeParse(-1e12)
  const above = schema.safeParse(1e12)
  const low = below.error?.issues.find((issue) => issue.code === 'too_small')
  const high = above.error?.issues.find((issue) => issue.code === 'too_big')
  return {
    min: low === undefined ? -Infinity : Number(low.minimum),
    max: Math.min(most, high === undefined ? Infinity : Number(high.maximum)),
  }
}

export const defaultOf = (name: ChatNumber): number | null => CHAT_SETTINGS_DEFAULTS[name]

/** Why a system prompt cannot be taken; null where it can. */
export function problemOfSystemPrompt(text: string): string | null {
  if (ChatSettings.shape.systemPrompt.safeParse(text).success) return null
  return `1,000,000 characters at most; these are ${count(text.length)}.`
}

export type ParsedStops = { ok: true; value: string[] } | { ok: false; problem: string }

/** What was typed as stop sequences, as the contract takes them. */
export function parseStopField(text: string): ParsedStops {
  const stops = parseStops(text)
  const result = ChatSettings.shape.stop.safeParse(stops)
  if (result.success) return { ok: true, value: stops }
  const tooMany = result.error.issues.some(({ path }) => path.length === 0)
  return {
    ok: false,
    problem: tooMany
      ? `16 at most; these are ${stops.length}.`
      : 'One of them is longer than 1,000 characters.',
  }
}

/** Stop sequences are written one a line; \n, \t and \\ stand for what cannot be seen. */
export function parseStops(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) =>
      line.replace(/\\(n|t|\\)/g, (_, c: string) => (c === 'n' ? '\n' : c === 't' ? '\t' : '\\')),
    )
}

export const showStops = (stops: readonly string[]): string =>
  stops.map((stop) => stop.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/\t/g, '\\t')).join('\n')

/** A space at an end of a line cannot be seen, and counts: the sequences that have one, in quotes. '' where none has. */
export function spacesIn(stops: readonly string[]): string {
  const quoted = stops
    .filter((stop) => /^[^\S\n\t]|[^\S\n\t]$/.test(stop))
    .map((stop) => `“${showStops([stop])}”`)
  return quoted.length === 0 ? '' : `Spaces count: ${quoted.join(', ')}.`
}
