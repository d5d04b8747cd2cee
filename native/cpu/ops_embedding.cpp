#include "core/ops.h"
#include "cpu/context.h"
#include "cpu/kernels/dequantize.h"
#include "cpu/kernels/vector.h"

namespace kigo::cpu {

void embedding_lookup(Context& ctx, float* y, const Matrix& table, const int32_t* tokens, int64_t n_tokens,
                      float scale) {
  const int64_t n_embd = table.n_in;
  parallel_for(ctx.pool, n_tokens, 16, [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
      const uint8_t* row = table.data + tokens[t] * row_bytes(table.type, n_embd);
      dequantize_row(table.type, row, y + t * n_embd, n_embd);
      if (scale != 1) vec_scale(y + t * n_embd, scale, n_embd);
    }
  });
}

}  // namespace kigo::cpu
