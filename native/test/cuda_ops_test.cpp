/** Each operation of core/ops.h on CUDA against its CPU twin, and the fused ones against the sequence they replace. */
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <random>

#include "core/ops.h"
#include "core/rope.h"
#include "cpu/context.h"
#include "cpu/kernels/vector.h"
#include "cpu/rope_table.h"
#include "test/cuda_library.h"
#include "test/kernels_testing.h"

using namespace kigo;
using namespace kigo::test;
using cpu::testing::Random;
using cpu::testing::relative_error;

namespace {

const std::vector<uint32_t> kTypes = {cpu::F32,  cpu::F16,  cpu::BF16, cpu::Q8_0, cpu::Q4_0, cpu::Q4_1,
                                      cpu::Q5_0, cpu::Q5_1, cpu::Q4_K, cpu::Q5_K, cpu::Q6_K};

/** Different numbers in every run; the seed is said where a check fails. */
struct Fresh {
  uint64_t seed = std::random_device{}();
  Random random{seed};
};

/** The CPU twin, exact. */
struct Cpu {
  cpu::ThreadPool pool{2};
  cpu::testing::TestScratch memory{16 << 20};
  cpu::Context ctx = {pool, memory.scratch(), cpu::Precision::exact};
};

cpu::Matrix matrix(uint32_t type, const std::vector<uint8_t>& rows, int64_t n_in, int64_t n_out,
                   const float* bias = nullptr) {
  return {.type = type, .n_in = n_in, .n_out = n_out, .data = rows.data(), .bias = bias};
}

/** Weights of about 0.02; a K-quant's scales are multiplied with numbers up to 63, or 127. */
std::vector<uint8_t> random_rows(uint32_t type, int64_t n_in, int64_t n_out, Random& random) {
  std::vector<uint8_t> rows;
  const bool k_quant = type == cpu::Q4_K || type == cpu::Q5_K || type == cpu::Q6_K;
  for (int64_t r = 0; r < n_out; ++r) {
    const std::vector<uint8_t> row = cpu::testing::random_weights(type, n_in, random, k_quant ? 1e-4f : 0.02f);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

size_t count(int64_t a, int64_t b) { return static_cast<size_t>(a * b); }

/** float16 activations and weights, float32 sums; a narrow row of bfloat16 weights is coarser. */
double fast_limit(uint32_t type) { return type == cpu::BF16 ? 4e-3 : 1e-3; }

}  // namespace

TEST_CASE("cuda: embedding_lookup gives the rows of every type, scaled") {
  const auto lookup =
      cuda_function<kigo_status(float*, uint32_t, const uint8_t*, int64_t, int64_t, const int32_t*, int64_t, float)>(
          "cuda_embedding_lookup");
  if (lookup == nullptr) return;
  Fresh fresh;
  INFO("seed " << fresh.seed);
  Cpu twin;
  for (const uint32_t type : kTypes) {
    CAPTURE(cpu::testing::type_name(type));
    for (const int64_t n_embd : {256, 1280}) {
      const std::vector<uint8_t> table = random_rows(type, n_embd, 10, fresh.random);
      std::vector<int32_t> tokens;
      for (int32_t i = 0; i < 33; ++i) tokens.push_back(i * 7 % 10);
      std::vector<float> y(count(33, n_embd)), expected(y.size());
      KIGO_REQUIRE_CUDA(lookup(y.data(), type, table.data(), 10, n_embd, tokens.data(), 33, 3));
      cpu::embedding_lookup(twin.ctx, expected.data(), matrix(type, table, n_embd, 10), tokens.data(), 33, 3);
      CHECK(relative_error(y, expected) < 1e-6);
    }
  }
}

TEST_CASE("cuda: rmsnorm_forward, its float16 form, and the one that joins the residual") {
  using Norm = kigo_status(float*, const float*, const float*, int64_t, int64_t, float);
  const auto norm = cuda_function<Norm>("cuda_rmsnorm_forward");
  if (norm == nullptr) return;
  const auto norm_halves = cuda_function<Norm>("cuda_norm_rows"), add = cuda_function<Norm>("cuda_add_normed_rows");
  Fresh fresh;
  INFO("seed " << fresh.seed);
  Cpu twin;
  for (const int64_t n_rows : {1, 3, 200}) {
    for (const int64_t n : {8, 37, 576, 4096}) {
      const std::vector<float> x = fresh.random.normals(n_rows * n), weight = fresh.random.normals(n);
      std::vector<float> y(x.size()), expected(x.size());
      cpu::rmsnorm_forward(twin.ctx, expected.data(), x.data(), weight.data(), n_rows, n, 1e-5f);
      KIGO_REQUIRE_CUDA(norm(y.data(), x.data(), weight.data(), n_rows, n, 1e-5f));
      CHECK(relative_error(y, expected) < 1e-6);
      KIGO_REQUIRE_CUDA(norm_halves(y.data(), x.data(), weight.data(), n_rows, n, 1e-5f));
      CHECK(relative_error(y, expected) < 5e-4);

      y = fresh.random.normals(n_rows * n);
      cpu::residual_add(twin.ctx, expected.data(), y.data(), n_rows * n);
      KIGO_REQUIRE_CUDA(add(y.data(), x.data(), weight.data(), n_rows, n, 1e-5f));
      CHECK(relative_error(y, expected) < 1e-6);
    }
  }
}

TEST_CASE("cuda: residual_add adds, bit for bit") {
  const auto add = cuda_function<kigo_status(float*, const float*, int64_t)>("cuda_residual_add");
  if (add == nullptr) return;
  Fresh fresh;
  INFO("seed " << fresh.seed);
  std::vector<float> x = fresh.random.normals(100'003);
  const std::vector<float> before = x, branch = fresh.random.normals(100'003);
  KIGO_REQUIRE_CUDA(add(x.data(), branch.data(), 100'003));
  bool equal = true;
  for (size_t i = 0; i < x.size(); ++i) equal = equal && x[i] == before[i] + branch[i];
  CHECK(equal);
}

TEST_CASE("cuda: rope_forward turns as the CPU twin does, both kinds, part of a head, at distant positions") {
  const auto rope =
      cuda_function<kigo_status(float*, const double*, double, int64_t, int64_t, int64_t, int64_t, int32_t, int64_t)>(
          "cuda_rope_forward");
  if (rope == nullptr) return;
  Fresh fresh;
  INFO("seed " << fresh.seed);
  Cpu twin;
  constexpr int64_t n_tokens = 33, n_head = 3, head_dim = 24;
  for (const int64_t n_rot : {0, 16, 24}) {
    LayerConfig layer;
    layer.n_rot = n_rot;
    layer.rope_mscale = 1.25;
    const RopeFrequencies frequencies = rope_frequencies(layer, nullptr);
    for (const Rope kind : {Rope::norm, Rope::neox}) {
      for (const int64_t pos0 : {int64_t{0}, int64_t{1} << 20}) {
        CAPTURE(n_rot);
        CAPTURE(pos0);
        std::vector<float> turns(count(n_tokens, n_rot));
        cpu::rope_table(twin.ctx, turns.data(), frequencies, n_tokens, pos0);
        std::vector<float> x = fresh.random.normals(n_tokens * n_head * head_dim), expected = x;
        cpu::rope_forward(twin.ctx, expected.data(), turns.data(), n_tokens, n_head, head_dim, n_rot, kind);
        KIGO_REQUIRE_CUDA(rope(x.data(), frequencies.per_position.data(), frequencies.mscale, n_tokens, n_head,
                               head_dim, n_rot, kind == Rope::neox, pos0));
        CHECK(relative_error(x, expected) < 1e-6);
      }
    }
  }
}

TEST_CASE("cuda: rotation and append in one kernel do what bias, norms, rope and append do one by one") {
  using Rotate = kigo_status(float*, float*, float*, int32_t*, const float*, const LayerConfig*, const float* const*,
                             const float* const*, float, const double*, int64_t, int64_t, int64_t);
  const auto rotate = cuda_function<Rotate>("cuda_rotate_and_append");
  if (rotate == nullptr) return;
  Fresh fresh;
  Random& random = fresh.random;
  INFO("seed " << fresh.seed);
  Cpu twin;
  constexpr int64_t n_tokens = 19, pos0 = 5, n_ctx = 32;
  for (const int64_t head_dim : {8, 40, 64, 128, 256}) {
    for (const bool plain : {true, false}) {
      LayerConfig l;
      l.n_head = 6, l.n_head_kv = 2, l.head_dim = head_dim;
      l.n_rot = plain ? head_dim : head_dim / 2;
      l.rope = plain ? Rope::norm : Rope::neox;
      l.attn_scale = 0.3;
      CAPTURE(head_dim);
      CAPTURE(plain);
      const int64_t n_q = l.n_q(), n_kv = l.n_kv(), n_qkv = n_q + 2 * n_kv;
      const RopeFrequencies frequencies = rope_frequencies(l, nullptr);
      std::vector<float> qkv = random.normals(n_tokens * n_qkv);
      const std::vector<float> bias = random.normals(n_qkv), q_norm = random.normals(head_dim),
                               k_norm = random.normals(head_dim);
      const float* const biases[] = {plain ? nullptr : bias.data(), plain ? nullptr : bias.data() + n_q,
                                     plain ? nullptr : bias.data() + n_q + n_kv};
      const float* const norms[] = {plain ? nullptr : q_norm.data(), plain ? nullptr : k_norm.data()};

      std::vector<float> q, k, v, turns(count(n_tokens, l.n_rot));
      for (int64_t t = 0; t < n_tokens; ++t) {
        for (int64_t i = 0; i < n_qkv; ++i) {
          const float value =
              qkv[count(t, n_qkv) + static_cast<size_t>(i)] + (plain ? 0 : bias[static_cast<size_t>(i)]);
          (i < n_q ? q : i < n_q + n_kv ? k : v).push_back(value);
        }
      }
      if (!plain) {
        cpu::rmsnorm_forward(twin.ctx, q.data(), q.data(), q_norm.data(), n_tokens * l.n_head, head_dim, 1e-5f);
        cpu::rmsnorm_forward(twin.ctx, k.data(), k.data(), k_norm.data(), n_tokens * l.n_head_kv, head_dim, 1e-5f);
      }
      cpu::rope_table(twin.ctx, turns.data(), frequencies, n_tokens, pos0);
      cpu::rope_forward(twin.ctx, q.data(), turns.data(), n_tokens, l.n_head, head_dim, l.n_rot, l.rope);
      cpu::rope_forward(twin.ctx, k.data(), turns.data(), n_tokens, l.n_head_kv, head_dim, l.n_rot, l.rope);
      for (float& value : q) value *= 0.3f;

      std::vector<float> q_out(count(n_tokens, n_q)), k_out(count(n_ctx, n_kv)), v_out(k_out.size());
      int32_t not_finite = -1;
      const auto run = [&] {
        KIGO_REQUIRE_CUDA(rotate(q_out.data(), k_out.data(), v_out.data(), &not_finite, qkv.data(), &l, biases, norms,
                                 1e-5f, frequencies.per_position.data(), n_tokens, pos0, n_ctx));
      };
      run();
      CHECK(not_finite == 0);
      CHECK(relative_error(q_out, q) < 5e-4);
      const auto from_cache = [&](const std::vector<float>& cache) {  // [n_tokens][n_head_kv][head_dim]
        std::vector<float> rows;
        for (int64_t t = 0; t < n_tokens; ++t) {
          for (int64_t h = 0; h < l.n_head_kv; ++h) {
            const auto at = cache.begin() + (h * n_ctx + pos0 + t) * head_dim;
            rows.insert(rows.end(), at, at + head_dim);
          }
        }
        return rows;
      };
      CHECK(relative_error(from_cache(k_out), k) < 5e-4);
      CHECK(relative_error(from_cache(v_out), v) < 5e-4);
      CHECK(std::isnan(k_out[count(pos0, head_dim) - 1]));  // the position before them
      CHECK(std::isnan(v_out[count(pos0 + n_tokens, head_dim)]));

      qkv[count(7, n_qkv) + static_cast<size_t>(n_q + n_kv)] = 1e6f;  // beyond float16: clipped
      run();
      CHECK(not_finite == 0);
      CHECK(v_out[count(pos0 + 7, head_dim)] == 65504);
      qkv[count(7, n_qkv) + static_cast<size_t>(n_q + n_kv)] = std::numeric_limits<float>::infinity();
      run();
      CHECK(not_finite == 1);
      CHECK(std::isinf(v_out[count(pos0 + 7, head_dim)]));
    }
  }
}

TEST_CASE("cuda: matmul of one row and of several, over slabs of any size, gives the product with every type") {
  using Matmul = kigo_status(float*, const float*, uint32_t, const uint8_t*, const uint8_t*, int64_t, int64_t, int64_t,
                             int64_t, int64_t, int32_t, int32_t);
  const auto run = cuda_function<Matmul>("cuda_matmul");
  if (run == nullptr) return;
  Fresh fresh;
  INFO("seed " << fresh.seed);
  Cpu twin;
  constexpr int64_t n0 = 70, n1 = 41;
  enum : int32_t { kFast, kExact, kAhead };
  // 1280: a record of 1024 columns and a shorter one.
  const auto check = [&](uint32_t type, int64_t n_in, int64_t n_rows) {
    const std::vector<uint8_t> w0 = random_rows(type, n_in, n0, fresh.random),
                               w1 = random_rows(type, n_in, n1, fresh.random);
    const std::vector<float> x = fresh.random.normals(n_rows * n_in), start = fresh.random.normals(n_rows * (n0 + n1));
    std::vector<float> left(count(n_rows, n0)), right(count(n_rows, n1)), product;
    const cpu::Matrix first = matrix(type, w0, n_in, n0), second = matrix(type, w1, n_in, n1);
    const std::array<cpu::MatmulJob, 2> jobs = {{{&first, left.data(), n0, false}, {&second, right.data(), n1, false}}};
    cpu::matmul(twin.pool, jobs, x.data(), n_rows, twin.ctx.scratch, cpu::Precision::exact);
    for (int64_t r = 0; r < n_rows; ++r) {
      product.insert(product.end(), left.begin() + r * n0, left.begin() + (r + 1) * n0);
      product.insert(product.end(), right.begin() + r * n1, right.begin() + (r + 1) * n1);
    }
    for (const int64_t slab_rows : few<int64_t>({1, 32, 71, 200}, 2)) {
      for (const bool accumulate : few<int>({false, true}, 2)) {
        for (const int32_t how : {kFast, kExact, kAhead}) {
          CAPTURE(cpu::testing::type_name(type));
          CAPTURE(slab_rows);
          CAPTURE(accumulate);
          CAPTURE(how);
          std::vector<float> y = start, expected = product;
          for (size_t i = 0; accumulate && i < expected.size(); ++i) expected[i] += start[i];
          KIGO_REQUIRE_CUDA(
              run(y.data(), x.data(), type, w0.data(), w1.data(), n_in, n0, n1, n_rows, slab_rows, accumulate, how));
          CHECK(relative_error(y, expected) < (how == kExact ? 3e-6 : fast_limit(type)));
        }
      }
    }
  };
  for (const uint32_t type : share(kTypes)) {
    check(type, 512, 9);
    check(type, 1280, 1);
  }
}

TEST_CASE("cuda: swiglu_forward agrees with the CPU twin, in both precisions, with either activation, and biases") {
  using Swiglu = kigo_status(float*, const float*, uint32_t, const uint8_t*, const uint8_t*, const uint8_t*,
                             const float* const*, int64_t, int64_t, int32_t, int64_t, int32_t, int32_t);
  const auto swiglu = cuda_function<Swiglu>("cuda_swiglu_forward");
  if (swiglu == nullptr) return;
  Fresh fresh;
  Random& random = fresh.random;
  INFO("seed " << fresh.seed);
  Cpu twin;
  struct Size {
    uint32_t type;
    int64_t n_embd, n_ff;
  };
  for (const Size& s : {Size{cpu::F32, 40, 72},
                        {cpu::F16, 48, 80},
                        {cpu::BF16, 64, 96},
                        {cpu::Q8_0, 64, 128},
                        {cpu::Q4_K, 256, 512},
                        {cpu::F32, 37, 51}}) {
    const std::vector<uint8_t> gate = random_rows(s.type, s.n_embd, s.n_ff, random),
                               up = random_rows(s.type, s.n_embd, s.n_ff, random),
                               down = random_rows(s.type, s.n_ff, s.n_embd, random);
    const std::vector<float> bias = random.normals(2 * s.n_ff + s.n_embd);
    for (const bool gelu : {false, true}) {
      for (const bool biased : few<int>({false, true}, 2)) {
        for (const int64_t n : {1, 50}) {
          const float* const biases[] = {biased ? bias.data() : nullptr, biased ? bias.data() + s.n_ff : nullptr,
                                         biased ? bias.data() + 2 * s.n_ff : nullptr};
          const std::vector<float> x = random.normals(n * s.n_embd), start = random.normals(n * s.n_embd);
          std::vector<float> expected = start, gate_buf(count(n, s.n_ff)), up_buf(gate_buf.size());
          cpu::swiglu_forward(twin.ctx, expected.data(), x.data(), matrix(s.type, gate, s.n_embd, s.n_ff, biases[0]),
                              matrix(s.type, up, s.n_embd, s.n_ff, biases[1]),
                              matrix(s.type, down, s.n_ff, s.n_embd, biases[2]),
                              gelu ? Activation::gelu : Activation::silu, gate_buf.data(), up_buf.data(), n, biased);
          for (const bool exact : {true, false}) {
            CAPTURE(cpu::testing::type_name(s.type));
            CAPTURE(gelu);
            CAPTURE(biased);
            CAPTURE(n);
            CAPTURE(exact);
            std::vector<float> y = start;
            KIGO_REQUIRE_CUDA(swiglu(y.data(), x.data(), s.type, gate.data(), up.data(), down.data(), biases, s.n_embd,
                                     s.n_ff, gelu, n, biased, exact));
            CHECK(relative_error(y, expected) < (exact ? 3e-6 : 3 * fast_limit(s.type)));
          }
        }
      }
    }
  }
}

TEST_CASE("cuda: the activation over float16 projections side by side, clipped at float16's end") {
  const auto run = cuda_function<kigo_status(float*, const float*, int64_t, int64_t, int32_t)>("cuda_gate_rows");
  if (run == nullptr) return;
  Fresh fresh;
  INFO("seed " << fresh.seed);
  for (const int64_t n_ff : {8, 51, 4864}) {
    for (const bool gelu : {false, true}) {
      constexpr int64_t n_rows = 5;
      std::vector<float> both = fresh.random.normals(n_rows * 2 * n_ff);
      for (float& value : both) value = static_cast<float>(cpu::testing::f16_value(cpu::testing::f16_bits(value)));
      both[0] = both[static_cast<size_t>(n_ff)] = 1024;  // together 2^20
      std::vector<float> hidden(count(n_rows, n_ff)), expected(hidden.size());
      for (int64_t r = 0; r < n_rows; ++r) {
        const float* gate = both.data() + r * 2 * n_ff;
        (gelu ? cpu::gelu_mul : cpu::silu_mul)(gate, gate + n_ff, expected.data() + r * n_ff, n_ff);
      }
      expected[0] = 65504;
      KIGO_REQUIRE_CUDA(run(hidden.data(), both.data(), n_rows, n_ff, gelu));
      CHECK(hidden[0] == 65504);
      hidden[0] = expected[0] = 0;
      CHECK(relative_error(hidden, expected) < 5e-4);
    }
  }
}

TEST_CASE("cuda: lm_head_forward multiplies, adds its bias and caps, in both precisions") {
  const auto head = cuda_function<kigo_status(float*, const float*, uint32_t, const uint8_t*, const float*, int64_t,
                                              int64_t, int64_t, float, int32_t)>("cuda_lm_head_forward");
  if (head == nullptr) return;
  Fresh fresh;
  Random& random = fresh.random;
  INFO("seed " << fresh.seed);
  Cpu twin;
  constexpr int64_t n_vocab = 501, n_embd = 256, n_rows = 3;
  const std::vector<float> bias = random.normals(n_vocab), normed = random.normals(n_rows * n_embd);
  for (const uint32_t type : {cpu::F32, cpu::BF16, cpu::Q8_0, cpu::Q6_K}) {
    const std::vector<uint8_t> output = random_rows(type, n_embd, n_vocab, random);
    for (const float cap : {0.0f, 5.0f}) {
      for (const bool exact : {true, false}) {
        CAPTURE(cpu::testing::type_name(type));
        CAPTURE(cap);
        CAPTURE(exact);
        std::vector<float> logits(count(n_rows, n_vocab)), expected(logits.size());
        cpu::lm_head_forward(twin.ctx, expected.data(), normed.data(),
                             matrix(type, output, n_embd, n_vocab, bias.data()), n_rows, cap);
        KIGO_REQUIRE_CUDA(
            head(logits.data(), normed.data(), type, output.data(), bias.data(), n_embd, n_vocab, n_rows, cap, exact));
        CHECK(relative_error(logits, expected) < (exact ? 3e-6 : fast_limit(type)));
      }
    }
  }
}

TEST_CASE("cuda: log-probabilities of targets, computed on the device, are those of the logits") {
  const auto score =
      cuda_function<kigo_status(double*, const float*, const int32_t*, int64_t, int64_t)>("cuda_score_rows");
  if (score == nullptr) return;
  Fresh fresh;
  INFO("seed " << fresh.seed);
  constexpr int64_t n_rows = 4, n_vocab = 151'936;
  const std::vector<float> logits = fresh.random.normals(n_rows * n_vocab, 5);
  const std::vector<int32_t> targets = {0, 151'935, -1, 777};
  std::vector<double> logprobs(n_rows, 1.0);
  KIGO_REQUIRE_CUDA(score(logprobs.data(), logits.data(), targets.data(), n_rows, n_vocab));
  for (size_t r = 0; r < n_rows; ++r) {
    double total = 0;
    const float* row = logits.data() + r * n_vocab;
    for (int64_t i = 0; i < n_vocab; ++i) total += std::exp(static_cast<double>(row[i]));
    CHECK(logprobs[r] ==
          doctest::Approx(targets[r] < 0 ? 0 : static_cast<double>(row[targets[r]]) - std::log(total)).epsilon(1e-6));
  }
}
