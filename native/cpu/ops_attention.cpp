#include "core/ops.h"
#include "cpu/context.h"

namespace kigo::cpu {

namespace {

AttentionConfig attention_config(const LayerConfig& layer) {
  return {.n_head = layer.n_head,
          .scale = static_cast<float>(layer.attn_scale),
          .softcap = static_cast<float>(layer.attn_softcap),
          .window = layer.window};
}

}  // namespace

void gqa_attention_prefill(Context& ctx, float* out, const float* q, const KvView& kv, const LayerConfig& layer,
                           int64_t n_tokens, int64_t pos0) {
  gqa_attention(ctx.pool, kv, attention_config(layer), q, n_tokens, pos0, out, ctx.scratch);
}

void gqa_attention_decode(Context& ctx, float* out, const float* q, const KvView& kv, const LayerConfig& layer,
                          int64_t pos) {
  gqa_attention_decode(ctx.pool, kv, attention_config(layer), q, pos, out, ctx.scratch);
}

}  // namespace kigo::cpu
