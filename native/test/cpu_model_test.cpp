/** Whole models on the CPU twin against float64, and what it says when something is wrong with them. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/types.h"
#include "cpu/kernels/isa.h"
#include "test/model_variants.h"

using namespace kigo;
using namespace kigo::test;

namespace {

const BackendUnderTest& cpu_exact() { return backends()[0]; }
const BackendUnderTest& cpu_fast() { return backends()[1]; }

}  // namespace

TEST_CASE("every variant of a layer agrees with float64, exact to 1e-5, fast to 5e-3") {
  for (Variant& v : variants()) {
    SUBCASE(v.name.c_str()) {
      TinyModel tiny(v.spec);
      CHECK(error_against_float64(cpu_exact(), tiny, 40, 40) < 1e-5);
      CHECK(error_against_float64(cpu_exact(), tiny, 40, 3) < 1e-5);
      CHECK(error_against_float64(cpu_fast(), tiny, 40, 40) < 5e-3);
      CHECK(error_against_float64(cpu_fast(), tiny, 40, 1) < 5e-3);
    }
  }
}

TEST_CASE("types mixed within a layer agree with float64") {
  for (Variant& mix : mixes()) {
    CAPTURE(mix.name);
    TinyModel tiny(mix.spec);
    CHECK(error_against_float64(cpu_exact(), tiny, 12, 12) < 1e-5);
    CHECK(error_against_float64(cpu_exact(), tiny, 12, 1) < 1e-5);
    CHECK(error_against_float64(cpu_fast(), tiny, 12, 12) < 5e-2);  // activations in 8 bit
    CHECK(error_against_float64(cpu_fast(), tiny, 12, 1) < 5e-2);
  }
}

TEST_CASE("every instruction set computes the same model") {
  TinySpec spec;
  spec.window = 9;
  spec.qk_norm = spec.post_norms = true;
  TinyModel tiny(spec);
  const cpu::Isa chosen = cpu::isa();
  for (const cpu::Isa isa : cpu::kAllIsas) {
    if (!cpu::isa_available(isa)) continue;
    cpu::use_isa(isa);
    CHECK(error_against_float64(cpu_exact(), tiny, 40, 13) < 1e-5);
    CHECK(error_against_float64(cpu_fast(), tiny, 40, 13) < 5e-3);
  }
  cpu::use_isa(chosen);
}

TEST_CASE("the number of threads changes nothing") {
  TinyModel tiny;
  const std::vector<int32_t> tokens = some_tokens(50, 97);
  std::vector<float> first;
  for (const int32_t threads : {1, 2, 5}) {
    OpenModel model(cpu_fast(), tiny.desc(), model_options(false, threads));
    const std::vector<float> logits = OpenSession(model, 64, 25).prefill(tokens, 25, 97);
    if (first.empty()) first = logits;
    CHECK(logits == first);
  }
}

TEST_CASE("a weight that is not finite is found, by layer, tensor and type") {
  for (const BrokenWeight& broken : broken_weights()) {
    for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      for (const BackendUnderTest* backend : {&cpu_exact(), &cpu_fast()}) {
        TinyModel tiny;
        tiny.overwrite(broken.tensor, broken.index, value);
        OpenModel model(*backend, tiny);
        OpenSession session(model, 16, 16);
        const Error error = forward_error(session, some_tokens(4, 97));
        CHECK(error.status() == KIGO_NUMERIC_ERROR);
        CHECK(detail(error, "tensor") == broken.tensor);
        CHECK(detail(error, "type") == "F32");
        CHECK(detail(error, "layer") == broken.layer);
        CHECK(session.length() == 0);
      }
    }
  }
}

TEST_CASE("a scale that is not finite is found behind the rounding of activations to 8 bit") {
  for (const char* tensor :
       {"blk.0.attn_v.weight", "blk.1.ffn_up.weight", "blk.1.ffn_gate.weight", "blk.2.attn_output.weight"}) {
    for (const int32_t n : {1, 20}) {
      TinySpec spec;
      spec.n_embd = spec.n_ff = 64;
      spec.type = kQ8_0;
      TinyModel tiny(spec);
      tiny.overwrite(tensor, 64 * 3, NAN);
      OpenModel model(cpu_fast(), tiny);
      OpenSession session(model, 32, 32);
      const Error error = forward_error(session, some_tokens(n, 97));
      CHECK(error.status() == KIGO_NUMERIC_ERROR);
      CHECK(detail(error, "tensor") == tensor);
      CHECK(detail(error, "type") == "Q8_0");
    }
  }
}

TEST_CASE("quantised weights agree with float64 over the same weights, exact to 1e-5, fast to 3e-2") {
  TinySpec spec;
  spec.n_embd = spec.n_ff = 64;
  spec.type = kQ8_0;
  TinyModel tiny(spec);
  CHECK(error_against_float64(cpu_exact(), tiny, 40, 40) < 1e-5);
  CHECK(error_against_float64(cpu_exact(), tiny, 40, 1) < 1e-5);
  CHECK(error_against_float64(cpu_fast(), tiny, 40, 40) < 3e-2);
  CHECK(error_against_float64(cpu_fast(), tiny, 40, 1) < 3e-2);
}

TEST_CASE("a cancel within a product or attention ends the forward, leaves the session as it was, and changes no bit") {
  TinySpec spec;
  spec.n_embd = 64;
  spec.n_ff = 512;
  spec.type = kQ8_0;
  TinyModel tiny(spec);
  const std::vector<int32_t> tokens = some_tokens(40, 97);
  for (const BackendUnderTest* backend : {&cpu_exact(), &cpu_fast()}) {
    for (const int32_t n : {20, 1}) {                                            // in panels, row by row
      OpenModel model(*backend, tiny.desc(), model_options(backend->exact, 1));  // which does and asks all itself
      OpenSession session(model, 64, 32), fresh(model, 64, 32);
      const std::vector<float> expected = (fresh.prefill({tokens.begin(), tokens.begin() + 20}, 20, 97),
                                           fresh.prefill({tokens.begin() + 20, tokens.begin() + 20 + n}, n, 97));
      session.prefill({tokens.begin(), tokens.begin() + 20}, 20, 97);
      kigo_forward request = forward_of(&tokens[20], n, KIGO_LOGITS_LAST);
      int left = 0, cancelled = 0;
      request.cancel = {[](void* count) { return --*static_cast<int*>(count) <= 0 ? 1 : 0; }, &left};
      kigo_status status = KIGO_CANCELLED;
      while (status == KIGO_CANCELLED) {
        left = ++cancelled;
        status = model.api->forward(session.handle, &request);
        CHECK(session.length() == (status == KIGO_OK ? 20 + n : 20));
      }
      KIGO_REQUIRE_OK(model.api, status);
      // Between layers and halves of them it is asked 6 times, and once for the head.
      CHECK(cancelled > 7 + 1);
      KIGO_REQUIRE_OK(model.api, model.api->session_truncate(session.handle, 20));
      CHECK(session.prefill({tokens.begin() + 20, tokens.begin() + 20 + n}, n, 97) == expected);
    }
  }
}

TEST_CASE("where a number is not finite, nobody is given rows of logits") {
  TinyModel tiny;
  tiny.overwrite("blk.1.ffn_up.weight", 3, NAN);
  for (const BackendUnderTest* backend : {&cpu_exact(), &cpu_fast()}) {
    OpenModel model(*backend, tiny);
    OpenSession session(model, 16, 16);
    const std::vector<int32_t> tokens = some_tokens(4, 97);
    kigo_forward request = forward_of(tokens.data(), 4, KIGO_LOGITS_ALL);
    int given = 0;
    request.rows_context = &given;
    request.on_rows = [](void* count, int32_t, int32_t, const float*) { return ++*static_cast<int*>(count), 0; };
    CHECK(model.api->forward(session.handle, &request) == KIGO_NUMERIC_ERROR);
    CHECK(given == 0);
  }
}

TEST_CASE("a number that is not finite is found even where no logits are asked for") {
  TinyModel tiny;
  tiny.overwrite("blk.2.attn_v.weight", 3, NAN);  // the last layer, whose rows end at its cache
  OpenModel model(cpu_fast(), tiny);
  OpenSession session(model, 16, 16);
  const std::vector<int32_t> tokens = some_tokens(4, 97);
  const kigo_forward request = forward_of(tokens.data(), 4, KIGO_LOGITS_NONE);
  CHECK(model.api->forward(session.handle, &request) == KIGO_NUMERIC_ERROR);
  CHECK(detail(to_exception(*model.api->last_error()), "tensor") == "blk.2.attn_v.weight");
}

TEST_CASE("heads that the CPU twin does not run are refused in words") {
  TinySpec spec;
  spec.head_dim = 12;
  spec.n_rot = 12;
  TinyModel tiny(spec);
  const kigo_model_options options = model_options(false);
  kigo_model* model = nullptr;
  CHECK(cpu_fast().api->model_open(tiny.desc(), &options, nullptr, &model) == KIGO_UNSUPPORTED_ARCHITECTURE);
  const kigo_session_options session = {sizeof session, 16, 16};
  kigo_memory plan = {};
  CHECK(cpu_fast().api->plan(tiny.desc(), &options, &session, &plan) == KIGO_UNSUPPORTED_ARCHITECTURE);
}

// ---- the file ----------------------------------------------------------------------------------------------

TEST_CASE("a file that changed between its header and its weights is not loaded") {
  const kigo_model_options options = model_options(false);
  kigo_model* model = nullptr;
  const auto opens = [&](TinyModel& tiny) {
    return cpu_fast().api->model_open(tiny.desc(), &options, nullptr, &model);
  };
  SUBCASE("another time") {
    TinyModel tiny;
    tiny.files[0].mtime_ms += 5;
    CHECK(opens(tiny) == KIGO_MODEL_FILE_CHANGED);
  }
  SUBCASE("another size") {
    TinyModel tiny;
    CHECK(truncate(tiny.path.c_str(), 1000) == 0);
    CHECK(opens(tiny) == KIGO_MODEL_FILE_CHANGED);
  }
  SUBCASE("gone") {
    TinyModel tiny;
    unlink(tiny.path.c_str());
    CHECK(opens(tiny) == KIGO_MODEL_NOT_FOUND);
    CHECK(detail(to_exception(*cpu_fast().api->last_error()), "path") == tiny.path.string());
  }
  SUBCASE("a folder") {
    TinyModel tiny;
    tiny.files[0].path = "/tmp";
    CHECK(opens(tiny) == KIGO_MODEL_UNREADABLE);
  }
}

TEST_CASE("a file that is cut short while it is loaded ends in an error, not in a crash") {
  TinySpec spec;
  spec.n_vocab = 4001;  // so that the embedding alone has many pages
  TinyModel tiny(spec);
  OpenModel model(cpu_fast(), tiny);
  OpenSession session(model, 32, 16);
  session.prefill(some_tokens(4, 4001), 4, 4001);
  REQUIRE(truncate(tiny.path.c_str(), 5000) == 0);
  CHECK(forward_error(session, some_tokens(4, 4001)).status() == KIGO_MODEL_FILE_CHANGED);
  CHECK(session.length() == 4);
  CHECK(forward_error(session, {1}).status() == KIGO_MODEL_FILE_CHANGED);  // and so it stays
}

TEST_CASE("a file cut short in the middle of a forward ends in an error, on every thread") {
  TinySpec spec;
  spec.n_vocab = 4001;
  TinyModel tiny(spec);
  OpenModel model(cpu_fast(), tiny.desc(), model_options(false, 4));
  OpenSession session(model, 64, 64);
  const std::vector<int32_t> tokens = some_tokens(48, 4001);
  kigo_forward request = forward_of(tokens.data(), 48, KIGO_LOGITS_LAST);
  // The first poll comes behind the check of the file's identity.
  request.cancel.context = const_cast<char*>(tiny.path.c_str());
  request.cancel.poll = [](void* path) { return truncate(static_cast<const char*>(path), 0) == 0 ? 0 : 1; };
  CHECK(model.api->forward(session.handle, &request) == KIGO_MODEL_FILE_CHANGED);
  CHECK(session.length() == 0);
}

TEST_CASE("a file that is deleted or written to while it is loaded is noticed at the next step") {
  TinyModel tiny;
  OpenModel model(cpu_fast(), tiny);
  OpenSession session(model, 32, 16);
  session.prefill({1, 2, 3}, 3, 97);
  SUBCASE("deleted") {
    unlink(tiny.path.c_str());
    CHECK(forward_error(session, {4}).status() == KIGO_MODEL_NOT_FOUND);
  }
  SUBCASE("touched") {
    const timespec times[2] = {{1, 0}, {1, 0}};
    REQUIRE(utimensat(AT_FDCWD, tiny.path.c_str(), times, 0) == 0);
    CHECK(forward_error(session, {4}).status() == KIGO_MODEL_FILE_CHANGED);
  }
  CHECK(session.length() == 3);
}
