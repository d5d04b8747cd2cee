/** Rotary positions: how fast each pair of dimensions turns. */
#pragma once

#include <vector>

#include "core/model.h"

namespace kigo {

/** What a layer's rotation depends on; layers with equal ones share a table. */
struct RopeFrequencies {
  std::vector<double> per_position;  // [n_rot/2]: pair j turns by position · per_position[j], radians
  double mscale = 1;                 // cos and sin are multiplied by it
  bool operator==(const RopeFrequencies&) const = default;
};

/** `rope_freqs` [n_rot/2] divides the angles where the layer asks for it; NULL: the model has none. */
RopeFrequencies rope_frequencies(const LayerConfig& layer, const float* rope_freqs);

/** Which rope table each held layer uses: layers with equal parameters share one. */
struct RopeGroups {
  std::vector<int64_t> of_layer;        // [held layers] -> group
  std::vector<int64_t> representative;  // [groups] -> a held layer
};
RopeGroups rope_groups(const ModelConfig& config, LayerRange range);

}  // namespace kigo
