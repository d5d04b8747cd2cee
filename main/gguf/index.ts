import { KigoError } from '../../contract/errors.ts'
import { sayWhatIsIncomplete } from './incomplete.ts'
import { placeTensors } from './layout.ts'
import { readPart, type Part } from './part.ts'
import { findParts, inPart } from './split.ts'
import type { Gguf } from './types.ts'

export type { Gguf, GgufFileIdentity, GgufTensor, Metadata, MetadataArray, MetadataValue } from './types.ts'

/**
 * Reads the header of a GGUF file (version 2 or 3, little-endian), or of all parts of a split model, given any one
 * of them. Everything in the result is checked: sizes, types, offsets, names. The weights are not read.
 * Throws MODEL_NOT_FOUND, MODEL_UNREADABLE, MODEL_NOT_GGUF, MODEL_TRUNCATED, MODEL_INVALID, MODEL_FILE_CHANGED,
 * UNSUPPORTED_QUANTIZATION (a tensor type of unknown geometry) or CANCELLED; `data.at` is the byte offset.
 */
export async function readGguf(path: string, options: { signal?: AbortSignal } = {}): Promise<Gguf> {
  try {
    return await readWhole(path, options.signal)
  } catch (error) {
    throw await sayWhatIsIncomplete(error, path)
  }
}

async function readWhole(path: string, signal?: AbortSignal): Promise<Gguf> {
  const parts = await findParts(await readPart(path, signal), signal)
  const first = parts[0] as Part
  const tensors = parts.flatMap(({ header, file }, i) => {
    try {
      return placeTensors(header, file.bytes, i, file.path)
    } catch (error) {
      throw parts.length > 1 ? inPart(KigoError.from(error), file.path, i, parts.length) : error
    }
  })
  if (parts.length > 1) checkUnique(tensors.map((tensor) => tensor.name))
  return {
    version: first.header.version,
    files: parts.map((part) => part.file),
    metadata: first.header.metadata,
    tensors,
    alignment: first.header.alignment,
  }
}

/** Names are unique within a part already; this is about two parts that hold the same tensor. */
function checkUnique(names: string[]): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) {
      throw new KigoError('MODEL_INVALID', `Two parts of this split model hold the tensor ${name}.`, {
        data: { tensor: name },
      })
    }
    seen.add(name)
  }
}
