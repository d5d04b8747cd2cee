/** Matrix products of halves as Hopper's tensor cores want them: bulk copies, and multiplications of whole warpgroups.
 */
#pragma once

#include "cuda/gemm.h"

namespace kigo::cuda {

/** Whether this library has the kernel, and the GPU can run it. */
bool hopper_runs(const DeviceTraits& device);

/** Rows of x and w begin at multiples of 16 bytes. */
void multiply_hopper(cudaStream_t stream, const DeviceTraits& device, const Product& product);

}  // namespace kigo::cuda
