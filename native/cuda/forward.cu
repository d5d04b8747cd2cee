/**
 * One forward of many tokens, read from top to bottom; names and shapes are those of core/model.h. The exact mode goes
 * through the operations of core/ops.h one by one, in float32. The fast path goes the same way with several of them in
 * one kernel, and keeps in halves what a matrix product reads.
 */
#include <algorithm>

#include "core/numeric_error.h"
#include "core/ops.h"
#include "core/requests.h"
#include "cuda/attention.h"
#include "cuda/ffn.h"
#include "cuda/finite.h"
#include "cuda/head.h"
#include "cuda/matmul.h"
#include "cuda/norm.h"
#include "cuda/rope.h"
#include "cuda/session.h"

namespace kigo::cuda {

struct Session::Step {
  Session& s;
  const kigo_forward& request;
  const bool careful;  // look at the result of every operation, to name the first that is not finite

  const ModelConfig& config = s.model_.config();
  const CudaWeights& weights = s.model_.weights();
  const BoundWeights& bound = s.model_.bound();
  const LayerRange range = s.model_.range();
  const float eps = static_cast<float>(config.norm_eps);
  const cudaStream_t stream = s.model_.stream();
  Context ctx = s.context();

  /** Rows [first, n) of the batch are still needed; the last layer drops those whose logits nobody wants. */
  int64_t n = request.n_tokens;
  const int64_t pos0 = s.length();
  size_t paces = 0;

  void all() {
    float* x = at<float>(s.layout_.x);
    send_tokens();
    if (range.embeds()) {
      embedding_lookup(ctx, x, weights.token_embd, s.tokens() + pos0, n, static_cast<float>(config.embedding_scale));
      check(x, n * config.n_embd, {-1, "embedding", &bound.token_embd, nullptr});
    } else {
      send(x, request.hidden_in, n * config.n_embd);
    }
    for (int64_t i = 0; i < range.count() && n > 0; ++i) {
      pace();
      x = s.is_fast() ? layer_fast(i, x) : layer_exact(i, x);
    }
    flag(Number::f32, x, n * config.n_embd);
    if (!range.has_head(config)) {
      receive(request.hidden_out, x, n * config.n_embd);
    } else if (request.logits != KIGO_LOGITS_NONE) {
      head(x);
    }
  }

  /** One token, through the fused kernels of cuda/decode.h. */
  void one() {
    poll_cancel(request.cancel);
    send_tokens();
    s.set_state();
    float* x = at<float>(s.layout_.x);
    if (!range.embeds()) send(x, request.hidden_in, config.n_embd);
    const bool logits = request.logits != KIGO_LOGITS_NONE;
    s.launch_step(
        {.max_length = decode_bucket(pos0 + 1, s.cache_.n_ctx()), .logits = logits, .draws = false, .kind = {}});
    if (logits) {
      flag(Number::f32, s.logits(), config.n_vocab);
      if (deliver(0, 1) && request.logits_out != nullptr) receive(request.logits_out, s.logits(), config.n_vocab);
    } else {
      flag(Number::f32, s.has_head() ? at<float>(s.layout_.decode.x) : x, config.n_embd);
      if (!s.has_head()) receive(request.hidden_out, x, config.n_embd);
    }
  }

  // ---- a layer ---------------------------------------------------------------------------------------------

  /** x [n][n_embd] through held layer i; returns where the rows that are still needed begin, and lowers n. */
  float* layer_fast(int64_t i, float* x) {
    const LayerConfig& l = config.layers[static_cast<size_t>(range.first + i)];
    const auto& w = weights.layers[static_cast<size_t>(i)];
    const auto& b = bound.layers[static_cast<size_t>(i)];
    const int64_t index = range.first + i;
    const int64_t n_embd = config.n_embd, n_qkv = l.n_q() + 2 * l.n_kv();

    // queries, keys, values
    const RowsOut normed = {number_for(ctx, {&w.attn_q, &w.attn_k, &w.attn_v}), at<void>(s.layout_.normed), n_embd};
    norm_rows(stream, normed, x, w.attn_norm, n, n_embd, eps);
    check(normed, n, n_embd, {index, "attention norm", nullptr, &b.attn_norm});
    float* qkv = at<float>(s.layout_.qkv);
    matmul(ctx, {Number::f32, qkv, n_qkv}, normed, {&w.attn_q, &w.attn_k, &w.attn_v}, n);
    const NumericPlace at_q = {index, "query projection", &b.attn_q, nullptr};
    const NumericPlace at_k = {index, "key projection", &b.attn_k, nullptr};
    const NumericPlace at_v = {index, "value projection", &b.attn_v, nullptr};
    check_product({Number::f32, qkv, n_qkv}, w.attn_q, at_q);
    check_product({Number::f32, qkv + l.n_q(), n_qkv}, w.attn_k, at_k);
    check_product({Number::f32, qkv + l.n_q() + l.n_kv(), n_qkv}, w.attn_v, at_v);

    // biases, q/k norm per head, rotation; keys and values join the cache
    const KvView& kv = s.cache_.layers()[static_cast<size_t>(i)];
    __half* q = at<__half>(s.layout_.q);
    rotate_and_append(stream, {.layer = l,
                               .qkv = qkv,
                               .q_bias = w.attn_q.bias,
                               .k_bias = w.attn_k.bias,
                               .v_bias = w.attn_v.bias,
                               .q_norm = w.attn_q_norm,
                               .k_norm = w.attn_k_norm,
                               .eps = eps,
                               .turns = s.rope_[static_cast<size_t>(i)],
                               .q = q,
                               .kv = kv,
                               .n_tokens = n,
                               .pos0 = pos0,
                               .flag = s.not_finite_});
    const int64_t rows_apart = kv.n_ctx * l.head_dim;
    const Rows new_keys = {Number::f16, static_cast<__half*>(kv.k) + pos0 * l.head_dim, rows_apart};
    check({Number::f16, q, l.n_q()}, n, l.n_q(),
          w.attn_q_norm == nullptr ? at_q : NumericPlace{index, "query norm", nullptr, &b.attn_q_norm});
    check(new_keys, l.n_head_kv, n * l.head_dim,
          w.attn_k_norm == nullptr ? at_k : NumericPlace{index, "key norm", nullptr, &b.attn_k_norm});

    // Behind the model's last cache only the rows whose logits are wanted go on.
    const int64_t wanted = index + 1 < config.n_layer() ? n : rows_wanted();
    const int64_t first = n - wanted;
    x += first * n_embd;
    q += first * l.n_q();
    n = wanted;
    if (n == 0) return x;

    // attention, and its branch into the residual
    const RowsOut attn = {number_for(ctx, {&w.attn_output}), at<void>(s.layout_.attn), l.n_q()};
    const Attention attention = {.layer = l,
                                 .q = {Number::f16, q, l.n_q()},
                                 .q_scale = 1,
                                 .kv = kv,
                                 .out = attn,
                                 .n_tokens = n,
                                 .pos0 = pos0 + first,
                                 .spare = at<std::byte>(s.layout_.gate_up),  // not in use yet
                                 .spare_bytes = static_cast<size_t>(s.n_batch_ * 2 * l.n_ff) * sizeof(float)};
    if (flash_attention_runs(ctx.device, l.head_dim)) {
      flash_attention(ctx, attention);
    } else {
      plain_attention(stream, attention);
    }
    check(attn, n, l.n_q(), {index, "attention", nullptr, nullptr});
    float* branch = w.post_attention_norm == nullptr ? x : at<float>(s.layout_.branch);
    project(branch, w.attn_output, attn, branch == x, {index, "attention output", &b.attn_output, nullptr});
    if (branch != x) {
      add_normed_rows(stream, x, branch, w.post_attention_norm, n, n_embd, eps);
      check(x, n * n_embd, {index, "norm behind attention", nullptr, &b.post_attention_norm});
    }

    // FFN, and its branch
    const RowsOut ffn_normed = {number_for(ctx, {&w.ffn_gate, &w.ffn_up}), normed.data, n_embd};
    norm_rows(stream, ffn_normed, x, w.ffn_norm, n, n_embd, eps);
    check(ffn_normed, n, n_embd, {index, "FFN norm", nullptr, &b.ffn_norm});
    const RowsOut hidden = {number_for(ctx, {&w.ffn_down}), at<void>(s.layout_.hidden), l.n_ff};
    const bool half_gates = s.half_gates_ && !careful && ffn_normed.type == Number::f16 && hidden.type == Number::f16;
    const Number gates = half_gates ? Number::f16 : Number::f32;
    std::byte* gate = at<std::byte>(s.layout_.gate_up);
    std::byte* up = gate + static_cast<size_t>(l.n_ff) * size_of(gates);
    matmul(ctx, {gates, gate, 2 * l.n_ff}, ffn_normed, {&w.ffn_gate, &w.ffn_up}, n);
    const NumericPlace at_gate = {index, "FFN gate", &b.ffn_gate, nullptr};
    check_product({gates, up, 2 * l.n_ff}, w.ffn_up, {index, "FFN up", &b.ffn_up, nullptr});
    check_product({gates, gate, 2 * l.n_ff}, w.ffn_gate, at_gate);
    gate_rows(stream, {.hidden = hidden,
                       .from = gates,
                       .gate = gate,
                       .up = up,
                       .ld = 2 * l.n_ff,
                       .gate_bias = w.ffn_gate.bias,
                       .up_bias = w.ffn_up.bias,
                       .n_rows = n,
                       .n_ff = l.n_ff,
                       .activation = l.activation});
    check(hidden, n, l.n_ff, at_gate);
    branch = w.post_ffw_norm == nullptr ? x : at<float>(s.layout_.branch);
    project(branch, w.ffn_down, hidden, branch == x, {index, "FFN down", &b.ffn_down, nullptr});
    if (branch != x) {
      add_normed_rows(stream, x, branch, w.post_ffw_norm, n, n_embd, eps);
      check(x, n * n_embd, {index, "norm behind the FFN", nullptr, &b.post_ffw_norm});
    }
    return x;
  }

  /** The same in float32, an operation a kernel. */
  float* layer_exact(int64_t i, float* x) {
    const LayerConfig& l = config.layers[static_cast<size_t>(range.first + i)];
    const auto& w = weights.layers[static_cast<size_t>(i)];
    const auto& b = bound.layers[static_cast<size_t>(i)];
    const int64_t index = range.first + i;
    const int64_t n_embd = config.n_embd;
    float* normed = at<float>(s.layout_.normed);
    float* branch = at<float>(s.layout_.branch);

    // queries, keys, values
    rmsnorm_forward(ctx, normed, x, w.attn_norm, n, n_embd, eps);
    check(normed, n * n_embd, {index, "attention norm", nullptr, &b.attn_norm});
    float* q = at<float>(s.layout_.qkv);
    float* k = q + n * l.n_q();
    float* v = k + n * l.n_kv();
    project(q, w.attn_q, {Number::f32, normed, n_embd}, false, {index, "query projection", &b.attn_q, nullptr});
    project(k, w.attn_k, {Number::f32, normed, n_embd}, false, {index, "key projection", &b.attn_k, nullptr});
    project(v, w.attn_v, {Number::f32, normed, n_embd}, false, {index, "value projection", &b.attn_v, nullptr});

    // q/k norm per head, rotation
    if (w.attn_q_norm != nullptr) {
      rmsnorm_forward(ctx, q, q, w.attn_q_norm, n * l.n_head, l.head_dim, eps);
      check(q, n * l.n_q(), {index, "query norm", nullptr, &b.attn_q_norm});
    }
    if (w.attn_k_norm != nullptr) {
      rmsnorm_forward(ctx, k, k, w.attn_k_norm, n * l.n_head_kv, l.head_dim, eps);
      check(k, n * l.n_kv(), {index, "key norm", nullptr, &b.attn_k_norm});
    }
    const float* turns = reinterpret_cast<const float*>(s.rope_[static_cast<size_t>(i)]) + pos0 * l.n_rot;
    rope_forward(ctx, q, turns, n, l.n_head, l.head_dim, l.n_rot, l.rope);
    rope_forward(ctx, k, turns, n, l.n_head_kv, l.head_dim, l.n_rot, l.rope);

    // keys and values join the cache
    const KvView& kv = s.cache_.layers()[static_cast<size_t>(i)];
    kv_append(stream, kv, k, v, l.n_head_kv, l.head_dim, n, pos0);

    // Behind the model's last cache only the rows whose logits are wanted go on.
    const int64_t wanted = index + 1 < config.n_layer() ? n : rows_wanted();
    const int64_t first = n - wanted;
    flag(Number::f32, k, first * l.n_kv());  // the rows that end here leave no residual that could be looked at
    flag(Number::f32, v, first * l.n_kv());
    x += first * n_embd;
    q += first * l.n_q();
    n = wanted;
    if (n == 0) return x;

    // attention, and its branch into the residual
    float* attn = at<float>(s.layout_.attn);
    if (n == 1) {
      gqa_attention_decode(ctx, attn, q, kv, l, pos0 + first);
    } else {
      gqa_attention_prefill(ctx, attn, q, kv, l, n, pos0 + first);
    }
    check(attn, n * l.n_q(), {index, "attention", nullptr, nullptr});
    bool post_norm = w.post_attention_norm != nullptr;
    project(post_norm ? branch : x, w.attn_output, {Number::f32, attn, l.n_q()}, !post_norm,
            {index, "attention output", &b.attn_output, nullptr});
    if (post_norm) {
      rmsnorm_forward(ctx, branch, branch, w.post_attention_norm, n, n_embd, eps);
      check(branch, n * n_embd, {index, "norm behind attention", nullptr, &b.post_attention_norm});
      residual_add(ctx, x, branch, n * n_embd);
    }

    // FFN, and its branch
    rmsnorm_forward(ctx, normed, x, w.ffn_norm, n, n_embd, eps);
    check(normed, n * n_embd, {index, "FFN norm", nullptr, &b.ffn_norm});
    post_norm = w.post_ffw_norm != nullptr;
    float* out = post_norm ? branch : x;
    float* gate = at<float>(s.layout_.gate_up);
    float* up = gate + n * l.n_ff;
    swiglu_forward(ctx, out, normed, w.ffn_gate, w.ffn_up, w.ffn_down, l.activation, gate, up, n, !post_norm);
    check_product({Number::f32, up, l.n_ff}, w.ffn_up, {index, "FFN up", &b.ffn_up, nullptr});
    check(gate, n * l.n_ff, {index, "FFN gate", &b.ffn_gate, nullptr});
    check(out, n * n_embd, {index, "FFN down", &b.ffn_down, nullptr});
    if (post_norm) {
      rmsnorm_forward(ctx, branch, branch, w.post_ffw_norm, n, n_embd, eps);
      check(branch, n * n_embd, {index, "norm behind the FFN", nullptr, &b.post_ffw_norm});
      residual_add(ctx, x, branch, n * n_embd);
    }
    return x;
  }

  /** y [n][n_out] (+)= w · input + bias */
  void project(float* y, const Matrix& w, Rows input, bool accumulate, const NumericPlace& place) {
    matmul(ctx, {Number::f32, y, w.n_out}, input, {&w}, n, accumulate);
    add_bias(stream, y, w.bias, n, w.n_out);
    check(y, n * w.n_out, place);
  }

  // ---- the head --------------------------------------------------------------------------------------------

  /** Logits of the n rows of x: the last one stays in the session's first row of logits. */
  void head(const float* x) {
    const int64_t n_embd = config.n_embd, n_vocab = config.n_vocab;
    const RowsOut normed = {number_for(ctx, {&weights.output}), at<void>(s.layout_.normed), n_embd};
    norm_rows(stream, normed, x, weights.output_norm, n, n_embd, eps);
    check(normed, n, n_embd, {-1, "output norm", nullptr, &bound.output_norm});

    int64_t rows = 0;
    for (int64_t row = 0; row < n; row += rows) {
      pace();
      rows = std::min(s.layout_.n_slice, n - row);
      const std::byte* from =
          static_cast<std::byte*>(normed.data) + static_cast<size_t>(row * n_embd) * size_of(normed.type);
      matmul(ctx, {Number::f32, s.logits(), n_vocab}, {normed.type, from, n_embd}, {&weights.output}, rows);
      finish_logits(stream, s.logits(), weights.output.bias, rows, n_vocab, static_cast<float>(config.logit_softcap),
                    s.not_finite_);
      check(s.logits(), rows * n_vocab, {-1, "LM head", &bound.output, nullptr});
      if (!deliver(row, rows)) return;
    }
    if (rows > 1) { copy(s.logits(), s.logits() + (rows - 1) * n_vocab, n_vocab, cudaMemcpyDeviceToDevice); }
    if (request.logits_out != nullptr) receive(request.logits_out, s.logits(), n_vocab);
  }

  /** Rows [row, row + rows) of logits go where they are wanted; false: they are not finite, and nobody sees them. */
  bool deliver(int64_t row, int64_t rows) {
    if (request.logits != KIGO_LOGITS_ALL) return true;
    if (request.targets != nullptr) {
      score_rows(stream, s.logprobs_ + row, s.logits(), s.targets_ + row, rows, config.n_vocab);
    }
    if (request.on_rows == nullptr || row < s.n_delivered_) return true;  // the careful run comes by here again
    float* host = s.host_rows();
    receive(host, s.logits(), rows * config.n_vocab);
    synchronize();
    if (*s.not_finite_ != 0) return false;
    if (request.on_rows(request.rows_context, static_cast<int32_t>(row), static_cast<int32_t>(rows), host) != 0) {
      throw Error(KIGO_CANCELLED, "Cancelled.");
    }
    s.n_delivered_ = row + rows;
    return true;
  }

  int64_t rows_wanted() const {
    switch (request.logits) {
      case KIGO_LOGITS_ALL: return n;
      case KIGO_LOGITS_LAST: return 1;
      default: return 0;
    }
  }

  // ---- the host's part -------------------------------------------------------------------------------------

  template <class T>
  T* at(uint64_t offset) const {
    return s.workspace_.at<T>(offset);
  }

  void send_tokens() {
    std::copy_n(request.tokens, n, s.new_tokens_);
    kigo::cuda::check(cudaMemcpyAsync(s.tokens() + pos0, s.new_tokens_, static_cast<size_t>(n) * sizeof(int32_t),
                                      cudaMemcpyHostToDevice, stream),
                      "copying tokens");
    if (request.targets != nullptr) std::copy_n(request.targets, n, s.targets_);
  }

  void copy(float* to, const float* from, int64_t count, cudaMemcpyKind kind) const {
    kigo::cuda::check(cudaMemcpyAsync(to, from, static_cast<size_t>(count) * sizeof(float), kind, stream),
                      "copying activations");
  }
  void send(float* to, const float* from, int64_t count) const { copy(to, from, count, cudaMemcpyHostToDevice); }
  void receive(float* to, const float* from, int64_t count) const { copy(to, from, count, cudaMemcpyDeviceToHost); }

  void synchronize() const { kigo::cuda::check(cudaStreamSynchronize(stream), "computing"); }

  /** Lets the device come so close that it would be done soon, two layers behind at most, and asks whether to cancel.
   */
  void pace() {
    Event& before = s.pace_[paces++ % 2];
    if (paces > 2) before.wait();
    poll_cancel(request.cancel);
    before.record(stream);
  }

  /** One flag for the whole forward, read at its end. */
  void flag(Number type, const void* values, int64_t count) const {
    flag_not_finite(stream, {type, values, count}, 1, count, s.not_finite_);
  }

  void check(Rows rows, int64_t n_rows, int64_t n_columns, const NumericPlace& place) const {
    if (!careful) return;
    flag_not_finite(stream, rows, n_rows, n_columns, s.not_finite_);
    synchronize();
    if (*s.not_finite_ != 0) throw_numeric(place);
  }
  void check(const float* values, int64_t count, const NumericPlace& place) const {
    check({Number::f32, values, count}, 1, count, place);
  }
  /** A product whose bias is added later. */
  void check_product(Rows y, const Matrix& w, const NumericPlace& place) const {
    check(y, n, w.n_out, place);
    if (w.bias != nullptr) check(w.bias, w.n_out, place);
  }
};

bool Session::compute(const kigo_forward& request, bool careful) {
  *not_finite_ = 0;
  if (!careful) n_delivered_ = 0;
  Step step{*this, request, careful};
  try {
    if (is_fast() && request.n_tokens == 1 && !careful) {
      step.one();
    } else {
      step.all();
    }
    step.synchronize();
  } catch (...) {
    forget(cudaStreamSynchronize(model_.stream()));  // nothing of it is on its way when the next call comes
    throw;
  }
  if (*not_finite_ == 0 && request.targets != nullptr && request.logits == KIGO_LOGITS_ALL) {
    std::copy_n(logprobs_, request.n_tokens, request.logprobs_out);
  }
  return *not_finite_ == 0;
}

void Session::compute_with_care(const kigo_forward& request) {
  if (!compute(request, true)) {
    throw Error(KIGO_NUMERIC_ERROR, "A number that is not finite arose, and none in the operations one by one.");
  }
  // Everything is finite where gate and up are float32: float16 was too small for them, and this is the result.
  half_gates_ = false;
}

void Session::append(const kigo_forward& request) {
  cache_.set_length(length() + request.n_tokens);
  has_logits_ = request.logits != KIGO_LOGITS_NONE;
}

void Session::forward(const kigo_forward& request) {
  check_forward(request, model_.config(), model_.range(), length(), cache_.n_ctx(), n_batch_);
  model_.make_current();
  end_decode();
  has_logits_ = false;
  if (!compute(request, false)) compute_with_care(request);
  append(request);
}

}  // namespace kigo::cuda
