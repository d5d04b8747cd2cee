#include <cmath>

#include "core/ops.h"
#include "cpu/rope_table.h"

namespace kigo::cpu {

void rope_table(Context& ctx, float* cos_sin, const RopeFrequencies& frequencies, int64_t n_tokens, int64_t pos0) {
  const int64_t pairs = static_cast<int64_t>(frequencies.per_position.size());
  parallel_for(ctx.pool, n_tokens, 8, [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
      float* row = cos_sin + t * pairs * 2;
      for (int64_t j = 0; j < pairs; ++j) {
        const double angle = static_cast<double>(pos0 + t) * frequencies.per_position[static_cast<size_t>(j)];
        row[2 * j] = static_cast<float>(std::cos(angle) * frequencies.mscale);
        row[2 * j + 1] = static_cast<float>(std::sin(angle) * frequencies.mscale);
      }
    }
  });
}

void rope_forward(Context& ctx, float* x, const float* cos_sin, int64_t n_tokens, int64_t n_head, int64_t head_dim,
                  int64_t n_rot, Rope kind) {
  const int64_t pairs = n_rot / 2;
  // A pair is (a, a + apart); pair j starts at dimension j · step.
  const int64_t step = kind == Rope::norm ? 2 : 1;
  const int64_t apart = kind == Rope::norm ? 1 : pairs;
  parallel_for(ctx.pool, n_tokens, 8, [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
      const float* turn = cos_sin + t * n_rot;
      for (int64_t h = 0; h < n_head; ++h) {
        float* head = x + (t * n_head + h) * head_dim;
        for (int64_t j = 0; j < pairs; ++j) {
          float& a = head[j * step];
          float& b = head[j * step + apart];
          const float cos = turn[2 * j], sin = turn[2 * j + 1];
          const float turned = a * cos - b * sin;
          b = a * sin + b * cos;
          a = turned;
        }
      }
    }
  });
}

}  // namespace kigo::cpu
