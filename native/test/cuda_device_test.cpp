/** What the CUDA library says about this machine. */
#include <doctest/doctest.h>

#include <cstring>

#include "test/cuda_library.h"

using namespace kigo;
using namespace kigo::test;

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
  INFO(cuda_error());
  CHECK((cuda_error().find("NVIDIA driver") != std::string::npos || cuda_error().find("GPU") != std::string::npos));
}
