#include "cpu/state_cache.h"

namespace kigo::cpu {

StateCache::StateCache(const ModelConfig& config, LayerRange range, Precision precision, int64_t n_ctx, Tally& tally)
    : config_(config),
      range_(range),
      precision_(precision),
      n_ctx_(n_ctx),
      places_(kv_places(config, range, n_ctx, precision == Precision::exact)),
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
