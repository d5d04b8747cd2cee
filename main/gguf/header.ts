import type { MetadataValue } from './types.ts'
import { KigoError } from '../../contract/errors.ts'
import { GGML_TYPES, REMOVED_GGML_TYPES, type GgmlType } from './ggml-types.ts'
import type { HeaderReader } from './header-reader.ts'
import { LIMITS } from './limits.ts'
import { quote } from './metadata.ts'
import { isStrictKey } from './text.ts'
import { readValue, UINT32 } from './value.ts'

/** One file's header as it stands: tensors are not placed in the file yet (see layout.ts). */
export interface Header {
  version: 2 | 3
  metadata: Map<string, MetadataValue>
  tensors: TensorInfo[]
  alignment: number
  /** Where the header ends, bytes. */
  end: number
}

export interface TensorInfo {
  name: string
  type: GgmlType
  dims: number[]
  elements: number
  bytes: number
  /** From the start of the tensor data. */
  offset: bigint
  /** Where this entry of the header stands, for errors. */
  at: number
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER)
const SMALLEST_KEY = 8 + 4 + 1
const SMALLEST_TENSOR = 8 + 4 + 8 + 4 + 8

export async function readHeader(reader: HeaderReader): Promise<Header> {
  const version = await readVersion(reader)
  await reader.need(16)
  const tensorCount = reader.takeCount()
  const keyCount = reader.takeCount()
  checkCount(reader, 'tensors', tensorCount, LIMITS.tensors, SMALLEST_TENSOR)
  checkCount(reader, 'metadata keys', keyCount, LIMITS.keys, SMALLEST_KEY)

  const metadata = new Map<string, MetadataValue>()
  const budget = { nestedArrays: LIMITS.nestedArrays, booleans: LIMITS.booleans }
  for (let i = 0; i < keyCount; i++) {
    const at = reader.at
    reader.subject = `metadata key ${i + 1} of ${keyCount}`
    // A key that is not ASCII is none that Kigo asks for.
    const key = await readName(reader, LIMITS.keyBytes, (length) => reader.takeShownText(length))
    reader.subject = `metadata key ${key}`
    if (metadata.has(key)) throw reader.invalid('appears twice', { key }, at)
    await reader.need(4)
    const type = reader.takeU32()
    const value = await readValue(reader, type, budget, isStrictKey(key))
    if (key === 'general.alignment') checkAlignment(reader, type, value, at)
    metadata.set(key, value)
  }

  const alignment = (metadata.get('general.alignment') as number | undefined) ?? 32
  const names = new Set<string>()
  const tensors: TensorInfo[] = []
  for (let i = 0; i < tensorCount; i++) {
    reader.subject = `entry ${i + 1} of ${tensorCount} of the tensor table`
    const tensor = await readTensor(reader)
    if (names.has(tensor.name)) throw reader.invalid('appears twice', { tensor: tensor.name }, tensor.at)
    names.add(tensor.name)
    tensors.push(tensor)
  }
  return { version, metadata, tensors, alignment, end: reader.at }
}

async function readVersion(reader: HeaderReader): Promise<2 | 3> {
  await reader.need(8)
  reader.takeU32() // the magic, which openPart has seen
  const version = reader.takeU32()
  if (version === 2 || version === 3) return version
  const data = { at: 4, version }
  if (version === 1) {
    throw new KigoError(
      'MODEL_NOT_GGUF',
      'This GGUF file has version 1, an early form that Kigo does not read.',
      {
        hint: 'Get a newer conversion of the same model.',
        data,
      },
    )
  }
  // Big-endian 1, 2 or 3 in the four bytes.
  if (version !== 0 && version % 0x1_000000 === 0) {
    throw new KigoError(
      'MODEL_NOT_GGUF',
      'This GGUF file is big-endian; Kigo reads little-endian files only.',
      {
        hint: 'Get the little-endian file of the same model.',
        data,
      },
    )
  }
  throw new KigoError('MODEL_NOT_GGUF', `This GGUF file has version ${version}, which Kigo does not know.`, {
    data,
  })
}

function checkCount(
  reader: HeaderReader,
  what: string,
  count: number,
  limit: number,
  smallest: number,
): void {
  reader.subject = `the count of ${what}`
  if (count > limit) throw reader.invalid(`is ${count}; Kigo reads at most ${limit}`, { count, limit })
  reader.requireLeft(count * smallest)
}

function checkAlignment(reader: HeaderReader, type: number, value: MetadataValue, at: number): void {
  const ok =
    type === UINT32 &&
    typeof value === 'number' &&
    value > 0 &&
    value <= LIMITS.alignment &&
    (value & (value - 1)) === 0
  if (ok) return
  const shown = typeof value === 'object' ? 'an array' : quote(String(value))
  throw reader.invalid(
    `is ${shown}, not a power of two up to ${LIMITS.alignment} as u32`,
    { key: 'general.alignment' },
    at,
  )
}

async function readName(
  reader: HeaderReader,
  limit: number,
  takeText: (length: number) => string,
): Promise<string> {
  await reader.need(8)
  const length = reader.takeCount()
  if (length === 0) throw reader.invalid('has an empty name')
  if (length > limit) throw reader.invalid(`has a name of ${length} bytes; at most ${limit} are allowed`)
  await reader.need(length)
  return takeText(length)
}

async function readTensor(reader: HeaderReader): Promise<TensorInfo> {
  const at = reader.at
  const name = await readName(reader, LIMITS.tensorNameBytes, (length) => reader.takeText(length))
  reader.subject = `tensor ${name}`
  const invalid = (problem: string) => reader.invalid(problem, { tensor: name }, at)

  await reader.need(4)
  const dimCount = reader.takeU32()
  if (dimCount < 1 || dimCount > LIMITS.dims)
    throw invalid(`has ${dimCount} dimensions; 1 to ${LIMITS.dims} are allowed`)
  await reader.need(dimCount * 8 + 12)
  const dims: number[] = []
  let elements = 1n
  for (let i = 0; i < dimCount; i++) {
    const dim = reader.takeU64()
    if (dim === 0n) throw invalid('has a dimension of 0')
    elements *= dim
    if (elements > MAX_SAFE) throw invalid('has more elements than can be counted')
    dims.push(Number(dim))
  }

  const type = readType(reader, name, at)
  const row = dims[0] ?? 0
  if (row % type.blockSize !== 0) {
    throw invalid(`has rows of ${row} values; ${type.name} needs a multiple of ${type.blockSize}`)
  }
  const bytes = (elements / BigInt(type.blockSize)) * BigInt(type.blockBytes)
  if (bytes > MAX_SAFE) throw invalid('has more bytes than can be counted')
  return { name, type, dims, elements: Number(elements), bytes: Number(bytes), offset: reader.takeU64(), at }
}

function readType(reader: HeaderReader, tensor: string, at: number): GgmlType {
  const id = reader.takeU32()
  const type = GGML_TYPES.get(id)
  if (type) return type
  const removed = REMOVED_GGML_TYPES.get(id)
  const problem = removed
    ? `has the type ${removed}, which was removed from the format`
    : `has the type ${id}, which Kigo does not know`
  throw new KigoError('UNSUPPORTED_QUANTIZATION', `Tensor ${tensor} ${problem}.`, {
    data: { at, tensor, type: id },
  })
}
