/** Breaks files at random, the same way for the same seed. */

/** A function that gives whole numbers from 0 to below `limit`: mulberry32. */
export function randomFrom(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}

/** Numbers at the edges of what counts, lengths and offsets can be. */
const EDGES = [
  0n,
  1n,
  2n,
  7n,
  31n,
  127n,
  255n,
  65535n,
  65536n,
  2n ** 20n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
]

type Mutation = (bytes: Buffer, random: (limit: number) => number) => Buffer

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const at = random(bytes.length)
    bytes[at] = bytes[at]! ^ (1 << random(8))
    return bytes
  },
  function setByte(bytes, random) {
    bytes[random(bytes.length)] = random(256)
    return bytes
  },
  function edgeAsU64(bytes, random) {
    if (bytes.length >= 8) bytes.writeBigUInt64LE(EDGES[random(EDGES.length)]!, random(bytes.length - 7))
    return bytes
  },
  function edgeAsU32(bytes, random) {
    if (bytes.length >= 4)
      bytes.writeUInt32LE(Number(EDGES[random(EDGES.length)]! & 0xffffffffn), random(bytes.length - 3))
    return bytes
  },
  function inflate(bytes, random) {
    // A small number becomes a bit larger: lengths and counts are small numbers.
    for (let tries = 0; tries < 50; tries++) {
      const at = random(bytes.length)
      if (bytes[at]! > 0 && bytes[at]! < 64 && bytes[at + 1] === 0) {
        bytes[at] = bytes[at]! + 1 + random(100)
        break
      }
    }
    return bytes
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, random(bytes.length))
  },
  function cutOut(bytes, random) {
    const at = random(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(16))])
  },
  function repeat(bytes, random) {
    const at = random(bytes.length)
    const end = at + random(64)
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)])
  },
]

/** One to three mutations of the first `reach` bytes (the header, mostly). The given bytes are not changed. */
export function mutate(original: Buffer, reach: number, seed: number): Buffer {
  const random = randomFrom(seed)
  let head = Buffer.from(original.subarray(0, reach))
  for (let left = 1 + random(3); left > 0 && head.length > 0; left--) {
    head = MUTATIONS[random(MUTATIONS.length)]!(head, random) as typeof head
  }
  // Most files keep their data, so that a table of tensors that survives meets real bounds.
  return random(8) === 0 ? head : Buffer.concat([head, original.subarray(reach)])
}
