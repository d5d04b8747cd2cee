/** Cancelling on a GPU, at random moments: what comes next is as if it had not been. session_bench says how soon. */
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <thread>

#include "test/cuda_library.h"
#include "test/generate_testing.h"
#include "test/noise_model.h"

using namespace kigo;
using namespace kigo::test;
using Clock = std::chrono::steady_clock;
using Reason = GenerateResult::Reason;

namespace {

/** Asks for the end after a while, from a thread of its own. */
class CancelLater {
 public:
  explicit CancelLater(std::chrono::microseconds after)
      : thread_([this, after] {
          std::this_thread::sleep_for(after);
          asked_ = true;
        }) {}
  ~CancelLater() { thread_.join(); }
  CancelLater(const CancelLater&) = delete;
  CancelLater& operator=(const CancelLater&) = delete;

  kigo_cancel cancel() {
    return {[](void* self) { return static_cast<CancelLater*>(self)->asked_ ? 1 : 0; }, this};
  }

 private:
  std::atomic<bool> asked_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE("cuda: a prompt or a reply that is cancelled at any moment goes on to the same text") {
  if (!has_cuda()) return;
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const int32_t n_prompt = small_tests() ? 100 : 12'000, n_batch = small_tests() ? 16 : 1024;
  const int32_t n_reply = small_tests() ? 10 : 40;
  TinyModel tiny;
  const std::unique_ptr<NoiseModel> large = small_tests() ? nullptr : std::make_unique<NoiseModel>(3, kF16);
  const kigo_model_desc& desc = large == nullptr ? *tiny.desc() : *large->desc();
  Chain chain(desc, model_options(false), {{cuda_backend(), 0, "cuda:0", 0, desc.config->n_layer}});
  const GenerateRequest request = request_of(some_tokens(n_prompt, desc.config->n_vocab), n_reply);
  const ChainMemory before = chain.tally();

  std::vector<int32_t> expected;
  Clock::duration whole;
  {
    Session session(chain, n_prompt + 64, n_batch);
    const Clock::time_point start = Clock::now();
    expected = generate(session, request);
    whole = Clock::now() - start;
  }
  REQUIRE(expected.size() == static_cast<size_t>(n_reply));
  const int n_rounds = small_tests() ? 3 : 20;
  int n_cancelled = 0;
  for (int round = 0; round < n_rounds; ++round) {
    Session session(chain, n_prompt + 64, n_batch);
    const auto longest = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(whole).count());
    const std::chrono::microseconds after(random() % longest);
    CAPTURE(after.count());
    GenerateRequest cancelled = request;
    GenerateResult result;
    std::vector<int32_t> part;
    {
      CancelLater later(after);
      cancelled.cancel = later.cancel();
      part = generate(session, cancelled, &result);
      if (result.reason == Reason::cancelled) ++n_cancelled;
    }
    CHECK(part == std::vector<int32_t>(expected.begin(), expected.begin() + static_cast<ptrdiff_t>(part.size())));
    CHECK(session.length() <= n_prompt + n_reply);
    CHECK(generate(session, request) == expected);
  }
  CHECK(n_cancelled > 0);
  CHECK(chain.tally().total().kv == before.total().kv);
  CHECK(chain.tally().total().workspace == before.total().workspace);
}
