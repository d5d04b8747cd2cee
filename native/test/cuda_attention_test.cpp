/** The CUDA twin's attention against the CPU twin's. */
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "core/ops.h"
#include "cpu/context.h"
#include "test/cuda_library.h"
#include "test/kernels_testing.h"

using namespace kigo;
using namespace kigo::test;
using cpu::testing::Random;

namespace {

enum Kernel : int32_t { kExact, kPlainF16, kFlashF32, kFlashF16, kFlashBF16 };

using AttentionFn = kigo_status(float*, const float*, const float*, const float*, const LayerConfig*, int64_t, int64_t,
                                int64_t, int32_t);

struct Case {
  int64_t n_tokens, pos0, head_dim, n_head, n_head_kv, window;
  double softcap;
};

/** The CPU twin's answer, over a float32 cache. */
std::vector<float> expected(const LayerConfig& l, const Case& c, const std::vector<float>& q,
                            const std::vector<float>& k, const std::vector<float>& v) {
  const int64_t n = c.pos0 + c.n_tokens;
  cpu::ThreadPool pool(2);
  cpu::testing::TestScratch scratch(
      cpu::attention_scratch_bytes(l.n_head, l.n_head_kv, l.head_dim, c.n_tokens, n, pool.size()));
  cpu::Context ctx = {pool, scratch.scratch(), cpu::Precision::exact};
  std::vector<float> keys(k.size()), values(v.size()), out(q.size());
  const cpu::KvView kv = {keys.data(), values.data(), false, n, l.n_head_kv, l.head_dim};
  cpu::kv_append(kv, k.data(), v.data(), n, 0);
  cpu::gqa_attention_prefill(ctx, out.data(), q.data(), kv, l, c.n_tokens, c.pos0);
  return out;
}

}  // namespace

TEST_CASE("cuda: attention agrees with the CPU twin's: every head size, windows, soft caps, long caches, few tokens") {
  const auto attention = cuda_function<AttentionFn>("cuda_attention");
  if (attention == nullptr) return;
  const auto flash_runs = cuda_function<bool(int64_t)>("cuda_flash_attention_runs");
  const uint64_t seed = std::random_device{}();
  Random random(seed);
  INFO("seed " << seed);

  std::vector<Case> cases;
  for (const int64_t head_dim : {8, 16, 40, 64, 80, 96, 128, 192, 256}) cases.push_back({70, 11, head_dim, 6, 2, 0, 0});
  for (const int64_t window : {1, 19, 64, 200}) {
    cases.push_back({130, 300, 128, 4, 4, window, 0});
    cases.push_back({5, 1000, 256, 4, 1, window, 3});
  }
  cases.push_back({1, 0, 64, 14, 2, 0, 0});
  // Few tokens before many keys, which several blocks share.
  cases.push_back({3, 5000, 128, 32, 8, 0, 0});
  cases.push_back({37, 2100, 40, 6, 2, 1300, 0});
  cases.push_back({5, 3000, 256, 4, 1, 0, 3});
  cases.push_back({257, 64, 64, 9, 3, 0, 20});
  cases.push_back({130, 0, 64, 14, 2, 0, 0});

  for (const Case& c : few(cases, 3)) {
    CAPTURE(c.n_tokens);
    CAPTURE(c.pos0);
    CAPTURE(c.head_dim);
    CAPTURE(c.n_head);
    CAPTURE(c.window);
    CAPTURE(c.softcap);
    LayerConfig l;
    l.n_head = c.n_head;
    l.n_head_kv = c.n_head_kv;
    l.head_dim = c.head_dim;
    l.window = c.window;
    l.attn_softcap = c.softcap;
    l.attn_scale = 1.5 / std::sqrt(static_cast<double>(c.head_dim));
    const auto round_all = [](std::vector<float> values) {  // what a float16 cache holds
      for (float& value : values) value = static_cast<float>(cpu::testing::f16_value(cpu::testing::f16_bits(value)));
      return values;
    };
    const int64_t n = c.pos0 + c.n_tokens;
    const std::vector<float> q = random.normals(c.n_tokens * l.n_q());
    const std::vector<float> k = round_all(random.normals(n * l.n_kv())), v = round_all(random.normals(n * l.n_kv()));
    const std::vector<float> reference = expected(l, c, q, k, v);
    for (const Kernel kernel : {kExact, kPlainF16, kFlashF32, kFlashF16, kFlashBF16}) {
      CAPTURE(kernel);
      if (kernel >= kFlashF32 && !flash_runs(c.head_dim)) continue;
      std::vector<float> out(q.size());
      KIGO_REQUIRE_CUDA(attention(out.data(), q.data(), k.data(), v.data(), &l, c.n_tokens, c.pos0, n + 5, kernel));
      const double limit = kernel <= kPlainF16 ? 1e-5 : kernel <= kFlashF16 ? 2e-3 : 4e-3;
      CHECK(cpu::testing::relative_error(out, reference) < limit);
    }
  }
}
