/** Models in parts on GPUs: the numbers of the whole on one GPU, bit for bit, and every GPU's memory given back. */
#include <cstdlib>
#include <thread>

#include "core/types.h"
#include "test/cuda_library.h"
#include "test/generate_testing.h"
#include "test/model_variants.h"

using namespace kigo;
using namespace kigo::test;

namespace {

int32_t gpu_count() {
  int32_t count = 0;
  KIGO_REQUIRE_OK(cuda_backend(), cuda_backend()->device_count(&count));
  return count;
}

/** Whether there are two; where not, says so as a skipped test. */
bool has_two_gpus() {
  const bool two = cuda_backend() != nullptr && gpu_count() > 1;
  if (!two) MESSAGE("skipped: fewer than two NVIDIA GPUs");
  return two;
}

uint64_t free_bytes(int32_t device) {
  kigo_device_info info = {};
  KIGO_REQUIRE_OK(cuda_backend(), cuda_backend()->device_info(device, &info));
  return info.free_bytes;
}

/** All layers over the devices named, a part for each. */
std::vector<Placement> spread(const BackendUnderTest& twin, int32_t n_layer, const std::vector<int32_t>& devices) {
  std::vector<Placement> placements;
  const auto n = static_cast<int32_t>(devices.size());
  for (int32_t i = 0; i < n; ++i) {
    placements.push_back(placed(twin, n_layer * i / n, n_layer * (i + 1) / n, devices[static_cast<size_t>(i)]));
  }
  return placements;
}

std::vector<float> all_logits(Session& session, const std::vector<int32_t>& tokens, int32_t n_vocab) {
  std::vector<float> rows;
  session.logits(tokens, {}, [&](int32_t, int32_t n_rows, const float* values) {
    rows.insert(rows.end(), values, values + static_cast<ptrdiff_t>(n_rows) * n_vocab);
    return true;
  });
  return rows;
}

const int32_t kReply = small_tests() ? 4 : 24;

/** What a model says, whatever its parts: logits of a prompt in batches and token by token, scores, and two replies. */
struct Said {
  std::vector<float> batches, single;
  std::vector<double> scores;
  std::vector<int32_t> greedy_text, drawn_text;

  Said(Chain& chain, int32_t n_vocab) {
    const std::vector<int32_t> tokens = some_tokens(small_tests() ? 6 : 45, n_vocab);
    Session session(chain, 96, 16), one_by_one(chain, 96, 1);
    batches = all_logits(session, tokens, n_vocab);
    single = all_logits(one_by_one, tokens, n_vocab);
    scores = session.score(tokens, {});
    GenerateRequest request = request_of(some_tokens(20, n_vocab), kReply);
    greedy_text = generate(session, request);
    request.sampling.temperature = 0.9f;
    request.sampling.repeat_penalty = 1.3f;
    request.sampling.repeat_last_n = 16;
    request.sampling.seed = 7;
    drawn_text = generate(session, request);
  }
};

void check_same(const Said& parts, const Said& whole) {
  CHECK(parts.batches == whole.batches);
  CHECK(parts.single == whole.single);
  CHECK(parts.scores == whole.scores);
  CHECK(whole.greedy_text.size() == static_cast<size_t>(kReply));
  CHECK(parts.greedy_text == whole.greedy_text);
  CHECK(parts.drawn_text == whole.drawn_text);
}

/** Rows as long as real ones, so that products and caches are cut as theirs are; shorter in small tests. */
TinySpec wide(uint32_t type) {
  TinySpec spec;
  spec.n_layer = 4;
  spec.n_embd = small_tests() ? 320 : 1280;
  spec.n_vocab = small_tests() ? 256 : 2048;
  spec.n_head = small_tests() ? 4 : 16;
  spec.n_head_kv = small_tests() ? 2 : 4;
  spec.head_dim = spec.n_rot = 80;
  spec.n_ff = small_tests() ? 576 : 2304;
  spec.type = type;
  return spec;
}

}  // namespace

TEST_CASE("cuda: a model in parts on one GPU or two says what the whole says, bit for bit") {
  const std::vector<BackendUnderTest> both = cuda_twins();
  if (both.empty()) return;
  std::vector<std::vector<int32_t>> lists = {{0, 0}};  // devices
  if (has_two_gpus()) lists.insert(lists.end(), {{0, 1}, {1, 0}, {1, 0, 1}});
  std::vector<Variant> models = {
      variants().back(),  // everything at once
      {"wide F16", wide(kF16)},
      {"wide Q8_0", wide(kQ8_0)},
  };
  for (const auto& [v, twin] : share(pairs(few(models, 2), both))) {
    CAPTURE(v.name);
    CAPTURE(twin.name);
    TinyModel tiny(v.spec);
    Chain whole = open_chain(twin, tiny);
    const Said expected(whole, v.spec.n_vocab);
    for (const std::vector<int32_t>& devices : few(lists, 3)) {
      CAPTURE(devices.size());
      CAPTURE(devices.front());
      Chain chain = open_chain(twin, tiny, spread(twin, v.spec.n_layer, devices));
      check_same(Said(chain, v.spec.n_vocab), expected);
    }
  }
}

TEST_CASE("cuda: a model on GPUs and the CPU agrees with the CPU's whole") {
  for (const auto& [twin, way] : share(pairs(cuda_twins(), std::vector<int>{0, 1, 2}))) {
    const BackendUnderTest& cpu = backends()[twin.exact ? 0 : 1];
    const int32_t far = gpu_count() > 1 ? 1 : 0;
    TinyModel tiny(wide(kF16));
    const int32_t n_vocab = tiny.spec.n_vocab;
    Chain whole = open_chain(cpu, tiny);
    const Said expected(whole, n_vocab);
    const std::vector<std::vector<Placement>> ways = {
        {placed(twin, 0, 2), placed(cpu, 2, 4)},
        {placed(cpu, 0, 1), placed(twin, 1, 4)},
        {placed(twin, 0, 1), placed(twin, 1, 2, far), placed(cpu, 2, 4)},
    };
    CAPTURE(twin.name);
    CAPTURE(way);
    Chain chain = open_chain(twin, tiny, ways[static_cast<size_t>(way)]);
    const Said said(chain, n_vocab);
    CHECK(relative_error(said.batches, expected.batches) < twin.tolerance);
    CHECK(relative_error(said.single, expected.single) < twin.tolerance);
    CHECK(relative_error(said.single, said.batches) < twin.tolerance);
  }
}

TEST_CASE("cuda: two GPUs give back all that a model in parts took of each") {
  const std::vector<BackendUnderTest> both = cuda_twins();
  if (both.empty() || !has_two_gpus()) return;
  TinyModel tiny(wide(kF16));
  for (const BackendUnderTest& twin : both) {
    const std::vector<Placement> placements = spread(twin, 4, {0, 1});
    const ChainMemory plan = plan_chain(*tiny.desc(), model_options(twin.exact), placements, 96, 16);
    uint64_t before[2] = {};
    for (int round = 0; round < (small_tests() ? 3 : 6); ++round) {
      if (round == 2) before[0] = free_bytes(0), before[1] = free_bytes(1);
      Chain chain = open_chain(twin, tiny, placements);
      Session session(chain, 96, 16);
      const ChainMemory tally = chain.tally();
      for (size_t i = 0; i < 2; ++i) {
        CHECK(tally.parts[i].weights == plan.parts[i].weights);
        CHECK(tally.parts[i].kv == plan.parts[i].kv);
        CHECK(tally.parts[i].workspace == plan.parts[i].workspace);
      }
      CHECK(generate(session, request_of(some_tokens(10, tiny.spec.n_vocab), 4)).size() == 4);
    }
    for (const int32_t device : {0, 1}) {
      const auto lost = static_cast<int64_t>(before[device]) - static_cast<int64_t>(free_bytes(device));
      CHECK(std::abs(lost) <= 2 << 20);
    }
  }
}

TEST_CASE("cuda: two threads use a GPU each at the same time, and neither changes what the other says") {
  const std::vector<BackendUnderTest> both = cuda_twins();
  if (both.empty() || !has_two_gpus()) return;
  const BackendUnderTest& fast = both.back();
  TinyModel tiny(wide(kQ8_0));
  Chain on_first = open_chain(fast, tiny, {placed(fast, 0, 4, 0)}),
        on_second = open_chain(fast, tiny, {placed(fast, 0, 4, 1)});
  const Said expected(on_first, tiny.spec.n_vocab);
  const size_t kRounds = small_tests() ? 1 : 3;
  std::vector<Said> said[2];
  {
    std::vector<std::jthread> threads;
    for (Chain* chain : {&on_first, &on_second}) {
      threads.emplace_back([&, chain] {
        for (size_t i = 0; i < kRounds; ++i) said[chain == &on_second].emplace_back(*chain, tiny.spec.n_vocab);
      });
    }
  }
  for (const std::vector<Said>& of_thread : said) {
    REQUIRE(of_thread.size() == kRounds);
    for (const Said& s : of_thread) check_same(s, expected);
  }
}
