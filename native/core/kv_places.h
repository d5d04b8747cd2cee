/** Where the keys and values of each held layer lie in a cache. */
#pragma once

#include <cstdint>
#include <vector>

#include "core/model.h"

namespace kigo {

/** The one source of a cache's plan and of its allocation. */
struct KvPlaces {
  std::vector<uint64_t> k, v;  // [held layers], byte offsets
  uint64_t bytes = 0;
};

/** Layers that keep n_ctx positions each, as float32 or float16. Throws OUT_OF_MEMORY where the sum leaves 64 bits. */
KvPlaces kv_places(const ModelConfig& config, LayerRange range, int64_t n_ctx, bool f32);

}  // namespace kigo
