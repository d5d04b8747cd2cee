/** One forward, read from top to bottom. Names and shapes are those of core/model.h. */
#include <array>
#include <cmath>
#include <cstring>

#include "core/numeric_error.h"
#include "core/ops.h"
#include "core/requests.h"
#include "cpu/kernels/vector.h"
#include "cpu/rope_table.h"
#include "cpu/session.h"

namespace kigo::cpu {

namespace {

/** Thrown by the quick check after each layer; the careful second run, up to the head, finds out where it began. */
struct NotFinite {
  int64_t layer;
};

}  // namespace

struct Session::Step {
  Session& s;
  const kigo_forward& request;
  const bool careful;  // look at the result of every operation, to name the first that is not finite

  const ModelConfig& config = s.model_.config();
  const CpuWeights& weights = s.model_.weights();
  const BoundWeights& bound = s.model_.bound();
  const LayerRange range = s.model_.range();
  const RunState& run = s.run_;
  const float eps = static_cast<float>(config.norm_eps);
  Context ctx = {
      s.model_.pool(), {s.workspace_.at<std::byte>(s.layout_.scratch), s.layout_.scratch_bytes}, s.model_.precision()};

  /** Rows [first, n) of the batch are still needed; the last layer drops those whose logits nobody wants. */
  int64_t n = request.n_tokens;
  const int64_t pos0 = s.length();

  void all() {
    float* x = run.x;
    if (range.embeds()) {
      embedding_lookup(ctx, x, weights.token_embd, request.tokens, n, static_cast<float>(config.embedding_scale));
      check(x, n * config.n_embd, {-1, "embedding", &bound.token_embd, nullptr});
    } else {
      std::memcpy(x, request.hidden_in, static_cast<size_t>(n * config.n_embd) * sizeof(float));
    }
    for (size_t group = 0; group < s.layout_.rope.size(); ++group) {
      rope_table(ctx, rope_row(group), s.model_.rope(static_cast<int64_t>(group)), n, pos0);
    }

    for (int64_t i = 0; i < range.count() && n > 0; ++i) {
      poll_cancel(request.cancel);
      x = layer(i, x);
      expect_finite(x, n * config.n_embd, range.first + i);
    }

    if (careful) return;  // what was not finite arose in a layer, and nobody sees the results
    if (!range.has_head(config)) {
      std::memcpy(request.hidden_out, x, static_cast<size_t>(n * config.n_embd) * sizeof(float));
    } else if (request.logits != KIGO_LOGITS_NONE) {
      head(x);
    }
  }

  /** x [n][n_embd] through held layer i; returns where the rows that are still needed begin, and lowers n. */
  float* layer(int64_t i, float* x) {
    const LayerConfig& l = config.layers[static_cast<size_t>(range.first + i)];
    const auto& w = weights.layers[static_cast<size_t>(i)];
    const auto& b = bound.layers[static_cast<size_t>(i)];
    const int64_t index = range.first + i;
    const int64_t n_embd = config.n_embd;

    // queries, keys, values
    rmsnorm_forward(ctx, run.normed, x, w.attn_norm, n, n_embd, eps);
    check(run.normed, n * n_embd, {index, "attention norm", nullptr, &b.attn_norm});
    const std::array<MatmulJob, 3> qkv = {
        {{&w.attn_q, run.q, l.n_q(), false}, {&w.attn_k, run.k, l.n_kv(), false}, {&w.attn_v, run.v, l.n_kv(), false}}};
    matmul(ctx.pool, qkv, run.normed, n, ctx.scratch, ctx.precision);
    check(run.q, n * l.n_q(), {index, "query projection", &b.attn_q, nullptr});
    check(run.k, n * l.n_kv(), {index, "key projection", &b.attn_k, nullptr});
    check(run.v, n * l.n_kv(), {index, "value projection", &b.attn_v, nullptr});

    // q/k norm per head, rotation
    if (w.attn_q_norm != nullptr) {
      rmsnorm_forward(ctx, run.q, run.q, w.attn_q_norm, n * l.n_head, l.head_dim, eps);
      check(run.q, n * l.n_q(), {index, "query norm", nullptr, &b.attn_q_norm});
    }
    if (w.attn_k_norm != nullptr) {
      rmsnorm_forward(ctx, run.k, run.k, w.attn_k_norm, n * l.n_head_kv, l.head_dim, eps);
      check(run.k, n * l.n_kv(), {index, "key norm", nullptr, &b.attn_k_norm});
    }
    const float* turns = rope_row(static_cast<size_t>(s.model_.ropes().of_layer[static_cast<size_t>(i)]));
    rope_forward(ctx, run.q, turns, n, l.n_head, l.head_dim, l.n_rot, l.rope);
    rope_forward(ctx, run.k, turns, n, l.n_head_kv, l.head_dim, l.n_rot, l.rope);

    // keys and values join the cache
    const KvView kv = s.cache_.layer(i);
    kv_append(kv, run.k, run.v, n, pos0);

    // Behind the model's last cache only the rows whose logits are wanted go on.
    const int64_t wanted = index + 1 < config.n_layer() ? n : rows_wanted();
    const int64_t first = n - wanted;
    if (first > 0) {  // the rows that end here leave no residual that could be looked at
      expect_finite(run.k, first * l.n_kv(), index);
      expect_finite(run.v, first * l.n_kv(), index);
    }
    x += first * n_embd;
    const float* q = run.q + first * l.n_q();
    n = wanted;
    if (n == 0) return x;

    // attention, and its branch into the residual
    if (n == 1) {
      gqa_attention_decode(ctx, run.attn, q, kv, l, pos0 + first);
    } else {
      gqa_attention_prefill(ctx, run.attn, q, kv, l, n, pos0 + first);
    }
    check(run.attn, n * l.n_q(), {index, "attention", nullptr, nullptr});
    project(x, w.attn_output, run.attn, w.post_attention_norm, {index, "attention output", &b.attn_output, nullptr},
            {index, "norm behind attention", nullptr, &b.post_attention_norm});

    // FFN, and its branch
    poll_cancel(request.cancel);
    rmsnorm_forward(ctx, run.normed, x, w.ffn_norm, n, n_embd, eps);
    check(run.normed, n * n_embd, {index, "FFN norm", nullptr, &b.ffn_norm});
    const bool post_norm = w.post_ffw_norm != nullptr;
    float* out = post_norm ? run.branch : x;
    swiglu_forward(ctx, out, run.normed, w.ffn_gate, w.ffn_up, w.ffn_down, l.activation, run.gate, run.up, n,
                   !post_norm);
    check(run.up, n * l.n_ff, {index, "FFN up", &b.ffn_up, nullptr});
    check(run.gate, n * l.n_ff, {index, "FFN gate", &b.ffn_gate, nullptr});
    check(out, n * n_embd, {index, "FFN down", &b.ffn_down, nullptr});
    if (post_norm) {
      rmsnorm_forward(ctx, run.branch, run.branch, w.post_ffw_norm, n, n_embd, eps);
      check(run.branch, n * n_embd, {index, "norm behind the FFN", nullptr, &b.post_ffw_norm});
      residual_add(ctx, x, run.branch, n * n_embd);
    }
    return x;
  }

  /** x += norm(w · input), or x += w · input where there is no norm. */
  void project(float* x, const Matrix& w, const float* input, const float* norm, const NumericPlace& at,
               const NumericPlace& at_norm) {
    const MatmulJob job = {&w, norm == nullptr ? x : run.branch, config.n_embd, norm == nullptr};
    matmul(ctx.pool, {&job, 1}, input, n, ctx.scratch, ctx.precision);
    check(job.y, n * config.n_embd, at);
    if (norm == nullptr) return;
    rmsnorm_forward(ctx, run.branch, run.branch, norm, n, config.n_embd, eps);
    check(run.branch, n * config.n_embd, at_norm);
    residual_add(ctx, x, run.branch, n * config.n_embd);
  }

  /** Logits of the n rows of x: the last one stays in run.logits' first row. */
  void head(const float* x) {
    const int64_t n_embd = config.n_embd, n_vocab = config.n_vocab;
    rmsnorm_forward(ctx, run.normed, x, weights.output_norm, n, n_embd, eps);

    int64_t rows = 0;
    for (int64_t row = 0; row < n; row += rows) {
      poll_cancel(request.cancel);
      rows = std::min(s.layout_.n_slice, n - row);
      lm_head_forward(ctx, run.logits, run.normed + row * n_embd, weights.output, rows,
                      static_cast<float>(config.logit_softcap));
      expect_computed();
      if (!all_finite(run.logits, rows * n_vocab)) {
        if (!all_finite(run.normed, n * n_embd)) throw_numeric({-1, "output norm", nullptr, &bound.output_norm});
        throw_numeric({-1, "LM head", &bound.output, nullptr});
      }
      s.model_.expect_weights_whole();  // before anyone sees numbers that may come from pages that vanished
      if (request.logits != KIGO_LOGITS_ALL) continue;
      if (request.targets != nullptr) score(row, rows);
      if (request.on_rows != nullptr && request.on_rows(request.rows_context, static_cast<int32_t>(row),
                                                        static_cast<int32_t>(rows), run.logits) != 0) {
        throw Error(KIGO_CANCELLED, "Cancelled.");
      }
    }
    if (rows > 1)
      std::memmove(run.logits, run.logits + (rows - 1) * n_vocab, static_cast<size_t>(n_vocab) * sizeof(float));
    if (request.logits_out != nullptr) {
      std::memcpy(request.logits_out, run.logits, static_cast<size_t>(n_vocab) * sizeof(float));
    }
  }

  /** Log-probabilities of the targets of rows [row, row + rows), whose logits stand in run.logits. */
  void score(int64_t row, int64_t rows) {
    const int64_t n_vocab = config.n_vocab;
    parallel_for(ctx.pool, rows, 1, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r) {
        const float* logits = run.logits + r * n_vocab;
        const int32_t target = request.targets[row + r];
        const float max = vec_max(logits, n_vocab);
        request.logprobs_out[row + r] =
            target < 0 ? 0 : static_cast<double>(logits[target] - max) - std::log(sum_exp(logits, max, n_vocab));
      }
    });
  }

  int64_t rows_wanted() const {
    switch (request.logits) {
      case KIGO_LOGITS_ALL: return n;
      case KIGO_LOGITS_LAST: return 1;
      default: return 0;
    }
  }

  float* rope_row(size_t group) const { return s.workspace_.at<float>(s.layout_.rope[group]); }

  /** Throws CANCELLED where a product or attention was left off halfway: the numbers mean nothing then. */
  void expect_computed() const {
    if (ctx.pool.stopped()) throw Error(KIGO_CANCELLED, "Cancelled.");
  }

  void expect_finite(const float* values, int64_t count, int64_t layer_index) const {
    expect_computed();
    if (!careful && !all_finite(values, count)) throw NotFinite{layer_index};
  }

  void check(const float* values, int64_t count, const NumericPlace& at) const {
    expect_computed();
    if (careful && !all_finite(values, count)) throw_numeric(at);
  }
};

void Session::forward(const kigo_forward& request) {
  check_forward(request, model_.config(), model_.range(), length(), cache_.n_ctx(), n_batch_);
  model_.expect_files_unchanged();
  has_logits_ = false;
  drawn_ = -1;
  const auto asked = [&] { return request.cancel.poll(request.cancel.context) != 0; };
  const StopWhen stop(model_.pool(), request.cancel.poll == nullptr ? FunctionRef<bool()>() : asked);
  try {
    Step{*this, request, false}.all();
  } catch (const NotFinite& found) {
    model_.expect_weights_whole();
    Step{*this, request, true}.all();  // throws NUMERIC_ERROR, naming the tensor
    throw Error(
        KIGO_NUMERIC_ERROR,
        "Numbers that are not finite arose in layer " + std::to_string(found.layer) + ", and not a second time.",
        {{"layer", found.layer}});
  }
  model_.expect_weights_whole();
  cache_.append(request.tokens, request.n_tokens);
  has_logits_ = request.logits != KIGO_LOGITS_NONE;
}

}  // namespace kigo::cpu
