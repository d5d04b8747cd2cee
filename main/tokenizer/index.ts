import { KigoError } from '../../contract/errors.ts'
import type { RenderedPrompt } from '../chat/types.ts'
import { quote } from '../gguf/metadata.ts'
import type { Metadata } from '../gguf/types.ts'
import { bytePairEncoder } from './bpe.ts'
import { findMarkers, type TemplateTokens } from './markers.ts'
import { buildPieces, type Spelling } from './pieces.ts'
import { PRE_TOKENIZERS } from './pre-tokenizers.ts'
import { sentencePieceEncoder } from './sentencepiece.ts'
import { SpecialTokens, type Strips } from './special-tokens.ts'
import type { EncodeOptions, PieceTable, Tokenizer } from './types.ts'
import { invalid, isStrings, readVocabulary, requireId, type Vocabulary } from './vocabulary.ts'

export type { EncodeOptions, PieceTable, Tokenizer, TokenizerFacts } from './types.ts'
export { StreamDecoder } from './stream-decoder.ts'

/**
 * The tokenizer that a GGUF header describes. `pre` overrides tokenizer.ggml.pre.
 * Throws UNSUPPORTED_TOKENIZER for a model or pre-tokenizer that Kigo does not know, by name, and MODEL_INVALID for
 * a vocabulary that does not hold together.
 */
export function tokenizerFromGguf(metadata: Metadata, options: { pre?: string } = {}): Tokenizer {
  const model = metadata.get('tokenizer.ggml.model')
  if (model === 'llama') return sentencePieceTokenizer(metadata)
  if (model === 'gpt2' || model === 'gemma4') return bytePairTokenizer(metadata, model, options.pre)
  if (typeof model !== 'string' || model === 'no_vocab' || model === 'none') {
    throw new KigoError('UNSUPPORTED_TOKENIZER', 'This file holds no vocabulary.', {
      data: { key: 'tokenizer.ggml.model' },
    })
  }
  throw new KigoError('UNSUPPORTED_TOKENIZER', `Kigo does not know the tokenizer model ${quote(model)}.`, {
    data: { key: 'tokenizer.ggml.model' },
  })
}

/** Ids of a rendered prompt: BOS once at most, even where the template prints it, and no EOS at the end. */
export function encodePrompt(tokenizer: Tokenizer, prompt: RenderedPrompt): number[] {
  const { text, barriers, markers = [] } = prompt
  const ids = tokenizer.encode(text, { special: true, addBosEos: false, barriers, markers })
  return tokenizer.addBos && tokenizer.bos !== null && ids[0] !== tokenizer.bos
    ? [tokenizer.bos, ...ids]
    : ids
}

function bytePairTokenizer(
  metadata: Metadata,
  model: 'gpt2' | 'gemma4',
  override: string | undefined,
): Tokenizer {
  const pre = override ?? (model === 'gemma4' ? 'gemma4' : (namedPre(metadata) ?? DEFAULT_PRE))
  const preTokenizer = PRE_TOKENIZERS.get(pre)
  if (!preTokenizer) {
    throw new KigoError('UNSUPPORTED_TOKENIZER', `Kigo does not know the pre-tokenizer ${quote(pre)}.`, {
      data: { key: 'tokenizer.ggml.pre' },
    })
  }
  const merges = metadata.get('tokenizer.ggml.merges')
  if (!isStrings(merges))
    throw invalid('tokenizer.ggml.merges', 'tokenizer.ggml.merges is not a list of texts')
  const vocabulary = readVocabulary(metadata, { bos: null, eos: null, unknown: null })
  const encodePlain = bytePairEncoder(vocabulary, merges, preTokenizer)
  // A file of Gemma 4 may say otherwise and be wrong.
  const alwaysBos = preTokenizer.wholeLineFeeds === true
  const addBos = alwaysBos || flag(metadata, 'tokenizer.ggml.add_bos_token', preTokenizer.addBos ?? false)
  if (addBos && vocabulary.bos === null) requireId(metadata, 'bos', vocabulary.texts.length)
  return assemble(vocabulary, {
    model,
    pre,
    addBos,
    addEos: flag(metadata, 'tokenizer.ggml.add_eos_token', false),
    spelling: preTokenizer.units === 'escaped' ? 'escaped' : 'bytes',
    stripLeadingSpace: false,
    encodeText: (text, _afterSpecial, out) => encodePlain(text, out),
    strips: {
      left: (text) => text === '<mask>' && /jina-v2-(de|es|code)/.test(pre),
      right: stripsRight(metadata),
    },
  })
}

function sentencePieceTokenizer(metadata: Metadata): Tokenizer {
  const vocabulary = readVocabulary(metadata, { bos: 1, eos: 2, unknown: 0 })
  const spacePrefix = flag(metadata, 'tokenizer.ggml.add_space_prefix', true)
  const encodePlain = sentencePieceEncoder(vocabulary)
  return assemble(vocabulary, {
    model: 'llama',
    pre: null,
    addBos: flag(metadata, 'tokenizer.ggml.add_bos_token', true),
    addEos: flag(metadata, 'tokenizer.ggml.add_eos_token', false),
    spelling: 'escaped',
    stripLeadingSpace: spacePrefix,
    encodeText: (text, afterSpecial, out) => {
      encodePlain((spacePrefix && afterSpecial ? ` ${text}` : text).replaceAll(' ', '▁'), out)
    },
    strips: { left: () => false, right: stripsRight(metadata) },
  })
}

/** What a file is read with that names no pre-tokenizer: old conversions do not. */
const DEFAULT_PRE = 'default'

/** tokenizer.ggml.pre; null where the file has none, or an empty one. */
function namedPre(metadata: Metadata): string | null {
  const key = 'tokenizer.ggml.pre'
  const value = metadata.get(key) ?? ''
  if (typeof value !== 'string') throw invalid(key, `${key} is not a text`)
  return value === '' ? null : value
}

/** What a person should know of how a file's text is cut into tokens: it is a guess, where the file does not say. */
export function tokenizerNotes(metadata: Metadata): string[] {
  if (metadata.get('tokenizer.ggml.model') !== 'gpt2' || namedPre(metadata) !== null) return []
  return [
    `This file does not say which pre-tokenizer its vocabulary needs (tokenizer.ggml.pre), so Kigo uses “${DEFAULT_PRE}”. If replies read oddly, get a newer conversion of the same model.`,
  ]
}

/** Phi-3's own tokenizer drops the white space behind its markers. The format cannot say so: the name does. */
function stripsRight(metadata: Metadata): Strips['right'] {
  const name = metadata.get('general.name')
  const isPhi3 = typeof name === 'string' && /phi[-_\s]*3/i.test(name)
  return (text) => isPhi3 && !['<unk>', '<s>', '<|endoftext|>'].includes(text)
}

function flag(metadata: Metadata, key: string, fallback: boolean): boolean {
  const value = metadata.get(key) ?? fallback
  if (typeof value !== 'boolean') throw invalid(key, `${key} is not true or false`)
  return value
}

interface Parts {
  model: string
  pre: string | null
  addBos: boolean
  addEos: boolean
  spelling: Spelling
  stripLeadingSpace: boolean
  /** `afterSpecial`: at the beginning, or behind a special token. */
  encodeText: (text: string, afterSpecial: boolean, out: number[]) => void
  strips: Strips
}

function assemble(vocabulary: Vocabulary, parts: Parts): Tokenizer {
  const { texts, bos, eos } = vocabulary
  const specials = new SpecialTokens(vocabulary, parts.strips)
  // A template has one list of markers, so the last one asked for is the next one as well.
  let marked: { key: string; specials: SpecialTokens } = { key: '', specials }
  const specialsWith = (markers: readonly string[]): SpecialTokens => {
    const key = markers.join('\0')
    if (key === '') return specials
    if (marked.key !== key) marked = { key, specials: new SpecialTokens(vocabulary, parts.strips, markers) }
    return marked.specials
  }
  const addBos = parts.addBos && bos !== null
  const addEos = parts.addEos && eos !== null
  let table: PieceTable | null = null
  const pieces = (): PieceTable =>
    (table ??= buildPieces(vocabulary, parts.spelling, parts.stripLeadingSpace))

  const encode = (text: string, options: EncodeOptions): number[] => {
    const { special, addBosEos, barriers, markers = [] } = options
    const out: number[] = []
    if (addBosEos && addBos) out.push(bos)
    let afterSpecial = true
    const wellFormed = text.replace(LONE_SURROGATE, '\ufffd')
    for (const fragment of specialsWith(markers).split(wellFormed, special, barriers)) {
      if (typeof fragment === 'number') out.push(fragment)
      else parts.encodeText(fragment, afterSpecial, out)
      afterSpecial = typeof fragment === 'number'
    }
    if (addBosEos && addEos) out.push(eos)
    return out
  }

  const templateTokens = (written: string, behind: readonly string[]): TemplateTokens => {
    const markers = findMarkers(vocabulary, written, (id, text) => {
      const ids: number[] = []
      parts.encodeText(text, false, ids)
      return ids.length === 1 && ids[0] === id
    })
    const ends = behind.map((text) => specialsWith(markers).controlAt(text.trimStart()))
    return { markers, ends: ends.map((id) => (id === vocabulary.withinTurn ? null : id)) }
  }

  const decodeBytes = (ids: Iterable<number>, { special = false } = {}): Uint8Array => {
    const { bytes, offsets, stripLeadingSpace } = pieces()
    const chunks: Uint8Array[] = []
    let first = stripLeadingSpace
    for (const id of ids) {
      const text = piece(id)
      let chunk = bytes.subarray(offsets[id], offsets[id + 1])
      if (chunk.length > 0) {
        if (first && chunk[0] === 0x20) chunk = chunk.subarray(1)
        first = false
      } else if (special) {
        chunk = Buffer.from(text)
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  const piece = (id: number): string => {
    const text = texts[id]
    if (text === undefined) {
      throw new KigoError(
        'INVALID_INPUT',
        `${id} is not a token: the vocabulary has ids 0 to ${texts.length - 1}.`,
        { data: { id } },
      )
    }
    return text
  }

  return {
    model: parts.model,
    pre: parts.pre,
    size: texts.length,
    bos,
    eos,
    addBos,
    addEos,
    bosText: bos === null ? '' : piece(bos),
    eosText: eos === null ? '' : piece(eos),
    endTokens: vocabulary.endTokens,
    controlTexts: specials.controlTexts(),
    encode,
    templateTokens,
    decodeBytes,
    decode: (ids, options) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(decodeBytes(ids, options)),
    piece,
    pieces,
  }
}

const LONE_SURROGATE = /\p{Surrogate}/gu
