/** What a header says about a model, judged before anything loads: the card in the window and `kigo inspect`. */
import path from 'node:path'
import { KigoError, type ErrorCode, type ErrorData } from '../../contract/errors.ts'
import type { ChatTemplateVerdict, Inspection } from '../../contract/model.ts'
import type { Addon, ModelDescription } from '../engine/addon.ts'
import { readGguf, type Gguf, type Metadata } from '../gguf/index.ts'
import { describeModel } from './describe.ts'
import { DEFAULT_MODEL } from './known.ts'
import { fileName } from './library.ts'
import { planMemory, type MemoryOptions } from './memory.ts'
import { notesOf } from './notes.ts'
import { quantizationName, tensorsByType } from './quantization.ts'

const LONGEST_TEXT = 4096
const LONGEST_NAME = 200

/** What these say is about the question asked or about Kigo; everything else is the verdict on the file. */
export const NOT_THE_FILES: ReadonlySet<ErrorCode> = new Set([
  'DEVICE_UNAVAILABLE',
  'DEVICE_LOST',
  'INVALID_INPUT',
  'INTERNAL',
])

export interface JudgeOptions {
  templateVerdict: (gguf: Gguf) => Promise<ChatTemplateVerdict>
  /** Throws UNSUPPORTED_TOKENIZER where the tokenizer is not known. */
  checkTokenizer?: (metadata: Metadata) => void
}

export interface InspectOptions extends JudgeOptions, MemoryOptions {
  addon: Addon
  signal?: AbortSignal
}

/** What a header says; its memory is not planned yet. */
export interface Judged {
  inspection: Inspection
  /** What a plan is made for; null: `inspection.problem` says why there can be none. */
  description: ModelDescription | null
}

/** Reads and judges a file. Throws what readGguf throws, DEVICE_UNAVAILABLE and INVALID_INPUT. */
export async function inspectModel(file: string, options: InspectOptions): Promise<Inspection> {
  const { addon, signal } = options
  const judged = await judgeGguf(await readGguf(file, signal ? { signal } : {}), file, options)
  return withMemory(judged, addon, options)
}

/** Judges a header that was read already. `file` is the path that the person named. */
export async function judgeGguf(gguf: Gguf, file: string, options: JudgeOptions): Promise<Judged> {
  const { metadata, tensors } = gguf
  const architecture = lineOr(metadata, 'general.architecture', 'unknown')
  const tokens = metadata.get('tokenizer.ggml.tokens')
  const { description, problem } = describe(gguf, options)
  const inspection: Inspection = {
    file,
    architecture,
    name: modelName(gguf),
    quantization: quantizationName(gguf),
    parameters: tensors.reduce((sum, tensor) => sum + tensor.elements, 0),
    contextLength: countOr0(metadata, `${architecture}.context_length`),
    layers: countOr0(metadata, `${architecture}.block_count`),
    fileBytes: gguf.files.reduce((sum, { bytes }) => sum + bytes, 0),
    tensors: { count: tensors.length, byType: tensorsByType(gguf) },
    vocabulary: {
      model: lineOr(metadata, 'tokenizer.ggml.model', 'none'),
      pre: lineOr(metadata, 'tokenizer.ggml.pre', '') || null,
      size: Array.isArray(tokens) ? tokens.length : 0,
    },
    chatTemplate: await options.templateVerdict(gguf),
    memory: null,
    problem,
    notes: description ? notesOf(gguf, description) : [],
    metadata: scalars(metadata),
  }
  return { inspection, description }
}

/** With the plan, or with why the engine can make none. Throws DEVICE_UNAVAILABLE, DEVICE_LOST, INVALID_INPUT. */
export function withMemory(
  { inspection, description }: Judged,
  addon: Addon,
  options: MemoryOptions,
): Inspection {
  if (!description) return inspection
  try {
    return { ...inspection, memory: planMemory(addon, description, options) }
  } catch (error) {
    return { ...inspection, problem: problemOfFile(error) }
  }
}

/** general.name, else the file's name without extension and part number; the default model goes by its own name. */
export function modelName(gguf: Gguf): string {
  const file = gguf.files[0]?.path ?? ''
  if (path.basename(file) === DEFAULT_MODEL.file) return DEFAULT_MODEL.name
  return lineOr(gguf.metadata, 'general.name', '') || fileName(file)
}

/** Whether the engine can run it. */
function describe(
  gguf: Gguf,
  { checkTokenizer }: JudgeOptions,
): { description: ModelDescription | null; problem: ErrorData | null } {
  try {
    const description = describeModel(gguf)
    checkTokenizer?.(gguf.metadata)
    return { description, problem: null }
  } catch (error) {
    return { description: null, problem: problemOfFile(error) }
  }
}

/** The verdict on a file that an error means; what is not the file's is thrown on. */
function problemOfFile(thrown: unknown): ErrorData {
  const error = KigoError.from(thrown)
  if (NOT_THE_FILES.has(error.code)) throw error
  return error.toData()
}

function scalars(metadata: Metadata): Inspection['metadata'] {
  const entries: [string, string | number | boolean][] = []
  for (const [key, value] of metadata) {
    if (typeof value === 'object') continue
    if (typeof value === 'string') entries.push([key, cut(value, LONGEST_TEXT)])
    // JSON has neither 64-bit integers nor infinities.
    else if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value)))
      entries.push([key, String(value)])
    else entries.push([key, value])
  }
  return Object.fromEntries(entries)
}

/** At most so many characters, without half a surrogate pair at the end. */
function cut(text: string, longest: number): string {
  return text.length <= longest ? text : text.slice(0, longest).replace(/[\uD800-\uDBFF]$/, '')
}

/** A text that is shown as a name: one line without control characters, not too long. */
function lineOr(metadata: Metadata, key: string, fallback: string): string {
  const value = metadata.get(key)
  const line =
    typeof value === 'string' ? cut(value, LONGEST_NAME).replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ') : ''
  return line.trim() || fallback
}

function countOr0(metadata: Metadata, key: string): number {
  const value = metadata.get(key)
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : 0
}
