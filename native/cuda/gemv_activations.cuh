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

/** Values that a thread converts at a time: few, as the registers are full of weights by then. */
inline constexpr int kItem = 4;

/** Item i of values that other kernels write: no read-only cache. What is behind the end means nothing. */
__device__ inline float4 load_item(const float* x, int i, int n) {
  return kItem * i < n ? __ldcg(reinterpret_cast<const float4*>(x) + i) : float4{};
}

/** The same of constant values: may be called before wait_for_producer. */
__device__ inline float4 load_constant_item(const float* x, int i, int n) {
  return kItem * i < n ? __ldg(reinterpret_cast<const float4*>(x) + i) : float4{};
}

/** Item i with 0 for what is behind the end. */
__device__ inline float4 up_to_end(const float4& v, int i, int n) {
  const int left = n - kItem * i;
  return {left > 0 ? v.x : 0, left > 1 ? v.y : 0, left > 2 ? v.z : 0, left > 3 ? v.w : 0};
}

__device__ inline float largest(const float4& v) {
  return fmaxf(fmaxf(fabsf(v.x), fabsf(v.y)), fmaxf(fabsf(v.z), fabsf(v.w)));
}

/** Neighbouring lanes share a power of two: all lanes of a warp call this. */
__device__ inline void store_half(std::byte* shared, int n, int i, const float4& v) {
  // 2^-(e+3), where 2^e <= largest < 2^(e+1): values below 1/4, so that four products with float16 stay below its end.
  // Clamped so that both powers are normal numbers.
  float most = largest(v);
  most = fmaxf(most, __shfl_xor_sync(~0u, most, 1));
  const int exponent = min(max(static_cast<int>(__float_as_uint(most) >> 23), 16), 240);
  const float down = __uint_as_float(static_cast<uint32_t>(251 - exponent) << 23);
  __half2 h[2] = {__floats2half2_rn(v.x * down, v.y * down), __floats2half2_rn(v.z * down, v.w * down)};
  reinterpret_cast<uint2*>(shared)[i] = *reinterpret_cast<const uint2*>(h);
  if (i % 2 == 0) {
    reinterpret_cast<float*>(shared + n * 2)[i / 2] = __uint_as_float(static_cast<uint32_t>(exponent + 3) << 23);
  }
}

/** Four neighbouring lanes share a step: all lanes of a warp call this. */
__device__ inline void store_small(std::byte* shared, int n, int i, const float4& v) {
  // As integers, sizes order as the floats do and a NaN is the largest: it becomes the step, and so reaches the logits.
  const auto size = [](float f) { return __float_as_uint(f) & 0x7fffffff; };
  uint32_t bits = max(max(size(v.x), size(v.y)), max(size(v.z), size(v.w)));
  bits = max(bits, __shfl_xor_sync(~0u, bits, 1));
  bits = max(bits, __shfl_xor_sync(~0u, bits, 2));
  const float most = __uint_as_float(bits), inverse = most > 0 ? __fdividef(127, most) : 0;
  const int q[4] = {__float2int_rn(v.x * inverse), __float2int_rn(v.y * inverse), __float2int_rn(v.z * inverse),
                    __float2int_rn(v.w * inverse)};
  int sum = q[0] + q[1] + q[2] + q[3];
  sum += __shfl_xor_sync(~0u, sum, 1);
  sum += __shfl_xor_sync(~0u, sum, 2);

  const uint32_t item = static_cast<uint32_t>(i), block = item / 8, half = item / 4 % 2;
  const uint32_t n_blocks = static_cast<uint32_t>(n) / kBlock;
  reinterpret_cast<uint32_t*>(shared)[(half * n_blocks + block) * 4 + item % 4] =
      static_cast<uint32_t>((q[0] & 255) | (q[1] & 255) << 8 | (q[2] & 255) << 16 | q[3] << 24);
  if (item % 4 == 0) {
    auto* of_block = reinterpret_cast<float*>(shared + n_blocks * kBlock) + block * 4;
    const float step = most * (1.0f / 127);
    of_block[half] = step;
    of_block[2 + half] = step * static_cast<float>(sum);
  }
}

template <Form form>
__device__ void store_item(std::byte* shared, int n, int i, const float4& v) {
  if constexpr (form == Form::wide) reinterpret_cast<float4*>(shared)[i] = v;
  if constexpr (form == Form::half) store_half(shared, n, i, v);
  if constexpr (form == Form::small) store_small(shared, n, i, v);
}

}  // namespace kigo::cuda
