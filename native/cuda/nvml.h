/** NVIDIA's management library, which comes with the driver: it knows a GPU's free memory without a context there. */
#pragma once

#include <cstdint>
#include <optional>

namespace kigo::cuda {

/**
 * Bytes that are free on the GPU of CUDA's number, for this process and all others; nothing where the library is not
 * there (some containers and embedded boards) or speaks of another thing than CUDA (a GPU cut into instances, MIG).
 */
std::optional<uint64_t> free_bytes_by_nvml(int cuda_number);

}  // namespace kigo::cuda
