/**
 * Writes GGUF files for tests, sound ones and broken ones: every count, length, type and offset can be told to lie.
 */
import { GGML_TYPES } from '../ggml-types.ts'

/** A metadata value as it stands in the file: its type id and its bytes. */
export interface Value {
  type: number
  bytes: Buffer
}

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

export const u8 = (n: number): Value => ({ type: 0, bytes: fixed(1, (b) => b.writeUInt8(n)) })
export const i8 = (n: number): Value => ({ type: 1, bytes: fixed(1, (b) => b.writeInt8(n)) })
export const u16 = (n: number): Value => ({ type: 2, bytes: fixed(2, (b) => b.writeUInt16LE(n)) })
export const i16 = (n: number): Value => ({ type: 3, bytes: fixed(2, (b) => b.writeInt16LE(n)) })
export const u32 = (n: number): Value => ({ type: 4, bytes: fixed(4, (b) => b.writeUInt32LE(n)) })
export const i32 = (n: number): Value => ({ type: 5, bytes: fixed(4, (b) => b.writeInt32LE(n)) })
export const f32 = (n: number): Value => ({ type: 6, bytes: fixed(4, (b) => b.writeFloatLE(n)) })
export const bool = (on: boolean): Value => ({ type: 7, bytes: Buffer.from([on ? 1 : 0]) })
export const text = (s: string | Buffer): Value => ({ type: 8, bytes: counted(s) })
export const u64 = (n: bigint): Value => ({ type: 10, bytes: fixed(8, (b) => b.writeBigUInt64LE(n)) })
export const i64 = (n: bigint): Value => ({ type: 11, bytes: fixed(8, (b) => b.writeBigInt64LE(n)) })
export const f64 = (n: number): Value => ({ type: 12, bytes: fixed(8, (b) => b.writeDoubleLE(n)) })

/** An array of values of one type; `count` and `type` may lie. */
export function array(values: Value[], lie: { type?: number; count?: number | bigint } = {}): Value {
  const type = lie.type ?? values[0]?.type ?? 4
  return {
    type: 9,
    bytes: Buffer.concat([u32(type).bytes, count(lie.count ?? values.length), ...values.map((v) => v.bytes)]),
  }
}

export const texts = (...list: string[]): Value => array(list.map(text), { type: 8 })

/** A u64 length and the bytes; the length may lie. */
export function counted(s: string | Buffer, length?: number | bigint): Buffer {
  const bytes = Buffer.from(s as string)
  return Buffer.concat([count(length ?? bytes.length), bytes])
}

export function buildGguf(spec: GgufToBuild): Buffer {
  const { metadata = [], tensors = [], alignment = 32 } = spec
  let end = 0
  const table = tensors.map((tensor) => {
    const offset = tensor.offset ?? Math.ceil(end / alignment) * alignment
    end = Math.max(end, Number(offset) + tensorBytes(tensor))
    return Buffer.concat([
      counted(tensor.name as string),
      u32(tensor.dims.length).bytes,
      ...tensor.dims.map(count),
      u32(tensor.type ?? 0).bytes,
      count(offset),
    ])
  })
  const header = Buffer.concat([
    Buffer.from(spec.magic ?? 'GGUF', 'latin1'),
    u32(spec.version ?? 3).bytes,
    count(spec.tensorCount ?? tensors.length),
    count(spec.keyCount ?? metadata.length),
    ...metadata.flatMap(([key, value]) => [counted(key as string), u32(value.type).bytes, value.bytes]),
    ...table,
  ])
  if (tensors.length === 0) return header
  const padding = (alignment - (header.length % alignment)) % alignment
  return Buffer.concat([header, Buffer.alloc(padding + (spec.dataBytes ?? end))])
}

function tensorBytes(tensor: TensorToBuild): number {
  const type = GGML_TYPES.get(tensor.type ?? 0)
  const elements = tensor.dims.reduce<number>((product, dim) => product * Number(dim), 1)
  // A test of an impossible size lays out nothing for it.
  return type && elements < 2 ** 24 ? (elements / type.blockSize) * type.blockBytes : 0
}

function count(n: number | bigint): Buffer {
  return u64(BigInt(n)).bytes
}

function fixed(size: number, write: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(size)
  write(buffer)
  return buffer
}
