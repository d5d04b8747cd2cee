/** The NVIDIA GPUs that this library can use, and what is known about them. */
#pragma once

#include <string>

#include "cuda/context.h"
#include "kigo/abi.h"

namespace kigo::cuda {

/** Why there is no use in asking the NVIDIA driver: none is installed, or it is too old for this library. */
std::string driver_problem();

/**
 * GPUs that this library has code for. DEVICE_UNAVAILABLE in words where there is none: no driver, a driver too old
 * for this library, no GPU, or none that it has code for.
 */
int32_t device_count();

/** Makes no context on a GPU that has none. INVALID_INPUT: no such index. DEVICE_LOST. */
kigo_device_info device_info(int32_t index);

/** Traits of the index-th usable GPU. DEVICE_UNAVAILABLE: no such index. */
DeviceTraits device_traits(int32_t index);

/** kigo_device_info::driver_bytes. */
uint64_t driver_bytes(const DeviceTraits& device);

/** Makes the GPU the calling thread's current one; the first time a process does, its context comes to be there. */
void make_current(const DeviceTraits& device);

}  // namespace kigo::cuda
