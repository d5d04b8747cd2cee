/** The vocabulary of a GGUF header, checked: texts, scores, kinds, and which tokens have a part to play. */
import { KigoError } from '../../contract/errors.ts'
import { quote } from '../gguf/metadata.ts'
import type { Metadata, MetadataValue } from '../gguf/types.ts'
import { specialId } from '../gguf/vocabulary.ts'

/** tokenizer.ggml.token_type. */
export const KIND = {
  undefined: 0,
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const

export interface Vocabulary {
  texts: readonly string[]
  ids: ReadonlyMap<string, number>
  /** One of KIND a token. */
  kinds: Uint8Array
  /** Null where the file has none. */
  scores: ArrayLike<number> | null
  bos: number | null
  eos: number | null
  unknown: number | null
  endTokens: number[]
  /** Closes a message of a turn that goes on, so that it ends no reply whatever a template writes. */
  withinTurn: number | null
}

const PREFIX = 'tokenizer.ggml.'

/** Throws MODEL_INVALID, naming the key, where the arrays do not fit each other or an id is not in the vocabulary. */
export function readVocabulary(
  metadata: Metadata,
  defaults: { bos: number | null; eos: number | null; unknown: number | null },
): Vocabulary {
  const texts = readTexts(metadata)
  const ids = indexTexts(texts)
  const kinds = readKinds(metadata, texts)
  const scores = readScores(metadata, texts.length)
  const special = (name: string, fallback: number | null): number | null =>
    readId(metadata, name, texts.length, fallback)
  const bos = special('bos', defaults.bos)
  const eos = special('eos', defaults.eos)
  const { endTokens, withinTurn } = findEndTokens(ids, kinds, {
    eos,
    eot: special('eot', null),
    eom: special('eom', null),
    special,
  })
  if (endTokens.length === 0) requireId(metadata, 'eos', texts.length)
  // A marker that is there twice means the same twice.
  for (const [first, twin] of findTwins(texts, ids)) {
    if (!endTokens.includes(first)) continue
    endTokens.push(twin)
    kinds[twin] = kinds[first] as number
  }
  return {
    texts,
    ids,
    kinds,
    scores,
    bos,
    eos,
    unknown: special('unknown', defaults.unknown),
    endTokens: endTokens.sort((a, b) => a - b),
    withinTurn,
  }
}

/**
 * The id of a text that is no marker. What a person typed must not become a control token by merging either; a single
 * character is itself, whatever its type, or it could not be written at all.
 */
export function plainId({ ids, kinds }: Pick<Vocabulary, 'ids' | 'kinds'>, text: string): number | undefined {
  const id = ids.get(text)
  if (id === undefined || text.length === 1) return id
  const kind = kinds[id]
  return kind === KIND.control || kind === KIND.unknown ? undefined : id
}

export function invalid(key: string, what: string, data: Record<string, unknown> = {}): KigoError {
  return new KigoError('MODEL_INVALID', `The vocabulary is damaged: ${what}.`, { data: { key, ...data } })
}

function readTexts(metadata: Metadata): string[] {
  const key = `${PREFIX}tokens`
  const value = metadata.get(key)
  if (!isStrings(value) || value.length === 0) throw invalid(key, `${key} is not a list of texts`)
  if (!value.includes('')) return value
  return value.map((text, id) => text || `[EMPTY_${id}]`)
}

export function isStrings(value: MetadataValue | undefined): value is string[] {
  return Array.isArray(value) && (value.length === 0 || typeof value[0] === 'string')
}

/** Where several tokens have one text, the lowest id is the one that encodes. */
function indexTexts(texts: readonly string[]): Map<string, number> {
  const ids = new Map<string, number>()
  for (let id = texts.length - 1; id >= 0; id--) ids.set(texts[id] as string, id)
  return ids
}

/** Tokens that never encode, because a lower id has the same text: [that id, their own]. */
function findTwins(
  texts: readonly string[],
  ids: ReadonlyMap<string, number>,
): [first: number, twin: number][] {
  if (ids.size === texts.length) return []
  return texts.flatMap((text, id) => {
    const first = ids.get(text) as number
    return first === id ? [] : [[first, id] as [number, number]]
  })
}

function readKinds(metadata: Metadata, texts: string[]): Uint8Array {
  const key = `${PREFIX}token_type`
  const kinds = new Uint8Array(texts.length).fill(KIND.normal)
  const value = metadata.get(key)
  if (value === undefined) return kinds
  const types = numbers(key, value, texts.length)
  for (let id = 0; id < texts.length; id++) {
    const type = types[id] as number
    kinds[id] = type >= 1 && type <= 6 ? type : KIND.undefined
    if (type === KIND.byte && !/^<0x[0-9A-F]{2}>$/.test(texts[id] as string)) {
      throw invalid(
        `${PREFIX}tokens`,
        `byte token ${id} is ${quote(texts[id] as string)}, not of the form <0xHH>`,
        { token: id },
      )
    }
  }
  return kinds
}

function readScores(metadata: Metadata, count: number): ArrayLike<number> | null {
  const key = `${PREFIX}scores`
  const value = metadata.get(key)
  if (value === undefined) return null
  const scores = numbers(key, value, count)
  for (let id = 0; id < count; id++) {
    if (!Number.isFinite(scores[id]))
      throw invalid(key, `the score of token ${id} is ${scores[id]}`, { token: id })
  }
  return scores
}

function numbers(key: string, value: MetadataValue, count: number): ArrayLike<number> {
  const isNumbers =
    ArrayBuffer.isView(value) && !(value instanceof BigInt64Array) && !(value instanceof BigUint64Array)
  if (!isNumbers) throw invalid(key, `${key} is not a list of numbers`)
  if (value.length !== count) throw invalid(key, `${key} has ${value.length} entries for ${count} tokens`)
  return value
}

/** A special token by its id. One that is outside of the vocabulary says nothing: the fallback holds. */
function readId(metadata: Metadata, role: string, count: number, fallback: number | null): number | null {
  const id = specialId(metadata, role, count)
  if (id !== undefined && id !== 'outside') return id
  return fallback !== null && fallback < count ? fallback : null
}

/** Throws where the file names a token that nothing else can stand for and that is not in the vocabulary. */
export function requireId(metadata: Metadata, role: string, count: number): void {
  if (specialId(metadata, role, count) !== 'outside') return
  const key = `${PREFIX}${role}_token_id`
  const value = String(metadata.get(key))
  throw invalid(key, `${key} is ${value}, and there are ${count} tokens`, { value })
}

const END_OF_GENERATION = new Set([
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<|return|>',
  '<|call|>',
  '<|flush|>',
  '<|calls|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '</s>',
  '<|eom_id|>',
  '<EOT>',
  '_<EOT>',
  '[EOT]',
  '[EOS]',
  '<|end_of_text|>',
  '<end_of_utterance>',
  '<eos>',
  '<turn|>',
  '<|tool_response>',
  '<｜end▁of▁sentence｜>',
  '[e~[',
])
/** Fill-in-the-middle markers: control tokens by their looks; padding, repository and file separator end a reply. */
const FILL_IN = {
  fim_pre: [
    '<|fim_prefix|>',
    '<fim-prefix>',
    '<fim_prefix>',
    '<｜fim▁begin｜>',
    '<PRE>',
    '▁<PRE>',
    '<|code_prefix|>',
    '<|prefix|>',
  ],
  fim_suf: [
    '<|fim_suffix|>',
    '<fim-suffix>',
    '<fim_suffix>',
    '<｜fim▁hole｜>',
    '<SUF>',
    '▁<SUF>',
    '<|code_suffix|>',
    '<|suffix|>',
  ],
  fim_mid: [
    '<|fim_middle|>',
    '<fim-middle>',
    '<fim_middle>',
    '<｜fim▁end｜>',
    '<MID>',
    '▁<MID>',
    '<|code_middle|>',
    '<|middle|>',
  ],
  fim_pad: ['<|fim_pad|>', '<fim-pad>', '<fim_pad>', '<PAD>', '[PAD]'],
  fim_rep: ['<|fim_repo|>', '<|repo_name|>', '<fim-repo>', '<REPO>', '<reponame>'],
  fim_sep: ['<|file_sep|>'],
}

/**
 * Every token that ends a generation: those that the header names, and the well-known markers. Files often type
 * such markers as ordinary text, so each that is found becomes a control token in `kinds`.
 */
function findEndTokens(
  ids: ReadonlyMap<string, number>,
  kinds: Uint8Array,
  named: {
    eos: number | null
    eot: number | null
    eom: number | null
    special: (name: string, fallback: number | null) => number | null
  },
): Pick<Vocabulary, 'endTokens' | 'withinTurn'> {
  const first = (candidates: readonly string[]): number | null => {
    const found = candidates.flatMap((text) => ids.get(text) ?? [])
    return found.length > 0 ? Math.min(...found) : null
  }
  const ends = new Set<number>()
  const mark = (id: number | null): void => {
    if (id !== null) kinds[id] = KIND.control
  }
  const end = (id: number | null): void => {
    if (id !== null) ends.add(id)
  }
  for (const text of END_OF_GENERATION) {
    mark(ids.get(text) ?? null)
    end(ids.get(text) ?? null)
  }
  for (const [name, candidates] of Object.entries(FILL_IN)) {
    const given = named.special(name, null)
    const id = given ?? first(candidates)
    if (given === null) mark(id)
    if (name === 'fim_pad' || name === 'fim_rep' || name === 'fim_sep') end(id)
  }
  end(named.eos)
  end(named.eot)
  end(named.eom)

  const ending = (text: string): boolean => ends.has(ids.get(text) ?? -1)
  // Harmony and Solar: <|end|> closes one message of several, and the reply goes on.
  let withinTurn: number | null = null
  if (
    ending('<|end|>') &&
    ((ending('<|return|>') && ending('<|call|>')) ||
      ((ending('<|call|>') || ending('<|calls|>')) && ending('<|flush|>')))
  ) {
    withinTurn = ids.get('<|end|>') as number
    ends.delete(withinTurn)
  }
  // Gemma 4: </s> is strike-through there.
  const strike = ids.get('</s>')
  if (strike !== undefined && ending('<|tool_response>') && ends.delete(strike)) kinds[strike] = KIND.normal
  return { endTokens: [...ends], withinTurn }
}
