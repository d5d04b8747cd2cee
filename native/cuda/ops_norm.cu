#include <algorithm>

#include "core/ops.h"
#include "cuda/norm.h"
#include "cuda/numbers.cuh"
#include "cuda/reduce.cuh"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

/** One block a row, `width` numbers of it at a time. Every thread writes just what it read, so that y may be x. */
template <class T, int width, bool accumulate>
__global__ void norm_kernel(T* y, int64_t ld, const float* x, const float* weight, int n, float eps) {
  using In = Pack<float, width>;
  using Out = Pack<T, width>;
  const In* from = reinterpret_cast<const In*>(x + int64_t{blockIdx.x} * n);
  const In* weights = reinterpret_cast<const In*>(weight);
  Out* to = reinterpret_cast<Out*>(y + blockIdx.x * ld);
  const int first = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);

  float squares = 0;
  for (int i = first; i < n / width; i += step) {
    const In in = from[i];
    for (int j = 0; j < width; ++j) squares += in.values[j] * in.values[j];
  }
  const float scale = 1 / sqrtf(block_sum(squares) / static_cast<float>(n) + eps);
  for (int i = first; i < n / width; i += step) {
    const In in = from[i], by = weights[i];
    Out out = accumulate ? to[i] : Out{};
    for (int j = 0; j < width; ++j) {
      const float normed = in.values[j] * scale * by.values[j];
      out.values[j] = accumulate ? from_float<T>(to_float(out.values[j]) + normed) : from_float<T>(normed);
    }
    to[i] = out;
  }
}

template <class T, bool accumulate>
void launch_norm(cudaStream_t stream, T* y, int64_t ld, const float* x, const float* weight, int64_t n_rows, int64_t n,
                 float eps) {
  const auto rows = static_cast<unsigned>(n_rows);
  const auto threads = static_cast<unsigned>(std::clamp<int64_t>((n / 4 + 31) / 32 * 32, 32, 512));
  if (n % 4 == 0 && ld % 4 == 0) {
    norm_kernel<T, 4, accumulate><<<rows, threads, 0, stream>>>(y, ld, x, weight, static_cast<int>(n), eps);
  } else {
    norm_kernel<T, 1, accumulate><<<rows, threads, 0, stream>>>(y, ld, x, weight, static_cast<int>(n), eps);
  }
  check_launch("the RMS norm");
}

__global__ void add_kernel(float* x, const float* branch, int64_t n) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) x[i] += branch[i];
}

}  // namespace

void norm_rows(cudaStream_t stream, RowsOut y, const float* x, const float* weight, int64_t n_rows, int64_t n,
               float eps) {
  with_type(y.type, [&](auto zero) {
    using T = decltype(zero);
    launch_norm<T, false>(stream, static_cast<T*>(y.data), y.ld, x, weight, n_rows, n, eps);
  });
}

void add_normed_rows(cudaStream_t stream, float* x, const float* branch, const float* weight, int64_t n_rows, int64_t n,
                     float eps) {
  launch_norm<float, true>(stream, x, n, branch, weight, n_rows, n, eps);
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
