/**
 * The operations of the engine, declared once for every backend: KIGO_BACKEND is `cpu` or `cuda`, set by the
 * backend's build target. Context, Matrix and KvView are the backend's own: where to run, a weight matrix, one
 * layer's keys and values.
 *
 * Shapes are row-major, slowest first; all activations are float32. Outputs must not overlap inputs unless said.
 */
#pragma once

#include <cstdint>

#include "core/model.h"
#include "kigo/abi.h"

#ifndef KIGO_BACKEND
#error "Link a backend (kigo_cpu): its target sets KIGO_BACKEND."
#endif

namespace kigo::KIGO_BACKEND {

struct Context;
struct Matrix;
struct KvView;

/** y[t] = scale · (row tokens[t] of table, dequantised). table [n_vocab][n_embd]; y [n_tokens][n_embd]. */
void embedding_lookup(Context&, float* y, const Matrix& table, const int32_t* tokens, int64_t n_tokens, float scale);

/** y[r] = x[r] / sqrt(mean(x[r]²) + eps) · weight. x, y: [n_rows][n], may be the same; weight [n]. */
void rmsnorm_forward(Context&, float* y, const float* x, const float* weight, int64_t n_rows, int64_t n, float eps);

/**
 * Turns the first n_rot dimensions of every head in place. x [n_tokens][n_head][head_dim];
 * cos_sin [n_tokens][n_rot/2][2], made by rope_table.
 */
void rope_forward(Context&, float* x, const float* cos_sin, int64_t n_tokens, int64_t n_head, int64_t head_dim,
                  int64_t n_rot, Rope kind);

/**
 * Attention of n_tokens queries at positions pos0 … over the cache, which holds their keys and values already.
 * q, out: [n_tokens][n_head][head_dim]. Scale, soft cap, window and head counts are the layer's.
 */
void gqa_attention_prefill(Context&, float* out, const float* q, const KvView& kv, const LayerConfig& layer,
                           int64_t n_tokens, int64_t pos0);

/** The same for the one query at `pos`. q, out: [n_head][head_dim]. */
void gqa_attention_decode(Context&, float* out, const float* q, const KvView& kv, const LayerConfig& layer,
                          int64_t pos);

/** The whole FFN: y (+)= down(act(gate(x)) · up(x)). x, y [n_tokens][n_embd]; gate_buf, up_buf [n_tokens][n_ff]. */
void swiglu_forward(Context&, float* y, const float* x, const Matrix& gate, const Matrix& up, const Matrix& down,
                    Activation activation, float* gate_buf, float* up_buf, int64_t n_tokens, bool accumulate);

/** x += branch. Both [n]. */
void residual_add(Context&, float* x, const float* branch, int64_t n);

/** logits = softcap(output · normed). normed [n_rows][n_embd]; logits [n_rows][n_vocab]; softcap 0: off. */
void lm_head_forward(Context&, float* logits, const float* normed, const Matrix& output, int64_t n_rows, float softcap);

/**
 * Draws a token as kigo_sampling says. logits [n_vocab], finite; changed meanwhile, restored on return.
 * history: the tokens so far [n_history], oldest first; position: where the drawn token would stand.
 * scratch: sample_scratch_bytes(n_vocab, n_history) bytes, aligned to 64.
 */
void sample(Context&, kigo_token_record* record, float* logits, int64_t n_vocab, const int32_t* history,
            int64_t n_history, int64_t position, const kigo_sampling& sampling, void* scratch);

}  // namespace kigo::KIGO_BACKEND
