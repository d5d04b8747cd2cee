/** RMS norm whose result goes where it is needed next: float32, or halves for a matrix product. */
#pragma once

#include "cuda/context.h"
#include "cuda/numbers.h"

namespace kigo::cuda {

/** y[r] = x[r] / sqrt(mean(x[r]²) + eps) · weight. x [n_rows][n] float32, weight [n]. */
void norm_rows(cudaStream_t stream, RowsOut y, const float* x, const float* weight, int64_t n_rows, int64_t n,
               float eps);

/** x[r] += branch[r] / sqrt(mean(branch[r]²) + eps) · weight: a post norm and the residual behind it. */
void add_normed_rows(cudaStream_t stream, float* x, const float* branch, const float* weight, int64_t n_rows, int64_t n,
                     float eps);

}  // namespace kigo::cuda
