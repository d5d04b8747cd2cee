/** What makes a GPU fail for the process, and what takes its memory from others. */
#include "cuda/testing/testing.h"

namespace kigo::cuda {

namespace {

__global__ void give_up() { __trap(); }

__global__ void write_nowhere(int* nowhere) { *nowhere = 1; }

}  // namespace

}  // namespace kigo::cuda

/**
 * Launches a kernel after which nothing on this GPU works any more for this process, and does not wait for it: one
 * that gives up, or one that writes where there is no memory.
 */
KIGO_TEST_EXPORT kigo_status cuda_break(int32_t writes_nowhere) {
  using namespace kigo::cuda;
  return kigo::guarded([&] {
    testing::test_device();
    if (writes_nowhere != 0) {
      write_nowhere<<<1, 1>>>(reinterpret_cast<int*>(uintptr_t{64}));
    } else {
      give_up<<<1, 1>>>();
    }
    check_launch("breaking the GPU");
  });
}

/** Bytes that the GPU has for whoever asks first. */
KIGO_TEST_EXPORT kigo_status cuda_free_memory(uint64_t* bytes) {
  using namespace kigo::cuda;
  return kigo::guarded([&] {
    testing::test_device();
    size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for the GPU's free memory");
    *bytes = free;
  });
}

/** Takes memory of the GPU; `block` is for cuda_give_memory. */
KIGO_TEST_EXPORT kigo_status cuda_take_memory(uint64_t bytes, void** block) {
  using namespace kigo::cuda;
  return kigo::guarded([&] {
    testing::test_device();
    check(cudaMalloc(block, bytes), "taking memory from others");
  });
}

/** NULL is allowed. */
KIGO_TEST_EXPORT void cuda_give_memory(void* block) { kigo::cuda::forget(cudaFree(block)); }
