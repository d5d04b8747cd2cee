#include <array>

#include "core/ops.h"
#include "cpu/context.h"
#include "cpu/kernels/vector.h"

namespace kigo::cpu {

void swiglu_forward(Context& ctx, float* y, const float* x, const Matrix& gate, const Matrix& up, const Matrix& down,
                    Activation activation, float* gate_buf, float* up_buf, int64_t n_tokens, bool accumulate) {
  const int64_t n_ff = gate.n_out;
  const std::array<MatmulJob, 2> both = {{{&gate, gate_buf, n_ff, false}, {&up, up_buf, n_ff, false}}};
  matmul(ctx.pool, both, x, n_tokens, ctx.scratch, ctx.precision);

  const auto act = activation == Activation::silu ? silu_mul : gelu_mul;
  parallel_for(ctx.pool, n_tokens * n_ff, 4096, [&](int64_t first, int64_t last) {
    act(gate_buf + first, up_buf + first, gate_buf + first, last - first);
  });

  const MatmulJob out = {&down, y, down.n_out, accumulate};
  matmul(ctx.pool, {&out, 1}, gate_buf, n_tokens, ctx.scratch, ctx.precision);
}

}  // namespace kigo::cpu
