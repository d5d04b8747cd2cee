/** Attention of many queries over the cache: with tensor cores, and the plain way. */
#pragma once

#include "core/model.h"
#include "cuda/context.h"
#include "cuda/numbers.h"

namespace kigo::cuda {

/** Queries at positions pos0 … over a cache that holds their keys and values already. */
struct Attention {
  const LayerConfig& layer;  // head counts, soft cap and window
  Rows q;                    // [n_tokens][n_head·head_dim]
  float q_scale;             // scores are multiplied by it: 1 where q carries attn_scale already
  KvView kv;
  RowsOut out;  // [n_tokens][n_head·head_dim]
  int64_t n_tokens;
  int64_t pos0;
  std::byte* spare = nullptr;  // for flash_attention, as much as there is: blocks that share keys meet there
  size_t spare_bytes = 0;
};

/**
 * Online softmax in float32 over tiles of keys, products on the tensor cores: q and cache in float16, q_scale 1, out
 * in halves or float32. head_dim: any multiple of 8 up to 256; 64, 128 and 256 waste nothing.
 */
void flash_attention(Context&, const Attention&);
/** What flash_attention needs of the GPU: shared memory for its tiles. */
bool flash_attention_runs(const DeviceTraits& device, int64_t head_dim);

/** The same in float32 throughout, for any kind of q and cache: the exact mode, and GPUs that flash_attention is not
 * for. */
void plain_attention(cudaStream_t stream, const Attention&);

}  // namespace kigo::cuda
