/** Whole models on the CPU twin against float64, and what it says when something is wrong with them. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/types.h"
#include "cpu/kernels/isa.h"
#include "test/backend_under_test.h"

using namespace kigo;
using namespace kigo::test;

namespace {

const BackendUnderTest& cpu_exact() { return backends()[0]; }
const BackendUnderTest& cpu_fast() { return backends()[1]; }

/** The largest relative error over all rows, against float64. */
double error_against_float64(const BackendUnderTest& backend, TinyModel& tiny, int32_t n, int32_t batch) {
  const std::vector<int32_t> tokens = some_tokens(n, tiny.spec.n_vocab);
  const std::vector<std::vector<double>> expected = reference_logits(tiny, tokens);
  OpenModel model(backend, tiny);
  OpenSession session(model, n, batch);
  struct Rows {
    const std::vector<std::vector<double>>& expected;
    size_t row = 0;
    double worst = 0;
  } rows{expected};
  for (int32_t at = 0; at < n; at += batch) {
    kigo_forward request = forward_of(&tokens[static_cast<size_t>(at)], std::min(batch, n - at), KIGO_LOGITS_ALL);
    request.rows_context = &rows;
    request.on_rows = [](void* context, int32_t, int32_t n_rows, const float* values) {
      Rows& r = *static_cast<Rows*>(context);
      for (int32_t i = 0; i < n_rows; ++i, ++r.row) {
        r.worst = std::max(
            r.worst, relative_error(values + static_cast<size_t>(i) * r.expected[r.row].size(), r.expected[r.row]));
      }
      return 0;
    };
    KIGO_REQUIRE_OK(model.api, model.api->forward(session.handle, &request));
  }
  CHECK(rows.row == expected.size());
  return rows.worst;
}

struct Variant {
  const char* name;
  TinySpec spec;
};

std::vector<Variant> variants() {
  const auto with = [](auto change) {
    TinySpec spec;
    change(spec);
    return spec;
  };
  return {
      {"plain", {}},
      {"neox", with([](TinySpec& s) { s.rope = KIGO_ROPE_NEOX; })},
      {"part of the head turns", with([](TinySpec& s) { s.n_rot = 8; })},
      {"part of the head turns, neox", with([](TinySpec& s) { s.n_rot = 8, s.rope = KIGO_ROPE_NEOX; })},
      {"no rope", with([](TinySpec& s) { s.n_rot = 0; })},
      {"biases everywhere", with([](TinySpec& s) { s.biases = true; })},
      {"fused q, k, v with biases", with([](TinySpec& s) { s.fused_qkv = s.biases = true; })},
      {"tied output with a bias", with([](TinySpec& s) { s.tied = s.biases = true; })},
      {"q/k norms", with([](TinySpec& s) { s.qk_norm = true; })},
      {"post norms and GELU", with([](TinySpec& s) { s.post_norms = true, s.activation = KIGO_ACTIVATION_GELU; })},
      {"window with two ropes", with([](TinySpec& s) { s.window = 7; })},
      {"soft caps", with([](TinySpec& s) { s.attn_softcap = 2, s.logit_softcap = 3; })},
      {"embedding scale", with([](TinySpec& s) { s.embedding_scale = 7; })},
      {"linear rope scaling", with([](TinySpec& s) { s.rope_scale = 0.25; })},
      {"YaRN", with([](TinySpec& s) { s.yarn_original_ctx = 32, s.rope_scale = 0.25, s.rope_mscale = 1.1386; })},
      {"rope_freqs", with([](TinySpec& s) { s.rope_freqs = true; })},
      {"one head for all", with([](TinySpec& s) { s.n_head_kv = 1; })},
      {"no sharing of heads", with([](TinySpec& s) { s.n_head_kv = 4; })},
      {"heads wider than the embedding", with([](TinySpec& s) { s.head_dim = 40, s.n_rot = 40; })},
      {"F16 matrices", with([](TinySpec& s) { s.type = kF16; })},
      {"BF16 matrices", with([](TinySpec& s) { s.type = kBF16; })},
      {"F16 norms and biases", with([](TinySpec& s) { s.vector_type = kF16, s.biases = s.qk_norm = true; })},
      {"everything at once", with([](TinySpec& s) {
         s.rope = KIGO_ROPE_NEOX, s.window = 9, s.tied = s.biases = s.qk_norm = s.post_norms = s.fused_qkv = true;
         s.activation = KIGO_ACTIVATION_GELU, s.embedding_scale = 6.9, s.attn_softcap = 20, s.logit_softcap = 15;
       })},
  };
}

/** The detail's text, or "" where there is none. */
std::string detail(const Error& error, const std::string& key) {
  for (const Detail& d : error.details()) {
    if (d.key == key) return d.is_text ? d.text : std::to_string(static_cast<int64_t>(d.number));
  }
  return "";
}

Error forward_error(OpenSession& session, const std::vector<int32_t>& tokens) {
  const kigo_forward request = forward_of(tokens.data(), static_cast<int32_t>(tokens.size()), KIGO_LOGITS_LAST);
  if (session.api->forward(session.handle, &request) == KIGO_OK) return Error(KIGO_OK, "no error");
  return to_exception(*session.api->last_error());
}

}  // namespace

TEST_CASE("every variant of a layer agrees with float64, exact to 1e-5, fast to 5e-3") {
  for (Variant& v : variants()) {
    SUBCASE(v.name) {
      TinyModel tiny(v.spec);
      CHECK(error_against_float64(cpu_exact(), tiny, 40, 40) < 1e-5);
      CHECK(error_against_float64(cpu_exact(), tiny, 40, 3) < 1e-5);
      CHECK(error_against_float64(cpu_fast(), tiny, 40, 40) < 5e-3);
      CHECK(error_against_float64(cpu_fast(), tiny, 40, 1) < 5e-3);
    }
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
  struct Broken {
    const char* tensor;
    size_t index;  // in a row that the tokens of the test read
    const char* layer;
  };
  for (const Broken& broken : {Broken{"blk.1.ffn_down.weight", 5, "1"}, Broken{"blk.0.attn_k.weight", 3, "0"},
                               Broken{"blk.2.attn_norm.weight", 7, "2"}, Broken{"blk.2.attn_output.weight", 0, "2"},
                               Broken{"blk.1.ffn_up.weight", 9, "1"}, Broken{"output.weight", 100, ""},
                               Broken{"output_norm.weight", 1, ""}, Broken{"token_embd.weight", 11 * 48, ""}}) {
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
