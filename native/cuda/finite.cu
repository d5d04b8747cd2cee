#include <algorithm>

#include "cuda/finite.h"
#include "cuda/numbers.cuh"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

/** blockIdx.x is the row. */
template <class T>
__global__ void flag_kernel(const T* values, int64_t ld, int64_t n, int32_t* flag) {
  bool found = false;
  const int64_t step = int64_t{gridDim.y} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.y} * blockDim.x + threadIdx.x; i < n; i += step) {
    found = found || !isfinite(to_float(values[blockIdx.x * ld + i]));
  }
  if (found) *flag = 1;
}

}  // namespace

void flag_not_finite(cudaStream_t stream, Rows rows, int64_t n_rows, int64_t n, int32_t* flag) {
  if (n_rows == 0 || n == 0) return;
  const dim3 grid(static_cast<unsigned>(n_rows), std::min(blocks_for(n, 256 * 4), 1024u));
  with_type(rows.type, [&](auto zero) {
    using T = decltype(zero);
    flag_kernel<<<grid, 256, 0, stream>>>(static_cast<const T*>(rows.data), rows.ld, n, flag);
  });
  check_launch("looking for numbers that are not finite");
}

}  // namespace kigo::cuda
