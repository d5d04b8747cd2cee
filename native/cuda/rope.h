/** Rotary positions on the device, and what happens to queries, keys and values between projection and attention. */
#pragma once

#include <cuda_fp16.h>

#include "core/model.h"
#include "core/rope.h"
#include "cuda/context.h"
#include "cuda/numbers.h"

namespace kigo::cuda {

/**
 * cos_sin [n_positions][n_rot/2] {cos, sin}, from position 0, angles in float64: at position 10^6 a float32 angle is
 * off by 0.06 radians. per_position [n_rot/2]: RopeFrequencies', on the device.
 */
void rope_table(cudaStream_t stream, float2* cos_sin, const double* per_position, int64_t n_pairs, double mscale,
                int64_t n_positions);

/** k, v [n_tokens][n_head_kv][head_dim] become the cache's positions pos0 …; in float16 they are clipped. */
void kv_append(cudaStream_t stream, const KvView& kv, const float* k, const float* v, int64_t n_head_kv,
               int64_t head_dim, int64_t n_tokens, int64_t pos0);

/** One layer's way from the q/k/v projections to attention. */
struct RotateAndAppend {
  const LayerConfig& layer;
  const float* qkv;  // [n_tokens][n_q + 2·n_kv]: the projections side by side, without their biases
  const float* q_bias;
  const float* k_bias;
  const float* v_bias;  // [n_q], [n_kv], [n_kv] or NULL
  const float* q_norm;
  const float* k_norm;  // [head_dim] or NULL
  float eps;
  const float2* turns;  // rope_table's, from position 0
  __half* q;            // out [n_tokens][n_q]: turned, and multiplied by attn_scale
  KvView kv;            // float16; out: positions pos0 …
  int64_t n_tokens;
  int64_t pos0;
  int32_t* flag;  // set to 1 where a number that is not finite reaches q, k or v
};

/**
 * The fast path's fusion of bias, q/k norm, rope_forward and kv_append in one kernel. Queries carry attn_scale because
 * unscaled ones (Qwen2's biases reach hundreds) would spend float16's range on what the scale takes away again.
 */
void rotate_and_append(cudaStream_t stream, const RotateAndAppend&);

}  // namespace kigo::cuda
