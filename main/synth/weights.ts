/**
 * Random weights as a file holds them. Random bytes are most of a block already: only its scales are put in, so that
 * the values have the spread that is asked for, evenly distributed around zero. (Whole numbers of so many bits have
 * their middle half a step below zero; scales of either sign make up for it, or it would add up through the layers.) The bytes come from AES in counter mode: 3 GB/s, and the same on every machine.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { blockOf, type WeightType } from './mixes.ts'

/** Bytes that are made at once; a chunk is the last whole block below. */
const CHUNK = 2 ** 22

const ZEROS = Buffer.alloc(CHUNK)

/** An endless stream of random bytes; another for each seed and name. */
function randomBytes(seed: number, name: string): (length: number) => Buffer {
  const key = createHash('sha256').update(`kigo synth ${seed} ${name}`).digest()
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  return (length) => cipher.update(ZEROS.subarray(0, length))
}

/**
 * The `bytes` of a tensor in chunks of whole blocks; its values have the standard deviation `spread`. The name
 * decides which: a tensor is the same whatever stands before it.
 */
export function* randomWeights(
  type: WeightType,
  bytes: number,
  spread: number,
  { seed, name }: { seed: number; name: string },
): Generator<Buffer> {
  const random = randomBytes(seed, name)
  const finish = FINISH[type](spread)
  const { blockBytes } = blockOf(type)
  const chunk = CHUNK - (CHUNK % blockBytes)
  for (let done = 0; done < bytes; done += chunk) {
    const blocks = random(Math.min(chunk, bytes - done))
    finish(blocks)
    yield blocks
  }
}

/** Turns random bytes into blocks in place. */
type Finish = (blocks: Buffer) => void

/** Standard deviation of whole numbers drawn evenly from `count` neighbours. */
const evenSpread = (count: number): number => Math.sqrt((count ** 2 - 1) / 12)

const FINISH: Record<WeightType, (spread: number) => Finish> = {
  F32: (spread) => (blocks) => {
    const bits = new Uint32Array(blocks.buffer, blocks.byteOffset, blocks.length / 4)
    const values = new Float32Array(blocks.buffer, blocks.byteOffset, blocks.length / 4)
    for (let i = 0; i < bits.length; i++) values[i] = even(bits[i]! / 2 ** 32, spread)
  },

  // 4,096 different values: their table stays in the fastest cache.
  F16: (spread) => {
    const table = Uint16Array.from({ length: 4096 }, (_, i) => half(even((i + 0.5) / 4096, spread)))
    return (blocks) => {
      const pairs = new Uint32Array(blocks.buffer, blocks.byteOffset, blocks.length / 4)
      for (let i = 0; i < pairs.length; i++) {
        const bits = pairs[i]!
        pairs[i] = table[bits & 4095]! | (table[(bits >>> 16) & 4095]! << 16)
      }
    }
  },

  // d, 32 int8: d * q
  Q8_0: (spread) => scaled(17, half(spread / evenSpread(256))),

  // d, 32 high bits, 32 nibbles: d * (q - 16)
  Q5_0: (spread) => scaled(11, half(spread / evenSpread(32))),

  // d, dmin, 8 scales and 8 minima of 6 bits, 256 nibbles: d * scale * q - dmin * minimum
  Q4_K: (spread) => {
    const patterns = Array.from({ length: 256 }, (_, i) => packSixBits(scales(i, 8, 32, 63)))
    const d = half(spread / evenSpread(16) / rootMeanSquare(32, 63))
    const dmin = half((7.5 * spread) / evenSpread(16) / rootMeanSquare(32, 63)) // the middle of 0…15
    const head = (d | (dmin << 16)) >>> 0
    return (blocks) => {
      const longs = new Uint32Array(blocks.buffer, blocks.byteOffset, blocks.length / 4)
      for (let at = 0; at < longs.length; at += 36) {
        const pattern = patterns[longs[at]! & 255]!
        longs[at] = head
        longs[at + 1] = pattern[0]!
        longs[at + 2] = pattern[1]!
        longs[at + 3] = pattern[2]!
      }
    }
  },

  // 256 nibbles, 256 pairs of high bits, 16 scales of int8, d: d * scale * (q - 32)
  Q6_K: (spread) => {
    const patterns = Array.from({ length: 256 }, (_, i) => words(Buffer.from(scales(i, 16, 64, 127))))
    const d = half(spread / evenSpread(64) / rootMeanSquare(64, 127))
    return (blocks) => {
      const values = words(blocks)
      for (let at = 0; at < values.length; at += 105) {
        const random = values[at + 104]!
        values.set(patterns[random & 255]!, at + 96)
        values[at + 104] = d | (random & SIGN)
      }
    }
  },
}

/** A value evenly spread around zero, from `share` of 0 to 1. */
const even = (share: number, spread: number): number => (2 * share - 1) * Math.sqrt(3) * spread

/** Of a binary16 number. */
const SIGN = 0x8000

/** Blocks of `length` 16-bit words, the first of which is the scale, of either sign. */
function scaled(length: number, scale: number): Finish {
  return (blocks) => {
    const values = words(blocks)
    for (let i = 0; i < values.length; i += length) values[i] = scale | (values[i]! & SIGN)
  }
}

const words = (blocks: Buffer): Uint16Array =>
  new Uint16Array(blocks.buffer, blocks.byteOffset, blocks.length / 2)

/** The scales of pattern `i`: whole numbers from `least` to `most`, different in each. */
function scales(i: number, count: number, least: number, most: number): number[] {
  return Array.from({ length: count }, (_, j) => least + ((i * 29 + j * 13 + i * j * 7) % (most - least + 1)))
}

function rootMeanSquare(least: number, most: number): number {
  let sum = 0
  for (let x = least; x <= most; x++) sum += x * x
  return Math.sqrt(sum / (most - least + 1))
}

/** Q4_K's 12 bytes: each scale is its minimum too, so that with dmin = 7.5 d the middle of each block is zero. */
function packSixBits(scale: number[]): Uint32Array {
  const bytes = new Uint8Array(12)
  for (let j = 0; j < 4; j++) {
    const low = scale[j]!
    const high = scale[j + 4]!
    bytes[j] = bytes[j + 4] = low | ((high >> 4) << 6)
    bytes[j + 8] = (high & 15) | ((high & 15) << 4)
  }
  return new Uint32Array(bytes.buffer)
}

/** The bits of the nearest binary16 number, ties to even. */
export function half(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? SIGN : 0
  const size = Math.abs(value)
  if (size === 0) return sign
  // Below 2^-14 the step stays the same.
  const exponent = Math.max(-14, Math.floor(Math.log2(size)))
  const steps = size / 2 ** (exponent - 10)
  const floor = Math.floor(steps)
  const rest = steps - floor
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
  // A carry into the exponent is what addition does by itself.
  const bits = rounded + (exponent + 14) * 1024
  return sign | Math.min(bits, 0x7c00)
}
