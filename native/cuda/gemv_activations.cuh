/**
 * The vector that a matrix is multiplied with, in shared memory, in the form that the matrix's type asks for. Every
 * block of a launch makes it for itself.
 *
 *   wide   float32 [n], for F32 and BF16
 *   half   float16 [n], each 8 values times a power of two of their own, so that no product leaves float16's range;
 *          then what gives the values back, float32 [n/8]. For F16.
 *   small  int8, as two planes [n/32][16] of a block's first 16 values and its second 16; then of each block float32
 *          {step of the first 16, step of the second, sum of the first, sum of the second}, the sums being those of
 *          the rounded values: what a type with an offset multiplies the offset with. For quantised types. A step for
 *          16 values and not for 32 as in ggml's q8_1 costs nothing and is closer by 15%.
 *
 * n is rounded up to whole records of 1024; values behind the end are 0.
 */
#pragma once

#include <cuda_fp16.h>

#include "cuda/packed.h"

namespace kigo::cuda {

enum class Form { wide, half, small };

KIGO_HOST_DEVICE constexpr Form form_of(uint32_t type) {
  if (type == kF16) return Form::half;
  return is_float(type) ? Form::wide : Form::small;
}

/** Bytes of shared memory; n a multiple of 1024. */
KIGO_HOST_DEVICE constexpr uint32_t form_bytes(Form form, uint32_t n) {
  switch (form) {
    case Form::wide: return n * 4;
    case Form::half: return n * 2 + n / 8 * 4;
    default: return n / kBlock * 48;
  }
}

/** Values that a thread converts at a time. */
inline constexpr int kItem = 8;

struct Item {
  float v[kItem];
};

/** Item i of values that other kernels write: no read-only cache. What is behind the end means nothing. */
__device__ inline Item load_item(const float* x, int i, int n) {
  if (kItem * i >= n) return {};
  const auto* from = reinterpret_cast<const float4*>(x) + 2 * i;
  const float4 a = __ldcg(from), b = __ldcg(from + 1);
  return {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
}

/** The same of constant values: may be called before wait_for_producer. */
__device__ inline Item load_constant_item(const float* x, int i, int n) {
  if (kItem * i >= n) return {};
  const auto* from = reinterpret_cast<const float4*>(x) + 2 * i;
  const float4 a = __ldg(from), b = __ldg(from + 1);
  return {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
}

/** Item i with 0 for what is behind the end. */
__device__ inline void clear_behind_end(Item& item, int i, int n) {
  for (int k = 0; k < kItem; ++k) item.v[k] = kItem * i + k < n ? item.v[k] : 0;
}

/** The size of the largest. As integers, sizes order as the floats do, and a NaN is the largest. */
__device__ inline uint32_t largest_bits(const Item& item) {
  uint32_t most = 0;
  for (const float v : item.v) most = max(most, __float_as_uint(v) & 0x7fffffff);
  return most;
}

__device__ inline void store_half(std::byte* shared, int n, int i, const Item& item) {
  // 2^-(e+3), where 2^e <= largest < 2^(e+1): values below 1/4, so that four products with float16 stay below its end.
  // Clamped so that both powers are normal numbers.
  const int exponent = min(max(static_cast<int>(largest_bits(item) >> 23), 16), 240);
  const float down = __uint_as_float(static_cast<uint32_t>(251 - exponent) << 23);
  __half2 h[kItem / 2];
  for (int k = 0; k < kItem / 2; ++k) h[k] = __floats2half2_rn(item.v[2 * k] * down, item.v[2 * k + 1] * down);
  reinterpret_cast<uint4*>(shared)[i] = *reinterpret_cast<const uint4*>(h);
  reinterpret_cast<float*>(shared + n * 2)[i] = __uint_as_float(static_cast<uint32_t>(exponent + 3) << 23);
}

/** Neighbouring lanes share a step: all lanes of a warp call this. */
__device__ inline void store_small(std::byte* shared, int n, int i, const Item& item) {
  uint32_t bits = largest_bits(item);  // a NaN becomes the step, and so reaches the logits
  bits = max(bits, __shfl_xor_sync(~0u, bits, 1));
  const float most = __uint_as_float(bits), inverse = most > 0 ? __fdividef(127, most) : 0;
  int sum = 0;
  uint32_t words[2];
  for (int w = 0; w < 2; ++w) {
    int q[4];
    for (int k = 0; k < 4; ++k) {
      q[k] = __float2int_rn(item.v[4 * w + k] * inverse);
      sum += q[k];
    }
    words[w] = static_cast<uint32_t>((q[0] & 255) | (q[1] & 255) << 8 | (q[2] & 255) << 16 | q[3] << 24);
  }
  sum += __shfl_xor_sync(~0u, sum, 1);

  const uint32_t at = static_cast<uint32_t>(i), block = at / 4, half = at / 2 % 2;
  const uint32_t n_blocks = static_cast<uint32_t>(n) / kBlock;
  reinterpret_cast<uint2*>(shared)[(half * n_blocks + block) * 2 + at % 2] = {words[0], words[1]};
  if (at % 2 == 0) {
    auto* of_block = reinterpret_cast<float*>(shared + n_blocks * kBlock) + block * 4;
    const float step = most * (1.0f / 127);
    of_block[half] = step;
    of_block[2 + half] = step * static_cast<float>(sum);
  }
}

__device__ inline void store_wide(std::byte* shared, int i, const Item& item) {
  auto* to = reinterpret_cast<float4*>(shared) + 2 * i;
  to[0] = {item.v[0], item.v[1], item.v[2], item.v[3]};
  to[1] = {item.v[4], item.v[5], item.v[6], item.v[7]};
}

template <Form form>
__device__ void store_item(std::byte* shared, int n, int i, const Item& v) {
  if constexpr (form == Form::wide) store_wide(shared, i, v);
  if constexpr (form == Form::half) store_half(shared, n, i, v);
  if constexpr (form == Form::small) store_small(shared, n, i, v);
}

}  // namespace kigo::cuda
