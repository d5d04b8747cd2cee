#include "core/kv_places.h"

#include "core/memory.h"

namespace kigo {

KvPlaces kv_places(const ModelConfig& config, LayerRange range, int64_t n_ctx, bool f32) {
  KvPlaces at;
  Layout layout;
  for (int64_t i = range.first; i < range.last; ++i) {
    const uint64_t values =
        static_cast<uint64_t>(config.layers[static_cast<size_t>(i)].n_kv()) * static_cast<uint64_t>(n_ctx);
    for (std::vector<uint64_t>* offsets : {&at.k, &at.v}) {
      offsets->push_back(f32 ? layout.add<float>(values) : layout.add<uint16_t>(values));
    }
  }
  at.bytes = layout.total();
  return at;
}

}  // namespace kigo
