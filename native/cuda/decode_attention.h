/** One query position over the cache: norms of queries and keys, rotation, the cache's next position, attention. */
#pragma once

#include "core/model.h"
#include "cuda/context.h"
#include "cuda/step_state.h"

namespace kigo::cuda {

/** Of the blocks that share a group's positions. */
struct Meeting {
  uint32_t n_arrived;  // of the kernel that runs; zero between kernels
  uint32_t n_kernels;  // that have met here, modulo 2^32
};

struct DecodeAttention {
  const LayerConfig& layer;
  KvView kv;                      // float16; keys and values of this position are added
  const float* qkv = nullptr;     // [n_q + 2·n_kv]: queries, keys, values of this position, as projected
  const float* q_norm = nullptr;  // [head_dim] or NULL
  const float* k_norm = nullptr;  // [head_dim] or NULL
  float eps = 0;
  const float2* rope = nullptr;      // [n_ctx][n_rot/2] {cos, sin}
  const StepState* state = nullptr;  // its length is the position
  float* out = nullptr;              // [n_q]
  // Where blocks meet: at first all bits set, and zero. For all layers of a step, whose kernels take turns.
  float* partials = nullptr;    // [attention_groups(layer)][2][partials_stride]
  int64_t partials_stride = 0;  // attention_partials(…) of the layer, or more
  Meeting* meetings = nullptr;  // [attention_groups(layer)]
  int64_t max_length = 0;       // of the cache, this position included
};

/** Groups of up to 8 query heads that share a key/value head, and a block's read of it. */
int64_t attention_groups(const LayerConfig& layer);
/** Blocks that share a group's positions, where the cache may be `max_length` long. */
int attention_splits(const LayerConfig& layer, const DeviceTraits& device, int64_t max_length);
/** float32 numbers that the blocks of a group pass to the last of them. */
int64_t attention_partials(const LayerConfig& layer, const DeviceTraits& device, int64_t max_length);

void enqueue_decode_attention(const Context& ctx, const DecodeAttention& attention);

}  // namespace kigo::cuda
