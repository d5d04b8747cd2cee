/** The device that the exported operations run on, and what went wrong on it. */
#include "cuda/device.h"
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

KIGO_TEST_EXPORT const kigo_error* cuda_last_error() { return kigo::last_error(); }
