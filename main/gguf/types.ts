/** The header of a GGUF file (or of all parts of a split one), checked. Weights are not read. */

export type MetadataValue = string | number | bigint | boolean | MetadataArray
/** Numbers come as typed arrays where the element type has one, so that 260k scores cost no boxes. */
export type MetadataArray =
  | string[]
  | boolean[]
  | MetadataArray[]
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array

/** u64/i64 scalars that fit a double exactly come as number, others as bigint. */
export type Metadata = ReadonlyMap<string, MetadataValue>

export interface GgufTensor {
  name: string
  /** Name of the ggml type: 'F32', 'Q4_K'… */
  type: string
  typeId: number
  /** GGUF order, fastest first. */
  dims: number[]
  elements: number
  /** Index into Gguf.files. */
  file: number
  /** Absolute offset in that file, bytes. */
  offset: number
  bytes: number
}

export interface GgufFileIdentity {
  path: string
  bytes: number
  mtimeMs: number
}

export interface Gguf {
  version: 2 | 3
  /** One, or every part of a split model in order. */
  files: GgufFileIdentity[]
  metadata: Metadata
  /** In file order. */
  tensors: GgufTensor[]
  alignment: number
  /** Files, by their paths, that end in holes where weights should be: a download that goes on, or was broken off. */
  unwritten: string[]
}
