#include "core/ops.h"
#include "cpu/context.h"
#include "cpu/kernels/vector.h"

namespace kigo::cpu {

void lm_head_forward(Context& ctx, float* logits, const float* normed, const Matrix& output, int64_t n_rows,
                     float softcap) {
  const MatmulJob job = {&output, logits, output.n_out, false};
  matmul(ctx.pool, {&job, 1}, normed, n_rows, ctx.scratch, ctx.precision);
  if (softcap == 0) return;
  parallel_for(ctx.pool, n_rows * output.n_out, 8192,
               [&](int64_t first, int64_t last) { vec_softcap(logits + first, softcap, last - first); });
}

}  // namespace kigo::cpu
