/** The tensor types that the engine runs, and their block geometry. */
#pragma once

#include <cstdint>

namespace kigo {

/** ggml's ids. */
enum TensorType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

struct TypeTraits {
  uint32_t type;
  const char* name;
  uint32_t block_values;
  uint32_t block_bytes;
};

inline constexpr TypeTraits kTensorTypes[] = {
    {kF32, "F32", 1, 4},       {kF16, "F16", 1, 2},       {kBF16, "BF16", 1, 2},     {kQ8_0, "Q8_0", 32, 34},
    {kQ4_0, "Q4_0", 32, 18},   {kQ4_1, "Q4_1", 32, 20},   {kQ5_0, "Q5_0", 32, 22},   {kQ5_1, "Q5_1", 32, 24},
    {kQ4_K, "Q4_K", 256, 144}, {kQ5_K, "Q5_K", 256, 176}, {kQ6_K, "Q6_K", 256, 210},
};

/** NULL for a type that the engine does not run. */
constexpr const TypeTraits* find_type(uint32_t type) {
  for (const TypeTraits& t : kTensorTypes) {
    if (t.type == type) return &t;
  }
  return nullptr;
}

}  // namespace kigo
