/**
 * How a weight matrix lies in device memory.
 *
 * ggml's blocks (34, 18, 22, 210, 110 bytes) break the alignment that 16-byte loads need, so loading repacks them.
 * The numbers stay the same, bit for bit; only their places change.
 *
 * F32, F16, BF16: rows as in the file, each padded with zeros to a multiple of 16 bytes.
 *
 * Quantised: a row is a sequence of records of 1024 columns (the last one shorter), so that in a warp lane i takes
 * the record's 32-block i. A record of n blocks holds planes one behind another, each padded to 16 bytes:
 *
 *   quants   Q8_0: two planes [n][16]: a block's first 16 values, its second 16
 *            else: one plane [n][16]: byte i has the low 4 bits of value i (low nibble) and of value 16+i (high)
 *   high     Q5_*: [n] u32; bit 8j+w is the fifth bit of value 4w+j, bit 8j+4+w that of value 16+4w+j (w, j 0…3), so
 *            that (high >> w) & 0x01010101 are the fifth bits of word w
 *            Q6_K: [n][2] u32, for the first and the second 16 values; bits 8j+2w, 8j+2w+1 are the upper two bits of
 *            value 4w+j, so that (high >> 2w) & 0x03030303 are those of word w
 *   scales   Q8_0, Q4_0, Q5_0: [n] f16 d                       value = d·q, d·(q-8), d·(q-16)
 *            Q4_1, Q5_1: [n] {f16 d, f16 m}                    value = d·q + m
 *            Q4_K, Q5_K: [n/8] {f16 d, f16 dmin, u32 scales, u32 mins, u32 upper}, for eight blocks: nibble b of
 *                        `scales` and `mins` has the low 4 bits of block b's 6-bit scale and min, `upper` has at
 *                        4b the scale's upper 2 bits and at 4b+2 the min's  value = d·scale·q - dmin·min
 *            Q6_K: [n][2] i8 scale, of the first and the second 16 values; then the plane [n/8] f16 d
 *                                                               value = d·scale·(q-32)
 */
#pragma once

#include <cstdint>

#include "core/types.h"

#ifdef __CUDACC__
#define KIGO_HOST_DEVICE __host__ __device__
#else
#define KIGO_HOST_DEVICE
#endif

namespace kigo::cuda {

inline constexpr int kBlock = 32;
inline constexpr int kBlocksPerRecord = 32;
inline constexpr int kRecord = kBlock * kBlocksPerRecord;

KIGO_HOST_DEVICE constexpr uint32_t align16(uint32_t bytes) { return (bytes + 15) / 16 * 16; }

KIGO_HOST_DEVICE constexpr bool is_float(uint32_t type) { return type == kF32 || type == kF16 || type == kBF16; }
KIGO_HOST_DEVICE constexpr bool is_k_quant(uint32_t type) { return type == kQ4_K || type == kQ5_K || type == kQ6_K; }

/** Byte offsets of a record's planes, for n blocks (K-quants: n is a multiple of 8). */
struct RecordLayout {
  uint32_t quants2 = 0;  // Q8_0: the second 16 values
  uint32_t high = 0;     // Q5_*, Q6_K
  uint32_t scales = 0;
  uint32_t super = 0;  // Q6_K: d
  uint32_t bytes = 0;
};

KIGO_HOST_DEVICE constexpr RecordLayout record_layout(uint32_t type, uint32_t n) {
  RecordLayout at;
  uint32_t end = n * 16;
  if (type == kQ8_0) {
    at.quants2 = end;
    end += n * 16;
  }
  at.high = end;
  if (type == kQ5_0 || type == kQ5_1 || type == kQ5_K) end += align16(n * 4);
  if (type == kQ6_K) end += align16(n * 8);
  at.scales = end;
  switch (type) {
    case kQ4_1:
    case kQ5_1: end += align16(n * 4); break;
    case kQ4_K:
    case kQ5_K: end += n / 8 * 16; break;
    case kQ6_K:
      end += align16(n * 2);
      at.super = end;
      end += align16(n / 8 * 2);
      break;
    default: end += align16(n * 2);
  }
  at.bytes = end;
  return at;
}

/** Bytes of a row of n_in values in a file; n_in is a multiple of the type's block. */
inline uint64_t file_row_bytes(uint32_t type, int64_t n_in) {
  const TypeTraits* traits = find_type(type);
  return static_cast<uint64_t>(n_in) / traits->block_values * traits->block_bytes;
}

/** Bytes of a packed row of n_in values. */
KIGO_HOST_DEVICE constexpr uint64_t packed_row_bytes(uint32_t type, int64_t n_in) {
  if (is_float(type)) return (static_cast<uint64_t>(n_in) * (type == kF32 ? 4 : 2) + 15) / 16 * 16;
  const uint64_t whole = static_cast<uint64_t>(n_in / kRecord) * record_layout(type, kBlocksPerRecord).bytes;
  const auto rest = static_cast<uint32_t>(n_in % kRecord / kBlock);
  return whole + (rest == 0 ? 0 : record_layout(type, rest).bytes);
}

}  // namespace kigo::cuda
