/** Attention, each kernel by itself, over host memory. */
#include "core/ops.h"
#include "cuda/attention.h"
#include "cuda/device.h"
#include "cuda/numbers.cuh"
#include "cuda/rope.h"
#include "cuda/testing/testing.h"

using namespace kigo;
using namespace kigo::cuda;
using namespace kigo::cuda::testing;

/**
 * q, out [n_tokens][n_head][head_dim] at positions pos0 …; k, v [pos0 + n_tokens][n_head_kv][head_dim], which a cache
 * of n_ctx positions gets to hold; behind them it holds NaN. kernel: 0 gqa_attention_prefill over a float32 cache, 1
 * the same over float16, 2 flash_attention with float32 results, 3 with float16, 4 with bfloat16.
 */
KIGO_TEST_EXPORT kigo_status cuda_attention(float* out, const float* q, const float* k, const float* v,
                                            const LayerConfig* layer, int64_t n_tokens, int64_t pos0, int64_t n_ctx,
                                            int32_t kernel) {
  return guarded([&] {
    const bool exact = kernel == 0;
    TestContext ctx(exact ? Precision::exact : Precision::fast);
    const LayerConfig& l = *layer;
    const int64_t n_q = l.n_q(), n_positions = pos0 + n_tokens;
    const auto size = [](int64_t a, int64_t b) { return static_cast<size_t>(a * b); };
    const DeviceArray<float> new_k(k, size(n_positions, l.n_kv())), new_v(v, size(n_positions, l.n_kv()));
    const DeviceArray<float> keys(size(n_ctx, l.n_kv())), values(size(n_ctx, l.n_kv()));  // room for either kind
    const KvView kv = {.k = keys.data(), .v = values.data(), .n_ctx = n_ctx, .f32 = exact};
    kv_append(nullptr, kv, new_k.data(), new_v.data(), l.n_head_kv, l.head_dim, n_positions, 0);

    const DeviceArray<float> queries(q, size(n_tokens, n_q)), result(size(n_tokens, n_q));
    if (kernel < 2) {
      gqa_attention_prefill(ctx.get(), result.data(), queries.data(), kv, l, n_tokens, pos0);
      result.read(out);
      return;
    }
    std::vector<__half> scaled(size(n_tokens, n_q));
    for (size_t i = 0; i < scaled.size(); ++i) scaled[i] = __float2half_rn(q[i] * static_cast<float>(l.attn_scale));
    const DeviceArray<__half> half_queries(scaled.data(), scaled.size());
    const auto kind = kernel == 2 ? Number::f32 : kernel == 3 ? Number::f16 : Number::bf16;
    flash_attention(ctx.get(), {.layer = l,
                                .q = {Number::f16, half_queries.data(), n_q},
                                .q_scale = 1,
                                .kv = kv,
                                .out = {kind, result.data(), n_q},
                                .n_tokens = n_tokens,
                                .pos0 = pos0,
                                .spare = ctx.get().scratch,
                                .spare_bytes = ctx.get().scratch_bytes});
    with_type(kind, [&](auto zero) {
      using T = decltype(zero);
      std::vector<float> raw(result.size());
      result.read(raw.data());
      const T* numbers = reinterpret_cast<const T*>(raw.data());
      for (size_t i = 0; i < raw.size(); ++i) out[i] = static_cast<float>(numbers[i]);
    });
  });
}

/** Whether flash_attention is for this GPU and size of heads. */
KIGO_TEST_EXPORT bool cuda_flash_attention_runs(int64_t head_dim) {
  return flash_attention_runs(device_traits(0), head_dim);
}
