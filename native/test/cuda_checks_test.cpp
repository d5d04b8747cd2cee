/** The checks of a simulated GPU (native/cuda/simulator/checks.h), on kernels with a fault each. */
#include <dlfcn.h>
#include <doctest/doctest.h>

#include "test/cuda_library.h"

using namespace kigo::test;

TEST_CASE("cuda: the checks of a simulated GPU find each kind of fault, and nothing where there is none") {
  const auto run = cuda_function<kigo_status(const char* fault, int32_t right)>("cuda_fault");
  if (run == nullptr) return;
  const auto take_findings = cuda_simulator_function<size_t()>("simulator_take_findings");
  if (take_findings == nullptr) {
    MESSAGE("skipped: no simulated GPU with checks (npm test -- races has one)");
    return;
  }
  for (const char* fault :
       {"block", "warp", "reuse", "blocks", "fence", "relaxed", "shared", "global", "early", "unwaited"}) {
    CAPTURE(fault);
    take_findings();
    KIGO_REQUIRE_CUDA(run(fault, 1));
    CHECK(take_findings() == 0);
    KIGO_REQUIRE_CUDA(run(fault, 0));
    CHECK(take_findings() > 0);
  }
}
