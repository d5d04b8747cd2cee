/// Weight types as GGUF stores them: ids, block structs, geometry. Little-endian, no padding.
#pragma once
#include <cstdint>

namespace kigo::cpu {

/// ggml type ids.
enum Type : uint32_t {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  BF16 = 30,
};

/// Every type the kernels know.
inline constexpr Type kAllTypes[] = {F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K};

#pragma pack(push, 1)

/// w = d·q
struct BlockQ8_0 {
  static constexpr int64_t kSize = 32;
  uint16_t d;
  int8_t q[32];
};

/// w = d·(q − 8); the low nibbles are weights 0…15, the high ones 16…31.
struct BlockQ4_0 {
  static constexpr int64_t kSize = 32;
  uint16_t d;
  uint8_t q[16];
};

/// w = d·q + m
struct BlockQ4_1 {
  static constexpr int64_t kSize = 32;
  uint16_t d, m;
  uint8_t q[16];
};

/// w = d·(q − 16); bit j of `high` is the fifth bit of weight j.
struct BlockQ5_0 {
  static constexpr int64_t kSize = 32;
  uint16_t d;
  uint8_t high[4];
  uint8_t q[16];
};

/// w = d·q + m
struct BlockQ5_1 {
  static constexpr int64_t kSize = 32;
  uint16_t d, m;
  uint8_t high[4];
  uint8_t q[16];
};

/// w = d·scale·q − dmin·min for each 32 weights; scales and mins are 6 bit, packed (see `unpack_scales_k4`).
/// Bytes 32j…32j+31 of q hold weights 64j…64j+31 in their low nibbles and 64j+32…64j+63 in the high ones.
struct BlockQ4_K {
  static constexpr int64_t kSize = 256;
  uint16_t d, dmin;
  uint8_t scales[12];
  uint8_t q[128];
};

/// As Q4_K with a fifth bit: bit j of high[l] belongs to weight 32j + l.
struct BlockQ5_K {
  static constexpr int64_t kSize = 256;
  uint16_t d, dmin;
  uint8_t scales[12];
  uint8_t high[32];
  uint8_t q[128];
};

/// w = d·scale·(q − 32) for each 16 weights. Of each half (128 weights, 64 bytes of low, 32 of high): low nibbles
/// are weights 0…63, high nibbles 64…127; bits 2j, 2j+1 of high[l] belong to weight 32j + l.
struct BlockQ6_K {
  static constexpr int64_t kSize = 256;
  uint8_t low[128];
  uint8_t high[64];
  int8_t scales[16];
  uint16_t d;
};

#pragma pack(pop)

static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20);
static_assert(sizeof(BlockQ5_0) == 22 && sizeof(BlockQ5_1) == 24);
static_assert(sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210);

/// Weights in a block; 0 for a type that the kernels do not know.
constexpr int64_t block_size(uint32_t type) {
  switch (type) {
    case F32:
    case F16:
    case BF16: return 1;
    case Q8_0:
    case Q4_0:
    case Q4_1:
    case Q5_0:
    case Q5_1: return 32;
    case Q4_K:
    case Q5_K:
    case Q6_K: return 256;
    default: return 0;
  }
}

/// Bytes of a block; 0 for a type that the kernels do not know.
constexpr int64_t block_bytes(uint32_t type) {
  switch (type) {
    case F32: return 4;
    case F16:
    case BF16: return 2;
    case Q8_0: return sizeof(BlockQ8_0);
    case Q4_0: return sizeof(BlockQ4_0);
    case Q4_1: return sizeof(BlockQ4_1);
    case Q5_0: return sizeof(BlockQ5_0);
    case Q5_1: return sizeof(BlockQ5_1);
    case Q4_K: return sizeof(BlockQ4_K);
    case Q5_K: return sizeof(BlockQ5_K);
    case Q6_K: return sizeof(BlockQ6_K);
    default: return 0;
  }
}

/// Bytes of n weights; n is a multiple of the block size.
constexpr int64_t row_bytes(uint32_t type, int64_t n) {
  return block_size(type) == 0 ? 0 : n / block_size(type) * block_bytes(type);
}

/// Whether products with this type quantise the activations in the fast path.
constexpr bool is_quantized(uint32_t type) { return block_size(type) > 1; }

}  // namespace kigo::cpu
