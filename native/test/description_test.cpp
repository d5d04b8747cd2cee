/** Descriptions that lie: each is refused with the right code, by every backend, in plan and in open. */
#include "core/error.h"
#include "core/types.h"
#include "test/backend_under_test.h"

using namespace kigo;
using namespace kigo::test;

namespace {

void refused(kigo_status expected, const std::string& named, const std::function<void(TinyModel&)>& bend,
             const TinySpec& spec = {}) {
  for (const BackendUnderTest& b : backends()) {
    TinyModel tiny(spec);
    bend(tiny);
    const kigo_model_options options = model_options(b.exact);
    const kigo_session_options session = {sizeof session, 16, 16};
    kigo_memory plan = {};
    kigo_model* model = nullptr;
    CAPTURE(b.name);
    CHECK(b.api->plan(tiny.desc(), &options, &session, &plan) == expected);
    CHECK(b.api->model_open(tiny.desc(), &options, nullptr, &model) == expected);
    CHECK(model == nullptr);
    const Error error = to_exception(*b.api->last_error());
    INFO(error.message());
    CHECK(error.message().find(named) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("tensors that do not fit are refused by name") {
  const char* const down = "blk.1.ffn_down.weight";
  SUBCASE("missing") {
    refused(KIGO_MODEL_INVALID, down, [&](TinyModel& m) { m.remove(down); });
  }
  SUBCASE("twice") {
    refused(KIGO_MODEL_INVALID, down, [&](TinyModel& m) { m.tensors.push_back(m.tensor(down)); });
  }
  SUBCASE("transposed") {
    refused(KIGO_MODEL_INVALID, down, [&](TinyModel& m) { std::swap(m.tensor(down).dims[0], m.tensor(down).dims[1]); });
  }
  SUBCASE("a dimension of zero") {
    refused(KIGO_MODEL_INVALID, down, [&](TinyModel& m) { m.tensor(down).dims[1] = 0; });
  }
  SUBCASE("dimensions whose product overflows") {
    refused(KIGO_MODEL_INVALID, down, [&](TinyModel& m) {
      m.tensor(down).dims[0] = uint64_t{1} << 40;
      m.tensor(down).dims[1] = uint64_t{1} << 40;
    });
  }
  SUBCASE("bytes that overflow") {
    refused(KIGO_MODEL_INVALID, down, [&](TinyModel& m) {
      m.tensor(down).dims[0] = uint64_t{1} << 62;
      m.tensor(down).dims[1] = 1;
    });
  }
  SUBCASE("five dimensions") {
    refused(KIGO_MODEL_INVALID, down, [&](TinyModel& m) { m.tensor(down).n_dims = 5; });
  }
  SUBCASE("no dimension") {
    refused(KIGO_MODEL_INVALID, down, [&](TinyModel& m) { m.tensor(down).n_dims = 0; });
  }
  SUBCASE("bytes that its shape contradicts") {
    refused(KIGO_MODEL_INVALID, down, [&](TinyModel& m) { m.tensor(down).bytes -= 4; });
  }
  SUBCASE("behind the end of the file") {
    refused(KIGO_MODEL_TRUNCATED, down, [&](TinyModel& m) { m.tensor(down).offset = m.files[0].bytes - 8; });
  }
  SUBCASE("an offset that overflows") {
    refused(KIGO_MODEL_TRUNCATED, down, [&](TinyModel& m) { m.tensor(down).offset = UINT64_MAX - 7; });
  }
  SUBCASE("a file that is not there") {
    refused(KIGO_MODEL_INVALID, down, [&](TinyModel& m) { m.tensor(down).file = 1; });
  }
  SUBCASE("not aligned") {
    refused(KIGO_MODEL_INVALID, down, [&](TinyModel& m) { m.tensor(down).offset -= 2; });
  }
  SUBCASE("an unknown type") {
    refused(KIGO_UNSUPPORTED_QUANTIZATION, down, [&](TinyModel& m) { m.tensor(down).type = 10; });
  }
  SUBCASE("rows that are no multiple of the block") {
    refused(KIGO_MODEL_INVALID, down, [&](TinyModel& m) { m.tensor(down).type = kQ8_0; });
  }
  SUBCASE("a quantised vector") {
    TinySpec spec;
    spec.n_embd = 64;
    refused(
        KIGO_UNSUPPORTED_QUANTIZATION, "output_norm.weight",
        [&](TinyModel& m) {
          m.tensor("output_norm.weight").type = kQ8_0;
          m.tensor("output_norm.weight").bytes = 68;
        },
        spec);
  }
  SUBCASE("one that the forward would leave out") {
    refused(KIGO_UNSUPPORTED_ARCHITECTURE, "blk.0.attn_sinks",
            [&](TinyModel& m) { m.add("blk.0.attn_sinks", kF32, {4}); });
  }
  SUBCASE("a bias of the embedding, which nothing adds") {
    for (const bool tied : {false, true}) {
      TinySpec spec;
      spec.tied = tied;
      refused(
          KIGO_UNSUPPORTED_ARCHITECTURE, "token_embd.bias",
          [&](TinyModel& m) { m.add("token_embd.bias", kF32, {static_cast<uint64_t>(m.spec.n_embd)}); }, spec);
      refused(
          KIGO_UNSUPPORTED_ARCHITECTURE, "token_embd.bias",
          [&](TinyModel& m) { m.add("token_embd.bias", kF32, {static_cast<uint64_t>(m.spec.n_vocab)}); }, spec);
    }
  }
  SUBCASE("factors of a rotation that no layer divides by") {
    refused(KIGO_UNSUPPORTED_ARCHITECTURE, "rope_freqs.weight",
            [&](TinyModel& m) { m.add("rope_freqs.weight", kF32, {8}); });
  }
}

TEST_CASE("hyperparameters that make no sense are refused") {
  const auto layer = [](auto change) { return [change](TinyModel& m) { change(m.layers[1]); }; };
  SUBCASE("no layer") {
    refused(KIGO_MODEL_INVALID, "layers", [](TinyModel& m) { m.config.n_layer = 0; });
  }
  SUBCASE("no embedding") {
    refused(KIGO_MODEL_INVALID, "embedding", [](TinyModel& m) { m.config.n_embd = 0; });
  }
  SUBCASE("a negative vocabulary") {
    refused(KIGO_MODEL_INVALID, "vocabulary", [](TinyModel& m) { m.config.n_vocab = -1; });
  }
  SUBCASE("an epsilon that is no number") {
    refused(KIGO_MODEL_INVALID, "epsilon", [](TinyModel& m) { m.config.norm_eps = 0.0 / 0.0; });
  }
  SUBCASE("no trained context") {
    refused(KIGO_MODEL_INVALID, "context", [](TinyModel& m) { m.config.n_ctx_train = 0; });
  }
  SUBCASE("heads that do not divide") {
    refused(KIGO_MODEL_INVALID, "heads", layer([](auto& l) { l.n_head_kv = 3; }));
  }
  SUBCASE("no heads") {
    refused(KIGO_MODEL_INVALID, "heads", layer([](auto& l) { l.n_head = 0; }));
  }
  SUBCASE("an odd rotation") {
    refused(KIGO_MODEL_INVALID, "odd", layer([](auto& l) { l.n_rot = 7; }));
  }
  SUBCASE("more rotation than head") {
    refused(KIGO_MODEL_INVALID, "rotated", layer([](auto& l) { l.n_rot = 18; }));
  }
  SUBCASE("a base of nothing") {
    refused(KIGO_MODEL_INVALID, "base", layer([](auto& l) { l.rope_base = 0; }));
  }
  SUBCASE("a mixer of another kind") {
    refused(KIGO_UNSUPPORTED_ARCHITECTURE, "mixer", layer([](auto& l) { l.mixer = 1; }));
  }
  SUBCASE("an FFN of another kind") {
    refused(KIGO_UNSUPPORTED_ARCHITECTURE, "FFN", layer([](auto& l) { l.ffn = 1; }));
  }
}

TEST_CASE("a caller of another ABI is refused") {
  TinyModel tiny;
  for (const BackendUnderTest& b : backends()) {
    const kigo_model_options options = model_options(false);
    kigo_model* model = nullptr;
    kigo_model_desc old = *tiny.desc();
    old.struct_size -= 8;
    CHECK(b.api->model_open(&old, &options, nullptr, &model) == KIGO_INVALID_INPUT);
    kigo_model_options short_options = options;
    short_options.struct_size = 4;
    CHECK(b.api->model_open(tiny.desc(), &short_options, nullptr, &model) == KIGO_INVALID_INPUT);
    kigo_model_options wrong_device = options;
    wrong_device.device = 7;
    CHECK(b.api->model_open(tiny.desc(), &wrong_device, nullptr, &model) == KIGO_DEVICE_UNAVAILABLE);
  }
}
