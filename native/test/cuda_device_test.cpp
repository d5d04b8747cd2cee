/** What the CUDA library says about this machine. */
#include <doctest/doctest.h>

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
  const std::string words = cuda_error();
  INFO(words);
  CHECK((words.find("NVIDIA driver") != std::string::npos || words.find("GPU") != std::string::npos));
}
