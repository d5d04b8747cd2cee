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

/** Item i of values that other kernels write: no read-only cache. Behind the end: 0. */
__device__ inline Item load_item(const float* x, int i, int n) {
  Item item;
  if (kItem * i + kItem <= n) {
    const float4 a = __ldcg(reinterpret_cast<const float4*>(x) + 2 * i);
    const float4 b = __ldcg(reinterpret_cast<const float4*>(x) + 2 * i + 1);
    item = {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
  } else {
    for (int k = 0; k < kItem; ++k) item.v[k] = kItem * i + k < n ? __ldcg(x + kItem * i + k) : 0;
  }
  return item;
}

/** The same of constant values: may be called before wait_for_producer. */
__device__ inline Item load_constant_item(const float* x, int i, int n) {
  Item item;
  if (kItem * i + kItem <= n) {
    const float4 a = __ldg(reinterpret_cast<const float4*>(x) + 2 * i);
    const float4 b = __ldg(reinterpret_cast<const float4*>(x) + 2 * i + 1);
    item = {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
  } else {
    for (int k = 0; k < kItem; ++k) item.v[k] = kItem * i + k < n ? __ldg(x + kItem * i + k) : 0;
  }
  return item;
}

__device__ inline float largest(const Item& item) {
  float most = 0;
  for (const float v : item.v) most = fmaxf(most, fabsf(v));
  return most;
}

__device__ inline void store_wide(std::byte* shared, int i, const Item& item) {
  auto* to = reinterpret_cast<float4*>(shared) + 2 * i;
  to[0] = {item.v[0], item.v[1], item.v[2], item.v[3]};
  to[1] = {item.v[4], item.v[5], item.v[6], item.v[7]};
}

__device__ inline void store_half(std::byte* shared, int n, int i, const Item& item) {
  // 2^-(e+3), where 2^e <= largest < 2^(e+1): values below 1/4, so that four products with float16 stay below its end.
  // Clamped so that both powers are normal numbers.
  const int exponent = min(max(static_cast<int>(__float_as_uint(largest(item)) >> 23), 16), 240);
  const float down = __uint_as_float(static_cast<uint32_t>(251 - exponent) << 23);
  const float up = __uint_as_float(static_cast<uint32_t>(exponent + 3) << 23);
  __half2 h[4];
  for (int k = 0; k < 4; ++k) h[k] = __floats2half2_rn(item.v[2 * k] * down, item.v[2 * k + 1] * down);
  reinterpret_cast<uint4*>(shared)[i] = *reinterpret_cast<const uint4*>(h);
  reinterpret_cast<float*>(shared + n * 2)[i] = up;
}

/** Neighbouring lanes share a step: all lanes of a warp call this. */
__device__ inline void store_small(std::byte* shared, int n, int i, const Item& item) {
  float most = largest(item);
  most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
  const float inverse = most > 0 ? 127 / most : 0;
  int q[kItem], sum = 0;
  float poison = 0;  // fmaxf and the conversion lose a NaN, which must reach the logits
  for (int k = 0; k < kItem; ++k) {
    q[k] = __float2int_rn(item.v[k] * inverse);
    sum += q[k];
    poison += item.v[k] * 0;
  }
  sum += __shfl_xor_sync(~0u, sum, 1);
  poison += __shfl_xor_sync(~0u, poison, 1);
  const float step = most * (1.0f / 127) + poison;

  const int block = i / 4, half = i / 2 % 2, n_blocks = n / kBlock;
  const auto word = [&](int k) {
    return (q[k] & 255) | (q[k + 1] & 255) << 8 | (q[k + 2] & 255) << 16 | q[k + 3] << 24;
  };
  reinterpret_cast<int2*>(shared)[((half * n_blocks + block) * 2) + i % 2] = {word(0), word(4)};
  if (i % 2 == 0) {
    auto* of_block = reinterpret_cast<float*>(shared + n_blocks * kBlock) + block * 4;
    of_block[half] = step;
    of_block[2 + half] = step * static_cast<float>(sum);
  }
}

template <Form form>
__device__ void store_item(std::byte* shared, int n, int i, const Item& item) {
  if constexpr (form == Form::wide) store_wide(shared, i, item);
  if constexpr (form == Form::half) store_half(shared, n, i, item);
  if constexpr (form == Form::small) store_small(shared, n, i, item);
}

}  // namespace kigo::cuda
