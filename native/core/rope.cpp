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

}  // namespace kigo
