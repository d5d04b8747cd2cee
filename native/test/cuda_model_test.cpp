/** Whole models on the CUDA twin against float64, and generation that runs ahead. */
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <string>
#include <thread>

#include "core/types.h"
#include "test/cuda_library.h"
#include "test/model_variants.h"

using namespace kigo;
using namespace kigo::test;

namespace {

const int32_t kTokens = small_tests() ? 7 : 40;

double limit(const BackendUnderTest& twin) { return twin.exact ? 1e-5 : 1e-2; }

kigo_token_record next(OpenSession& session) {
  kigo_token_record record = {};
  KIGO_REQUIRE_OK(session.api, session.api->decode_next(session.handle, nullptr, &record));
  return record;
}

/** A greedy reply of n tokens behind the prompt; decode_end is left to the caller. */
std::vector<int32_t> reply(OpenSession& session, const std::vector<int32_t>& prompt, int n) {
  session.prefill(prompt, 16, 97);
  const kigo_sampling sampling = greedy();
  KIGO_REQUIRE_OK(session.api, session.api->sampling_begin(session.handle, &sampling));
  std::vector<int32_t> ids;
  for (int i = 0; i < n; ++i) ids.push_back(next(session).id);
  return ids;
}

}  // namespace

TEST_CASE("cuda: every variant of a layer agrees with float64, in one batch, in small ones, token by token") {
  const std::vector<BackendUnderTest> both = cuda_twins();
  for (Variant& v : share(few(variants(), 3))) {
    CAPTURE(v.name);
    TinyModel tiny(v.spec);
    for (const BackendUnderTest& twin : both) {
      for (const int32_t batch : {kTokens, 3, 1}) {
        CAPTURE(twin.name);
        CAPTURE(batch);
        CHECK(error_against_float64(twin, tiny, kTokens, batch) < limit(twin));
      }
    }
  }
}

TEST_CASE("cuda: quantised weights agree with float64 over the same weights") {
  TinySpec spec;
  spec.n_embd = spec.n_ff = 64;
  spec.type = kQ8_0;
  TinyModel tiny(spec);
  for (const BackendUnderTest& twin : cuda_twins()) {
    CHECK(error_against_float64(twin, tiny, 40, 40) < limit(twin));
    CHECK(error_against_float64(twin, tiny, 40, 1) < (twin.exact ? 1e-5 : 3e-2));  // activations in 8 bit
  }
}

TEST_CASE("cuda: types mixed within a layer agree with float64, in prompts and in replies") {
  for (Variant& mix : share(mixes())) {
    CAPTURE(mix.name);
    TinyModel tiny(mix.spec);
    for (const BackendUnderTest& twin : cuda_twins()) {
      CAPTURE(twin.name);
      const int32_t n = small_tests() ? 5 : 12;
      CHECK(error_against_float64(twin, tiny, n, n) < limit(twin));
      CHECK(error_against_float64(twin, tiny, n, 1) < (twin.exact ? 1e-5 : 3e-2));  // activations in 8 bit
    }
  }
}

TEST_CASE("cuda: rows too long for a block's warps or its shared memory are refused before anything is loaded") {
  // Of float32, 16 warps take 32,768 values; of bfloat16 more, but 236 KiB where the most that a GPU has are 227.
  for (const uint32_t type : {kF32, kBF16}) {
    TinySpec spec;
    spec.n_layer = 1;
    spec.n_embd = 16;
    spec.n_ff = 60'000;
    spec.type = type;
    TinyModel tiny(spec);
    for (const BackendUnderTest& twin : cuda_twins()) {
      CAPTURE(type);
      CAPTURE(twin.name);
      const kigo_model_options options = model_options(twin.exact);
      const kigo_session_options session = {sizeof session, 16, 16};
      const kigo_status expected = twin.exact ? KIGO_OK : KIGO_UNSUPPORTED_QUANTIZATION;
      kigo_memory plan = {};
      CHECK(twin.api->plan(tiny.desc(), &options, &session, &plan) == expected);
      int n_told = 0;
      const kigo_load load = {.cancel = {},
                              .progress = [](void* n, uint64_t, uint64_t) { ++*static_cast<int*>(n); },
                              .progress_context = &n_told};
      kigo_model* model = nullptr;
      CHECK(twin.api->model_open(tiny.desc(), &options, &load, &model) == expected);
      CHECK((n_told > 0) == twin.exact);
      twin.api->model_close(model);
    }
  }
}

TEST_CASE("cuda: a weight that is not finite is found, by layer, tensor and type, in prompts and in replies") {
  for (const BackendUnderTest& twin : cuda_twins()) {
    for (const BrokenWeight& broken : few(broken_weights(), 7)) {
      for (const float value :
           few<float>({std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}, 2)) {
        for (const int32_t n : {4, 1}) {
          CAPTURE(twin.name);
          CAPTURE(broken.tensor);
          CAPTURE(value);
          CAPTURE(n);
          TinyModel tiny;
          tiny.overwrite(broken.tensor, broken.index, value);
          OpenModel model(twin, tiny);
          OpenSession session(model, 16, 16);
          const Error error = forward_error(session, some_tokens(n, 97));
          CHECK(error.status() == KIGO_NUMERIC_ERROR);
          CHECK(detail(error, "tensor") == broken.tensor);
          CHECK(detail(error, "type") == "F32");
          CHECK(detail(error, "layer") == broken.layer);
          CHECK(session.length() == 0);
        }
      }
    }
  }
}

TEST_CASE("cuda: a number that is not finite is found even where no logits are asked for") {
  TinyModel tiny;
  tiny.overwrite("blk.2.attn_v.weight", 3, NAN);  // the last layer, whose rows end at its cache
  const std::vector<int32_t> tokens = some_tokens(4, 97);
  for (const BackendUnderTest& twin : cuda_twins()) {
    for (const int32_t n : {4, 1}) {
      OpenModel model(twin, tiny);
      OpenSession session(model, 16, 16);
      const kigo_forward request = forward_of(tokens.data(), n, KIGO_LOGITS_NONE);
      CHECK(model.api->forward(session.handle, &request) == KIGO_NUMERIC_ERROR);
      CHECK(detail(to_exception(*model.api->last_error()), "tensor") == "blk.2.attn_v.weight");
    }
  }
}

TEST_CASE("cuda: gates beyond float16 are computed in float32, and are no error") {
  TinySpec spec;
  TinyModel tiny(spec);
  // One channel's up is about 10^5 for every token; its gate lets a hundredth of it through.
  const std::string up = "blk.1.ffn_up.weight", gate = "blk.1.ffn_gate.weight", down = "blk.1.ffn_down.weight";
  for (size_t i = 0; i < 48; ++i) {
    tiny.overwrite(up, 7 * 48 + i, i == 0 ? 60000.0f : 20000.0f);
    tiny.overwrite(gate, 7 * 48 + i, 1e-4f);
    tiny.overwrite(down, i * 80 + 7, i % 2 == 0 ? 1e-3f : -1e-3f);
  }
  for (const BackendUnderTest& twin : cuda_twins()) {
    for (const int32_t batch : {kTokens, 1}) {
      CAPTURE(twin.name);
      CAPTURE(batch);
      CHECK(error_against_float64(twin, tiny, kTokens, batch) < limit(twin));
    }
  }
}

TEST_CASE("cuda: a row of logits is given once, where a later one makes the forward look again with care") {
  if (!has_cuda()) return;
  if (small_tests()) return;  // slices of rows are whole batches but for a large vocabulary, which takes its time
  TinySpec spec;
  spec.n_layer = 1;
  spec.n_embd = spec.n_ff = 32;
  spec.n_vocab = 1 << 20;
  TinyModel tiny(spec);
  const size_t row = (1 << 20) - 1;
  for (size_t i = 0; i < 32; ++i) tiny.overwrite("output.weight", row * 32 + i, i == 3 ? 1.0f : 0.0f);
  constexpr int32_t kRows = 16;
  struct Given {
    std::vector<int32_t> rows;
    std::vector<float> of_last_id;
    int32_t first_slice = 0;
  };
  const auto rows_of = [&](const BackendUnderTest& twin, const std::vector<int32_t>& tokens, kigo_status expected) {
    OpenModel model(twin, tiny);
    OpenSession session(model, kRows, kRows);
    kigo_forward request = forward_of(tokens.data(), kRows, KIGO_LOGITS_ALL);
    Given given;
    request.rows_context = &given;
    request.on_rows = [](void* context, int32_t first, int32_t n, const float* logits) {
      Given& g = *static_cast<Given*>(context);
      if (first == 0) g.first_slice = n;
      for (int32_t i = 0; i < n; ++i) {
        g.rows.push_back(first + i);
        g.of_last_id.push_back(std::abs(logits[static_cast<size_t>(i + 1) * (1 << 20) - 1]));
      }
      return 0;
    };
    CHECK(session.api->forward(session.handle, &request) == expected);
    CHECK(session.length() == (expected == KIGO_OK ? kRows : 0));
    return given;
  };
  for (const BackendUnderTest& twin : cuda_twins()) {
    if (!twin.exact) continue;  // its products read halves, whose sums over so few values stay in float32
    CAPTURE(twin.name);
    // A sentence in which no token of the first slice says as much of the last id as one behind it.
    std::vector<int32_t> tokens(kRows);
    Given sound;
    float before = 0, behind = 0;
    for (int32_t seed = 1; before * 1.2f >= behind; ++seed) {
      for (int32_t i = 0; i < kRows; ++i) tokens[static_cast<size_t>(i)] = (seed * 7919 + i * 104'729) % 1'000'000;
      sound = rows_of(twin, tokens, KIGO_OK);
      REQUIRE(sound.rows.size() == kRows);
      REQUIRE(sound.first_slice < kRows);
      const auto slice = sound.of_last_id.begin() + sound.first_slice;
      before = *std::max_element(sound.of_last_id.begin(), slice);
      behind = *std::max_element(slice, sound.of_last_id.end());
    }
    // Between the two the last id's logit leaves float32.
    const float weight = std::numeric_limits<float>::max() / std::max(behind / 1.1f, before * 1.1f);
    tiny.overwrite("output.weight", row * 32 + 3, weight);
    const std::vector<int32_t> given = rows_of(twin, tokens, KIGO_NUMERIC_ERROR).rows;
    CHECK(given.size() >= static_cast<size_t>(sound.first_slice));
    for (size_t i = 0; i < given.size(); ++i) CHECK(given[i] == static_cast<int32_t>(i));
    tiny.overwrite("output.weight", row * 32 + 3, 1.0f);
  }
}

TEST_CASE("cuda: a reply that ran ahead goes on behind a cancel, and another begins behind a truncation") {
  TinyModel tiny;
  const std::vector<int32_t> prompt = some_tokens(9, 97);
  for (const BackendUnderTest& twin : cuda_twins()) {
    CAPTURE(twin.name);
    OpenModel model(twin, tiny);
    OpenSession whole(model, 64, 16), session(model, 64, 16);
    const std::vector<int32_t> expected = reply(whole, prompt, 20);

    std::vector<int32_t> ids = reply(session, prompt, 8);
    const kigo_cancel cancel = {[](void*) { return 1; }, nullptr};
    kigo_token_record record = {};
    CHECK(session.api->decode_next(session.handle, &cancel, &record) == KIGO_CANCELLED);
    CHECK(session.length() == 9 + 7);
    if (!twin.exact) {  // the step was on its way already
      for (int i = 0; i < 12; ++i) ids.push_back(next(session).id);
      CHECK(ids == expected);
    }

    // In the middle of a run: forget some of the reply, and say it again.
    KIGO_REQUIRE_OK(session.api, session.api->session_truncate(session.handle, 9 + 2));
    CHECK(session.api->decode_next(session.handle, nullptr, &record) == KIGO_INVALID_INPUT);
    const std::vector<int32_t> again(expected.begin() + 2, expected.begin() + 6);
    session.prefill(again, 16, 97);
    const std::vector<float> logits = session.prefill({expected[6]}, 16, 97);
    std::vector<int32_t> all = prompt;
    all.insert(all.end(), expected.begin(), expected.begin() + 7);
    CHECK(relative_error(logits, OpenSession(model, 64, 16).prefill(all, 16, 97)) <= twin.tolerance);
  }
}

TEST_CASE("cuda: a reply whose token has a broken embedding ends with its name, and the cache stays valid") {
  const std::vector<int32_t> prompt = some_tokens(9, 97);
  for (const BackendUnderTest& twin : cuda_twins()) {
    CAPTURE(twin.name);
    TinyModel sound;
    OpenModel sound_model(twin, sound);
    OpenSession sound_session(sound_model, 64, 16);
    const std::vector<int32_t> expected = reply(sound_session, prompt, 12);
    // The first drawn token that neither the prompt nor the reply before it holds.
    size_t at = 0;
    while (at < 11 && (std::count(prompt.begin(), prompt.end(), expected[at]) > 0 ||
                       std::count(expected.begin(), expected.begin() + static_cast<ptrdiff_t>(at), expected[at]) > 0)) {
      ++at;
    }
    TinyModel tiny;
    tiny.overwrite("token_embd.weight", static_cast<size_t>(expected[at]) * 48 + 5, NAN);
    OpenModel model(twin, tiny);
    OpenSession session(model, 64, 16);
    CHECK(reply(session, prompt, static_cast<int>(at) + 1).back() == expected[at]);
    const int32_t length = session.length();
    kigo_token_record record = {};
    CHECK(session.api->decode_next(session.handle, nullptr, &record) == KIGO_NUMERIC_ERROR);
    CHECK(detail(to_exception(*session.api->last_error()), "tensor") == "token_embd.weight");
    CHECK(session.length() == length);
    KIGO_REQUIRE_OK(session.api, session.api->decode_end(session.handle));

    KIGO_REQUIRE_OK(session.api, session.api->session_truncate(session.handle, 8));
    const std::vector<float> logits = OpenSession(sound_model, 64, 16).prefill(prompt, 16, 97);
    CHECK(relative_error(session.prefill({prompt[8]}, 1, 97), logits) <= twin.tolerance);
  }
}

TEST_CASE("cuda: what the cache clips to float16 is no error, in a prompt or in a reply") {
  // A value and a key are beyond 65504 for about a third of the tokens, and hardly weigh.
  TinyModel tiny;
  for (size_t i = 0; i < 48; ++i) {
    const float much = i % 3 == 0 ? -9000.0f : 9000.0f;
    tiny.overwrite("blk.1.attn_v.weight", 5 * 48 + i, much);
    tiny.overwrite("blk.2.attn_k.weight", 5 * 48 + i, much);
    for (const size_t head : {0, 1}) {
      tiny.overwrite("blk.1.attn_output.weight", i * 64 + head * 16 + 5, 1e-9f);
      // The rotation has two dimensions of a key weigh with both of a query.
      for (const size_t d : {4, 5}) tiny.overwrite("blk.2.attn_q.weight", (head * 16 + d) * 48 + i, 1e-9f);
    }
  }
  for (const BackendUnderTest& twin : cuda_twins()) {
    CAPTURE(twin.name);
    for (const int32_t batch : {kTokens, 1}) CHECK(error_against_float64(twin, tiny, kTokens, batch) < limit(twin));

    OpenModel model(twin, tiny);
    OpenSession ahead(model, 64, 16), single(model, 64, 16);
    kigo_sampling sampling = greedy();
    sampling.temperature = 1.3f;
    sampling.seed = 77;
    for (OpenSession* s : {&ahead, &single}) {
      s->prefill(some_tokens(9, 97), 16, 97);
      KIGO_REQUIRE_OK(s->api, s->api->sampling_begin(s->handle, &sampling));
    }
    for (int i = 0; i < kTokens; ++i) {
      CAPTURE(i);
      int polls = 0;
      const kigo_cancel count = {[](void* n) { return ++*static_cast<int*>(n), 0; }, &polls};
      kigo_token_record record = {}, expected = {};
      KIGO_REQUIRE_OK(ahead.api, ahead.api->decode_next(ahead.handle, &count, &record));
      // A step that is computed again, operation by operation, asks for a cancel between layers.
      if (!twin.exact) CHECK(polls <= 2);
      CHECK(ahead.length() == 9 + i);
      KIGO_REQUIRE_OK(single.api, single.api->sample(single.handle, &expected));
      CHECK(record.id == expected.id);
      CHECK(record.logprob == expected.logprob);
      const kigo_forward request = forward_of(&expected.id, 1, KIGO_LOGITS_LAST);
      KIGO_REQUIRE_OK(single.api, single.api->forward(single.handle, &request));
    }
  }
}

TEST_CASE("cuda: a reply fills the context to its last position") {
  TinyModel tiny;
  for (const BackendUnderTest& twin : cuda_twins()) {
    CAPTURE(twin.name);
    OpenModel model(twin, tiny);
    const int32_t n_ctx = small_tests() ? 20 : 300;
    OpenSession session(model, n_ctx, 16);
    reply(session, some_tokens(9, 97), n_ctx - 9 + 1);  // the last one is drawn, and has no room
    CHECK(session.length() == n_ctx);
    kigo_token_record record = {};
    CHECK(session.api->decode_next(session.handle, nullptr, &record) == KIGO_PROMPT_TOO_LONG);
    CHECK(session.length() == n_ctx);
  }
}

TEST_CASE("cuda: models are opened and closed while the replies of another begin") {
  TinyModel tiny;
  for (const BackendUnderTest& twin : cuda_twins()) {
    CAPTURE(twin.name);
    OpenModel model(twin, tiny);
    OpenSession first(model, 64, 16);
    const std::vector<int32_t> prompt = some_tokens(9, 97), expected = reply(first, prompt, 3);
    std::atomic<int> n_opened = 0, n_failed = 0;
    std::jthread other([&](const std::stop_token& over) {
      while (!over.stop_requested()) {
        const kigo_model_options options = model_options(twin.exact);
        kigo_model* another = nullptr;
        if (twin.api->model_open(tiny.desc(), &options, nullptr, &another) != KIGO_OK) ++n_failed;
        twin.api->model_close(another);
        ++n_opened;
      }
    });
    int n_same = 0;
    constexpr int kReplies = 10;  // each with a session of its own, which captures its steps anew
    for (int i = 0; i < kReplies || n_opened < 3; ++i) {
      OpenSession session(model, 64, 16);
      n_same += i < kReplies && reply(session, prompt, 3) == expected;
    }
    other.request_stop();
    other.join();
    CHECK(n_same == kReplies);
    CHECK(n_failed == 0);
  }
}
