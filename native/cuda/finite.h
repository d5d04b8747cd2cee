/** Numbers that are not finite, found on the device. */
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/numbers.h"

namespace kigo::cuda {

/** Sets *flag (mapped host memory) to 1 where a value of rows [n_rows][n] is not finite. */
void flag_not_finite(cudaStream_t stream, Rows rows, int64_t n_rows, int64_t n, int32_t* flag);

}  // namespace kigo::cuda
