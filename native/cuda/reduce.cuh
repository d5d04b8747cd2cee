/** Sums and maxima over a warp and over a block, given to every thread, in an order that is always the same. */
#pragma once

namespace kigo::cuda {

template <class T>
__device__ T warp_sum(T v) {
  for (int apart = 16; apart > 0; apart /= 2) v += __shfl_xor_sync(~0u, v, apart);
  return v;
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
