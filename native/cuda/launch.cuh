/**
 * Launches with programmatic dependent launch: a kernel's blocks may start while the kernel in front of it still runs,
 * and wait for it themselves. Every thread of every kernel of such a chain must wait, also one that has nothing to do:
 * that the kernel before the last has ended too is known only because the last one waited for it.
 */
#pragma once

#include <cuda_runtime.h>

#include "cuda/context.h"
#include "cuda/status.h"

namespace kigo::cuda {

/** `name` is for the error message. */
template <class... Params, class... Args>
void launch(const Context& ctx, const char* name, void (*kernel)(Params...), int64_t blocks, int threads,
            size_t shared_bytes, Args&&... args) {
  cudaLaunchAttribute overlap = {};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = shared_bytes;
  config.stream = ctx.stream;
  config.attrs = &overlap;
  config.numAttrs = ctx.device.pdl() ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, Params(args)...), name);
}

/** The next kernel's blocks may start. They still wait for this kernel to end before they read what it wrote. */
__device__ inline void allow_dependents() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/** Until the kernel in front has ended and what it wrote can be read. */
__device__ inline void await_dependency() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

}  // namespace kigo::cuda
