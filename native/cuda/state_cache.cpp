#include "cuda/state_cache.h"

namespace kigo::cuda {

StateCache::Places StateCache::places(const ModelConfig& config, LayerRange range, Precision precision, int64_t n_ctx) {
  Places at;
  Layout layout;
  for (int64_t i = range.first; i < range.last; ++i) {
    const uint64_t values =
        static_cast<uint64_t>(config.layers[static_cast<size_t>(i)].n_kv()) * static_cast<uint64_t>(n_ctx);
    for (std::vector<uint64_t>* offsets : {&at.k, &at.v}) {
      offsets->push_back(precision == Precision::exact ? layout.add<float>(values) : layout.add<uint16_t>(values));
    }
  }
  at.bytes = layout.total();
  return at;
}

StateCache::StateCache(const Places& places, Precision precision, int64_t n_ctx, Tally& tally)
    : n_ctx_(n_ctx), memory_(tally.kv, places.bytes, "the KV cache") {
  for (size_t i = 0; i < places.k.size(); ++i) {
    layers_.push_back({.k = memory_.at<void>(places.k[i]),
                       .v = memory_.at<void>(places.v[i]),
                       .n_ctx = n_ctx,
                       .f32 = precision == Precision::exact});
  }
}

}  // namespace kigo::cuda
