/** Where kernel sources put their launches. */
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/simulator/block.h"

namespace kigo::simulator {

/** On the stream of the current device; a shape that no GPU takes becomes the last error, as with a launch. */
void enqueue(cudaStream_t stream, Launch launch);

}  // namespace kigo::simulator
