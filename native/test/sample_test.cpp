/** The sampler: random numbers against known answers, cuts against their definition, draws against chi-squared. */
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "core/ops.h"
#include "core/philox.h"
#include "cpu/context.h"
#include "cpu/sample_scratch.h"

using namespace kigo;

namespace {

kigo_sampling off() {
  kigo_sampling s = {};
  s.struct_size = sizeof s;
  s.temperature = 1;
  s.top_p = 1;
  s.repeat_penalty = 1;
  return s;
}

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

std::vector<float> random_logits(size_t n, uint32_t seed, float spread = 3) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(n);
  for (float& l : logits) l = normal(random);
  return logits;
}

/** The chain as the documentation words it, over a sorted list, in float64: id -> probability of being drawn. */
std::map<int32_t, double> exact_distribution(const std::vector<float>& logits, const std::vector<int32_t>& history,
                                             const kigo_sampling& s) {
  std::vector<std::pair<double, int32_t>> list;
  for (size_t i = 0; i < logits.size(); ++i) {
    double l = logits[i];
    const auto from = history.end() - std::min<ptrdiff_t>(static_cast<ptrdiff_t>(history.size()), s.repeat_last_n);
    const auto times = static_cast<double>(std::count(from, history.end(), static_cast<int32_t>(i)));
    if (times > 0) {
      l = l > 0 ? l / static_cast<double>(s.repeat_penalty) : l * static_cast<double>(s.repeat_penalty);
      l -= times * static_cast<double>(s.frequency_penalty) + static_cast<double>(s.presence_penalty);
    }
    list.emplace_back(l, static_cast<int32_t>(i));
  }
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
    return a.first > b.first || (a.first == b.first && a.second < b.second);
  });
  const auto softmax = [&](double temperature) {
    std::vector<double> p;
    double total = 0;
    for (const auto& [l, id] : list) total += p.emplace_back(std::exp((l - list[0].first) / temperature));
    for (double& x : p) x /= total;
    return p;
  };
  if (s.top_k > 0 && static_cast<size_t>(s.top_k) < list.size()) list.resize(static_cast<size_t>(s.top_k));
  if (s.top_p < 1) {
    const std::vector<double> p = softmax(1);
    double sum = 0;
    size_t n = 0;
    while (n < list.size() && (n == 0 || sum < static_cast<double>(s.top_p))) sum += p[n++];
    list.resize(n);
  }
  if (s.min_p > 0) {
    const std::vector<double> p = softmax(1);
    size_t n = 1;
    while (n < list.size() && p[n] >= static_cast<double>(s.min_p) * p[0]) ++n;
    list.resize(n);
  }
  const std::vector<double> p = softmax(static_cast<double>(s.temperature));
  std::map<int32_t, double> result;
  for (size_t i = 0; i < list.size(); ++i) result[list[i].second] = p[i];
  return result;
}

/** P(chi² ≥ x) for k degrees of freedom (Wilson and Hilferty's approximation). */
double chi_squared_p(double x, double k) {
  const double z = (std::cbrt(x / k) - (1 - 2 / (9 * k))) / std::sqrt(2 / (9 * k));
  return 0.5 * std::erfc(z / std::sqrt(2.0));
}

/** Draws n times at positions 0 … n-1; fails where a token outside of the exact support comes, or chi² is absurd. */
void check_distribution(const std::vector<float>& logits, const std::vector<int32_t>& history, const kigo_sampling& s,
                        int n = 20'000) {
  const std::map<int32_t, double> exact = exact_distribution(logits, history, s);
  Sampler sampler(logits, history);
  std::map<int32_t, int> seen;
  for (int i = 0; i < n; ++i) ++seen[sampler.draw(s, i).id];
  for (const auto& [id, count] : seen) CHECK(exact.count(id) == 1);

  // Classes with fewer than 5 expected draws are put together.
  double statistic = 0, rest_expected = 0, rest_seen = 0;
  int classes = 0;
  for (const auto& [id, p] : exact) {
    const double expected = p * n, got = seen.count(id) ? seen[id] : 0;
    if (expected < 5) {
      rest_expected += expected;
      rest_seen += got;
      continue;
    }
    statistic += (got - expected) * (got - expected) / expected;
    ++classes;
  }
  if (rest_expected >= 5) {
    statistic += (rest_seen - rest_expected) * (rest_seen - rest_expected) / rest_expected;
    ++classes;
  }
  CAPTURE(classes);
  CAPTURE(statistic);
  if (classes > 1) CHECK(chi_squared_p(statistic, classes - 1) > 1e-4);
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
  kigo_sampling s = off();
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
  kigo_sampling s = off();
  s.seed = 12345;
  const std::vector<std::pair<const char*, std::function<void()>>> cases = {
      {"all off", [] {}},
      {"temperature 0.8", [&] { s.temperature = 0.8f; }},
      {"temperature 3", [&] { s.temperature = 3; }},
      {"top-k 7", [&] { s.top_k = 7; }},
      {"top-k 1", [&] { s.top_k = 1; }},
      {"top-k above the vocabulary", [&] { s.top_k = 1000; }},
      {"top-p 0.7", [&] { s.top_p = 0.7f; }},
      {"top-p 0", [&] { s.top_p = 0; }},
      {"min-p 0.1", [&] { s.min_p = 0.1f; }},
      {"min-p 1", [&] { s.min_p = 1; }},
      {"top-p of the survivors of top-k", [&] { s.top_k = 9, s.top_p = 0.6f; }},
      {"min-p with top-k", [&] { s.top_k = 12, s.min_p = 0.3f; }},
      {"repeat penalty", [&] { s.repeat_penalty = 1.5f, s.repeat_last_n = 64; }},
      {"repeat penalty over the last 3", [&] { s.repeat_penalty = 1.8f, s.repeat_last_n = 3; }},
      {"presence penalty", [&] { s.presence_penalty = 1.5f, s.repeat_last_n = 64; }},
      {"frequency penalty", [&] { s.frequency_penalty = 0.7f, s.repeat_last_n = 9; }},
      {"penalties over nothing", [&] { s.repeat_penalty = 2, s.presence_penalty = 3, s.repeat_last_n = 0; }},
      {"negative penalties", [&] { s.frequency_penalty = -0.5f, s.presence_penalty = -1, s.repeat_last_n = 64; }},
      {"the defaults", [&] { s.temperature = 0.8f, s.top_k = 40, s.top_p = 0.95f, s.min_p = 0.05f; }},
      {"all at once",
       [&] {
         s.temperature = 1.4f, s.top_k = 30, s.top_p = 0.9f, s.min_p = 0.02f;
         s.repeat_penalty = 1.2f, s.repeat_last_n = 5, s.presence_penalty = 0.3f, s.frequency_penalty = 0.2f;
       }},
  };
  for (const auto& [name, set] : cases) {
    SUBCASE(name) {
      set();
      check_distribution(logits, history, s);
    }
  }
}

TEST_CASE("draws from a large, flat vocabulary have the exact probabilities") {
  const std::vector<float> logits = random_logits(5'000, 5, 1.5f);
  kigo_sampling s = off();
  s.seed = 99;
  SUBCASE("top-p far down the list") { s.top_p = 0.9f; }
  SUBCASE("top-k in thousands") { s.top_k = 800; }
  SUBCASE("min-p alone") { s.min_p = 0.2f; }
  SUBCASE("nothing") {}
  check_distribution(logits, {}, s, 4000);
}

TEST_CASE("equal logits are kept by id, and the cut is exact") {
  kigo_sampling s = off();
  s.top_k = 3;
  Sampler sampler(std::vector<float>(1000, 1.0f));
  std::set<int32_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(sampler.draw(s, i).id);
  CHECK(seen == std::set<int32_t>{0, 1, 2});
}

TEST_CASE("neighbouring seeds and positions are independent") {
  // Two values of 50:50; pairs of draws must be uniform over the four combinations.
  kigo_sampling s = off();
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
  kigo_sampling s = off();
  s.temperature = 0.05f;
  CHECK(Sampler({-300, 900, 899, -1e30f}).draw(s).id == 1);
  s.top_p = 0.9f;
  CHECK(Sampler({-300, 900, 800, -1e30f}).draw(s).id == 1);
  CHECK(Sampler({-300, 900, 800, -1e30f}).draw(s).logprob == 0);
}

TEST_CASE("penalties change what is drawn, but not the log-probability that is reported") {
  kigo_sampling s = off();
  s.temperature = 0;
  s.presence_penalty = 5;
  s.repeat_last_n = 8;
  Sampler sampler({1, 3, 2}, {1});
  const kigo_token_record record = sampler.draw(s);
  CHECK(record.id == 2);
  const double total = std::exp(1) + std::exp(3) + std::exp(2);
  CHECK(static_cast<double>(record.logprob) == doctest::Approx(2 - std::log(total)).epsilon(1e-6));
}
