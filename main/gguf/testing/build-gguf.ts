/**
 * Writes GGUF files for tests, sound ones and broken ones: every count, length, type and offset can be told to lie.
 */
import { encodeHeader, padding, type Value } from '../encode.ts'
import { GGML_TYPES } from '../ggml-types.ts'

export * from '../encode.ts'

export interface TensorToBuild {
  name: string | Buffer
  /** ggml type id; F32 where it is not given. */
  type?: number
  dims: (number | bigint)[]
  /** From the start of the tensor data; behind the tensor before where it is not given. */
  offset?: number | bigint
}

export interface GgufToBuild {
  magic?: string
  version?: number
  metadata?: (readonly [key: string | Buffer, value: Value])[]
  tensors?: TensorToBuild[]
  /** Used for laying out; write general.alignment yourself. */
  alignment?: number
  /** What the header claims, where it is not the truth. */
  tensorCount?: number | bigint
  keyCount?: number | bigint
  /** Bytes of tensor data, where it is not what the tensors take. */
  dataBytes?: number
}

export function buildGguf(spec: GgufToBuild): Buffer {
  const { metadata = [], tensors = [], alignment = 32 } = spec
  let end = 0
  const laidOut = tensors.map((tensor) => {
    const offset = tensor.offset ?? end + padding(end, alignment)
    end = Math.max(end, Number(offset) + tensorBytes(tensor))
    return { ...tensor, type: tensor.type ?? 0, offset }
  })
  const header = encodeHeader({ ...spec, metadata, tensors: laidOut })
  if (tensors.length === 0) return header
  return Buffer.concat([header, Buffer.alloc(padding(header.length, alignment) + (spec.dataBytes ?? end))])
}

function tensorBytes(tensor: TensorToBuild): number {
  const type = GGML_TYPES.get(tensor.type ?? 0)
  const elements = tensor.dims.reduce<number>((product, dim) => product * Number(dim), 1)
  // A test of an impossible size lays out nothing for it.
  return type && elements < 2 ** 24 ? (elements / type.blockSize) * type.blockBytes : 0
}
