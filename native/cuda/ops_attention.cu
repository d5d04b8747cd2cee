#include "core/ops.h"
#include "cuda/attention.h"

namespace kigo::cuda {

void gqa_attention_prefill(Context& ctx, float* out, const float* q, const KvView& kv, const LayerConfig& layer,
                           int64_t n_tokens, int64_t pos0) {
  const int64_t n_q = layer.n_q();
  plain_attention(ctx.stream, {.layer = layer,
                               .q = {Number::f32, q, n_q},
                               .q_scale = static_cast<float>(layer.attn_scale),
                               .kv = kv,
                               .out = {Number::f32, out, n_q},
                               .n_tokens = n_tokens,
                               .pos0 = pos0});
}

void gqa_attention_decode(Context& ctx, float* out, const float* q, const KvView& kv, const LayerConfig& layer,
                          int64_t pos) {
  gqa_attention_prefill(ctx, out, q, kv, layer, 1, pos);
}

}  // namespace kigo::cuda
