/** The device that the exported operations run on, and what went wrong on it. */
#include "cuda/device.h"
#include "cuda/nvml.h"
#include "cuda/testing/testing.h"

namespace kigo::cuda::testing {

const DeviceTraits& test_device() {
  static const DeviceTraits traits = [] {
    const DeviceTraits first = device_traits(0);
    make_current(first);
    return first;
  }();
  return traits;
}

Gemm& test_gemm() {
  static Gemm* const gemm = new Gemm(test_device());  // never closed: the driver may be gone at the program's end
  return *gemm;
}

}  // namespace kigo::cuda::testing

KIGO_TEST_EXPORT kigo_status cuda_device_count(int32_t* count) {
  return kigo::guarded([&] { *count = kigo::cuda::device_count(); });
}

/** What this library says of the first GPU, and its free bytes by NVML (0: it does not tell). */
KIGO_TEST_EXPORT kigo_status cuda_first_device(kigo_device_info* info, uint64_t* by_nvml) {
  return kigo::guarded([&] {
    *info = kigo::cuda::device_info(0);
    *by_nvml = kigo::cuda::free_bytes_by_nvml(kigo::cuda::device_traits(0).index).value_or(0);
  });
}

/** Of the first GPU. */
KIGO_TEST_EXPORT kigo_status cuda_multiprocessors(int32_t* count) {
  return kigo::guarded([&] { *count = kigo::cuda::testing::test_device().n_sm; });
}

/** What becomes of an error of CUDA's. */
KIGO_TEST_EXPORT kigo_status cuda_check(int32_t error) {
  return kigo::guarded([&] { kigo::cuda::check(static_cast<cudaError_t>(error), "testing"); });
}

KIGO_TEST_EXPORT kigo_status cuda_make_context() {
  return kigo::guarded([] { kigo::cuda::testing::test_device(); });
}

KIGO_TEST_EXPORT const kigo_error* cuda_last_error() { return kigo::last_error(); }
