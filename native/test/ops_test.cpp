/** Each operation of core/ops.h on the CPU against float64. */
#include "core/ops.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include "cpu/context.h"
#include "cpu/kernels/vector.h"
#include "cpu/rope_table.h"
#include "test/tiny_model.h"

using namespace kigo;
using namespace kigo::cpu;

namespace {

std::mt19937 random_engine(7);

std::vector<float> random_floats(size_t n) {
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& v : values) v = normal(random_engine);
  return values;
}

/** A context with room for every matmul and attention of these tests. */
struct Lent {
  ThreadPool pool{2};
  std::vector<std::byte> memory = std::vector<std::byte>((8 << 20) + 64);
  Context ctx() {
    void* start = memory.data();
    size_t space = memory.size();
    return {pool, {static_cast<std::byte*>(std::align(64, 8 << 20, start, space)), 8 << 20}, Precision::exact};
  }
};

Matrix matrix_of(const std::vector<float>& values, int64_t n_in, const float* bias = nullptr) {
  return {.type = 0,
          .n_in = n_in,
          .n_out = static_cast<int64_t>(values.size()) / n_in,
          .data = reinterpret_cast<const uint8_t*>(values.data()),
          .bias = bias};
}

std::vector<double> product(const std::vector<float>& w, const float* x, size_t n_in) {
  std::vector<double> y;
  for (size_t r = 0; r < w.size() / n_in; ++r) {
    double sum = 0;
    for (size_t c = 0; c < n_in; ++c) sum += static_cast<double>(w[r * n_in + c]) * static_cast<double>(x[c]);
    y.push_back(sum);
  }
  return y;
}

}  // namespace

TEST_CASE("embedding_lookup gives scaled rows of the table") {
  Lent lent;
  Context ctx = lent.ctx();
  const std::vector<float> table = random_floats(10 * 24);
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 70; ++i) tokens.push_back(i * 7 % 10);
  std::vector<float> y(70 * 24);
  embedding_lookup(ctx, y.data(), matrix_of(table, 24), tokens.data(), 70, 3);
  for (size_t t = 0; t < 70; ++t) {
    for (size_t i = 0; i < 24; ++i) CHECK(y[t * 24 + i] == 3 * table[static_cast<size_t>(tokens[t]) * 24 + i]);
  }
}

TEST_CASE("rmsnorm_forward agrees with float64, in place too, for few rows and many") {
  Lent lent;
  Context ctx = lent.ctx();
  for (const size_t rows : {1, 3, 200}) {
    for (const size_t n : {8, 37, 576}) {
      std::vector<float> x = random_floats(rows * n), y(rows * n);
      const std::vector<float> weight = random_floats(n);
      rmsnorm_forward(ctx, y.data(), x.data(), weight.data(), static_cast<int64_t>(rows), static_cast<int64_t>(n),
                      1e-5f);
      for (size_t r = 0; r < rows; ++r) {
        double squares = 0;
        for (size_t i = 0; i < n; ++i) squares += static_cast<double>(x[r * n + i]) * static_cast<double>(x[r * n + i]);
        std::vector<double> expected(n);
        for (size_t i = 0; i < n; ++i) {
          expected[i] = static_cast<double>(x[r * n + i]) / std::sqrt(squares / static_cast<double>(n) + 1e-5) *
                        static_cast<double>(weight[i]);
        }
        CHECK(test::relative_error(&y[r * n], expected) < 1e-6);
      }
      rmsnorm_forward(ctx, x.data(), x.data(), weight.data(), static_cast<int64_t>(rows), static_cast<int64_t>(n),
                      1e-5f);
      CHECK(x == y);
    }
  }
}

TEST_CASE("rope_forward turns the right pairs by the right angles, at distant positions too") {
  Lent lent;
  Context ctx = lent.ctx();
  constexpr int64_t n_tokens = 33, n_head = 3, head_dim = 24, n_rot = 16;
  LayerConfig layer;
  layer.n_rot = n_rot;
  layer.rope_mscale = 1.25;
  const RopeFrequencies frequencies = rope_frequencies(layer, nullptr);
  for (const Rope kind : {Rope::norm, Rope::neox}) {
    for (const int64_t pos0 : {int64_t{0}, int64_t{1} << 20}) {
      std::vector<float> turns(n_tokens * n_rot);
      rope_table(ctx, turns.data(), frequencies, n_tokens, pos0);
      const std::vector<float> before = random_floats(n_tokens * n_head * head_dim);
      std::vector<float> x = before;
      rope_forward(ctx, x.data(), turns.data(), n_tokens, n_head, head_dim, n_rot, kind);
      std::vector<double> expected(before.begin(), before.end());
      for (int64_t t = 0; t < n_tokens; ++t) {
        for (int64_t h = 0; h < n_head; ++h) {
          for (int64_t j = 0; j < n_rot / 2; ++j) {
            const double angle =
                static_cast<double>(pos0 + t) * std::pow(10000.0, -2.0 * static_cast<double>(j) / n_rot);
            const auto start = static_cast<size_t>((t * n_head + h) * head_dim);
            const size_t a = start + static_cast<size_t>(kind == Rope::norm ? 2 * j : j);
            const size_t b = start + static_cast<size_t>(kind == Rope::norm ? 2 * j + 1 : j + n_rot / 2);
            const double xa = before[a], xb = before[b];
            expected[a] = 1.25 * (xa * std::cos(angle) - xb * std::sin(angle));
            expected[b] = 1.25 * (xa * std::sin(angle) + xb * std::cos(angle));
          }
        }
      }
      CHECK(test::relative_error(x.data(), expected) < 1e-6);
    }
  }
}

TEST_CASE("gqa_attention_prefill and _decode agree with float64, with window and soft cap") {
  Lent lent;
  Context ctx = lent.ctx();
  constexpr int64_t n_ctx = 96, n_head = 6, n_head_kv = 2, head_dim = 32, n_tokens = 70;
  for (const int64_t window : {0, 1, 19}) {
    for (const double cap : {0.0, 3.0}) {
      for (const bool f16 : {false, true}) {
        LayerConfig layer;
        layer.n_head = n_head;
        layer.n_head_kv = n_head_kv;
        layer.head_dim = head_dim;
        layer.attn_scale = 0.3;
        layer.attn_softcap = cap;
        layer.window = window;
        std::vector<float> k = random_floats(n_tokens * n_head_kv * head_dim), v = random_floats(k.size());
        const std::vector<float> q = random_floats(n_tokens * n_head * head_dim);
        if (f16) {
          for (std::vector<float>* values : {&k, &v}) {
            for (float& x : *values) x = f16_to_f32(f32_to_f16(x));
          }
        }
        std::vector<float> keys(n_head_kv * n_ctx * head_dim), values(keys.size());
        const KvView kv = {keys.data(), values.data(), f16, n_ctx, n_head_kv, head_dim};
        kv_append(kv, k.data(), v.data(), n_tokens, 0);

        std::vector<double> expected(q.size(), 0.0);
        for (int64_t t = 0; t < n_tokens; ++t) {
          for (int64_t h = 0; h < n_head; ++h) {
            const int64_t from = window == 0 ? 0 : std::max<int64_t>(0, t + 1 - window);
            const int64_t kv_head = h / (n_head / n_head_kv);
            const auto at = [&](const std::vector<float>& x, int64_t j, int64_t i) {
              return static_cast<double>(x[static_cast<size_t>((j * n_head_kv + kv_head) * head_dim + i)]);
            };
            std::vector<double> p;
            double total = 0;
            for (int64_t j = from; j <= t; ++j) {
              double score = 0;
              for (int64_t i = 0; i < head_dim; ++i) {
                score += static_cast<double>(q[static_cast<size_t>((t * n_head + h) * head_dim + i)]) * at(k, j, i);
              }
              score *= 0.3;
              p.push_back(std::exp(cap == 0 ? score : cap * std::tanh(score / cap)));
              total += p.back();
            }
            for (int64_t j = from; j <= t; ++j) {
              for (int64_t i = 0; i < head_dim; ++i) {
                expected[static_cast<size_t>((t * n_head + h) * head_dim + i)] +=
                    p[static_cast<size_t>(j - from)] / total * at(v, j, i);
              }
            }
          }
        }

        std::vector<float> out(q.size());
        gqa_attention_prefill(ctx, out.data(), q.data(), kv, layer, n_tokens, 0);
        CHECK(test::relative_error(out.data(), expected) < 1e-5);
        constexpr int64_t last = (n_tokens - 1) * n_head * head_dim;
        std::vector<float> one(n_head * head_dim);
        gqa_attention_decode(ctx, one.data(), q.data() + last, kv, layer, n_tokens - 1);
        CHECK(test::relative_error(one.data(), {expected.begin() + last, expected.end()}) < 1e-5);
      }
    }
  }
}

TEST_CASE("swiglu_forward agrees with float64, with either activation, writing and adding") {
  Lent lent;
  Context ctx = lent.ctx();
  constexpr size_t n_embd = 40, n_ff = 72;
  const std::vector<float> gate = random_floats(n_ff * n_embd), up = random_floats(n_ff * n_embd);
  const std::vector<float> down = random_floats(n_embd * n_ff);
  for (const Activation activation : {Activation::silu, Activation::gelu}) {
    for (const size_t n : {1, 50}) {
      for (const bool accumulate : {false, true}) {
        const std::vector<float> x = random_floats(n * n_embd), start = random_floats(n * n_embd);
        std::vector<float> y = start, gate_buf(n * n_ff), up_buf(n * n_ff);
        swiglu_forward(ctx, y.data(), x.data(), matrix_of(gate, n_embd), matrix_of(up, n_embd), matrix_of(down, n_ff),
                       activation, gate_buf.data(), up_buf.data(), static_cast<int64_t>(n), accumulate);
        for (size_t t = 0; t < n; ++t) {
          std::vector<double> g = product(gate, &x[t * n_embd], n_embd);
          const std::vector<double> u = product(up, &x[t * n_embd], n_embd);
          for (size_t i = 0; i < n_ff; ++i) {
            const double a = g[i];
            g[i] = u[i] * (activation == Activation::silu
                               ? a / (1 + std::exp(-a))
                               : 0.5 * a * (1 + std::tanh(std::sqrt(2 / M_PI) * (a + 0.044715 * a * a * a))));
          }
          std::vector<double> expected(n_embd);
          for (size_t r = 0; r < n_embd; ++r) {
            double sum = accumulate ? static_cast<double>(start[t * n_embd + r]) : 0;
            for (size_t c = 0; c < n_ff; ++c) sum += static_cast<double>(down[r * n_ff + c]) * g[c];
            expected[r] = sum;
          }
          CHECK(test::relative_error(&y[t * n_embd], expected) < 2e-6);
        }
      }
    }
  }
}

TEST_CASE("residual_add adds, and lm_head_forward multiplies, adds its bias and caps") {
  Lent lent;
  Context ctx = lent.ctx();
  std::vector<float> x = random_floats(100'003);
  const std::vector<float> before = x, branch = random_floats(x.size());
  residual_add(ctx, x.data(), branch.data(), static_cast<int64_t>(x.size()));
  bool equal = true;
  for (size_t i = 0; i < x.size(); ++i) equal = equal && x[i] == before[i] + branch[i];
  CHECK(equal);

  const std::vector<float> output = random_floats(501 * 40), bias = random_floats(501), normed = random_floats(3 * 40);
  for (const float cap : {0.0f, 5.0f}) {
    std::vector<float> logits(3 * 501);
    lm_head_forward(ctx, logits.data(), normed.data(), matrix_of(output, 40, bias.data()), 3, cap);
    for (size_t t = 0; t < 3; ++t) {
      std::vector<double> expected = product(output, &normed[t * 40], 40);
      for (size_t i = 0; i < 501; ++i) {
        expected[i] += static_cast<double>(bias[i]);
        if (cap > 0) expected[i] = cap * std::tanh(expected[i] / cap);
      }
      CHECK(test::relative_error(&logits[t * 501], expected) < 1e-6);
    }
  }
}
