#include <algorithm>

#include "core/ops.h"
#include "cuda/norm.h"
#include "cuda/numbers.cuh"
#include "cuda/reduce.cuh"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

/** One block a row. Every thread writes just what it read, so that y may be x. */
template <class T, bool accumulate>
__global__ void norm_kernel(T* y, int64_t ld, const float* x, const float* weight, int64_t n, float eps) {
  x += blockIdx.x * n;
  y += blockIdx.x * ld;
  float squares = 0;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) squares += x[i] * x[i];
  const float scale = 1 / sqrtf(block_sum(squares) / static_cast<float>(n) + eps);
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
    const float normed = x[i] * scale * weight[i];
    y[i] = accumulate ? from_float<T>(to_float(y[i]) + normed) : from_float<T>(normed);
  }
}

__global__ void add_kernel(float* x, const float* branch, int64_t n) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) x[i] += branch[i];
}

unsigned threads_for(int64_t n) { return static_cast<unsigned>(std::clamp<int64_t>((n / 4 + 31) / 32 * 32, 32, 512)); }

}  // namespace

void norm_rows(cudaStream_t stream, RowsOut y, const float* x, const float* weight, int64_t n_rows, int64_t n,
               float eps) {
  with_type(y.type, [&](auto zero) {
    using T = decltype(zero);
    norm_kernel<T, false><<<static_cast<unsigned>(n_rows), threads_for(n), 0, stream>>>(static_cast<T*>(y.data), y.ld,
                                                                                        x, weight, n, eps);
  });
  check_launch("the RMS norm");
}

void add_normed_rows(cudaStream_t stream, float* x, const float* branch, const float* weight, int64_t n_rows, int64_t n,
                     float eps) {
  norm_kernel<float, true><<<static_cast<unsigned>(n_rows), threads_for(n), 0, stream>>>(x, n, branch, weight, n, eps);
  check_launch("the RMS norm behind a branch");
}

void rmsnorm_forward(Context& ctx, float* y, const float* x, const float* weight, int64_t n_rows, int64_t n,
                     float eps) {
  norm_rows(ctx.stream, {Number::f32, y, n}, x, weight, n_rows, n, eps);
}

void residual_add(Context& ctx, float* x, const float* branch, int64_t n) {
  add_kernel<<<blocks_for(n, 256), 256, 0, ctx.stream>>>(x, branch, n);
  check_launch("the residual");
}

}  // namespace kigo::cuda
