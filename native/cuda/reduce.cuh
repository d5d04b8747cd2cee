/** Sums and maxima over a warp and over a block, given to every thread, in an order that is always the same. */
#pragma once

namespace kigo::cuda {

template <class T>
__device__ T warp_sum(T v) {
  for (int apart = 16; apart > 0; apart /= 2) v += __shfl_xor_sync(~0u, v, apart);
  return v;
}

/** Which of `n` sums warp_sums leaves in a lane. */
template <int n>
__device__ int row_of_lane(int lane) {
  return lane / (32 / n);
}

/** n sums over a warp at once, a power of two; a lane gets the one that row_of_lane says. A quarter of the shuffles. */
template <int n>
__device__ float warp_sums(const float (&v)[n], int lane) {
  if constexpr (n == 1) {
    return warp_sum(v[0]);
  } else if constexpr (n == 2) {
    const bool upper = lane & 16;
    float sum = (upper ? v[1] : v[0]) + __shfl_xor_sync(~0u, upper ? v[0] : v[1], 16);
    for (int apart = 8; apart > 0; apart /= 2) sum += __shfl_xor_sync(~0u, sum, apart);
    return sum;
  } else {
    const bool upper = lane & 16;
    const float low = (upper ? v[2] : v[0]) + __shfl_xor_sync(~0u, upper ? v[0] : v[2], 16);
    const float high = (upper ? v[3] : v[1]) + __shfl_xor_sync(~0u, upper ? v[1] : v[3], 16);
    const bool second = lane & 8;
    float sum = (second ? high : low) + __shfl_xor_sync(~0u, second ? low : high, 8);
    for (int apart = 4; apart > 0; apart /= 2) sum += __shfl_xor_sync(~0u, sum, apart);
    return sum;
  }
}

__device__ inline float warp_max(float v) {
  for (int apart = 16; apart > 0; apart /= 2) v = fmaxf(v, __shfl_xor_sync(~0u, v, apart));
  return v;
}

/** `reduce` is warp_sum or warp_max, `neutral` what changes nothing. All threads call it; blockDim.x is whole warps. */
template <class T, class Reduce>
__device__ T block_reduce(T v, T neutral, Reduce reduce) {
  __shared__ T of_warp[32];
  const unsigned lane = threadIdx.x % 32, n_warps = blockDim.x / 32;
  v = reduce(v);
  __syncthreads();  // of_warp may be in use by the call before
  if (lane == 0) of_warp[threadIdx.x / 32] = v;
  __syncthreads();
  return reduce(lane < n_warps ? of_warp[lane] : neutral);
}

template <class T>
__device__ T block_sum(T v) {
  return block_reduce(v, T{0}, [](T w) { return warp_sum(w); });
}

__device__ inline float block_max(float v) {
  return block_reduce(v, -__int_as_float(0x7f800000), [](float w) { return warp_max(w); });
}

}  // namespace kigo::cuda
