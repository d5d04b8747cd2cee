/** CUDA's return codes as the engine's exceptions. */
#pragma once

#include <cuda_runtime_api.h>

#include "core/error.h"

namespace kigo::cuda {

/**
 * Throws OUT_OF_MEMORY, DEVICE_UNAVAILABLE (no driver, too old, no machine code for this GPU) or DEVICE_LOST (every
 * error after which the context is of no use any more). `doing` completes "… while": "copying the weights".
 */
void check(cudaError_t status, const char* doing);

/** For what must not throw (destructors): the error, if any, is forgotten. */
inline void forget(cudaError_t) { cudaGetLastError(); }

/** check() of the launch just made. */
inline void check_launch(const char* kernel) { check(cudaGetLastError(), kernel); }

}  // namespace kigo::cuda
