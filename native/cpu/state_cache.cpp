#include "cpu/state_cache.h"

namespace kigo::cpu {

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

StateCache::StateCache(const ModelConfig& config, LayerRange range, Precision precision, int64_t n_ctx, Tally& tally)
    : config_(config),
      range_(range),
      precision_(precision),
      n_ctx_(n_ctx),
      places_(places(config, range, precision, n_ctx)),
      memory_(tally.kv, places_.bytes, "the KV cache") {
  tokens_.reserve(static_cast<size_t>(n_ctx));
}

KvView StateCache::layer(int64_t held) const {
  const LayerConfig& l = config_.layers[static_cast<size_t>(range_.first + held)];
  return {.k = memory_.at<void>(places_.k[static_cast<size_t>(held)]),
          .v = memory_.at<void>(places_.v[static_cast<size_t>(held)]),
          .f16 = precision_ != Precision::exact,
          .n_ctx = n_ctx_,
          .n_head_kv = l.n_head_kv,
          .head_dim = l.head_dim};
}

void StateCache::append(const int32_t* tokens, int32_t n) {
  tokens_.insert(tokens_.end(), tokens, tokens + n);
  length_.store(static_cast<int32_t>(tokens_.size()), std::memory_order_release);
}

void StateCache::truncate(int32_t length) {
  tokens_.resize(static_cast<size_t>(length));
  length_.store(length, std::memory_order_release);
}

}  // namespace kigo::cpu
