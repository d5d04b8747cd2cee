import { KigoError } from '../../contract/errors.ts'
import { formatBytes } from '../numbers.ts'
import type { Header, TensorInfo } from './header.ts'
import type { GgufTensor } from './types.ts'

/** Where the weights of one file begin, bytes. */
function dataStartOf({ end, alignment }: Header): number {
  return Math.ceil(end / alignment) * alignment
}

/** Where the last tensor of one file ends, bytes. */
export function dataEnd(header: Header): number {
  const start = dataStartOf(header)
  return header.tensors.reduce(
    (end, { offset, bytes }) => Math.max(end, start + Number(offset) + bytes),
    start,
  )
}

/**
 * Puts the tensors of one file at their absolute offsets. Refuses one that is not aligned, ends beyond the file
 * or overlaps another.
 */
export function placeTensors(header: Header, fileBytes: number, file: number, path: string): GgufTensor[] {
  const { alignment } = header
  const dataStart = dataStartOf(header)
  const available = BigInt(Math.max(0, fileBytes - dataStart))
  const data = (tensor: TensorInfo) => ({ at: tensor.at, tensor: tensor.name, path })

  let cut: { tensor: TensorInfo; missing: bigint } | null = null
  for (const tensor of header.tensors) {
    if (tensor.offset % BigInt(alignment) !== 0n) {
      throw invalid(
        `tensor ${tensor.name} starts at ${tensor.offset}, which is no multiple of ${alignment}`,
        data(tensor),
      )
    }
    const missing = tensor.offset + BigInt(tensor.bytes) - available
    if (missing > 0n && missing > (cut?.missing ?? 0n)) cut = { tensor, missing }
  }
  if (cut) {
    const missing = Number(cut.missing)
    throw new KigoError(
      'MODEL_TRUNCATED',
      `The file is cut short. Tensor ${cut.tensor.name} ends ${formatBytes(missing)} past the end of the file.`,
      { data: { ...data(cut.tensor), missingBytes: missing, fileBytes } },
    )
  }

  const ordered = [...header.tensors].sort((a, b) => Number(a.offset - b.offset))
  for (let i = 1; i < ordered.length; i++) {
    const [previous, next] = [ordered[i - 1]!, ordered[i]!]
    if (previous.offset + BigInt(previous.bytes) > next.offset) {
      throw invalid(`tensors ${previous.name} and ${next.name} overlap`, {
        ...data(next),
        other: previous.name,
      })
    }
  }

  return header.tensors.map((tensor) => ({
    name: tensor.name,
    type: tensor.type.name,
    typeId: tensor.type.id,
    dims: tensor.dims,
    elements: tensor.elements,
    file,
    offset: dataStart + Number(tensor.offset),
    bytes: tensor.bytes,
  }))
}

function invalid(problem: string, data: Record<string, unknown>): KigoError {
  return new KigoError('MODEL_INVALID', `The file is damaged or was made wrongly: ${problem}.`, { data })
}
