/** The operations of core/ops.h and their fused forms, each by itself, over host memory. */
#include <vector>

#include "core/ops.h"
#include "cuda/ahead.h"
#include "cuda/ffn.h"
#include "cuda/head.h"
#include "cuda/matmul.h"
#include "cuda/norm.h"
#include "cuda/numbers.cuh"
#include "cuda/rope.h"
#include "cuda/testing/testing.h"

using namespace kigo;
using namespace kigo::cuda;
using namespace kigo::cuda::testing;

namespace {

size_t count(int64_t a, int64_t b) { return static_cast<size_t>(a * b); }

std::vector<__half> halves(const float* values, size_t n) {
  std::vector<__half> rounded(n);
  for (size_t i = 0; i < n; ++i) rounded[i] = __float2half_rn(values[i]);
  return rounded;
}

void read_halves(const DeviceArray<__half>& from, float* to) {
  std::vector<__half> values(from.size());
  from.read(values.data());
  for (size_t i = 0; i < values.size(); ++i) to[i] = __half2float(values[i]);
}

/** Turns for positions 0 … n_positions - 1. */
void fill_table(DeviceArray<float2>& table, const double* per_position, int64_t n_pairs, double mscale,
                int64_t n_positions) {
  const DeviceArray<double> frequencies(per_position, static_cast<size_t>(n_pairs));
  rope_table(nullptr, table.data(), frequencies.data(), n_pairs, mscale, n_positions);
  check(cudaDeviceSynchronize(), "making a rope table");
}

}  // namespace

KIGO_TEST_EXPORT kigo_status cuda_embedding_lookup(float* y, uint32_t type, const uint8_t* table, int64_t n_vocab,
                                                   int64_t n_embd, const int32_t* tokens, int64_t n_tokens,
                                                   float scale) {
  return guarded([&] {
    TestContext ctx(Precision::exact);
    const DeviceMatrix matrix(type, table, n_embd, n_vocab);
    const DeviceArray<int32_t> ids(tokens, static_cast<size_t>(n_tokens));
    const DeviceArray<float> out(count(n_tokens, n_embd));
    embedding_lookup(ctx.get(), out.data(), matrix.matrix(), ids.data(), n_tokens, scale);
    out.read(y);
  });
}

KIGO_TEST_EXPORT kigo_status cuda_rmsnorm_forward(float* y, const float* x, const float* weight, int64_t n_rows,
                                                  int64_t n, float eps) {
  return guarded([&] {
    TestContext ctx(Precision::exact);
    const DeviceArray<float> in(x, count(n_rows, n)), by(weight, static_cast<size_t>(n)), out(count(n_rows, n));
    rmsnorm_forward(ctx.get(), out.data(), in.data(), by.data(), n_rows, n, eps);
    out.read(y);
    rmsnorm_forward(ctx.get(), in.data(), in.data(), by.data(), n_rows, n, eps);
    std::vector<float> in_place(in.size());
    in.read(in_place.data());
    if (std::memcmp(in_place.data(), y, in.bytes()) != 0)
      throw Error(KIGO_INTERNAL, "In place it gives another result.");
  });
}

/** norm_rows to float16. */
KIGO_TEST_EXPORT kigo_status cuda_norm_rows(float* y, const float* x, const float* weight, int64_t n_rows, int64_t n,
                                            float eps) {
  return guarded([&] {
    const DeviceArray<float> in(x, count(n_rows, n)), by(weight, static_cast<size_t>(n));
    const DeviceArray<__half> out(count(n_rows, n));
    norm_rows(nullptr, {Number::f16, out.data(), n}, in.data(), by.data(), n_rows, n, eps);
    read_halves(out, y);
  });
}

/** x += norm(branch) */
KIGO_TEST_EXPORT kigo_status cuda_add_normed_rows(float* x, const float* branch, const float* weight, int64_t n_rows,
                                                  int64_t n, float eps) {
  return guarded([&] {
    const DeviceArray<float> out(x, count(n_rows, n)), in(branch, count(n_rows, n)), by(weight, static_cast<size_t>(n));
    add_normed_rows(nullptr, out.data(), in.data(), by.data(), n_rows, n, eps);
    out.read(x);
  });
}

KIGO_TEST_EXPORT kigo_status cuda_residual_add(float* x, const float* branch, int64_t n) {
  return guarded([&] {
    TestContext ctx(Precision::exact);
    const DeviceArray<float> out(x, static_cast<size_t>(n)), in(branch, static_cast<size_t>(n));
    residual_add(ctx.get(), out.data(), in.data(), n);
    out.read(x);
  });
}

/** x [n_tokens][n_head][head_dim] at positions pos0 …; per_position [n_rot/2]. */
KIGO_TEST_EXPORT kigo_status cuda_rope_forward(float* x, const double* per_position, double mscale, int64_t n_tokens,
                                               int64_t n_head, int64_t head_dim, int64_t n_rot, int32_t neox,
                                               int64_t pos0) {
  return guarded([&] {
    TestContext ctx(Precision::exact);
    DeviceArray<float2> table(count(pos0 + n_tokens, n_rot / 2));
    fill_table(table, per_position, n_rot / 2, mscale, pos0 + n_tokens);
    const DeviceArray<float> out(x, count(n_tokens, n_head * head_dim));
    rope_forward(ctx.get(), out.data(), reinterpret_cast<const float*>(table.data() + pos0 * n_rot / 2), n_tokens,
                 n_head, head_dim, n_rot, neox != 0 ? Rope::neox : Rope::norm);
    out.read(x);
  });
}

/**
 * qkv [n_tokens][n_q + 2·n_kv] at positions pos0 …; biases and norms may be NULL. q [n_tokens][n_q]; k, v
 * [n_head_kv][n_ctx][head_dim], NaN where nothing was written. not_finite: whether such a number was seen.
 */
KIGO_TEST_EXPORT kigo_status cuda_rotate_and_append(float* q, float* k, float* v, int32_t* not_finite, const float* qkv,
                                                    const LayerConfig* layer, const float* const biases[3],
                                                    const float* const norms[2], float eps, const double* per_position,
                                                    int64_t n_tokens, int64_t pos0, int64_t n_ctx) {
  return guarded([&] {
    const auto optional = [](const float* values, int64_t n) {
      return values == nullptr ? nullptr : std::make_unique<DeviceArray<float>>(values, static_cast<size_t>(n));
    };
    const auto data = [](const std::unique_ptr<DeviceArray<float>>& array) {
      return array == nullptr ? nullptr : array->data();
    };
    const LayerConfig& l = *layer;
    const auto q_bias = optional(biases[0], l.n_q()), k_bias = optional(biases[1], l.n_kv()),
               v_bias = optional(biases[2], l.n_kv());
    const auto q_norm = optional(norms[0], l.head_dim), k_norm = optional(norms[1], l.head_dim);
    DeviceArray<float2> table(count(n_ctx, l.n_rot / 2));
    fill_table(table, per_position, l.n_rot / 2, l.rope_mscale, n_ctx);
    const DeviceArray<float> in(qkv, count(n_tokens, l.n_q() + 2 * l.n_kv()));
    const DeviceArray<__half> out(count(n_tokens, l.n_q())), keys(count(n_ctx, l.n_kv())),
        values(count(n_ctx, l.n_kv()));
    const int32_t none = 0;
    const DeviceArray<int32_t> flag(&none, 1);
    rotate_and_append(nullptr, {.layer = l,
                                .qkv = in.data(),
                                .q_bias = data(q_bias),
                                .k_bias = data(k_bias),
                                .v_bias = data(v_bias),
                                .q_norm = data(q_norm),
                                .k_norm = data(k_norm),
                                .eps = eps,
                                .turns = table.data(),
                                .q = out.data(),
                                .kv = {.k = keys.data(), .v = values.data(), .n_ctx = n_ctx},
                                .n_tokens = n_tokens,
                                .pos0 = pos0,
                                .flag = flag.data()});
    read_halves(out, q);
    read_halves(keys, k);
    read_halves(values, v);
    flag.read(not_finite);
  });
}

/** Weights as GGUF rows; y is read where `accumulate`. */
KIGO_TEST_EXPORT kigo_status cuda_swiglu_forward(float* y, const float* x, uint32_t type, const uint8_t* gate,
                                                 const uint8_t* up, const uint8_t* down, const float* const biases[3],
                                                 int64_t n_embd, int64_t n_ff, int32_t gelu, int64_t n_tokens,
                                                 int32_t accumulate, int32_t exact) {
  return guarded([&] {
    TestContext ctx(exact != 0 ? Precision::exact : Precision::fast);
    const DeviceMatrix w_gate(type, gate, n_embd, n_ff, biases[0]), w_up(type, up, n_embd, n_ff, biases[1]),
        w_down(type, down, n_ff, n_embd, biases[2]);
    const DeviceArray<float> in(x, count(n_tokens, n_embd)), out(y, count(n_tokens, n_embd));
    const DeviceArray<float> gate_buf(count(n_tokens, n_ff)), up_buf(count(n_tokens, n_ff));
    swiglu_forward(ctx.get(), out.data(), in.data(), w_gate.matrix(), w_up.matrix(), w_down.matrix(),
                   gelu != 0 ? Activation::gelu : Activation::silu, gate_buf.data(), up_buf.data(), n_tokens,
                   accumulate != 0);
    out.read(y);
  });
}

/** gate_rows on float16: gate_up [n_rows][2·n_ff] side by side, hidden [n_rows][n_ff]. */
KIGO_TEST_EXPORT kigo_status cuda_gate_rows(float* hidden, const float* gate_up, int64_t n_rows, int64_t n_ff,
                                            int32_t gelu) {
  return guarded([&] {
    const std::vector<__half> rounded = halves(gate_up, count(n_rows, 2 * n_ff));
    const DeviceArray<__half> in(rounded.data(), rounded.size()), out(count(n_rows, n_ff));
    gate_rows(nullptr, {.hidden = {Number::f16, out.data(), n_ff},
                        .from = Number::f16,
                        .gate = in.data(),
                        .up = in.data() + n_ff,
                        .ld = 2 * n_ff,
                        .gate_bias = nullptr,
                        .up_bias = nullptr,
                        .n_rows = n_rows,
                        .n_ff = n_ff,
                        .activation = gelu != 0 ? Activation::gelu : Activation::silu});
    read_halves(out, hidden);
  });
}

KIGO_TEST_EXPORT kigo_status cuda_lm_head_forward(float* logits, const float* normed, uint32_t type,
                                                  const uint8_t* output, const float* bias, int64_t n_embd,
                                                  int64_t n_vocab, int64_t n_rows, float softcap, int32_t exact) {
  return guarded([&] {
    TestContext ctx(exact != 0 ? Precision::exact : Precision::fast);
    const DeviceMatrix w(type, output, n_embd, n_vocab, bias);
    const DeviceArray<float> in(normed, count(n_rows, n_embd)), out(count(n_rows, n_vocab));
    lm_head_forward(ctx.get(), out.data(), in.data(), w.matrix(), n_rows, softcap);
    out.read(logits);
  });
}

KIGO_TEST_EXPORT kigo_status cuda_score_rows(double* logprobs, const float* logits, const int32_t* targets,
                                             int64_t n_rows, int64_t n_vocab) {
  return guarded([&] {
    const DeviceArray<float> in(logits, count(n_rows, n_vocab));
    const DeviceArray<int32_t> ids(targets, static_cast<size_t>(n_rows));
    const DeviceArray<double> out(static_cast<size_t>(n_rows));
    score_rows(nullptr, out.data(), in.data(), ids.data(), n_rows, n_vocab);
    out.read(logprobs);
  });
}

/**
 * matmul() over two matrices of one type, GGUF rows, with so little scratch that a slab holds `slab_rows` of them.
 * y [n_rows][n_out0 + n_out1]. how: 0 fast, 1 exact, 2 fast with slabs that are filled ahead.
 */
KIGO_TEST_EXPORT kigo_status cuda_matmul(float* y, const float* x, uint32_t type, const uint8_t* w0, const uint8_t* w1,
                                         int64_t n_in, int64_t n_out0, int64_t n_out1, int64_t n_rows,
                                         int64_t slab_rows, int32_t accumulate, int32_t how) {
  return guarded([&] {
    TestContext ctx(how == 1 ? Precision::exact : Precision::fast);
    Ahead ahead;
    const DeviceMatrix first(type, w0, n_in, n_out0), second(type, w1, n_in, n_out1);
    const DeviceArray<float> in(x, count(n_rows, n_in)), out(y, count(n_rows, n_out0 + n_out1));
    Borrowed borrowed(ctx.get());
    const Number number = number_for(ctx.get(), {&first.matrix(), &second.matrix()});
    const Rows rows = borrowed.rounded(number, in.data(), n_rows, n_in);
    ctx.get().scratch_bytes = count(slab_rows, n_in) * size_of(number);
    if (how == 2) {
      ctx.get().ahead = &ahead;
      ctx.get().scratch_bytes *= Ahead::kSlabs;
    }
    matmul(ctx.get(), {Number::f32, out.data(), n_out0 + n_out1}, rows, {&first.matrix(), &second.matrix()}, n_rows,
           accumulate != 0);
    out.read(y);
  });
}
