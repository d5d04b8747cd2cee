/** Models in several parts: the same numbers as in one, and nothing left behind by what goes wrong in the middle. */
#include "core/chain.h"

#include <algorithm>
#include <cmath>

#include "test/generate_testing.h"

using namespace kigo;
using namespace kigo::test;
using Reason = GenerateResult::Reason;

namespace {

constexpr int32_t kVocab = 97;
constexpr int32_t kLayers = 3;

const BackendUnderTest& exact_cpu() { return backends()[0]; }
const BackendUnderTest& fast_cpu() { return backends()[1]; }
const BackendUnderTest& fake() { return backends().back(); }

/** A list of placements with the backend whose precision and numbers it has in one part. */
struct PartList {
  std::string name;
  const BackendUnderTest& whole;
  std::vector<Placement> placements;
  const char* fake_settings;
};

std::vector<PartList> layouts() {
  const auto two = [](const BackendUnderTest& a, const BackendUnderTest& b) {
    return std::vector<Placement>{placed(a, 0, 2), placed(b, 2, 3)};
  };
  const auto three = [](const BackendUnderTest& a, const BackendUnderTest& b, const BackendUnderTest& c, int32_t last) {
    return std::vector<Placement>{placed(a, 0, 1), placed(b, 1, 2), placed(c, 2, 3, last)};
  };
  std::vector<PartList> lists = {
      {"cpu + cpu, exact", exact_cpu(), two(exact_cpu(), exact_cpu()), ""},
      {"cpu + cpu, fast", fast_cpu(), two(fast_cpu(), fast_cpu()), ""},
      {"cpu + cpu + cpu", fast_cpu(), three(fast_cpu(), fast_cpu(), fast_cpu(), 0), ""},
      {"fake + fake", fake(), {placed(fake(), 0, 1, 0), placed(fake(), 1, 3, 1)}, "devices=2"},
      {"fake + cpu", fast_cpu(), two(fake(), fast_cpu()), "compute"},
      {"cpu + fake", exact_cpu(), two(exact_cpu(), fake()), "compute"},
      {"fake + fake + cpu",
       fast_cpu(),
       {placed(fake(), 0, 1, 0), placed(fake(), 1, 2, 1), placed(fast_cpu(), 2, 3)},
       "devices=2,compute"},
  };
  for (const BackendUnderTest& b : backends()) {
    if (b.api != cuda_backend()) continue;
    // The second GPU, where there is one; else the first one once more.
    int32_t count = 0;
    KIGO_REQUIRE_OK(b.api, b.api->device_count(&count));
    const int32_t other = count > 1 ? 1 : 0;
    lists.push_back({b.name + " + " + b.name, b, {placed(b, 0, 2, 0), placed(b, 2, 3, other)}, ""});
  }
  return lists;
}

#define FOR_EACH_LAYOUT(l)            \
  for (const PartList& l : layouts()) \
    if (const FakeSettings settings_(l.fake_settings); true) SUBCASE(l.name.c_str())

std::vector<float> all_logits(Session& session, const std::vector<int32_t>& tokens) {
  std::vector<float> rows;
  session.logits(tokens, {}, [&](int32_t, int32_t n_rows, const float* values) {
    rows.insert(rows.end(), values, values + n_rows * kVocab);
    return true;
  });
  return rows;
}

uint64_t total_of(const kigo_memory& m) { return m.weights + m.kv + m.workspace; }

kigo_status status_of(const std::function<void()>& call, Error* caught = nullptr) {
  try {
    call();
    return KIGO_OK;
  } catch (const Error& error) {
    if (caught != nullptr) *caught = error;
    return error.status();
  }
}

std::string text_detail(const Error& error, const char* key) {
  for (const Detail& d : error.details()) {
    if (d.key == key) return d.text;
  }
  return "";
}

uint64_t free_bytes(int32_t device) {
  kigo_device_info info = {};
  KIGO_REQUIRE_OK(fake().api, fake().api->device_info(device, &info));
  return info.free_bytes;
}

struct CancelAfter {
  int left;
  kigo_cancel c() {
    return {[](void* self) { return --static_cast<CancelAfter*>(self)->left < 0 ? 1 : 0; }, this};
  }
};

}  // namespace

TEST_CASE("a chain gives the logits, the scores and the text of the whole, number for number") {
  TinyModel tiny;
  const std::vector<int32_t> tokens = some_tokens(45, kVocab);
  FOR_EACH_LAYOUT(l) {
    Chain whole = open_chain(l.whole, tiny), chain = open_chain(l.whole, tiny, l.placements);
    Session one(whole, 64, 16), parts(chain, 64, 16);
    const std::vector<float> expected = all_logits(one, tokens);
    REQUIRE(expected.size() == tokens.size() * kVocab);
    CHECK(all_logits(parts, tokens) == expected);
    CHECK(parts.score(tokens, {}) == one.score(tokens, {}));

    for (const float temperature : {0.0f, 0.9f}) {
      GenerateRequest request = request_of(some_tokens(20, kVocab), 15);
      request.sampling.temperature = temperature;
      request.sampling.repeat_penalty = 1.3f;
      request.sampling.repeat_last_n = 16;
      request.sampling.seed = 7;
      const std::vector<int32_t> text = generate(one, request);
      CHECK(text.size() == 15);
      CHECK(generate(parts, request) == text);
    }
  }
}

TEST_CASE("a chain reuses its cache, cuts it, and fills it, as the whole does") {
  TinyModel tiny;
  FOR_EACH_LAYOUT(l) {
    Chain whole = open_chain(l.whole, tiny), chain = open_chain(l.whole, tiny, l.placements);
    Session one(whole, 40, 16), parts(chain, 40, 16);
    std::vector<int32_t> prompt = some_tokens(24, kVocab);
    for (const bool change : {false, true}) {
      if (change) prompt[15] = (prompt[15] + 1) % kVocab;
      GenerateResult a, b;
      CHECK(generate(parts, request_of(prompt, 0), &b) == generate(one, request_of(prompt, 0), &a));
      CHECK(b.reason == Reason::context);
      CHECK(b.cached_tokens == a.cached_tokens);
      CHECK(b.cached_tokens == (change ? 15 : 0));
      CHECK(b.tokens == 16);
      CHECK(parts.length() == one.length());
    }
    parts.truncate(10);
    CHECK(parts.length() == 10);
    CHECK(status_of([&] { parts.truncate(11); }) == KIGO_INVALID_INPUT);
    CHECK(status_of([&] { generate(parts, request_of(some_tokens(40, kVocab), 0)); }) == KIGO_PROMPT_TOO_LONG);
  }
}

TEST_CASE("cancelling a chain at any moment keeps what went through all parts, and the next reply goes on from it") {
  TinyModel tiny;
  const std::vector<int32_t> prompt = some_tokens(30, kVocab);
  FOR_EACH_LAYOUT(l) {
    Chain chain = open_chain(l.whole, tiny, l.placements);
    Session fresh(chain, 64, 8);
    const std::vector<int32_t> expected = generate(fresh, request_of(prompt, 8));
    Session session(chain, 64, 8);
    for (int polls = 0; polls < 90; polls += 7) {
      session.truncate(0);
      CancelAfter cancel{polls};
      GenerateRequest request = request_of(prompt, 8);
      request.cancel = cancel.c();
      GenerateResult result;
      const std::vector<int32_t> part = generate(session, request, &result);
      CHECK((result.reason == Reason::length || result.reason == Reason::cancelled));
      CHECK(part == std::vector<int32_t>(expected.begin(), expected.begin() + static_cast<ptrdiff_t>(part.size())));
      CHECK(result.prompt_tokens <= session.length());
      request.cancel = {};
      CHECK(generate(session, request) == expected);
    }
  }
}

TEST_CASE("the plan of a chain equals its tally to the byte, part by part, and closing gives everything back") {
  TinyModel tiny;
  FOR_EACH_LAYOUT(l) {
    const ChainMemory plan = plan_chain(*tiny.desc(), model_options(l.whole.exact), l.placements, 40, 16);
    REQUIRE(plan.parts.size() == l.placements.size());
    CHECK(plan.hand_over == std::min<size_t>(l.placements.size() - 1, 2) * 16 * 48 * sizeof(float));
    uint64_t sum = plan.hand_over;
    for (const kigo_memory& part : plan.parts) sum += total_of(part);
    CHECK(total_of(plan.total()) == sum);

    Chain chain = open_chain(l.whole, tiny, l.placements);
    for (int round = 0; round < 2; ++round) {
      {
        Session session(chain, 40, 16);
        const ChainMemory tally = chain.tally();
        for (size_t i = 0; i < plan.parts.size(); ++i) {
          CHECK(tally.parts[i].weights == plan.parts[i].weights);
          CHECK(tally.parts[i].kv == plan.parts[i].kv);
          CHECK(tally.parts[i].workspace == plan.parts[i].workspace);
        }
        CHECK(tally.hand_over == plan.hand_over);
      }
      const kigo_memory idle = chain.tally().total();
      CHECK(idle.weights == plan.total().weights);
      CHECK(idle.kv == 0);
    }
  }
}

TEST_CASE("layers without a device, with two of them, or out of order are refused") {
  TinyModel tiny;
  const BackendUnderTest& cpu = fast_cpu();
  for (const std::vector<std::pair<int32_t, int32_t>>& ranges :
       std::vector<std::vector<std::pair<int32_t, int32_t>>>{{},
                                                             {{0, 2}},
                                                             {{1, 3}},
                                                             {{0, 1}, {2, 3}},
                                                             {{0, 2}, {1, 3}},
                                                             {{1, 3}, {0, 1}},
                                                             {{0, 0}, {0, 3}},
                                                             {{0, 3}, {3, 3}},
                                                             {{0, 4}}}) {
    std::vector<Placement> placements;
    for (const auto& [first, last] : ranges) placements.push_back(placed(cpu, first, last));
    CHECK(status_of([&] { open_chain(cpu, tiny, placements); }) == KIGO_INVALID_INPUT);
  }
}

TEST_CASE("loading a chain reports the progress of all parts, never backwards, and is cancelled in any of them") {
  TinyModel tiny;
  const FakeSettings settings("devices=2,compute");
  const std::vector<Placement> placements = {placed(fake(), 0, 1, 0), placed(fake(), 1, 2, 1),
                                             placed(fast_cpu(), 2, kLayers)};
  struct Seen {
    std::vector<std::pair<uint64_t, uint64_t>> reports;
    int cancel_at = -1;
  } seen;
  kigo_load load = {};
  load.progress_context = &seen;
  load.progress = [](void* self, uint64_t done, uint64_t total) {
    static_cast<Seen*>(self)->reports.emplace_back(done, total);
  };
  load.cancel = {[](void* self) {
                   const Seen& s = *static_cast<Seen*>(self);
                   return s.cancel_at >= 0 && static_cast<int>(s.reports.size()) > s.cancel_at ? 1 : 0;
                 },
                 &seen};
  { Chain chain(*tiny.desc(), model_options(false), placements, load); }
  REQUIRE(seen.reports.size() > 10);
  CHECK(std::is_sorted(seen.reports.begin(), seen.reports.end()));
  const uint64_t total = plan_chain(*tiny.desc(), model_options(false), placements, 1, 1).total().weights;
  for (const auto& report : seen.reports) CHECK(report.second == total);
  CHECK(seen.reports.back().first == total);

  const auto count = static_cast<int>(seen.reports.size());
  for (int at = 0; at < count - 1; at += 5) {
    seen.reports.clear();
    seen.cancel_at = at;
    CHECK(status_of([&] { Chain(*tiny.desc(), model_options(false), placements, load); }) == KIGO_CANCELLED);
    CHECK(free_bytes(0) == 8ull << 30);
    CHECK(free_bytes(1) == 8ull << 30);
  }
}

TEST_CASE("memory that is short for one part closes the others, and the error names the device") {
  TinyModel tiny;
  const std::vector<Placement> placements = {placed(fake(), 0, 2, 0), placed(fake(), 2, 3, 1)};
  const ChainMemory plan = plan_chain(*tiny.desc(), model_options(false), placements, 40, 16);
  for (const bool weights : {true, false}) {
    const uint64_t limit = weights ? plan.parts[1].weights - 1 : total_of(plan.parts[1]) - 1;
    const std::string most = std::to_string(1 << 30);
    const FakeSettings settings("devices=2,total=" + most + ",oom_at=" + most + "." + std::to_string(limit));
    Error error(KIGO_OK, "");
    CHECK(status_of(
              [&] {
                Chain chain = open_chain(fake(), tiny, placements);
                Session session(chain, 40, 16);
              },
              &error) == KIGO_OUT_OF_MEMORY);
    CHECK(text_detail(error, "device") == "fake:1");
    CHECK(free_bytes(0) == 1 << 30);
    CHECK(free_bytes(1) == 1 << 30);
  }
  // A session that fails leaves the model as it was.
  const FakeSettings settings("devices=2,oom_at=8000000." + std::to_string(total_of(plan.parts[1])));
  Chain chain = open_chain(fake(), tiny, placements);
  const kigo_memory before = chain.tally().total();
  CHECK(status_of([&] { Session(chain, 4000, 16); }) == KIGO_OUT_OF_MEMORY);
  CHECK(total_of(chain.tally().total()) == total_of(before));
  Session session(chain, 40, 16);
  CHECK(generate(session, request_of(some_tokens(20, kVocab), 5)).size() == 5);
}

TEST_CASE("a device that is lost in the middle of a reply ends it, says which it was, and its neighbours stay usable") {
  TinyModel tiny;
  const std::vector<int32_t> prompt = some_tokens(12, kVocab);
  for (const int lost : {0, 1}) {
    const std::string far = std::to_string(1000000);
    const FakeSettings settings(std::string("devices=2,compute,lost_at=") + (lost == 0 ? "20." + far : far + ".20"));
    Chain chain =
        open_chain(fast_cpu(), tiny, {placed(fake(), 0, 1, 0), placed(fast_cpu(), 1, 2), placed(fake(), 2, 3, 1)});
    Session session(chain, 64, 8);
    GenerateRequest request = request_of(prompt, 0);
    std::vector<int32_t> text;
    request.on_token = [&](const kigo_token_record& record) { text.push_back(record.id); };
    Error error(KIGO_OK, "");
    CHECK(status_of([&] { session.generate(request); }, &error) == KIGO_DEVICE_LOST);
    CHECK(text_detail(error, "device") == "fake:" + std::to_string(lost));
    CHECK(text.size() == 9);  // drawn at positions 12 to 20; the last one could not be computed
    CHECK(session.length() == 20);
    CHECK(status_of([&] { session.generate(request); }) == KIGO_DEVICE_LOST);

    Chain rest = open_chain(fast_cpu(), tiny);
    Session elsewhere(rest, 64, 8);
    CHECK(generate(elsewhere, request_of(prompt, 9)) == text);
  }
}

TEST_CASE("a batch that fails behind the first part does not count, and the next reply is as if it had never been") {
  TinyModel tiny;
  const FakeSettings settings("compute,nan_at=10");
  // The fake part comes last: the one in front has computed the batch when it fails.
  Chain chain = open_chain(fast_cpu(), tiny, {placed(fast_cpu(), 0, 2), placed(fake(), 2, 3)});
  Session session(chain, 64, 8);
  CHECK(status_of([&] { generate(session, request_of(some_tokens(20, kVocab), 4)); }) == KIGO_NUMERIC_ERROR);
  CHECK(session.length() == 8);
  const FakeSettings healed("compute");
  Chain fresh_chain = open_chain(fast_cpu(), tiny);
  Session fresh(fresh_chain, 64, 8);
  GenerateResult result;
  CHECK(generate(session, request_of(some_tokens(20, kVocab), 4), &result) ==
        generate(fresh, request_of(some_tokens(20, kVocab), 4)));
  CHECK(result.cached_tokens == 8);
}
