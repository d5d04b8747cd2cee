#include "cpu/session.h"

#include <algorithm>
#include <cmath>

#include "core/ops.h"
#include "core/requests.h"
#include "cpu/free_memory.h"
#include "cpu/sample_scratch.h"

namespace kigo::cpu {

namespace {

uint64_t count(int64_t a, int64_t b) { return static_cast<uint64_t>(a) * static_cast<uint64_t>(b); }

// Logits of a whole prompt leave in slices of about this many bytes, so that they need no memory to speak of.
constexpr int64_t kLogitsSliceBytes = 16 << 20;

}  // namespace

SessionLayout layout_session(const ModelConfig& config, LayerRange range, Precision precision, int n_threads,
                             const kigo_session_options* options) {
  check_session_options(options);
  const int64_t n_ctx = options->n_ctx, n_batch = options->n_batch;

  SessionLayout at;
  at.kv_bytes = kv_places(config, range, n_ctx, precision == Precision::exact).bytes;
  int64_t n_q = 0, n_kv = 0, n_ff = 0;
  size_t scratch = 0;
  for (int64_t i = range.first; i < range.last; ++i) {
    const LayerConfig& l = config.layers[static_cast<size_t>(i)];
    n_q = std::max(n_q, l.n_q());
    n_kv = std::max(n_kv, l.n_kv());
    n_ff = std::max(n_ff, l.n_ff);
    scratch = std::max(scratch, attention_scratch_bytes(l.n_head, l.n_head_kv, l.head_dim, n_batch, n_ctx, n_threads));
  }
  for (const int64_t n_in : {config.n_embd, n_q, n_ff}) {
    scratch = std::max(scratch, matmul_scratch_bytes(n_in, n_batch, n_threads));
  }

  Layout work;
  at.x = work.add<float>(count(n_batch, config.n_embd));
  at.normed = work.add<float>(count(n_batch, config.n_embd));
  at.q = work.add<float>(count(n_batch, n_q));
  at.k_new = work.add<float>(count(n_batch, n_kv));
  at.v_new = work.add<float>(count(n_batch, n_kv));
  at.attn = work.add<float>(count(n_batch, n_q));
  at.gate = work.add<float>(count(n_batch, n_ff));
  at.up = work.add<float>(count(n_batch, n_ff));
  at.branch = work.add<float>(count(n_batch, config.n_embd));
  for (const int64_t layer : rope_groups(config, range).representative) {
    at.rope.push_back(work.add<float>(count(n_batch, config.layers[static_cast<size_t>(layer)].n_rot)));
  }
  if (range.has_head(config)) {
    const int64_t row_bytes = config.n_vocab * static_cast<int64_t>(sizeof(float));
    at.n_slice = std::clamp<int64_t>(kLogitsSliceBytes / row_bytes, 1, n_batch);
    at.logits = work.add<float>(count(at.n_slice, config.n_vocab));
    at.sampler = work.add<std::byte>(sample_scratch_bytes(config.n_vocab, n_ctx));
  }
  at.scratch = work.add<std::byte>(scratch);
  at.scratch_bytes = scratch;
  at.workspace_bytes = work.total();
  return at;
}

namespace {

/** The layout, where its memory is free now. */
SessionLayout layout_for(Model& model, const kigo_session_options* options) {
  SessionLayout layout = layout_session(model.config(), model.range(), model.precision(), model.n_threads(), options);
  expect_free_memory(layout.kv_bytes + layout.workspace_bytes,
                     ("a context of " + std::to_string(options->n_ctx) + " tokens").c_str());
  return layout;
}

}  // namespace

Session::Session(Model& model, const kigo_session_options* options)
    : model_(model),
      n_batch_(options->n_batch),
      layout_(layout_for(model, options)),
      cache_(model.config(), model.range(), model.precision(), options->n_ctx, model.tally()) {
  workspace_ = Block(model.tally().workspace, layout_.workspace_bytes, "the engine's working memory");
  run_ = {.x = workspace_.at<float>(layout_.x),
          .normed = workspace_.at<float>(layout_.normed),
          .q = workspace_.at<float>(layout_.q),
          .k = workspace_.at<float>(layout_.k_new),
          .v = workspace_.at<float>(layout_.v_new),
          .attn = workspace_.at<float>(layout_.attn),
          .gate = workspace_.at<float>(layout_.gate),
          .up = workspace_.at<float>(layout_.up),
          .branch = workspace_.at<float>(layout_.branch),
          .logits = layout_.n_slice > 0 ? workspace_.at<float>(layout_.logits) : nullptr};
}

void Session::truncate(int32_t length) {
  check_truncate(length, this->length());
  if (length == this->length()) return;
  cache_.truncate(length);
  has_logits_ = false;
  drawn_ = -1;
}

Context Session::context() {
  return {model_.pool(), {workspace_.at<std::byte>(layout_.scratch), layout_.scratch_bytes}, model_.precision()};
}

void Session::begin_sampling(const kigo_sampling& sampling) {
  sampling_.keep(sampling);
  drawn_ = -1;
}

void Session::sample(kigo_token_record& record) {
  if (!sampling_.is_set()) bad_call("sampling_begin was not called.");
  if (!has_logits_) bad_call("No logits are kept to draw from.");
  Context ctx = context();
  cpu::sample(ctx, &record, run_.logits, model_.config().n_vocab, cache_.tokens().data(), length(), length(),
              sampling_.settings(), workspace_.at<void>(layout_.sampler));
}

void Session::decode_next(const kigo_cancel& cancel, kigo_token_record& record) {
  if (!model_.range().embeds() || !model_.range().has_head(model_.config())) {
    bad_call("decode_next needs a model that holds all layers.");
  }
  if (drawn_ >= 0) {
    const int32_t token = drawn_;
    kigo_forward request = {};
    request.struct_size = sizeof request;
    request.tokens = &token;
    request.n_tokens = 1;
    request.logits = KIGO_LOGITS_LAST;
    request.cancel = cancel;
    forward(request);
  }
  sample(record);
  drawn_ = record.id;
}

void Session::end_decode() { drawn_ = -1; }

}  // namespace kigo::cpu
