#include "core/rope.h"

#include <algorithm>
#include <cmath>

namespace kigo {

namespace {

/** YaRN's pair number at which a full turn takes o/beta positions. */
double yarn_corner(const LayerConfig& l, double beta) {
  const double o = static_cast<double>(l.yarn_original_ctx);
  return static_cast<double>(l.n_rot) * std::log(o / (2 * M_PI * beta)) / (2 * std::log(l.rope_base));
}

bool same_rope(const LayerConfig& a, const LayerConfig& b) {
  return a.n_rot == b.n_rot && a.rope_base == b.rope_base && a.rope_scale == b.rope_scale &&
         a.rope_mscale == b.rope_mscale && a.yarn_original_ctx == b.yarn_original_ctx && a.rope_freqs == b.rope_freqs;
}

}  // namespace

RopeFrequencies rope_frequencies(const LayerConfig& l, const float* rope_freqs) {
  RopeFrequencies f;
  f.mscale = l.rope_mscale;
  const double n_rot = static_cast<double>(l.n_rot);
  for (int64_t j = 0; j < l.n_rot / 2; ++j) {
    double plain = std::pow(l.rope_base, -2.0 * static_cast<double>(j) / n_rot);
    if (l.rope_freqs && rope_freqs != nullptr) plain /= static_cast<double>(rope_freqs[j]);

    double keep = 0;  // share of the plain angle; the rest is scaled
    if (l.yarn_original_ctx > 0) {
      const double low = std::max(0.0, std::floor(yarn_corner(l, 32)));
      const double high = std::min(n_rot - 1, std::ceil(yarn_corner(l, 1)));
      keep = 1 - std::clamp((static_cast<double>(j) - low) / std::max(0.001, high - low), 0.0, 1.0);
    }
    f.per_position.push_back(keep * plain + (1 - keep) * plain * l.rope_scale);
  }
  return f;
}

RopeGroups rope_groups(const ModelConfig& config, LayerRange range) {
  RopeGroups groups;
  for (int64_t i = range.first; i < range.last; ++i) {
    const LayerConfig& layer = config.layers[static_cast<size_t>(i)];
    const auto found = std::find_if(groups.representative.begin(), groups.representative.end(),
                                    [&](int64_t r) { return same_rope(config.layers[static_cast<size_t>(r)], layer); });
    groups.of_layer.push_back(found - groups.representative.begin());
    if (found == groups.representative.end()) groups.representative.push_back(i);
  }
  return groups;
}

}  // namespace kigo
