/** The generation loop, over every backend. */
#include "core/generate.h"

#include <algorithm>
#include <cmath>

#include "core/types.h"
#include "test/cuda_library.h"
#include "test/generate_testing.h"

using namespace kigo;
using namespace kigo::test;
using Reason = GenerateResult::Reason;

namespace {

#define FOR_EACH_BACKEND(b)                    \
  for (const BackendUnderTest& b : backends()) \
    if (const std::string context_ = b.name; true) SUBCASE(context_.c_str())

/** The last tokens of a prompt, which are computed again whatever the cache holds (generate.cpp says why). */
constexpr int64_t kAgain = 8;

std::vector<int32_t> operator+(std::vector<int32_t> a, const std::vector<int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct CancelAfter {
  int left;
  kigo_cancel c() {
    return {[](void* self) { return --static_cast<CancelAfter*>(self)->left < 0 ? 1 : 0; }, this};
  }
};

}  // namespace

TEST_CASE("a follow-up turn computes only what is new, and gives the text of a fresh session") {
  TinyModel tiny;
  FOR_EACH_BACKEND(b) {
    Chain model = open_chain(b, tiny);
    Session session(model, 128, 16);
    const std::vector<int32_t> first = some_tokens(30, 97);
    GenerateResult result;
    const std::vector<int32_t> reply = generate(session, request_of(first, 10), &result);
    CHECK(result.prompt_tokens == 30);
    CHECK(result.cached_tokens == 0);
    CHECK(result.tokens == 10);
    CHECK(result.reason == Reason::length);
    CHECK(session.length() == 39);

    const std::vector<int32_t> second = first + reply + some_tokens(12, 60);
    const std::vector<int32_t> again = generate(session, request_of(second, 10), &result);
    CHECK(result.cached_tokens == 39);  // the reply's last token was drawn and not computed
    CHECK(result.prompt_tokens == 13);
    Session fresh(model, 128, 16);
    if (b.tolerance < 1e-4) CHECK(again == generate(fresh, request_of(second, 10)));
  }
}

TEST_CASE("the same prompt again computes its last tokens; a changed one, all behind the change") {
  TinyModel tiny;
  FOR_EACH_BACKEND(b) {
    Chain model = open_chain(b, tiny);
    Session session(model, 128, 16);
    std::vector<int32_t> prompt = some_tokens(40, 97);
    GenerateResult result;
    const std::vector<int32_t> reply = generate(session, request_of(prompt, 5), &result);
    CHECK(generate(session, request_of(prompt, 5), &result) == reply);
    CHECK(result.prompt_tokens == kAgain);
    CHECK(result.cached_tokens == 40 - kAgain);
    prompt[25] = (prompt[25] + 1) % 97;
    generate(session, request_of(prompt, 5), &result);
    CHECK(result.cached_tokens == 25);
    CHECK(result.prompt_tokens == 15);
    generate(session, request_of({prompt.begin(), prompt.begin() + 10}, 5), &result);  // shorter than the cache
    CHECK(result.cached_tokens == 10 - kAgain);
  }
}

TEST_CASE("a prompt's rows are computed in the same way however batches of 8 and more cut it") {
  TinySpec spec;
  spec.n_embd = spec.n_ff = 64;
  spec.type = kQ8_0;
  TinyModel tiny(spec);
  FOR_EACH_BACKEND(b) {
    Chain model = open_chain(b, tiny);
    for (const int32_t n_batch : few<int32_t>({8, 9, 14, 15}, 3)) {
      for (const int32_t n_last : {1, 7}) {
        CAPTURE(n_batch);
        CAPTURE(n_last);
        const std::vector<int32_t> prompt = some_tokens(2 * n_batch + n_last, 97);
        const auto logprobs = [&](Session& session, GenerateResult& result) {
          GenerateRequest request = request_of(prompt, 3);
          std::vector<double> all;
          request.on_token = [&](const kigo_token_record& record) { all.push_back(record.logprob); };
          result = session.generate(request);
          return all;
        };
        GenerateResult in_one, in_batches;
        Session whole(model, 64, 64), session(model, 64, n_batch);
        CHECK(logprobs(session, in_batches) == logprobs(whole, in_one));
        CHECK(in_batches.prompt_tokens == in_one.prompt_tokens);
        CHECK(session.length() == whole.length());
      }
    }
  }
}

TEST_CASE("any token of the end set ends the reply and is not part of it") {
  TinyModel tiny;
  FOR_EACH_BACKEND(b) {
    Chain model = open_chain(b, tiny);
    Session session(model, 128, 16);
    const int32_t n_reply = small_tests() ? 10 : 30;
    GenerateRequest request = request_of(some_tokens(12, 97), n_reply);
    const std::vector<int32_t> reply = generate(session, request);
    REQUIRE(reply.size() == static_cast<size_t>(n_reply));
    const auto end = std::find_if(reply.begin() + 3, reply.end(), [&](int32_t id) { return id != reply[0]; });
    REQUIRE(end != reply.end());
    const auto first = std::find(reply.begin(), reply.end(), *end);
    request.end_tokens = {*end, 9999};
    std::sort(request.end_tokens.begin(), request.end_tokens.end());
    GenerateResult result;
    CHECK(generate(session, request, &result) == std::vector<int32_t>(reply.begin(), first));
    CHECK(result.reason == Reason::end);
    CHECK(result.tokens == first - reply.begin());
  }
}

TEST_CASE("a full context ends the reply, and a prompt that fills it is refused") {
  TinyModel tiny;
  FOR_EACH_BACKEND(b) {
    Chain model = open_chain(b, tiny);
    Session session(model, 24, 8);
    GenerateResult result;
    CHECK(generate(session, request_of(some_tokens(20, 97), 0), &result).size() == 4);
    CHECK(result.reason == Reason::context);
    CHECK(generate(session, request_of(some_tokens(23, 97), 0), &result).size() == 1);
    CHECK(result.reason == Reason::context);
    try {
      session.generate(request_of(some_tokens(24, 97), 0));
      FAIL("a prompt without room for a reply was taken");
    } catch (const Error& error) { CHECK(error.status() == KIGO_PROMPT_TOO_LONG); }
    CHECK_THROWS_AS(session.generate(request_of({}, 0)), Error);
    CHECK(generate(session, request_of(some_tokens(10, 97), 3)).size() == 3);  // and goes on
  }
}

TEST_CASE("progress of the prompt is told before the first batch and after each") {
  TinyModel tiny;
  FOR_EACH_BACKEND(b) {
    Chain model = open_chain(b, tiny);
    Session session(model, 128, 16);
    generate(session, request_of(some_tokens(10, 97), 1));
    GenerateRequest request = request_of(some_tokens(50, 97), 1);
    std::vector<int64_t> seen;
    request.on_prefill = [&](int64_t done, int64_t total, int64_t cached) {
      CHECK(total == 50);
      CHECK(cached == 10);
      seen.push_back(done);
    };
    generate(session, request);
    CHECK(seen == std::vector<int64_t>{10, 26, 42, 50});
  }
}

TEST_CASE("cancelling at any moment is a result, and what was finished is reused") {
  TinyModel tiny;
  const std::vector<int32_t> prompt = some_tokens(40, 97);
  FOR_EACH_BACKEND(b) {
    Chain model = open_chain(b, tiny);
    Session fresh(model, 128, 8);
    const std::vector<int32_t> expected = generate(fresh, request_of(prompt, 12));
    for (int polls = 0; polls < 120; polls += small_tests() ? 40 : 3) {
      Session session(model, 128, 8);
      CancelAfter cancel{polls};
      GenerateRequest request = request_of(prompt, 12);
      request.cancel = cancel.c();
      GenerateResult result;
      const std::vector<int32_t> part = generate(session, request, &result);
      const bool finished = result.reason == Reason::length;
      CHECK((finished || result.reason == Reason::cancelled));
      CHECK(part == std::vector<int32_t>(expected.begin(), expected.begin() + static_cast<ptrdiff_t>(part.size())));
      CHECK(result.prompt_tokens <= session.length());
      const int32_t kept = session.length();
      request.cancel = {};
      CHECK(generate(session, request, &result) == expected);
      CHECK(result.cached_tokens == std::min<int64_t>(kept, 40 - kAgain));
    }
  }
}

TEST_CASE("scores are the log-probabilities of the rows that logits gives") {
  TinyModel tiny;
  const std::vector<int32_t> tokens = some_tokens(45, 97);
  FOR_EACH_BACKEND(b) {
    Chain model = open_chain(b, tiny);
    Session session(model, 64, 16);
    generate(session, request_of(some_tokens(7, 97), 2));  // what the cache held does not matter
    std::vector<double> expected;
    int32_t next = 0;
    session.logits(tokens, {}, [&](int32_t first, int32_t n_rows, const float* rows) {
      CHECK(first == next);
      next += n_rows;
      for (int32_t r = 0; r < n_rows && first + r + 1 < 45; ++r) {
        double total = 0;
        for (int v = 0; v < 97; ++v) total += std::exp(static_cast<double>(rows[r * 97 + v]));
        expected.push_back(static_cast<double>(rows[r * 97 + tokens[static_cast<size_t>(first + r + 1)]]) -
                           std::log(total));
      }
      return true;
    });
    CHECK(next == 45);
    const std::vector<double> scores = session.score(tokens, {});
    REQUIRE(scores.size() == 44);
    for (size_t i = 0; i < 44; ++i) CHECK(scores[i] == doctest::Approx(expected[i]).epsilon(1e-5));
    CHECK(session.score({5}, {}).empty());
    CHECK_THROWS_AS(session.score(some_tokens(65, 97), {}), Error);
    CancelAfter now{0};
    CHECK_THROWS_AS(session.score(tokens, now.c()), Error);
  }
}

TEST_CASE("a backend of another version is refused in words") {
  kigo_backend_api other = *backends()[0].api;
  expect_abi(&other, "libother.so");
  other.abi_version += 1;
  CHECK_THROWS_WITH_AS(expect_abi(&other, "libother.so"), doctest::Contains("libother.so"), Error);
  other = *backends()[0].api;
  other.struct_size -= 8;
  CHECK_THROWS_AS(expect_abi(&other, "libother.so"), Error);
  CHECK_THROWS_AS(expect_abi(nullptr, "libother.so"), Error);
}
