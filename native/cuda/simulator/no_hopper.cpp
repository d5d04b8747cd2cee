/** Hopper's products in place of cuda/gemm_hopper.cu: the simulated GPU has no warpgroups and no bulk copies. */
#include "core/error.h"
#include "cuda/gemm_hopper.h"

namespace kigo::cuda {

bool hopper_runs(const DeviceTraits&) { return false; }

void multiply_hopper(cudaStream_t, const DeviceTraits&, const Product&) {
  throw Error(KIGO_INTERNAL, "The simulated GPU has no warpgroups.");
}

}  // namespace kigo::cuda
