#include "cpu/kernels/attention.h"
#include "cpu/kernels/vector.h"
#include "kernels_testing.h"

using namespace kigo::cpu;
using namespace kigo::cpu::testing;

namespace {

struct Case {
  int64_t n_head, n_head_kv, head_dim, n_tokens, pos0;
  int64_t window = 0;
  float softcap = 0;
  bool f16 = true;
  int n_threads = 2;
  float q_scale = 1;
};

/** Largest difference from attention in float64 over the same stored keys and values (of size about 1). */
double worst_error(const Case& c) {
  Random random(static_cast<uint64_t>(c.n_head * 131 + c.head_dim * 17 + c.n_tokens * 7 + c.pos0));
  const int64_t n_kv = c.pos0 + c.n_tokens, n_ctx = n_kv + 5;
  const int64_t values = c.n_head_kv * n_ctx * c.head_dim;
  std::vector<uint16_t> k16(static_cast<size_t>(values), 0x7e00), v16(k16);  // NaN where nothing was stored
  std::vector<float> k32(static_cast<size_t>(values), NAN), v32(k32);
  KvView kv{k32.data(), v32.data(), c.f16, n_ctx, c.n_head_kv, c.head_dim};
  if (c.f16) kv.k = k16.data(), kv.v = v16.data();

  std::vector<float> k = random.normals(n_kv * c.n_head_kv * c.head_dim);
  std::vector<float> v = random.normals(n_kv * c.n_head_kv * c.head_dim);
  if (c.f16) {  // values that the cache can hold
    for (float& value : k) value = f16_to_f32(f32_to_f16(value));
    for (float& value : v) value = f16_to_f32(f32_to_f16(value));
  }
  const std::vector<float> q = random.normals(c.n_tokens * c.n_head * c.head_dim, c.q_scale);
  kv_append(kv, k.data(), v.data(), c.pos0, 0);
  const int64_t stored = c.pos0 * c.n_head_kv * c.head_dim;
  kv_append(kv, k.data() + stored, v.data() + stored, c.n_tokens, c.pos0);

  const AttentionConfig config{c.n_head, 1 / std::sqrt(static_cast<float>(c.head_dim)), c.softcap, c.window};
  ThreadPool pool(c.n_threads);
  TestScratch scratch(attention_scratch_bytes(c.n_head, c.n_head_kv, c.head_dim, c.n_tokens, n_kv, c.n_threads));
  std::vector<float> out(q.size());
  gqa_attention(pool, kv, config, q.data(), c.n_tokens, c.pos0, out.data(), scratch.scratch());
  CHECK(scratch.guard_intact());

  const auto held = [&](const std::vector<float>& source, int64_t pos, int64_t head) {
    return source.data() + (pos * c.n_head_kv + head) * c.head_dim;
  };
  double worst = 0;
  for (int64_t t = 0; t < c.n_tokens; ++t) {
    for (int64_t head = 0; head < c.n_head; ++head) {
      const int64_t kv_head = head / (c.n_head / c.n_head_kv), pos = c.pos0 + t;
      const int64_t first = c.window > 0 ? std::max<int64_t>(0, pos - c.window + 1) : 0;
      const float* query = q.data() + (t * c.n_head + head) * c.head_dim;
      std::vector<double> scores;
      double max = -INFINITY, sum = 0;
      for (int64_t p = first; p <= pos; ++p) {
        double score = 0;
        for (int64_t i = 0; i < c.head_dim; ++i) score += static_cast<double>(query[i]) * held(k, p, kv_head)[i];
        score *= config.scale;
        if (c.softcap > 0) score = c.softcap * std::tanh(score / c.softcap);
        scores.push_back(score);
        max = std::max(max, score);
      }
      for (double& score : scores) sum += score = std::exp(score - max);
      std::vector<double> expected(static_cast<size_t>(c.head_dim));
      for (int64_t p = first; p <= pos; ++p) {
        const double weight = scores[static_cast<size_t>(p - first)] / sum;
        for (size_t i = 0; i < expected.size(); ++i) expected[i] += weight * held(v, p, kv_head)[i];
      }
      for (size_t i = 0; i < expected.size(); ++i) {
        const double error = std::fabs(out[static_cast<size_t>((t * c.n_head + head) * c.head_dim) + i] - expected[i]);
        if (!(error <= worst)) worst = error;  // NaN too
      }
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("attention: one token at every kind of position") {
  on_each_isa([] {
    for (int64_t pos : {0, 1, 15, 16, 63, 64, 65, 255, 256, 700}) {
      CAPTURE(pos);
      CHECK(worst_error({9, 3, 64, 1, pos}) < 2e-5);
      CHECK(worst_error({4, 1, 256, 1, pos}) < 2e-5);
    }
  });
}

TEST_CASE("attention: many tokens, from the start and behind others") {
  on_each_isa([] {
    for (int64_t n_tokens : {2, 3, 11, 12, 13, 48, 49, 130}) {
      for (int64_t pos0 : {0, 1, 70}) {
        CAPTURE(n_tokens);
        CAPTURE(pos0);
        CHECK(worst_error({6, 2, 32, n_tokens, pos0}) < 2e-5);
      }
    }
  });
}

TEST_CASE("attention: every head size and group") {
  on_each_isa([] {
    for (int64_t head_dim = 32; head_dim <= 256; head_dim += 8) {
      CAPTURE(head_dim);
      CHECK(worst_error({2, 1, head_dim, 1, 20}) < 2e-5);
      CHECK(worst_error({2, 1, head_dim, 5, 20}) < 2e-5);
    }
    for (int64_t group : {1, 2, 3, 5, 8, 16, 17, 40}) {
      CAPTURE(group);
      CHECK(worst_error({2 * group, 2, 32, 1, 300}) < 2e-5);
      CHECK(worst_error({2 * group, 2, 32, 7, 20}) < 2e-5);
    }
  });
}

TEST_CASE("attention: a window, shorter and longer than what is there") {
  on_each_isa([] {
    for (int64_t window : {1, 2, 16, 63, 64, 65, 300, 1000}) {
      CAPTURE(window);
      Case c{4, 2, 32, 1, 400};
      c.window = window;
      CHECK(worst_error(c) < 2e-5);
      c.n_tokens = 90;
      CHECK(worst_error(c) < 2e-5);
      c.pos0 = 0;
      CHECK(worst_error(c) < 2e-5);
    }
  });
}

TEST_CASE("attention: soft cap, float32 cache, large scores, any number of threads") {
  on_each_isa([] {
    for (int n_threads : {1, 2, 3}) {
      for (int64_t n_tokens : {1, 40}) {
        Case c{4, 1, 64, n_tokens, 600};
        c.n_threads = n_threads;
        c.softcap = 5;
        c.f16 = false;
        CHECK(worst_error(c) < 2e-5);
        c.q_scale = 100;  // scores up to some hundreds: e^score alone would overflow
        CHECK(worst_error(c) < 2e-4);
        c.softcap = 0;
        CHECK(worst_error(c) < 2e-3);
      }
    }
  });
}

TEST_CASE("attention: a token of a batch has the same bits whatever stands before it in the batch") {
  on_each_isa([] {
    Random random(4);
    const int64_t n_head = 6, n_head_kv = 2, dim = 32, n = 200;
    const std::vector<float> k = random.normals(n * n_head_kv * dim), v = random.normals(n * n_head_kv * dim);
    const std::vector<float> q = random.normals(n * n_head * dim);
    std::vector<uint16_t> k16(k.size()), v16(v.size());
    const KvView kv{k16.data(), v16.data(), true, n, n_head_kv, dim};
    kv_append(kv, k.data(), v.data(), n, 0);
    ThreadPool pool(2);
    for (int64_t window : {0, 70}) {
      const AttentionConfig config{n_head, 0.2f, 0, window};
      TestScratch scratch(attention_scratch_bytes(n_head, n_head_kv, dim, n, n, 2));
      std::vector<float> whole(q.size());
      gqa_attention(pool, kv, config, q.data(), n, 0, whole.data(), scratch.scratch());
      for (int64_t from : {1, 7, 63, 64, 100, 192}) {
        const auto offset = static_cast<size_t>(from * n_head * dim);
        std::vector<float> part(q.size() - offset);
        gqa_attention(pool, kv, config, q.data() + offset, n - from, from, part.data(), scratch.scratch());
        CHECK(std::equal(part.begin(), part.end(), whole.begin() + static_cast<ptrdiff_t>(offset)));
      }
    }
  });
}
