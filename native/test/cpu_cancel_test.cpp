/** For a person to read: how soon the CPU twin answers a cancel in layers of an 8B's size, at random moments. */
#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "core/types.h"
#include "cpu/kernels/isa.h"
#include "test/backend_under_test.h"
#include "test/noise_model.h"

using namespace kigo;
using namespace kigo::test;
using Clock = std::chrono::steady_clock;

/** `kigo_tests --no-skip --test-case="*how soon a cancel*"`; KIGO_CPU_ISA chooses the instructions. */
TEST_CASE("cpu: how soon a cancel is answered" * doctest::skip()) {
  constexpr int32_t kBatch = 512, kCtx = 32 * 1024;
  for (const uint32_t type : {uint32_t{kQ4_K}, uint32_t{kF16}}) {
    const NoiseModel noise(2, type);
    for (const BackendUnderTest* backend : {&backends()[0], &backends()[1]}) {  // exact, fast
      OpenModel model(*backend, noise.desc(), model_options(backend->exact));
      OpenSession session(model, kCtx, kBatch);
      const std::vector<int32_t> tokens = some_tokens(kBatch, NoiseModel::kVocab);
      std::mt19937 random(1);
      double longest = 0, sum = 0, whole = 0;
      constexpr int kTimes = 12;
      for (int i = 0; i < kTimes; ++i) {
        kigo_forward request = forward_of(tokens.data(), kBatch, KIGO_LOGITS_LAST);
        const Clock::time_point start = Clock::now();
        Clock::time_point asked = start + std::chrono::milliseconds(std::uniform_int_distribution<int>(1, 800)(random));
        request.cancel = {[](void* at) { return Clock::now() >= *static_cast<Clock::time_point*>(at) ? 1 : 0; },
                          &asked};
        const kigo_status status = model.api->forward(session.handle, &request);
        const auto ms = [](Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
        if (status != KIGO_CANCELLED) {  // noise is not finite behind a layer, which ends the forward first
          whole = std::max(whole, ms(Clock::now() - start));
          continue;
        }
        const double late = ms(Clock::now() - asked);
        longest = std::max(longest, late);
        sum += late / kTimes;
        CHECK(session.length() == 0);
      }
      const std::string what =
          std::string(cpu::isa_name(cpu::isa())) + ", " + find_type(type)->name + (backend->exact ? ", exact" : "");
      MESSAGE(what << ": answered within " << longest << " ms, " << sum
                   << " on average; forwards that ended first took " << whole << " ms at most");
    }
  }
}
