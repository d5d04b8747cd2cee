import { invalidKey, show, textOf, textsOf } from './metadata.ts'
import type { Metadata, MetadataValue } from './types.ts'

export interface Vocabulary {
  /** tokenizer.ggml.model: 'gpt2', 'llama'… */
  model: string
  /** tokenizer.ggml.pre, as the file has it. */
  pre: string | null
  /** Tokens. */
  size: number
  /** What is odd about it and does no harm, a sentence each. */
  notes: string[]
}

/** Far above the largest (gemma: 262,144) and small enough for 32-bit indices everywhere. */
export const MAX_VOCABULARY = 4_194_304

const BYTE_TOKEN = 6

/** Ids that a tokenizer model has where the file gives none: llama.cpp's. */
const DEFAULT_IDS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  llama: { bos: 1, eos: 2, unknown: 0 },
  gpt2: { bos: 11, eos: 11 },
}

/** Special tokens that Kigo acts on. */
const USED_ROLES: ReadonlySet<string> = new Set([
  ...['bos', 'eos', 'unknown', 'eot', 'eom'],
  ...['fim_pre', 'fim_suf', 'fim_mid', 'fim_pad', 'fim_rep', 'fim_sep'],
])

/**
 * Checks what every user of a vocabulary relies on: tokens, scores and types are arrays of one length, every
 * special id that Kigo acts on is a number, and where it is no token its default is one, byte tokens are spelled
 * <0xHH>. null where the file has no tokenizer. Throws MODEL_INVALID naming the key.
 */
export function checkVocabulary(metadata: Metadata): Vocabulary | null {
  const model = textOf(metadata, 'tokenizer.ggml.model')
  const tokens = textsOf(metadata, 'tokenizer.ggml.tokens')
  if (model === undefined || tokens === undefined) return null
  const size = tokens.length
  if (size === 0 || size > MAX_VOCABULARY) {
    throw invalidKey('tokenizer.ggml.tokens', `holds ${size} tokens; 1 to ${MAX_VOCABULARY} are allowed`)
  }
  checkScores(metadata, size)
  const types = checkTypes(metadata, size)
  textsOf(metadata, 'tokenizer.ggml.merges')
  const notes = checkSpecialIds(metadata, model, size)
  // In byte-level BPE a token of any type may look like anything; SentencePiece finds its bytes by this spelling.
  if (model === 'llama' && types) checkByteTokens(tokens, types)
  return { model, pre: textOf(metadata, 'tokenizer.ggml.pre') ?? null, size, notes }
}

function checkScores(metadata: Metadata, size: number): void {
  const key = 'tokenizer.ggml.scores'
  const scores = metadata.get(key)
  if (scores === undefined) return
  if (!(scores instanceof Float32Array)) throw invalidKey(key, 'is not a list of float32')
  checkLength(key, scores.length, size)
  const bad = scores.findIndex(Number.isNaN)
  if (bad >= 0) throw invalidKey(key, `is not a number for token ${bad}`, { token: bad })
}

function checkTypes(metadata: Metadata, size: number): Int32Array | Uint32Array | undefined {
  const key = 'tokenizer.ggml.token_type'
  const types = metadata.get(key)
  if (types === undefined) return undefined
  if (!(types instanceof Int32Array || types instanceof Uint32Array))
    throw invalidKey(key, 'is not a list of 32-bit integers')
  checkLength(key, types.length, size)
  return types
}

function checkLength(key: string, length: number, size: number): void {
  if (length !== size)
    throw invalidKey(key, `has ${length} entries for ${size} tokens`, { expected: size, actual: length })
}

/** Converters write -1, mostly as u32, for a special token that a vocabulary does not have. */
export function isNoToken(id: MetadataValue): boolean {
  return id === -1 || id === 0xffff_ffff
}

/** An id of the header: a token, null where it says that there is none, 'outside' where it is beyond the vocabulary. */
export type SpecialId = number | null | 'outside'

/** tokenizer.ggml.ROLE_token_id; undefined where the file has none. Throws MODEL_INVALID for what is no whole number. */
export function specialId(metadata: Metadata, role: string, size: number): SpecialId | undefined {
  const key = keyOf(role)
  const value = metadata.get(key)
  if (value === undefined) return undefined
  if (isNoToken(value)) return null
  if (typeof value === 'bigint') return 'outside'
  if (typeof value !== 'number' || !Number.isInteger(value)) throw invalidKey(key, `is ${show(value)}, no id`)
  return value >= 0 && value < size ? value : 'outside'
}

/** Notes of the ids that are no tokens. What Kigo acts on must be one by its default then. */
function checkSpecialIds(metadata: Metadata, model: string, size: number): string[] {
  const notes: string[] = []
  const defaults = DEFAULT_IDS[model] ?? {}
  for (const [key, value] of metadata) {
    const role = roleOf(key)
    if (role === undefined) continue
    const what = `${role}_token_id is ${show(value)}, no token of this vocabulary of ${size}`
    if (!USED_ROLES.has(role)) {
      const id = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < size
      if (!id && !isNoToken(value)) notes.push(`${what}; Kigo has no use for it.`)
    } else if (specialId(metadata, role, size) === 'outside') {
      // SentencePiece has its own ids by convention; other vocabularies have none to fall back to.
      const id = model === 'llama' ? defaults[role] : undefined
      if (id !== undefined && id >= size)
        throw invalidKey(
          key,
          `is ${show(value)}, and its default ${id} is outside the vocabulary of ${size} tokens too`,
        )
      notes.push(`${what}. ${id === undefined ? 'It is taken as absent.' : `The usual ${id} stands for it.`}`)
    }
  }
  for (const [role, id] of Object.entries(defaults)) {
    const key = keyOf(role)
    if (!metadata.has(key) && id >= size) {
      throw invalidKey(key, `is absent, and its default ${id} is outside the vocabulary of ${size} tokens`)
    }
  }
  return notes
}

const keyOf = (role: string): string => `tokenizer.ggml.${role}_token_id`

function roleOf(key: string): string | undefined {
  return /^tokenizer\.ggml\.(.+)_token_id$/.exec(key)?.[1]
}

function checkByteTokens(tokens: string[], types: Int32Array | Uint32Array): void {
  for (let id = 0; id < tokens.length; id++) {
    if (types[id] === BYTE_TOKEN && !/^<0x[0-9A-Fa-f]{2}>$/.test(tokens[id]!)) {
      throw invalidKey('tokenizer.ggml.tokens', `has a byte token that is not spelled <0xHH> (token ${id})`, {
        token: id,
      })
    }
  }
}
