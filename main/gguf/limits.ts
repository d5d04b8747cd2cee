/**
 * What a header may ask for. Each is far above any real model (the largest vocabularies make headers of 16 MiB)
 * and low enough that a hostile file costs bounded time and memory.
 */
export const LIMITS = {
  headerBytes: 64 * 1024 * 1024,
  keys: 65_536,
  tensors: 65_536,
  /** The format's own limit. */
  keyBytes: 65_535,
  /** llama.cpp builds allow 63 or 127. */
  tensorNameBytes: 127,
  arrayDepth: 4,
  /** Arrays inside arrays, in all: each costs a few hundred bytes for 12 in the file. */
  nestedArrays: 65_536,
  /** Booleans in arrays, in all: each takes 8 bytes for 1 in the file (60 million took 13 s). Models hold one a layer. */
  booleans: 1_048_576,
  dims: 4,
  alignment: 1024 * 1024,
  /** What the engine opens at most. */
  splitParts: 1000,
} as const
