import { open, readdir } from 'node:fs/promises'
import path from 'node:path'
import { KigoError } from '../../contract/errors.ts'
import { dataEnd } from './layout.ts'
import { LIMITS } from './limits.ts'
import { readPart, type Part } from './part.ts'

/** name-00002-of-00005.gguf, in any case */
const PART_NAME = /^(.*)-(\d{5})(-of-)(\d{5})(\.gguf)$/is

/** All parts in order of the model that `given` belongs to; just `given` where it is whole. */
export async function findParts(given: Part, signal?: AbortSignal): Promise<Part[]> {
  const count = splitNumber(given, 'split.count', 1)
  if (count <= 1) return [given]
  if (count > LIMITS.splitParts)
    throw wrong(given, 'split.count', `is ${count}; Kigo reads at most ${LIMITS.splitParts} parts`)
  const own = splitNumber(given, 'split.no', 0)
  if (await isFollowed(given)) throw joined(given, own, count)
  const paths = await partPaths(given, own, count)

  const parts: Part[] = []
  for (let i = 0; i < count; i++) {
    const part = i === own ? given : await readOther(paths[i]!, i, count, signal)
    if (splitNumber(part, 'split.count', 1) !== count)
      throw wrong(part, 'split.count', `is not ${count} as in the other parts`)
    if (splitNumber(part, 'split.no', 0) !== i)
      throw wrong(part, 'split.no', `is not ${i}, which the file's name says`)
    parts.push(part)
  }

  const first = parts[0]!
  const found = parts.reduce((sum, part) => sum + part.header.tensors.length, 0)
  const promised = splitNumber(first, 'split.tensors.count', found)
  if (promised !== found)
    throw wrong(first, 'split.tensors.count', `is ${promised}, but the parts hold ${found} tensors`)
  return parts
}

/** Where the parts are. Names are found whatever the case of their letters, spelled as the given one if both are there. */
async function partPaths(part: Part, own: number, count: number): Promise<string[]> {
  const { dir, base } = path.parse(part.file.path)
  const match = PART_NAME.exec(base)
  if (!match || Number(match[2]) !== own + 1 || Number(match[4]) !== count) {
    const expected = `NAME-${five(own + 1)}-of-${five(count)}.gguf`
    throw new KigoError(
      'MODEL_INVALID',
      `This is part ${own + 1} of ${count} of a split model, but its name does not say so.`,
      {
        hint: `Name it ${expected}, beside the other parts, as it was published.`,
        data: { path: part.file.path, expected },
      },
    )
  }
  const [, name, , of, , extension] = match
  const present = await readdir(dir || '.').catch((): string[] => []) // some folders may be used and not listed
  const spelled = new Set(present)
  const byLowerCase = new Map(present.map((other) => [other.toLowerCase(), other]))
  return Array.from({ length: count }, (_, i) => {
    const alike = `${name}-${five(i + 1)}${of}${five(count)}${extension}`
    const found = spelled.has(alike) ? alike : byLowerCase.get(alike.toLowerCase())
    return path.join(dir, found ?? alike)
  })
}

/** Does another GGUF file begin where this one's weights end? */
async function isFollowed({ file, header }: Part): Promise<boolean> {
  const end = dataEnd(header)
  if (end >= file.bytes) return false
  const aligned = Math.ceil(end / header.alignment) * header.alignment
  const handle = await open(file.path, 'r')
  try {
    for (const at of new Set([end, aligned])) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, at)
      if (buffer.toString('latin1', 0, bytesRead) === 'GGUF') return true
    }
    return false
  } finally {
    await handle.close()
  }
}

function joined(part: Part, own: number, count: number): KigoError {
  const parts = `NAME-${five(1)}-of-${five(count)}.gguf`
  return new KigoError(
    'MODEL_INVALID',
    `This file holds parts of a split model joined end to end, beginning with part ${own + 1} of ${count}. That does not make one model of them.`,
    {
      hint: `Open ${parts} as it was published, with the other parts beside it: Kigo loads them together. One file is made of them by \`llama-gguf-split --merge ${parts} NAME.gguf\`.`,
      data: { path: part.file.path, parts: count },
    },
  )
}

async function readOther(file: string, index: number, count: number, signal?: AbortSignal): Promise<Part> {
  try {
    return await readPart(file, signal)
  } catch (error) {
    if (!(error instanceof KigoError)) throw error
    if (error.code !== 'MODEL_NOT_FOUND') throw inPart(error, file, index, count)
    throw new KigoError(
      'MODEL_TRUNCATED',
      `Part ${index + 1} of ${count} is missing: ${path.basename(file)}.`,
      {
        hint: 'Put all parts of the model into one folder.',
        data: { path: file, part: index + 1, parts: count },
        cause: error,
      },
    )
  }
}

/** The error of one part, with its name. */
export function inPart(error: KigoError, file: string, index: number, count: number): KigoError {
  const { code, message, hint, data } = error
  if (code === 'CANCELLED') return error
  return new KigoError(code, `Part ${index + 1} of ${count}, ${path.basename(file)}: ${message}`, {
    hint,
    data: { path: file, part: index + 1, parts: count, ...data },
    cause: error,
  })
}

function splitNumber(part: Part, key: string, fallback: number): number {
  const value = part.header.metadata.get(key) ?? fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value
  throw wrong(part, key, 'is not a whole number')
}

function five(n: number): string {
  return String(n).padStart(5, '0')
}

function wrong(part: Part, key: string, problem: string): KigoError {
  return new KigoError(
    'MODEL_INVALID',
    `The file is damaged or was made wrongly: metadata key ${key} ${problem}.`,
    {
      data: { key, path: part.file.path },
    },
  )
}
