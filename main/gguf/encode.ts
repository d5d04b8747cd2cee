/** Encodes GGUF: values, and the header that stands before the weights. What a caller says is written, sound or not. */

/** A metadata value as it stands in the file: its type id and its bytes. */
export interface Value {
  type: number
  bytes: Buffer
}

export interface HeaderTensor {
  name: string | Buffer
  dims: readonly (number | bigint)[]
  /** ggml type id. */
  type: number
  /** From the start of the tensor data. */
  offset: number | bigint
}

export interface HeaderToEncode {
  metadata: readonly (readonly [key: string | Buffer, value: Value])[]
  tensors: readonly HeaderTensor[]
  /** Where tests tell something else than the truth. */
  magic?: string
  version?: number
  tensorCount?: number | bigint
  keyCount?: number | bigint
}

/** Everything up to the padding before the weights. */
export function encodeHeader(header: HeaderToEncode): Buffer {
  const { metadata, tensors } = header
  return Buffer.concat([
    Buffer.from(header.magic ?? 'GGUF', 'latin1'),
    u32(header.version ?? 3).bytes,
    count(header.tensorCount ?? tensors.length),
    count(header.keyCount ?? metadata.length),
    ...metadata.flatMap(([key, value]) => [counted(key), u32(value.type).bytes, value.bytes]),
    ...tensors.flatMap(({ name, dims, type, offset }) => [
      counted(name),
      u32(dims.length).bytes,
      ...dims.map(count),
      u32(type).bytes,
      count(offset),
    ]),
  ])
}

/** Bytes from `length` to the next multiple of `alignment`. */
export const padding = (length: number, alignment: number): number =>
  (alignment - (length % alignment)) % alignment

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

export const listOfTexts = (list: readonly string[]): Value => array(list.map(text), { type: 8 })
export const texts = (...list: string[]): Value => listOfTexts(list)

/** A u64 length and the bytes; the length may lie. */
export function counted(s: string | Buffer, length?: number | bigint): Buffer {
  const bytes = Buffer.from(s as string) // a Buffer is taken as it is
  return Buffer.concat([count(length ?? bytes.length), bytes])
}

function count(n: number | bigint): Buffer {
  return u64(BigInt(n)).bytes
}

function fixed(size: number, write: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(size)
  write(buffer)
  return buffer
}
