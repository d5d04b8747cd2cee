/** What the CUDA library says about this machine. */
#include <dlfcn.h>
#include <doctest/doctest.h>

#include <cstdlib>

#include "test/alone.h"
#include "test/cuda_library.h"

using namespace kigo;
using namespace kigo::test;

namespace {

/** Whether this process has a context on the first GPU, by the driver. */
bool has_context() {
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW);
  void* const symbol = driver != nullptr ? dlsym(driver, "cuDevicePrimaryCtxGetState") : nullptr;
  REQUIRE(symbol != nullptr);
  const auto state = reinterpret_cast<int (*)(int, unsigned*, int*)>(symbol);
  unsigned flags = 0;
  int active = 0;
  REQUIRE(state(0, &flags, &active) == 0);
  return active != 0;
}

}  // namespace

TEST_CASE("cuda: the library loads on any machine, and says in words why there is no GPU") {
  if (!cuda_is_built()) return;
  const auto device_count = reinterpret_cast<kigo_status (*)(int32_t*)>(cuda_symbol("cuda_device_count"));
  int32_t count = 0;
  const kigo_status status = device_count(&count);
  if (status == KIGO_OK) {
    CHECK(count > 0);
    return;
  }
  CHECK(status == KIGO_DEVICE_UNAVAILABLE);
  const std::string words = cuda_error();
  INFO(words);
  CHECK((words.find("NVIDIA driver") != std::string::npos || words.find("GPU") != std::string::npos));
}

TEST_CASE("cuda: errors after which CUDA wants the process started anew are a lost GPU, and others are not") {
  if (!cuda_is_built()) return;
  const auto check = reinterpret_cast<kigo_status (*)(int32_t)>(cuda_symbol("cuda_check"));
  // By the comments of driver_types.h, CUDA 13.0.
  for (const int32_t error : {226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911}) {
    CAPTURE(error);
    CHECK(check(error) == KIGO_DEVICE_LOST);
    CHECK(cuda_error().find("Restart Kigo") != std::string::npos);
  }
  CHECK(check(0) == KIGO_OK);
  CHECK(check(1) == KIGO_INTERNAL);
  CHECK(check(2) == KIGO_OUT_OF_MEMORY);
  CHECK(check(100) == KIGO_DEVICE_UNAVAILABLE);
  CHECK(check(901) == KIGO_INTERNAL);
}

TEST_CASE("cuda by itself: a GPU that is looked at gets no context and its free memory is known all the same") {
  const auto first_device = cuda_function<kigo_status(kigo_device_info*, uint64_t*)>("cuda_first_device");
  if (first_device == nullptr || runs_elsewhere()) return;
  constexpr int64_t kTolerance = 128 << 20;  // what other processes of this machine may take or give back meanwhile
  const auto differ = [](uint64_t a, uint64_t b) { return std::abs(static_cast<int64_t>(a - b)); };

  kigo_device_info before = {}, after = {};
  uint64_t by_nvml = 0;
  KIGO_REQUIRE_CUDA(first_device(&before, &by_nvml));
  if (by_nvml == 0) {
    MESSAGE("skipped: NVML does not tell this GPU's free memory");
    return;
  }
  CHECK_FALSE(has_context());

  const auto make_context = cuda_function<kigo_status()>("cuda_make_context");
  KIGO_REQUIRE_CUDA(make_context());
  CHECK(has_context());
  uint64_t by_nvml_after = 0;
  KIGO_REQUIRE_CUDA(first_device(&after, &by_nvml_after));  // now by the CUDA runtime
  MESSAGE("free MiB: told " << (before.free_bytes >> 20) << ", then " << (after.free_bytes >> 20) << "; by NVML "
                            << (by_nvml >> 20) << ", then " << (by_nvml_after >> 20) << "; of it the driver's "
                            << (before.driver_bytes >> 20) << ", then " << (after.driver_bytes >> 20));
  CHECK(differ(after.free_bytes, by_nvml_after) < kTolerance);
  // The context was counted before it was there, and the rest of what the driver takes is still to come.
  const auto for_models = [](const kigo_device_info& info) { return info.free_bytes - info.driver_bytes; };
  CHECK(differ(for_models(before), for_models(after)) < kTolerance);
  CHECK(after.driver_bytes > 0);
}
