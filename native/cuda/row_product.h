/** Quantised weights times one row, in the precision of a prompt's products. */
#pragma once

#include "cuda/context.h"
#include "cuda/numbers.h"

namespace kigo::cuda {

/**
 * y [n_out] (+)= w · x. x is float16, y float32 or float16. The weights are read once, as they are packed: for one row,
 * writing them to memory as numbers would cost three times as much as the product. (gemv.h's is faster still, but
 * rounds the row to int8.)
 */
void multiply_row(cudaStream_t stream, RowsOut y, Rows x, const Matrix& w, bool accumulate);

}  // namespace kigo::cuda
