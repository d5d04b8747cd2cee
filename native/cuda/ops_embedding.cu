#include "core/ops.h"
#include "cuda/dequantize.h"

namespace kigo::cuda {

void embedding_lookup(Context& ctx, float* y, const Matrix& table, const int32_t* tokens, int64_t n_tokens,
                      float scale) {
  gather_rows(ctx.stream, table, tokens, n_tokens, scale, y);
}

}  // namespace kigo::cuda
