/** The sampler on the GPU: against the CPU twin draw by draw, and by its distribution. */
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "core/ops.h"
#include "core/philox.h"
#include "cpu/context.h"
#include "cpu/sample_scratch.h"
#include "cuda/step_state.h"
#include "test/cuda_library.h"
#include "test/sampling_reference.h"

using namespace kigo;
using namespace kigo::test;

namespace {

using Sample = kigo_status(kigo_token_record*, int64_t n_draws, const float* logits, int64_t n_vocab,
                           const int32_t* const* histories, const int64_t* n_history, const int64_t* positions,
                           const kigo_sampling*);
using SampleAgain = kigo_status(kigo_token_record*, int64_t n_draws, const float* logits, int64_t n_vocab,
                                const int32_t* history, int64_t n_history, const kigo_sampling*);
using SampleRun = kigo_status(cuda::RecordSlot*, int32_t* tokens, int64_t n_draws, const float* rows, int64_t n_rows,
                              int64_t n_vocab, const int32_t* history, int64_t n_history, const kigo_sampling*);
using SampleTime = kigo_status(double* microseconds, const float* logits, int64_t n_vocab, const int32_t* history,
                               int64_t n_history, const kigo_sampling*);

kigo_token_record cpu_sample(std::vector<float> logits, const std::vector<int32_t>& history, int64_t position,
                             const kigo_sampling& s) {
  static cpu::ThreadPool pool(1);
  cpu::Context ctx = {pool, {}, cpu::Precision::exact};
  const auto n_vocab = static_cast<int64_t>(logits.size()), n_history = static_cast<int64_t>(history.size());
  std::vector<std::byte> memory(cpu::sample_scratch_bytes(n_vocab, n_history) + 64);
  void* scratch = memory.data();
  size_t space = memory.size();
  std::align(64, space - 64, scratch, space);
  kigo_token_record record;
  cpu::sample(ctx, &record, logits.data(), n_vocab, history.data(), n_history, position, s, scratch);
  return record;
}

/**
 * Sums of float32 exponentials are right to a few 1e-7, so a draw may fall to either side of a boundary that it meets
 * that closely, and a nucleus may end one earlier or later: whether `id` can be drawn if so.
 */
bool within_rounding(int32_t id, const std::vector<float>& logits, const std::vector<int32_t>& history,
                     int64_t position, kigo_sampling s) {
  constexpr double kSlack = 2e-6;
  const double u = philox_uniform(s.seed, static_cast<uint64_t>(position));
  const float top_p = s.top_p;
  for (const double factor : {1.0, 1 - kSlack, 1 + kSlack}) {
    s.top_p = top_p < 1 ? static_cast<float>(static_cast<double>(top_p) * factor) : top_p;
    double sum = 0;
    for (const auto& [of, p] : exact_distribution(logits, history, s)) {
      if (of == id && u >= sum - kSlack && u <= sum + p + kSlack) return true;
      sum += p;
    }
  }
  return false;
}

// What rounding may do to a log-probability, from what each twin computes in float32. A rounding is 2^-24 of the number
// at most, and what an error of a sum is to the sum, it is to its logarithm.
constexpr double kRounding = 0x1p-24;

double log_of(size_t n) { return std::log(static_cast<double>(n)); }

/** In float64: ln Σ e^logit. */
double log_sum(const std::vector<float>& logits) {
  const double max = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float l : logits) sum += std::exp(static_cast<double>(l) - max);
  return max + std::log(sum);
}

// The roundings of logit - max cost ln n at most in any such sum: they are |logit - max| of their terms, and weighted
// by the terms' shares p that is less than -Σ p ln p, which is ln n at most.
/** The CPU twin's sum, as cpu/kernels/vector.h says. */
double cpu_sum(size_t n) { return (15 + log_of(n)) * kRounding; }
/**
 * The GPU's: a term goes through five exponentials (1 ulp, two roundings each: one of its own and one in each of four
 * merges), four products, and 3 + 4 · 5 additions.
 */
double gpu_sum(size_t n) { return (10 + 4 + 23 + log_of(n)) * kRounding; }

/** Whether a log-probability before any sampler is `exact`, but for the error of its sum and its own rounding. */
bool is_logprob(float got, double exact, double of_sum) {
  return std::abs(static_cast<double>(got) - exact) <= of_sum + std::abs(exact) * kRounding;
}

/**
 * Whether two lists of candidates after the samplers are the same. Both twins round (logit - max) / temperature alike
 * and add up in float64 or in integers, so exponentials alone make a difference: of 2 ulp there, of 1 ulp here; less
 * than one rounding for the integers' unit; and each logarithm is rounded.
 */
bool same_kept(const kigo_token_record& a, const kigo_token_record& b) {
  bool same = a.n_kept == b.n_kept;
  for (int32_t i = 0; same && i < a.n_kept; ++i) {
    const double of_a = static_cast<double>(a.kept[i].logprob), of_b = static_cast<double>(b.kept[i].logprob);
    same = a.kept[i].id == b.kept[i].id &&
           std::abs(of_a - of_b) <= (4 + 2 + 1 + std::abs(of_a) + std::abs(of_b)) * kRounding;
  }
  return same;
}

/** Whether both have the same best before any sampler, each with its exact log-probability; and so for what was drawn.
 */
bool exact_before_samplers(const kigo_token_record& gpu, const kigo_token_record& cpu,
                           const std::vector<float>& logits) {
  const double total = log_sum(logits);
  const auto of = [&](int32_t id) { return static_cast<double>(logits[static_cast<size_t>(id)]) - total; };
  const double by_gpu = gpu_sum(logits.size()), by_cpu = cpu_sum(logits.size());
  bool exact = gpu.n_top == cpu.n_top && is_logprob(gpu.logprob, of(gpu.id), by_gpu) &&
               is_logprob(cpu.logprob, of(cpu.id), by_cpu);
  for (int32_t i = 0; exact && i < gpu.n_top; ++i) {
    exact = gpu.top[i].id == cpu.top[i].id && is_logprob(gpu.top[i].logprob, of(gpu.top[i].id), by_gpu) &&
            is_logprob(cpu.top[i].logprob, of(cpu.top[i].id), by_cpu);
  }
  return exact;
}

const std::array<const char*, 9> kShapes = {"normal", "flat",   "rounded",   "one dominates",      "far apart",
                                            "steep",  "padded", "clustered", "zeros of both signs"};

std::vector<float> logits_of(size_t shape, size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  const auto pick = [&](size_t below) { return std::uniform_int_distribution<size_t>(0, below - 1)(random); };
  std::vector<float> l = random_logits(n, seed, 3);
  switch (shape) {
    case 1: std::fill(l.begin(), l.end(), l[0]); break;
    case 2:  // ties everywhere
      for (float& x : l) x = std::round(x * 2) / 2;
      break;
    case 3: l[pick(n)] = 60; break;
    case 4:
      for (float& x : l) x = std::clamp(x * 3000, -1e4f, 1e4f);
      break;
    case 5:
      for (float& x : l) x = x * x * (x > 0 ? 1.0f : -1.0f);
      break;
    case 6:  // entries that no token has
      for (size_t i = n - n / 10; i < n; ++i) l[i] = -1e30f;
      break;
    case 7: {  // all of the best stand side by side
      const size_t from = pick(n);
      for (size_t i = from; i < std::min(n, from + 150); ++i) l[i] += 20;
      break;
    }
    case 8:
      for (float& x : l) x = std::abs(x) < 6 ? (x < 0 ? -0.0f : 0.0f) : x;
      break;
    default: break;
  }
  return l;
}

template <class T, size_t N>
T one_of(const T (&values)[N], std::mt19937& random) {
  return values[std::uniform_int_distribution<size_t>(0, N - 1)(random)];
}

kigo_sampling random_sampling(int32_t n_vocab, std::mt19937& random) {
  kigo_sampling s = samplers_off();
  s.temperature = one_of({0.0f, 0.05f, 0.8f, 0.8f, 1.0f, 1.0f, 3.0f}, random);
  s.top_k = one_of({0, 0, 0, 1, 2, 7, 40, 40, 64, 127, 128, 129, 1000, n_vocab / 2, n_vocab - 1, n_vocab, n_vocab + 5},
                   random);
  s.top_p = one_of({1.0f, 1.0f, 0.95f, 0.95f, 0.5f, 0.1f, 0.0f, 0.999f}, random);
  s.min_p = one_of({0.0f, 0.0f, 0.05f, 0.3f, 1.0f}, random);
  if (random() % 2 == 0) {
    s.repeat_penalty = one_of({1.0f, 1.1f, 1.5f, 0.8f}, random);
    s.presence_penalty = one_of({0.0f, 0.0f, 1.0f, -2.0f}, random);
    s.frequency_penalty = one_of({0.0f, 0.0f, 0.3f, -0.2f}, random);
    s.repeat_last_n = one_of({0, 3, 64, 1'000'000}, random);
  }
  s.n_top = one_of({0, 0, 1, 5, 10}, random);
  s.seed = uint64_t{random()} << 32 | random();
  return s;
}

/** Tokens with repeats, among them the best ones. */
std::vector<int32_t> random_history(const std::vector<float>& logits, std::mt19937& random) {
  std::vector<int32_t> history(one_of({0u, 1u, 10u, 300u, 2000u}, random));
  const auto best = static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  std::uniform_int_distribution<int32_t> any(0, static_cast<int32_t>(logits.size()) - 1);
  for (size_t i = 0; i < history.size(); ++i) {
    history[i] = i % 3 == 0 ? best : i % 3 == 1 && i > 4 ? history[i - 4] : any(random);
  }
  return history;
}

std::string describe(const kigo_sampling& s, size_t shape, size_t n_vocab, size_t n_history) {
  return std::string(kShapes[shape]) + " n_vocab " + std::to_string(n_vocab) + " temperature " +
         std::to_string(s.temperature) + " top_k " + std::to_string(s.top_k) + " top_p " + std::to_string(s.top_p) +
         " min_p " + std::to_string(s.min_p) + " repeat " + std::to_string(s.repeat_penalty) + " last " +
         std::to_string(s.repeat_last_n) + " of " + std::to_string(n_history) + " presence " +
         std::to_string(s.presence_penalty) + " frequency " + std::to_string(s.frequency_penalty) + " n_top " +
         std::to_string(s.n_top);
}

}  // namespace

TEST_CASE("cuda: a draw is the CPU twin's, whatever the logits, the samplers and the history") {
  Sample* const sample = cuda_function<Sample>("cuda_sample");
  if (sample == nullptr) return;
  std::mt19937 random(20261123);
  int n_cases = 0, n_others = 0;
  const std::vector<size_t> all = {97, 128, 129, 1000, 1024, 4095, 4097, 32'000, 49'152, 151'936, 262'144, 262'208};
  for (const size_t n_vocab : small_tests() ? std::vector<size_t>{97, 4097, 262'208} : all) {
    for (size_t shape = 0; shape < kShapes.size(); shape += small_tests() ? 4 : 1) {
      const std::vector<float> logits = logits_of(shape, n_vocab, static_cast<uint32_t>(random()));
      const size_t kDraws = small_tests() ? 2 : 6;
      std::vector<kigo_sampling> samplings;
      std::vector<std::vector<int32_t>> histories;
      std::vector<const int32_t*> pointers;
      std::vector<int64_t> lengths, positions;
      for (size_t i = 0; i < kDraws; ++i) {
        samplings.push_back(random_sampling(static_cast<int32_t>(n_vocab), random));
        histories.push_back(random_history(logits, random));
        pointers.push_back(histories[i].data());
        lengths.push_back(static_cast<int64_t>(histories[i].size()));
        positions.push_back(static_cast<int64_t>(random() % 100'000));
      }
      std::vector<kigo_token_record> records(kDraws), again(kDraws);
      for (auto* to : {&records, &again}) {
        KIGO_REQUIRE_CUDA(sample(to->data(), kDraws, logits.data(), static_cast<int64_t>(n_vocab), pointers.data(),
                                 lengths.data(), positions.data(), samplings.data()));
      }
      CHECK(std::memcmp(records.data(), again.data(), kDraws * sizeof records[0]) == 0);

      for (size_t i = 0; i < kDraws; ++i, ++n_cases) {
        const kigo_sampling& s = samplings[i];
        const std::vector<int32_t>& history = histories[i];
        const int64_t position = positions[i];
        const kigo_token_record& got = records[i];
        INFO(describe(s, shape, n_vocab, history.size()));
        const kigo_token_record cpu = cpu_sample(logits, history, position, s);
        CHECK(exact_before_samplers(got, cpu, logits));
        if (got.id == cpu.id && same_kept(got, cpu)) continue;
        ++n_others;
        CHECK(within_rounding(got.id, logits, history, position, s));
        if (got.n_kept == cpu.n_kept) {  // a nucleus that ends elsewhere has another sum
          for (int32_t j = 0; j < got.n_kept; ++j) CHECK(got.kept[j].id == cpu.kept[j].id);
        } else {
          CHECK(s.top_p < 1);
          CHECK(std::abs(got.n_kept - cpu.n_kept) == 1);
        }
      }
    }
  }
  MESSAGE(n_cases << " cases, " << n_others << " with another draw, within rounding");
  CHECK(n_others <= std::max(n_cases / 50, 2));
}

TEST_CASE("cuda: penalties that leave float32 behind, and tokens that none touches, give the CPU twin's draw") {
  Sample* const sample = cuda_function<Sample>("cuda_sample");
  if (sample == nullptr) return;
  const float largest = std::numeric_limits<float>::max();
  for (const size_t n_vocab : {97, 4097}) {  // ranked and searched, one slice and several
    std::vector<float> logits = random_logits(n_vocab, 11, 2);
    std::vector<int32_t> history;
    for (size_t i = 0; i < n_vocab; i += n_vocab / 90) {
      const auto id = static_cast<int32_t>(i);
      history.insert(history.end(), {id, id});
      logits[i] = (i % 2 == 0 ? 1.0f : -1.0f) * largest / static_cast<float>(1 + i);
    }
    std::vector<int32_t> exempt = {-5, history[4], history[20], history[21] + 1, static_cast<int32_t>(n_vocab) + 3};
    std::sort(exempt.begin(), exempt.end());
    for (const float repeat : {0.001f, 1.0f, 1000.0f}) {
      for (const bool exempts : {false, true}) {
        for (const float top_p : {1.0f, 0.7f}) {
          for (const int32_t top_k : {0, 40}) {
            kigo_sampling s = samplers_off();
            s.repeat_penalty = repeat;
            s.presence_penalty = -1000;
            s.frequency_penalty = 1000;
            s.repeat_last_n = 1'000'000;
            s.top_p = top_p;
            s.top_k = top_k;
            s.n_top = KIGO_MAX_TOP;
            s.seed = 9;
            if (exempts) s.exempt = exempt.data(), s.n_exempt = static_cast<int32_t>(exempt.size());
            INFO(describe(s, 0, n_vocab, history.size()));
            const auto n_history = static_cast<int64_t>(history.size());
            const int32_t* const said = history.data();
            const int64_t position = 100;
            kigo_token_record got;
            KIGO_REQUIRE_CUDA(
                sample(&got, 1, logits.data(), static_cast<int64_t>(n_vocab), &said, &n_history, &position, &s));
            const kigo_token_record cpu = cpu_sample(logits, history, position, s);
            CHECK(got.id == cpu.id);
            CHECK(same_kept(got, cpu));
          }
        }
      }
    }
  }
}

TEST_CASE("cuda: draws have the exact probabilities, for each sampler alone and for all together") {
  SampleAgain* const sample = cuda_function<SampleAgain>("cuda_sample_again");
  if (sample == nullptr) return;
  const std::vector<int32_t> history = {1, 2, 3, 3, 3, 4, 59, 1, 17, 17};
  for (const size_t n_vocab : {60, 300}) {  // ranked, searched
    const std::vector<float> logits = random_logits(n_vocab, 3, 2);
    for (const SamplingCase& c : few(sampling_cases(), 3)) {
      INFO(std::string(c.name) << ", " << n_vocab << " tokens");
      kigo_sampling s = samplers_off();
      s.seed = 12345;
      c.set(s);
      std::vector<kigo_token_record> records(small_tests() ? 8 : 5'000);
      KIGO_REQUIRE_CUDA(sample(records.data(), static_cast<int64_t>(records.size()), logits.data(),
                               static_cast<int64_t>(n_vocab), history.data(), static_cast<int64_t>(history.size()),
                               &s));
      std::vector<int32_t> ids;
      for (const kigo_token_record& r : records) ids.push_back(r.id);
      check_distribution(exact_distribution(logits, history, s), ids);
    }
  }
}

TEST_CASE("cuda: draws from a large, flat vocabulary have the exact probabilities") {
  SampleAgain* const sample = cuda_function<SampleAgain>("cuda_sample_again");
  if (sample == nullptr) return;
  const std::vector<float> logits = random_logits(5'000, 5, 1.5f);
  kigo_sampling s = samplers_off();
  s.seed = 99;
  SUBCASE("top-p far down the list") { s.top_p = 0.9f; }
  SUBCASE("top-k in thousands") { s.top_k = 800; }
  SUBCASE("both") { s.top_k = 800, s.top_p = 0.9f; }
  SUBCASE("top-k as many as are ranked") { s.top_k = 128; }
  SUBCASE("min-p alone") { s.min_p = 0.2f; }
  SUBCASE("nothing") {}
  std::vector<kigo_token_record> records(small_tests() ? 8 : 5'000);
  KIGO_REQUIRE_CUDA(sample(records.data(), static_cast<int64_t>(records.size()), logits.data(), 5'000, nullptr, 0, &s));
  std::vector<int32_t> ids;
  for (const kigo_token_record& r : records) ids.push_back(r.id);
  check_distribution(exact_distribution(logits, {}, s), ids);
}

TEST_CASE("cuda: a captured graph draws a thousand tokens as the CPU twin does one by one") {
  SampleRun* const run = cuda_function<SampleRun>("cuda_sample_run");
  if (run == nullptr) return;
  constexpr size_t kRows = 7, kVocab = 6'000;
  const size_t n_draws = small_tests() ? 8 : 1000;
  std::vector<float> rows;
  for (uint32_t r = 0; r < kRows; ++r) {
    const std::vector<float> row = random_logits(kVocab, r, 3);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  kigo_sampling s = samplers_off();
  s.seed = 4;
  s.n_top = 3;
  SUBCASE("greedy, which penalties keep from going round in circles") {
    s.temperature = 0, s.presence_penalty = 2, s.repeat_last_n = 300;
  }
  SUBCASE("the defaults") { s.temperature = 0.8f, s.top_k = 40, s.top_p = 0.95f, s.min_p = 0.05f; }
  SUBCASE("the defaults with penalties") {
    s.temperature = 0.8f, s.top_k = 40, s.top_p = 0.95f, s.min_p = 0.05f;
    s.repeat_penalty = 1.1f, s.frequency_penalty = 0.1f, s.repeat_last_n = 64;
  }
  SUBCASE("searched, with penalties") {
    s.top_k = 3'000, s.top_p = 0.9f, s.repeat_penalty = 1.2f, s.repeat_last_n = 10'000;
  }
  SUBCASE("nothing cut") {}

  const std::vector<int32_t> prompt = {5, 17, 17, 3};
  std::vector<cuda::RecordSlot> slots(n_draws), again(n_draws);
  std::vector<int32_t> tokens(prompt.size() + n_draws);
  for (auto* to : {&slots, &again}) {
    KIGO_REQUIRE_CUDA(run(to->data(), tokens.data(), n_draws, rows.data(), kRows, kVocab, prompt.data(),
                          static_cast<int64_t>(prompt.size()), &s));
  }
  CHECK(std::memcmp(slots.data(), again.data(), n_draws * sizeof slots[0]) == 0);

  std::vector<int32_t> history = prompt;
  int n_others = 0;
  for (size_t i = 0; i < n_draws; ++i) {
    CAPTURE(i);
    const auto row = rows.begin() + static_cast<std::ptrdiff_t>(
                                        (static_cast<size_t>(history.back()) + history.size() - 1) % kRows * kVocab);
    const std::vector<float> logits(row, row + kVocab);
    const auto position = static_cast<int64_t>(history.size());
    const kigo_token_record cpu = cpu_sample(logits, history, position, s);
    const kigo_token_record& got = slots[i].record;
    CHECK(slots[i].not_finite == 0);
    CHECK(exact_before_samplers(got, cpu, logits));
    CHECK(got.id == tokens[history.size()]);
    if (got.id != cpu.id) {
      ++n_others;
      CHECK(within_rounding(got.id, logits, history, position, s));
    }
    history.push_back(got.id);
  }
  CHECK(n_others <= 5);
  CHECK(std::set<int32_t>(history.begin(), history.end()).size() > n_draws / 20);
}

TEST_CASE("cuda: logits that are not finite are reported, and draws go on with token 0") {
  SampleRun* const run = cuda_function<SampleRun>("cuda_sample_run");
  if (run == nullptr) return;
  constexpr size_t kVocab = 151'937;
  const std::vector<std::pair<const char*, kigo_sampling>> kinds = [] {
    kigo_sampling greedy = samplers_off(), ranked = samplers_off(), searched = samplers_off();
    greedy.temperature = 0;
    ranked.top_k = 40;
    searched.top_p = 0.9f;
    searched.n_top = KIGO_MAX_TOP;
    return std::vector<std::pair<const char*, kigo_sampling>>{
        {"greedy", greedy}, {"ranked", ranked}, {"searched", searched}};
  }();
  const float inf = std::numeric_limits<float>::infinity();
  const int32_t first = 0;
  for (const float bad : few<float>({-std::nanf(""), std::nanf(""), inf, -inf}, 2)) {
    for (const size_t at : few<size_t>({0, 70'001, kVocab - 1}, 2)) {
      std::vector<float> logits = random_logits(kVocab, 8);
      logits[at] = bad;
      for (const auto& [name, s] : kinds) {
        INFO(std::string(name) << ": " << bad << " at " << at);
        cuda::RecordSlot slot;
        std::array<int32_t, 2> tokens;
        KIGO_REQUIRE_CUDA(run(&slot, tokens.data(), 1, logits.data(), 1, static_cast<int64_t>(kVocab), &first, 1, &s));
        CHECK(slot.not_finite == 1);
        CHECK(slot.record.id == 0);
        CHECK(tokens[1] == 0);
      }
    }
  }
  // Once seen, it stays said; a clean start says nothing.
  std::vector<float> two = random_logits(2 * kVocab, 9);
  std::vector<cuda::RecordSlot> slots(4);
  std::vector<int32_t> tokens(5);
  for (const bool is_bad : {true, false}) {
    two[5] = is_bad ? inf : 0;
    KIGO_REQUIRE_CUDA(
        run(slots.data(), tokens.data(), 4, two.data(), 2, static_cast<int64_t>(kVocab), &first, 1, &kinds[0].second));
    for (const cuda::RecordSlot& slot : slots) CHECK(slot.not_finite == is_bad);
  }
}

TEST_CASE("cuda: a vocabulary that is too large for the GPU's sampler is refused in words") {
  Sample* const sample = cuda_function<Sample>("cuda_sample");
  if (sample == nullptr) return;
  const kigo_sampling s = samplers_off();
  kigo_token_record record;
  std::vector<float> logits((1 << 20) + 1);
  logits[1 << 20] = 1;
  const int32_t* history = nullptr;
  const int64_t none = 0;
  CHECK(sample(&record, 1, logits.data(), (1 << 20) + 1, &history, &none, &none, &s) == KIGO_UNSUPPORTED_ARCHITECTURE);
  CHECK(cuda_error().find("1048576") != std::string::npos);
  // The largest allowed, with the best at the end of it.
  std::rotate(logits.begin(), logits.begin() + 1, logits.end());
  logits.pop_back();
  kigo_sampling greedy = samplers_off();
  greedy.temperature = 0;
  greedy.n_top = 3;
  KIGO_REQUIRE_CUDA(sample(&record, 1, logits.data(), 1 << 20, &history, &none, &none, &greedy));
  CHECK(record.id == (1 << 20) - 1);
  CHECK(record.top[0].id == (1 << 20) - 1);
  CHECK(record.top[1].id == 0);
  CHECK(record.top[2].id == 1);
}

/** For a person to read: `kigo_tests --no-skip --test-case="*what a draw costs*"`. */
TEST_CASE("cuda: what a draw costs" * doctest::skip()) {
  SampleTime* const time = cuda_function<SampleTime>("cuda_sample_time");
  if (time == nullptr) return;
  std::vector<SamplingCase> cases = {
      {"greedy", [](kigo_sampling& s) { s.temperature = 0; }},
      {"defaults", [](kigo_sampling& s) { s.temperature = 0.8f, s.top_k = 40, s.top_p = 0.95f, s.min_p = 0.05f; }},
      {"defaults, penalties over 64",
       [](kigo_sampling& s) {
         s.temperature = 0.8f, s.top_k = 40, s.top_p = 0.95f, s.min_p = 0.05f;
         s.repeat_penalty = 1.1f, s.repeat_last_n = 64;
       }},
      {"defaults, ten best",
       [](kigo_sampling& s) {
         s.temperature = 0.8f, s.top_k = 40, s.top_p = 0.95f, s.min_p = 0.05f, s.n_top = KIGO_MAX_TOP;
       }},
      {"top-k 128", [](kigo_sampling& s) { s.top_k = 128; }},
      {"top-p 0.95 alone", [](kigo_sampling& s) { s.top_p = 0.95f; }},
      {"min-p 0.05 alone", [](kigo_sampling& s) { s.min_p = 0.05f; }},
      {"top-k 1000, top-p 0.95", [](kigo_sampling& s) { s.top_k = 1000, s.top_p = 0.95f; }},
      {"all off", [](kigo_sampling&) {}},
  };
  const std::vector<int32_t> history(100, 7);
  for (const size_t n_vocab : {32'000, 151'936, 262'144}) {
    for (const size_t shape : {0, 1}) {
      const std::vector<float> logits = logits_of(shape, n_vocab, 1);
      for (const SamplingCase& c : cases) {
        kigo_sampling s = samplers_off();
        c.set(s);
        double microseconds = 0;
        KIGO_REQUIRE_CUDA(time(&microseconds, logits.data(), static_cast<int64_t>(n_vocab), history.data(),
                               static_cast<int64_t>(history.size()), &s));
        MESSAGE(n_vocab << " " << std::string(kShapes[shape]) << ", " << std::string(c.name) << ": " << microseconds
                        << " us");
      }
    }
  }
}
