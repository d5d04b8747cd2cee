/** What the C ABI promises, asked of every backend in the same way. */
#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "core/error.h"
#include "core/types.h"
#include "test/backend_under_test.h"
#include "test/cuda_library.h"

using namespace kigo;
using namespace kigo::test;

namespace {

/** One test for all backends. */
#define FOR_EACH_BACKEND(b)                    \
  for (const BackendUnderTest& b : backends()) \
    if (const std::string context_ = b.name; true) SUBCASE(context_.c_str())

constexpr int32_t kVocab = 97;  // of the tiny model

int never(void*) { return 0; }
int always(void*) { return 1; }
/** Cancels when it is asked for the n-th time. */
int countdown(void* left) { return --*static_cast<int*>(left) <= 0 ? 1 : 0; }

std::vector<int32_t> decode(OpenSession& session, const kigo_sampling& sampling, int n) {
  KIGO_REQUIRE_OK(session.api, session.api->sampling_begin(session.handle, &sampling));
  std::vector<int32_t> ids;
  for (int i = 0; i < n; ++i) {
    kigo_token_record record;
    KIGO_REQUIRE_OK(session.api, session.api->decode_next(session.handle, nullptr, &record));
    ids.push_back(record.id);
  }
  KIGO_REQUIRE_OK(session.api, session.api->decode_end(session.handle));
  return ids;
}

/** The description says `n` tokens less than the file has rows for. */
void pad_vocabulary(TinyModel& model, int32_t n) {
  model.config.n_vocab -= n;
  for (kigo_tensor& t : model.tensors) {
    const std::string name = t.name;
    if (name != "token_embd.weight" && name != "output.weight" && name != "output.bias") continue;
    uint64_t& rows = name == "output.bias" ? t.dims[0] : t.dims[1];
    const auto fewer = rows - static_cast<uint64_t>(n);
    t.bytes = t.bytes / rows * fewer;
    rows = fewer;
  }
}

}  // namespace

TEST_CASE("the table has this header's version and is complete") {
  FOR_EACH_BACKEND(b) {
    CHECK(b.api->abi_version == KIGO_ABI_VERSION);
    CHECK(b.api->struct_size == sizeof(kigo_backend_api));
    REQUIRE(b.api->last_error() != nullptr);
    REQUIRE(b.api->last_error()->message != nullptr);
    int32_t count = 0;
    KIGO_REQUIRE_OK(b.api, b.api->device_count(&count));
    REQUIRE(count >= 1);
    kigo_device_info info = {};
    KIGO_REQUIRE_OK(b.api, b.api->device_info(0, &info));
    CHECK(std::strlen(info.id) > 0);
    CHECK(std::strlen(info.name) > 0);
    CHECK(info.free_bytes > 0);
    CHECK(info.free_bytes <= info.total_bytes);
    CHECK(b.api->device_info(count, &info) == KIGO_INVALID_INPUT);
  }
}

TEST_CASE("pointers that are missing are refused, not followed") {
  FOR_EACH_BACKEND(b) {
    CHECK(b.api->device_count(nullptr) == KIGO_INVALID_INPUT);
    CHECK(b.api->model_open(nullptr, nullptr, nullptr, nullptr) == KIGO_INVALID_INPUT);
    CHECK(b.api->session_open(nullptr, nullptr, nullptr) == KIGO_INVALID_INPUT);
    CHECK(b.api->forward(nullptr, nullptr) == KIGO_INVALID_INPUT);
    CHECK(b.api->decode_next(nullptr, nullptr, nullptr) == KIGO_INVALID_INPUT);
    CHECK(std::string(b.api->last_error()->message).size() > 0);
    b.api->model_close(nullptr);
    b.api->session_close(nullptr);
  }
}

TEST_CASE("the plan equals the tally to the byte, and closing gives everything back") {
  TinySpec half;
  half.vector_type = kF16;
  half.biases = half.qk_norm = half.fused_qkv = true;
  TinyModel plain, with_half(half), padded;
  pad_vocabulary(padded, 5);
  FOR_EACH_BACKEND(b) {
    for (TinyModel* model_file : {&plain, &with_half, &padded}) {
      TinyModel& tiny = *model_file;
      const kigo_model_options options = model_options(b.exact);
      for (const int32_t n_ctx : {1, 100, 333}) {
        const kigo_session_options session = {sizeof session, n_ctx, std::min(n_ctx, 32)};
        kigo_memory plan = {};
        KIGO_REQUIRE_OK(b.api, b.api->plan(tiny.desc(), &options, &session, &plan));
        OpenModel model(b, tiny);
        CHECK(model.tally().weights == plan.weights);
        CHECK(model.tally().kv == 0);
        {
          OpenSession open(model, n_ctx, std::min(n_ctx, 32));
          CHECK(model.tally().weights == plan.weights);
          CHECK(model.tally().kv == plan.kv);
          CHECK(model.tally().workspace == plan.workspace);
        }
        CHECK(model.tally().kv == 0);
        CHECK(model.tally().workspace == 0);
      }
    }
  }
}

TEST_CASE("rows of the embedding and the head beyond the vocabulary are left out of the logits") {
  for (const bool tied : {false, true}) {
    TinySpec spec;
    spec.tied = tied;
    spec.biases = true;
    TinyModel whole(spec), padded(spec);
    pad_vocabulary(padded, 5);
    const std::vector<int32_t> tokens = some_tokens(20, kVocab - 5);
    FOR_EACH_BACKEND(b) {
      CAPTURE(tied);
      OpenModel all(b, whole), fewer(b, padded);
      OpenSession session_all(all, 32, 16), session(fewer, 32, 16);
      std::vector<float> expected = session_all.prefill(tokens, 16, kVocab);
      expected.resize(kVocab - 5);
      CHECK(relative_error(session.prefill(tokens, 16, kVocab - 5), expected) <= b.tolerance);
    }
  }
}

TEST_CASE("weights are counted as the bytes of the tensors; packed ones with no more than their padding") {
  TinyModel tiny;
  uint64_t bytes = 0, padding = 0;
  for (const kigo_tensor& t : tiny.tensors) {
    bytes += t.bytes;
    padding += 15 * t.dims[1] + 64;  // of each row, and behind the tensor
  }
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    const uint64_t counted = model.tally().weights;
    CHECK(counted >= bytes);
    CHECK(counted <= bytes + (b.packs ? padding : 0));
  }
}

TEST_CASE("a context that cannot be held is out of memory, with the missing bytes, and leaves nothing behind") {
  TinyModel tiny;
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    const kigo_memory before = model.tally();
    const kigo_session_options huge = {sizeof huge, INT32_MAX, 16};
    kigo_session* session = nullptr;
    REQUIRE(b.api->session_open(model.handle, &huge, &session) == KIGO_OUT_OF_MEMORY);
    const Error error = to_exception(*b.api->last_error());
    bool told = false;
    for (const Detail& d : error.details()) told = told || (d.key == "missingBytes" && d.number > 0);
    CHECK(told);
    CHECK(session == nullptr);
    CHECK(model.tally().kv == before.kv);
    CHECK(model.tally().workspace == before.workspace);
  }
}

TEST_CASE("session options out of range are refused") {
  TinyModel tiny;
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    kigo_session* session = nullptr;
    for (const auto& [n_ctx, n_batch] : {std::pair{0, 1}, {16, 0}, {16, 17}, {-1, 1}}) {
      const kigo_session_options options = {sizeof options, n_ctx, n_batch};
      CHECK(b.api->session_open(model.handle, &options, &session) == KIGO_INVALID_INPUT);
    }
    const kigo_session_options old = {sizeof old - 4, 16, 16};
    CHECK(b.api->session_open(model.handle, &old, &session) == KIGO_INVALID_INPUT);
  }
}

TEST_CASE("a prompt in one piece, in pieces of 37 and token by token gives the same logits") {
  TinySpec spec;
  spec.window = 13;
  TinyModel tiny(spec);
  const std::vector<int32_t> tokens = some_tokens(small_tests() ? 44 : 120, kVocab);
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    const std::vector<float> whole = OpenSession(model, 128, 128).prefill(tokens, 128, kVocab);
    for (const int32_t piece : {37, 1}) {
      const std::vector<float> pieces = OpenSession(model, 128, 37).prefill(tokens, piece, kVocab);
      CHECK(relative_error(pieces, whole) <= b.tolerance);
    }
  }
}

TEST_CASE("after truncating, the cache goes on as if the rest had never been") {
  TinyModel tiny;
  const std::vector<int32_t> tokens = some_tokens(40, kVocab);
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    OpenSession fresh(model, 64, 16), reused(model, 64, 16);
    const std::vector<float> expected = fresh.prefill(tokens, 8, kVocab);
    reused.prefill({tokens.begin(), tokens.begin() + 24}, 8, kVocab);
    reused.prefill(some_tokens(20, 7), 5, kVocab);
    KIGO_REQUIRE_OK(b.api, b.api->session_truncate(reused.handle, 24));
    CHECK(reused.length() == 24);
    CHECK(reused.prefill({tokens.begin() + 24, tokens.end()}, 8, kVocab) == expected);
    CHECK(b.api->session_truncate(reused.handle, 41) == KIGO_INVALID_INPUT);
    CHECK(b.api->session_truncate(reused.handle, -1) == KIGO_INVALID_INPUT);
    CHECK(reused.length() == 40);
  }
}

TEST_CASE("all rows of logits come in order, and the last one is what LAST gives") {
  TinyModel tiny;
  const std::vector<int32_t> tokens = some_tokens(30, kVocab);
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    const std::vector<float> last = OpenSession(model, 32, 32).prefill(tokens, 32, kVocab);
    OpenSession session(model, 32, 32);
    kigo_forward request = forward_of(tokens.data(), 30, KIGO_LOGITS_ALL);
    struct Rows {
      int32_t next = 0;
      std::vector<float> values;
    } rows;
    request.rows_context = &rows;
    request.on_rows = [](void* context, int32_t first, int32_t n_rows, const float* values) {
      Rows& r = *static_cast<Rows*>(context);
      CHECK(first == r.next);
      r.next += n_rows;
      r.values.insert(r.values.end(), values, values + n_rows * kVocab);
      return 0;
    };
    std::vector<int32_t> targets(tokens.begin() + 1, tokens.end());
    targets.push_back(-1);
    std::vector<double> logprobs(30, 1.0);
    request.targets = targets.data();
    request.logprobs_out = logprobs.data();
    KIGO_REQUIRE_OK(b.api, b.api->forward(session.handle, &request));
    REQUIRE(rows.values.size() == 30 * kVocab);
    CHECK(relative_error({rows.values.end() - kVocab, rows.values.end()}, last) <= b.tolerance);

    for (size_t i = 0; i < 29; ++i) {  // log-probabilities are those of the rows
      double total = 0;
      for (size_t v = 0; v < kVocab; ++v) total += std::exp(static_cast<double>(rows.values[i * kVocab + v]));
      const double expected =
          static_cast<double>(rows.values[i * kVocab + static_cast<size_t>(targets[i])]) - std::log(total);
      CHECK(logprobs[i] == doctest::Approx(expected).epsilon(1e-5));
    }
    CHECK(logprobs[29] == 0);
  }
}

TEST_CASE("a consumer of rows can end the call, and the cache is as before") {
  TinyModel tiny;
  const std::vector<int32_t> tokens = some_tokens(8, kVocab);
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    OpenSession session(model, 32, 32);
    kigo_forward request = forward_of(tokens.data(), 8, KIGO_LOGITS_ALL);
    request.on_rows = [](void*, int32_t, int32_t, const float*) { return 1; };
    CHECK(b.api->forward(session.handle, &request) == KIGO_CANCELLED);
    CHECK(session.length() == 0);
  }
}

TEST_CASE("decode_next draws what forward and sample draw one by one") {
  TinyModel tiny;
  const std::vector<int32_t> prompt = some_tokens(9, kVocab);
  const int n_reply = small_tests() ? 6 : 20;
  FOR_EACH_BACKEND(b) {
    kigo_sampling sampling = greedy();
    sampling.temperature = 1.3f;
    sampling.seed = 77;
    OpenModel model(b, tiny);
    OpenSession one(model, 64, 16), other(model, 64, 16);
    one.prefill(prompt, 16, kVocab);
    other.prefill(prompt, 16, kVocab);
    const std::vector<int32_t> ids = decode(one, sampling, n_reply);
    CHECK(one.length() == 9 + n_reply - 1);  // the last one drawn is not in the cache

    KIGO_REQUIRE_OK(b.api, b.api->sampling_begin(other.handle, &sampling));
    for (const int32_t id : ids) {
      kigo_token_record record;
      KIGO_REQUIRE_OK(b.api, b.api->sample(other.handle, &record));
      CHECK(record.id == id);
      const kigo_forward request = forward_of(&record.id, 1, KIGO_LOGITS_LAST);
      KIGO_REQUIRE_OK(b.api, b.api->forward(other.handle, &request));
    }
  }
}

TEST_CASE("sample in the middle of a run draws the same token again or is refused, and the run goes on") {
  TinyModel tiny;
  const std::vector<int32_t> prompt = some_tokens(9, kVocab);
  FOR_EACH_BACKEND(b) {
    kigo_sampling sampling = greedy();
    sampling.temperature = 1.3f;
    sampling.seed = 77;
    OpenModel model(b, tiny);
    OpenSession whole(model, 64, 16), session(model, 64, 16);
    whole.prefill(prompt, 16, kVocab);
    session.prefill(prompt, 16, kVocab);
    const std::vector<int32_t> ids = decode(whole, sampling, small_tests() ? 5 : 10);
    KIGO_REQUIRE_OK(b.api, b.api->sampling_begin(session.handle, &sampling));
    for (size_t i = 0; i < ids.size(); ++i) {
      CAPTURE(i);
      kigo_token_record record = {};
      KIGO_REQUIRE_OK(b.api, b.api->decode_next(session.handle, nullptr, &record));
      CHECK(record.id == ids[i]);
      CHECK(session.length() == static_cast<int32_t>(9 + i));
      const kigo_status status = b.api->sample(session.handle, &record);
      CHECK((status == KIGO_OK || status == KIGO_INVALID_INPUT));
      CHECK(record.id == ids[i]);
    }
  }
}

TEST_CASE("what runs ahead is never seen: not in the length, not after decode_end") {
  TinyModel tiny;
  const std::vector<int32_t> prompt = some_tokens(5, kVocab);
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    OpenSession session(model, 64, 16), fresh(model, 64, 16);
    session.prefill(prompt, 16, kVocab);
    const kigo_sampling sampling = greedy();
    KIGO_REQUIRE_OK(b.api, b.api->sampling_begin(session.handle, &sampling));
    std::vector<int32_t> all = prompt;
    for (int i = 0; i < 4; ++i) {
      kigo_token_record record;
      KIGO_REQUIRE_OK(b.api, b.api->decode_next(session.handle, nullptr, &record));
      CHECK(session.length() == 5 + i);
      all.push_back(record.id);
    }
    KIGO_REQUIRE_OK(b.api, b.api->decode_end(session.handle));
    CHECK(session.length() == 8);
    // Another token than the drawn one follows: the step that was launched must have left no trace.
    all.back() = (all.back() + 1) % kVocab;
    const std::vector<float> expected = fresh.prefill(all, 16, kVocab);
    CHECK(relative_error(session.prefill({all.back()}, 1, kVocab), expected) <= b.tolerance);
  }
}

TEST_CASE("the same seed gives the same text, another seed another one") {
  TinyModel tiny;
  const std::vector<int32_t> prompt = some_tokens(9, kVocab);
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    const auto text = [&](uint64_t seed) {
      kigo_sampling sampling = greedy();
      sampling.temperature = 1;
      sampling.top_k = 40;
      sampling.top_p = 0.95f;
      sampling.seed = seed;
      OpenSession session(model, 64, 16);
      session.prefill(prompt, 4, kVocab);
      return decode(session, sampling, small_tests() ? 8 : 24);
    };
    CHECK(text(1) == text(1));
    CHECK(text(1) != text(2));
  }
}

TEST_CASE("a record holds the log-probability and the best candidates before and after the samplers") {
  TinyModel tiny;
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    OpenSession session(model, 64, 16);
    const std::vector<float> logits = session.prefill(some_tokens(9, kVocab), 16, kVocab);
    kigo_sampling sampling = greedy();
    sampling.temperature = 0.5f;
    sampling.top_k = 3;
    sampling.n_top = KIGO_MAX_TOP;
    KIGO_REQUIRE_OK(b.api, b.api->sampling_begin(session.handle, &sampling));
    kigo_token_record record;
    KIGO_REQUIRE_OK(b.api, b.api->sample(session.handle, &record));

    std::vector<int32_t> order(kVocab);
    for (int32_t i = 0; i < kVocab; ++i) order[static_cast<size_t>(i)] = i;
    std::sort(order.begin(), order.end(),
              [&](int32_t x, int32_t y) { return logits[static_cast<size_t>(x)] > logits[static_cast<size_t>(y)]; });
    double total = 0, total3 = 0;
    for (const float l : logits) total += std::exp(static_cast<double>(l));
    for (size_t i = 0; i < 3; ++i) total3 += std::exp(static_cast<double>(logits[static_cast<size_t>(order[i])]) / 0.5);
    REQUIRE(record.n_top == KIGO_MAX_TOP);
    REQUIRE(record.n_kept == 3);
    for (size_t i = 0; i < KIGO_MAX_TOP; ++i) {
      const double l = logits[static_cast<size_t>(order[i])];
      CHECK(record.top[i].id == order[i]);
      CHECK(static_cast<double>(record.top[i].logprob) == doctest::Approx(l - std::log(total)).epsilon(1e-4));
      if (i >= 3) continue;
      CHECK(record.kept[i].id == order[i]);
      CHECK(static_cast<double>(record.kept[i].logprob) == doctest::Approx(l / 0.5 - std::log(total3)).epsilon(1e-4));
    }
    const double drawn = logits[static_cast<size_t>(record.id)];
    CHECK(static_cast<double>(record.logprob) == doctest::Approx(drawn - std::log(total)).epsilon(1e-4));
  }
}

TEST_CASE("no penalty touches the tokens that are exempt, and all others as ever") {
  TinyModel tiny;
  const std::vector<int32_t> prompt = some_tokens(9, kVocab);
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    OpenSession session(model, 64, 16);
    const std::vector<float> logits = session.prefill(prompt, 16, kVocab);
    // Every token that was said is out of the question, but for the exempt ones: two of the prompt's, one that nobody
    // said, and one that the vocabulary does not have.
    std::vector<int32_t> exempt = {prompt[2], prompt[5], 96, 1'000'000};
    std::sort(exempt.begin(), exempt.end());
    kigo_sampling sampling = greedy();
    sampling.temperature = 1;
    sampling.presence_penalty = 1000;
    sampling.repeat_last_n = 64;
    sampling.n_top = KIGO_MAX_TOP;
    sampling.seed = 3;
    const auto kept = [&] {
      KIGO_REQUIRE_OK(b.api, b.api->sampling_begin(session.handle, &sampling));
      kigo_token_record record;
      KIGO_REQUIRE_OK(b.api, b.api->sample(session.handle, &record));
      return record;
    };
    std::set<int32_t> penalised(prompt.begin(), prompt.end());
    const auto best_of_the_rest = [&] {
      std::vector<int32_t> order;
      for (int32_t i = 0; i < kVocab; ++i) {
        if (penalised.count(i) == 0) order.push_back(i);
      }
      std::sort(order.begin(), order.end(),
                [&](int32_t x, int32_t y) { return logits[static_cast<size_t>(x)] > logits[static_cast<size_t>(y)]; });
      return order;
    };
    const kigo_token_record without = kept();
    for (size_t i = 0; i < KIGO_MAX_TOP; ++i) CHECK(without.kept[i].id == best_of_the_rest()[i]);

    sampling.exempt = exempt.data();
    sampling.n_exempt = static_cast<int32_t>(exempt.size());
    for (const int32_t id : exempt) penalised.erase(id);
    const kigo_token_record with = kept();
    for (size_t i = 0; i < KIGO_MAX_TOP; ++i) CHECK(with.kept[i].id == best_of_the_rest()[i]);

    // The list is the caller's again once sampling_begin has returned.
    KIGO_REQUIRE_OK(b.api, b.api->sampling_begin(session.handle, &sampling));
    std::fill(exempt.begin(), exempt.end(), 0);
    kigo_token_record later;
    KIGO_REQUIRE_OK(b.api, b.api->sample(session.handle, &later));
    CHECK(std::memcmp(&later, &with, sizeof with) == 0);
  }
}

TEST_CASE("a full cache is said, and stays as it was") {
  TinyModel tiny;
  const std::vector<int32_t> tokens = some_tokens(16, kVocab);
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    OpenSession session(model, 16, 16);
    session.prefill({tokens.begin(), tokens.begin() + 15}, 16, kVocab);
    kigo_forward request = forward_of(tokens.data(), 2, KIGO_LOGITS_LAST);
    CHECK(b.api->forward(session.handle, &request) == KIGO_PROMPT_TOO_LONG);
    CHECK(session.length() == 15);
    session.prefill({tokens[15]}, 1, kVocab);
    CHECK(session.length() == 16);
    const kigo_sampling sampling = greedy();
    KIGO_REQUIRE_OK(b.api, b.api->sampling_begin(session.handle, &sampling));
    kigo_token_record record;
    KIGO_REQUIRE_OK(b.api, b.api->decode_next(session.handle, nullptr, &record));
    CHECK(b.api->decode_next(session.handle, nullptr, &record) == KIGO_PROMPT_TOO_LONG);
    CHECK(session.length() == 16);
  }
}

TEST_CASE("requests that break the rules are refused and change nothing") {
  TinyModel tiny;
  const std::vector<int32_t> tokens = some_tokens(20, kVocab);
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    OpenSession session(model, 32, 16);
    session.prefill({tokens.begin(), tokens.begin() + 4}, 4, kVocab);
    std::vector<float> hidden(48);
    const auto refused = [&](auto bend) {
      kigo_forward request = forward_of(tokens.data(), 2, KIGO_LOGITS_LAST);
      bend(request);
      CHECK(b.api->forward(session.handle, &request) == KIGO_INVALID_INPUT);
      CHECK(session.length() == 4);
    };
    const int32_t beyond[] = {3, kVocab}, negative[] = {-1, 3};
    refused([&](kigo_forward& r) { r.tokens = beyond; });
    refused([&](kigo_forward& r) { r.tokens = negative; });
    refused([&](kigo_forward& r) { r.tokens = nullptr; });
    refused([&](kigo_forward& r) { r.n_tokens = 0; });
    refused([&](kigo_forward& r) { r.n_tokens = 17; });
    refused([&](kigo_forward& r) { r.struct_size = 4; });
    refused([&](kigo_forward& r) { r.logits = 9; });
    refused([&](kigo_forward& r) { r.logits = KIGO_LOGITS_ALL; });
    refused([&](kigo_forward& r) { r.hidden_in = hidden.data(); });
    refused([&](kigo_forward& r) { r.hidden_out = hidden.data(); });
    refused([&](kigo_forward& r) { r.targets = tokens.data(); });

    kigo_token_record record;
    CHECK(b.api->sample(session.handle, &record) == KIGO_INVALID_INPUT);  // sampling_begin was not called
    const auto bad_sampling = [&](auto bend) {
      kigo_sampling sampling = greedy();
      bend(sampling);
      CHECK(b.api->sampling_begin(session.handle, &sampling) == KIGO_INVALID_INPUT);
    };
    bad_sampling([](kigo_sampling& s) { s.temperature = -1; });
    bad_sampling([](kigo_sampling& s) { s.temperature = NAN; });
    bad_sampling([](kigo_sampling& s) { s.top_p = 1.5f; });
    bad_sampling([](kigo_sampling& s) { s.min_p = -0.5f; });
    bad_sampling([](kigo_sampling& s) { s.top_k = -1; });
    bad_sampling([](kigo_sampling& s) { s.repeat_penalty = 0; });
    bad_sampling([](kigo_sampling& s) { s.n_exempt = 1; });
    bad_sampling([](kigo_sampling& s) { s.n_exempt = -1; });
    static constexpr int32_t kDescending[] = {5, 3};
    bad_sampling([](kigo_sampling& s) { s.exempt = kDescending, s.n_exempt = 2; });
    bad_sampling([](kigo_sampling& s) { s.repeat_last_n = -1; });
    bad_sampling([](kigo_sampling& s) { s.n_top = 11; });
    bad_sampling([](kigo_sampling& s) { s.struct_size = 1; });
  }
}

TEST_CASE("logits that were truncated away cannot be drawn from") {
  TinyModel tiny;
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    OpenSession session(model, 32, 16);
    session.prefill(some_tokens(6, kVocab), 6, kVocab);
    const kigo_sampling sampling = greedy();
    KIGO_REQUIRE_OK(b.api, b.api->sampling_begin(session.handle, &sampling));
    KIGO_REQUIRE_OK(b.api, b.api->session_truncate(session.handle, 5));
    kigo_token_record record;
    CHECK(b.api->sample(session.handle, &record) == KIGO_INVALID_INPUT);
    CHECK(b.api->decode_next(session.handle, nullptr, &record) == KIGO_INVALID_INPUT);
  }
}

TEST_CASE("cancelling a forward leaves the cache as it was, and the session usable") {
  TinyModel tiny;
  const std::vector<int32_t> tokens = some_tokens(24, kVocab);
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    OpenSession session(model, 32, 16), fresh(model, 32, 16);
    session.prefill({tokens.begin(), tokens.begin() + 8}, 8, kVocab);
    for (int polls = 1; polls <= 3; ++polls) {
      int left = polls;
      kigo_forward request = forward_of(&tokens[8], 16, KIGO_LOGITS_LAST);
      request.cancel = {polls == 1 ? always : countdown, &left};
      // The fake backend polls once a batch; later polls find it done.
      const kigo_status status = b.api->forward(session.handle, &request);
      if (status == KIGO_OK)
        KIGO_REQUIRE_OK(b.api, b.api->session_truncate(session.handle, 8));
      else
        CHECK(status == KIGO_CANCELLED);
      if (polls == 1) CHECK(status == KIGO_CANCELLED);
      CHECK(session.length() == 8);
    }
    const std::vector<float> expected = fresh.prefill(tokens, 16, kVocab);
    CHECK(relative_error(session.prefill({tokens.begin() + 8, tokens.end()}, 16, kVocab), expected) <= b.tolerance);
  }
}

TEST_CASE("loading reports progress up to the end, and cancels with nothing left") {
  TinyModel tiny;
  FOR_EACH_BACKEND(b) {
    struct Seen {
      uint64_t last = 0, total = 0;
      bool ordered = true;
    } seen;
    kigo_load load = {};
    load.cancel = {never, nullptr};
    load.progress_context = &seen;
    load.progress = [](void* context, uint64_t done, uint64_t total) {
      Seen& s = *static_cast<Seen*>(context);
      s.ordered = s.ordered && done >= s.last && done <= total;
      s.last = done;
      s.total = total;
    };
    const kigo_model_options options = model_options(b.exact);
    kigo_model* model = nullptr;
    KIGO_REQUIRE_OK(b.api, b.api->model_open(tiny.desc(), &options, &load, &model));
    b.api->model_close(model);
    CHECK(seen.ordered);
    CHECK(seen.total > 0);
    CHECK(seen.last == seen.total);

    kigo_device_info before = {}, after = {};
    KIGO_REQUIRE_OK(b.api, b.api->device_info(0, &before));
    load.cancel = {always, nullptr};
    model = nullptr;
    CHECK(b.api->model_open(tiny.desc(), &options, &load, &model) == KIGO_CANCELLED);
    CHECK(model == nullptr);
    if (b.name == "fake") {  // whose free memory nobody else changes
      KIGO_REQUIRE_OK(b.api, b.api->device_info(0, &after));
      CHECK(after.free_bytes == before.free_bytes);
    }
  }
}

TEST_CASE("layers split over two models give the logits of the whole") {
  TinyModel tiny;
  const std::vector<int32_t> tokens = some_tokens(20, kVocab);
  FOR_EACH_BACKEND(b) {
    OpenModel whole(b, tiny);
    const std::vector<float> expected = OpenSession(whole, 32, 16).prefill(tokens, 10, kVocab);

    kigo_model_options lower = model_options(b.exact), upper = lower;
    lower.layer_last = 2;
    upper.layer_first = 2;
    upper.layer_last = 3;
    OpenModel first(b, tiny.desc(), lower), second(b, tiny.desc(), upper);
    CHECK(first.tally().weights < whole.tally().weights);
    OpenSession a(first, 32, 16), z(second, 32, 16);
    std::vector<float> hidden(10 * 48), logits(kVocab);
    for (const size_t at : {size_t{0}, size_t{10}}) {
      kigo_forward request = forward_of(&tokens[at], 10, KIGO_LOGITS_NONE);
      request.hidden_out = hidden.data();
      KIGO_REQUIRE_OK(b.api, b.api->forward(a.handle, &request));
      request = forward_of(&tokens[at], 10, KIGO_LOGITS_LAST);
      request.hidden_in = hidden.data();
      request.logits_out = logits.data();
      KIGO_REQUIRE_OK(b.api, b.api->forward(z.handle, &request));
    }
    CHECK(logits == expected);
    kigo_token_record record;
    const kigo_sampling sampling = greedy();
    KIGO_REQUIRE_OK(b.api, b.api->sampling_begin(z.handle, &sampling));
    KIGO_REQUIRE_OK(b.api, b.api->sample(z.handle, &record));
    CHECK(b.api->decode_next(z.handle, nullptr, &record) == KIGO_INVALID_INPUT);
    for (const auto& [from, to] : {std::pair{2, 2}, {0, 4}, {-1, 2}, {3, 1}}) {
      kigo_model_options bad = model_options(b.exact);
      bad.layer_first = from;
      bad.layer_last = to;
      kigo_model* model = nullptr;
      CHECK(b.api->model_open(tiny.desc(), &bad, nullptr, &model) == KIGO_INVALID_INPUT);
    }
  }
}

TEST_CASE("sessions of one model do not see each other") {
  TinyModel tiny;
  const std::vector<int32_t> tokens = some_tokens(20, kVocab);
  FOR_EACH_BACKEND(b) {
    OpenModel model(b, tiny);
    const std::vector<float> expected = OpenSession(model, 32, 16).prefill(tokens, 10, kVocab);
    OpenSession one(model, 32, 16), two(model, 64, 8);
    one.prefill({tokens.begin(), tokens.begin() + 10}, 10, kVocab);
    two.prefill(some_tokens(33, 5), 8, kVocab);
    CHECK(one.prefill({tokens.begin() + 10, tokens.end()}, 10, kVocab) == expected);
  }
}
