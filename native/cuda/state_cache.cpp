#include "cuda/state_cache.h"

namespace kigo::cuda {

StateCache::StateCache(const KvPlaces& places, Precision precision, int64_t n_ctx, Tally& tally)
    : n_ctx_(n_ctx), memory_(tally.kv, places.bytes, "the KV cache") {
  for (size_t i = 0; i < places.k.size(); ++i) {
    layers_.push_back({.k = memory_.at<void>(places.k[i]),
                       .v = memory_.at<void>(places.v[i]),
                       .n_ctx = n_ctx,
                       .f32 = precision == Precision::exact});
  }
}

}  // namespace kigo::cuda
