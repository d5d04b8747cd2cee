/** Numbers on the device: every kind to float32 and back. */
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "core/error.h"
#include "cuda/numbers.h"

namespace kigo::cuda {

__device__ inline float to_float(float v) { return v; }
__device__ inline float to_float(__half v) { return __half2float(v); }
__device__ inline float to_float(__nv_bfloat16 v) { return __bfloat162float(v); }

template <class T>
__device__ T from_float(float v);

template <>
__device__ inline float from_float<float>(float v) {
  return v;
}

/**
 * A few channels of real models (what goes into Qwen2's down projection, for one) reach beyond float16's 65504.
 * Clipped, they change a result by little; as infinities they would destroy it. What is not finite already stays so:
 * that is an error to be found, not a number to be clipped.
 */
template <>
__device__ inline __half from_float<__half>(float v) {
  const __half rounded = __float2half_rn(v);
  return __hisinf(rounded) != 0 && isfinite(v) ? __float2half_rn(copysignf(65504.0f, v)) : rounded;
}

template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float v) {
  return __float2bfloat16_rn(v);
}

/**
 * As from_float, but what leaves the type's range is infinite, as cuBLAS has it: for results of products, which the
 * forward computes in float32 where float16 is too small for them, and has to see so.
 */
template <class T>
__device__ T rounded(float v) {
  return from_float<T>(v);
}

template <>
__device__ inline __half rounded<__half>(float v) {
  return __float2half_rn(v);
}

/** Neighbouring numbers that one instruction or two load and store. */
template <class T, int n>
struct alignas(n * sizeof(T) < 16 ? n * sizeof(T) : 16) Pack {
  T values[n];
};

/** Calls body(T{}) with the C++ type of `type`. */
template <class Body>
void with_type(Number type, Body&& body) {
  switch (type) {
    case Number::f32: return body(float{});
    case Number::f16: return body(__half{});
    case Number::bf16: return body(__nv_bfloat16{});
  }
}

/** Blocks of `threads` for n items. */
inline unsigned blocks_for(int64_t n, int64_t threads) { return static_cast<unsigned>((n + threads - 1) / threads); }

}  // namespace kigo::cuda
