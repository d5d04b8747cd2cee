/** The sampler: random numbers against known answers, cuts against their definition, draws against chi-squared. */
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "core/ops.h"
#include "core/philox.h"
#include "cpu/context.h"
#include "cpu/sample_scratch.h"
#include "test/sampling_reference.h"

using namespace kigo;
using namespace kigo::test;

namespace {

class Sampler {
 public:
  explicit Sampler(std::vector<float> logits, std::vector<int32_t> history = {})
      : logits_(std::move(logits)), history_(std::move(history)) {
    memory_.resize(
        cpu::sample_scratch_bytes(static_cast<int64_t>(logits_.size()), static_cast<int64_t>(history_.size())) + 64);
  }

  kigo_token_record draw(const kigo_sampling& sampling, int64_t position = 0) {
    cpu::Context ctx = {pool_, {}, cpu::Precision::exact};
    void* scratch = memory_.data();
    size_t space = memory_.size();
    std::align(64, space - 64, scratch, space);
    kigo_token_record record;
    std::vector<float> before = logits_;
    cpu::sample(ctx, &record, logits_.data(), static_cast<int64_t>(logits_.size()), history_.data(),
                static_cast<int64_t>(history_.size()), position, sampling, scratch);
    if (logits_ != before) FAIL("the logits were not restored");
    return record;
  }

 private:
  cpu::ThreadPool pool_{1};
  std::vector<float> logits_;
  std::vector<int32_t> history_;
  std::vector<std::byte> memory_;
};

/** Draws n times at positions 0 … n-1. */
void check_draws(const std::vector<float>& logits, const std::vector<int32_t>& history, const kigo_sampling& s,
                 int n = 20'000) {
  Sampler sampler(logits, history);
  std::vector<int32_t> ids;
  for (int i = 0; i < n; ++i) ids.push_back(sampler.draw(s, i).id);
  check_distribution(exact_distribution(logits, history, s), ids);
}

}  // namespace

TEST_CASE("Philox gives the published answers") {
  using Four = PhiloxCounter;
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Four{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Four{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Four{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  CHECK(philox_uniform(1, 2) == philox_uniform(1, 2));
  CHECK(philox_uniform(1, 2) != philox_uniform(1, 3));
  CHECK(philox_uniform(1, 2) != philox_uniform(2, 2));
}

TEST_CASE("temperature 0 takes the best, the first of equals") {
  kigo_sampling s = samplers_off();
  s.temperature = 0;
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::vector<float> logits = random_logits(5000, seed);
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    CHECK(Sampler(logits).draw(s).id == best);
    logits.back() = logits[static_cast<size_t>(best)];
    CHECK(Sampler(logits).draw(s).id == best);
  }
}

TEST_CASE("draws have the exact probabilities, for each sampler alone and for all together") {
  const std::vector<float> logits = random_logits(60, 3, 2);
  const std::vector<int32_t> history = {1, 2, 3, 3, 3, 4, 59, 1, 17, 17};
  for (const SamplingCase& c : sampling_cases()) {
    SUBCASE(c.name) {
      kigo_sampling s = samplers_off();
      s.seed = 12345;
      c.set(s);
      check_draws(logits, history, s);
    }
  }
}

TEST_CASE("draws from a large, flat vocabulary have the exact probabilities") {
  const std::vector<float> logits = random_logits(5'000, 5, 1.5f);
  kigo_sampling s = samplers_off();
  s.seed = 99;
  SUBCASE("top-p far down the list") { s.top_p = 0.9f; }
  SUBCASE("top-k in thousands") { s.top_k = 800; }
  SUBCASE("min-p alone") { s.min_p = 0.2f; }
  SUBCASE("nothing") {}
  check_draws(logits, {}, s, 4000);
}

TEST_CASE("equal logits are kept by id, and the cut is exact") {
  kigo_sampling s = samplers_off();
  s.top_k = 3;
  Sampler sampler(std::vector<float>(1000, 1.0f));
  std::set<int32_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(sampler.draw(s, i).id);
  CHECK(seen == std::set<int32_t>{0, 1, 2});
}

TEST_CASE("neighbouring seeds and positions are independent") {
  // Two values of 50:50; pairs of draws must be uniform over the four combinations.
  kigo_sampling s = samplers_off();
  Sampler sampler({0.0f, 0.0f});
  std::array<double, 4> by_position{}, by_seed{};
  constexpr int n = 20'000;
  for (int i = 0; i < n; ++i) {
    s.seed = 1;
    ++by_position[static_cast<size_t>(sampler.draw(s, 2 * i).id * 2 + sampler.draw(s, 2 * i + 1).id)];
    s.seed = static_cast<uint64_t>(2 * i);
    const int32_t first = sampler.draw(s, 5).id;
    s.seed = static_cast<uint64_t>(2 * i + 1);
    ++by_seed[static_cast<size_t>(first * 2 + sampler.draw(s, 5).id)];
  }
  for (const auto& counts : {by_position, by_seed}) {
    double statistic = 0;
    for (const double c : counts) statistic += (c - n / 4.0) * (c - n / 4.0) / (n / 4.0);
    CHECK(chi_squared_p(statistic, 3) > 1e-4);
  }
}

TEST_CASE("logits hundreds apart neither overflow nor lose the draw") {
  kigo_sampling s = samplers_off();
  s.temperature = 0.05f;
  CHECK(Sampler({-300, 900, 899, -1e30f}).draw(s).id == 1);
  s.top_p = 0.9f;
  CHECK(Sampler({-300, 900, 800, -1e30f}).draw(s).id == 1);
  CHECK(Sampler({-300, 900, 800, -1e30f}).draw(s).logprob == 0);
}

TEST_CASE("penalties change what is drawn, but not the log-probability that is reported") {
  kigo_sampling s = samplers_off();
  s.temperature = 0;
  s.presence_penalty = 5;
  s.repeat_last_n = 8;
  Sampler sampler({1, 3, 2}, {1});
  const kigo_token_record record = sampler.draw(s);
  CHECK(record.id == 2);
  const double total = std::exp(1) + std::exp(3) + std::exp(2);
  CHECK(static_cast<double>(record.logprob) == doctest::Approx(2 - std::log(total)).epsilon(1e-6));
}

TEST_CASE("penalties that leave float32 behind end at its largest and smallest number") {
  kigo_sampling s = samplers_off();
  s.n_top = 4;
  s.repeat_last_n = 8;
  s.repeat_penalty = 1000;
  const float far = std::numeric_limits<float>::max();
  SUBCASE("all of them the same way: nobody is preferred") {
    const kigo_token_record record = Sampler({-1e38f, -2e38f, -3e38f}, {0, 1, 2}).draw(s);
    REQUIRE(record.n_kept == 3);
    for (int i = 0; i < 3; ++i) {
      CHECK(record.kept[i].id == i);
      CHECK(static_cast<double>(record.kept[i].logprob) == doctest::Approx(-std::log(3)).epsilon(1e-6));
    }
  }
  SUBCASE("the same behind top-p alone, which looks at the whole vocabulary") {
    s.top_p = 0.6f;
    const kigo_token_record record = Sampler({-1e38f, -2e38f, -3e38f}, {0, 1, 2}).draw(s);
    REQUIRE(record.n_kept == 2);
    CHECK(record.kept[1].id == 1);
    CHECK((record.id == 0 || record.id == 1));
  }
  SUBCASE("upwards") {
    s.repeat_penalty = 0.001f;
    const kigo_token_record record = Sampler({1e37f, 3, 2e37f, far / 2}, {0, 2}).draw(s);
    REQUIRE(record.n_kept == 4);
    CHECK(record.kept[0].id == 0);
    CHECK(record.kept[1].id == 2);
    CHECK(static_cast<double>(record.kept[1].logprob) == doctest::Approx(-std::log(2)).epsilon(1e-6));
    CHECK((record.id == 0 || record.id == 2));
  }
}
