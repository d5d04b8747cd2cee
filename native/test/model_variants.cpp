#include "test/model_variants.h"

#include <algorithm>

#include "core/types.h"

namespace kigo::test {

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

std::vector<Variant> mixes() {
  const auto mix = [](uint32_t type, std::map<std::string, uint32_t> types) {
    TinySpec spec;
    spec.n_layer = 2;
    spec.n_embd = 64;
    spec.n_ff = 96;
    spec.type = type;
    spec.types = std::move(types);
    return spec;
  };
  const auto wide_mix = [&](uint32_t type, std::map<std::string, uint32_t> types) {  // a row is a block of 256
    TinySpec spec = mix(type, std::move(types));
    spec.n_embd = spec.n_ff = 256;
    spec.head_dim = 64;
    return spec;
  };
  // Buffers keep what layer 0 left there, which is no number where nothing was left: layer 1 must not pass for right
  // because it was found not finite and computed again with care.
  return {
      {"F16 with BF16 down", mix(kF16, {{"blk.1.ffn_down", kBF16}})},
      {"Q8_0 with BF16 down", mix(kQ8_0, {{"blk.1.ffn_down", kBF16}})},
      {"BF16 up and down behind an F16 gate", mix(kF16, {{"blk.1.ffn_up", kBF16}, {"blk.1.ffn_down", kBF16}})},
      {"F32 gate with BF16 up and down", mix(kBF16, {{"blk.1.ffn_gate", kF32}})},
      {"BF16 with F16 down", mix(kBF16, {{"blk.1.ffn_down", kF16}})},
      {"BF16 with Q8_0 down and values", mix(kBF16, {{"blk.1.ffn_down", kQ8_0}, {"blk.1.attn_v", kQ8_0}})},
      {"BF16 with an F16 attention output", mix(kBF16, {{"blk.1.attn_output", kF16}})},
      {"F16 with a BF16 attention output", mix(kF16, {{"blk.1.attn_output", kBF16}})},
      {"queries, keys and values of three types", mix(kF16, {{"blk.1.attn_k", kBF16}, {"blk.1.attn_v", kQ8_0}})},
      {"Q8_0 with F32 embeddings and a BF16 head", mix(kQ8_0, {{"token_embd", kF32}, {"output", kBF16}})},
      {"Q5_0 with Q8_0", mix(kQ5_0, {{"attn_v", kQ8_0}, {"blk.1.ffn_down", kQ8_0}, {"output", kQ8_0}})},
      {"Q4_1 with Q5_1 and F16", mix(kQ4_1, {{"ffn_down", kQ5_1}, {"attn_q", kF16}, {"ffn_up", kQ5_1}})},
      {"Q4_0 with Q4_1 down and a Q6_K head", wide_mix(kQ4_0, {{"ffn_down", kQ4_1}, {"output", kQ6_K}})},
      {"Q4_K with Q6_K", wide_mix(kQ4_K, {{"attn_v", kQ6_K}, {"blk.1.ffn_down", kQ6_K}, {"output", kQ6_K}})},
      {"Q4_K with Q5_K and BF16 down",
       wide_mix(kQ4_K, {{"attn_q", kQ5_K}, {"ffn_gate", kQ5_K}, {"blk.1.ffn_down", kBF16}})},
  };
}

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

std::vector<BrokenWeight> broken_weights() {
  return {{"blk.1.ffn_down.weight", 5, "1"},    {"blk.0.attn_k.weight", 3, "0"},   {"blk.2.attn_norm.weight", 7, "2"},
          {"blk.2.attn_output.weight", 0, "2"}, {"blk.1.ffn_up.weight", 9, "1"},   {"output.weight", 100, ""},
          {"output_norm.weight", 1, ""},        {"token_embd.weight", 11 * 48, ""}};
}

}  // namespace kigo::test
