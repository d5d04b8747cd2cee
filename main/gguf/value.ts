import type { MetadataArray, MetadataValue } from './types.ts'
import { LIMITS } from './limits.ts'
import type { HeaderReader } from './header-reader.ts'

const BOOL = 7
const STRING = 8
const ARRAY = 9
export const UINT32 = 4

interface NumberType {
  bytes: number
  scalar(view: DataView): number | bigint
  array(bytes: ArrayBuffer): MetadataArray
}

/** By value type id. Arrays are views of the file's bytes, which needs a little-endian machine, as all of ours are. */
const NUMBERS: ReadonlyMap<number, NumberType> = new Map<number, NumberType>([
  [0, { bytes: 1, scalar: (v) => v.getUint8(0), array: (b) => new Uint8Array(b) }],
  [1, { bytes: 1, scalar: (v) => v.getInt8(0), array: (b) => new Int8Array(b) }],
  [2, { bytes: 2, scalar: (v) => v.getUint16(0, true), array: (b) => new Uint16Array(b) }],
  [3, { bytes: 2, scalar: (v) => v.getInt16(0, true), array: (b) => new Int16Array(b) }],
  [4, { bytes: 4, scalar: (v) => v.getUint32(0, true), array: (b) => new Uint32Array(b) }],
  [5, { bytes: 4, scalar: (v) => v.getInt32(0, true), array: (b) => new Int32Array(b) }],
  [6, { bytes: 4, scalar: (v) => v.getFloat32(0, true), array: (b) => new Float32Array(b) }],
  [10, { bytes: 8, scalar: (v) => narrow(v.getBigUint64(0, true)), array: (b) => new BigUint64Array(b) }],
  [11, { bytes: 8, scalar: (v) => narrow(v.getBigInt64(0, true)), array: (b) => new BigInt64Array(b) }],
  [12, { bytes: 8, scalar: (v) => v.getFloat64(0, true), array: (b) => new Float64Array(b) }],
])

function narrow(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** What the rest of a header may still hold of what costs more memory than its bytes in the file. */
export interface ArrayBudget {
  nestedArrays: number
  booleans: number
}

/** Takes a text of so many bytes. */
type TakeText = (length: number) => string

/** One metadata value of the given type id. `strict`: a text that is not UTF-8 is refused, not read as well as it can be. */
export async function readValue(
  reader: HeaderReader,
  type: number,
  budget: ArrayBudget,
  strict: boolean,
): Promise<MetadataValue> {
  const takeText: TakeText = (length) => (strict ? reader.takeText(length) : reader.takeShownText(length))
  if (type === STRING) return readText(reader, takeText)
  if (type === ARRAY) return readArray(reader, budget, takeText, 1)
  if (type === BOOL) {
    await reader.need(1)
    return checkedBoolean(reader, reader.takeU8(), reader.at - 1)
  }
  const number = NUMBERS.get(type)
  if (!number) throw reader.invalid(`has value type ${type}, which does not exist`)
  await reader.need(number.bytes)
  return number.scalar(reader.takeView(number.bytes))
}

async function readText(reader: HeaderReader, takeText: TakeText): Promise<string> {
  await reader.need(8)
  const length = reader.takeCount()
  await reader.need(length)
  return takeText(length)
}

async function readArray(
  reader: HeaderReader,
  budget: ArrayBudget,
  takeText: TakeText,
  depth: number,
): Promise<MetadataArray> {
  if (depth > LIMITS.arrayDepth) throw reader.invalid(`nests arrays more than ${LIMITS.arrayDepth} deep`)
  await reader.need(12)
  const type = reader.takeU32()
  const count = reader.takeCount()
  const number = NUMBERS.get(type)
  if (number) return number.array(await reader.bytes(count * number.bytes))
  if (type === BOOL) {
    spend(reader, budget, 'booleans', count)
    const start = reader.at
    return Array.from(new Uint8Array(await reader.bytes(count)), (byte, i) =>
      checkedBoolean(reader, byte, start + i),
    )
  }
  if (type === STRING) return readTexts(reader, takeText, count)
  if (type !== ARRAY) throw reader.invalid(`is an array of value type ${type}, which does not exist`)
  spend(reader, budget, 'nestedArrays', count)
  const arrays: MetadataArray[] = []
  for (let i = 0; i < count; i++) arrays.push(await readArray(reader, budget, takeText, depth + 1))
  return arrays
}

/** The hot loop: the vocabulary and its merges. It awaits only at the end of the window. */
async function readTexts(reader: HeaderReader, takeText: TakeText, count: number): Promise<string[]> {
  reader.requireLeft(count * 8)
  const texts: string[] = []
  for (let i = 0; i < count; i++) {
    if (!reader.has(8)) await reader.need(8)
    const length = reader.takeCount()
    if (!reader.has(length)) await reader.need(length)
    texts.push(takeText(length))
  }
  return texts
}

function spend(reader: HeaderReader, budget: ArrayBudget, what: keyof ArrayBudget, count: number): void {
  if (count > budget[what])
    throw reader.invalid(`holds ${count} ${NAMES[what]}; Kigo reads at most ${LIMITS[what]} in a file`)
  budget[what] -= count
}

const NAMES = { nestedArrays: 'nested arrays', booleans: 'booleans' } as const

function checkedBoolean(reader: HeaderReader, byte: number, at: number): boolean {
  if (byte > 1) throw reader.invalid(`is a boolean with the value ${byte}`, {}, at)
  return byte === 1
}
