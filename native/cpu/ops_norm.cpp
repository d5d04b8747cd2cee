#include "core/ops.h"
#include "cpu/context.h"
#include "cpu/kernels/vector.h"

namespace kigo::cpu {

void rmsnorm_forward(Context& ctx, float* y, const float* x, const float* weight, int64_t n_rows, int64_t n,
                     float eps) {
  parallel_for(ctx.pool, n_rows, std::max<int64_t>(1, 8192 / n), [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) rmsnorm(x + r * n, weight, eps, y + r * n, n);
  });
}

void residual_add(Context& ctx, float* x, const float* branch, int64_t n) {
  parallel_for(ctx.pool, n, 32768,
               [&](int64_t first, int64_t last) { vec_add(x + first, branch + first, last - first); });
}

}  // namespace kigo::cpu
