#include "cpu/kernels/matmul.h"
#include "kernels_testing.h"

#if defined(__unix__)
#include <sys/mman.h>
#include <unistd.h>
#endif

using namespace kigo::cpu;
using namespace kigo::cpu::testing;

namespace {

/** What the fast path makes of the activations, read off a product with the unit matrix. */
std::vector<float> rounded_to_8_bit(const std::vector<float>& x, int64_t n_in, int64_t n_tokens) {
  const int64_t stride = row_bytes(Q8_0, n_in);
  std::vector<uint8_t> unit(static_cast<size_t>(stride * n_in));
  for (int64_t i = 0; i < n_in; ++i) {
    uint8_t* block = unit.data() + i * stride + i / 32 * block_bytes(Q8_0);
    write_u16(block, f16_bits(1));
    block[2 + i % 32] = 1;
  }
  std::vector<float> rounded(x.size());
  const Matrix w{Q8_0, n_in, n_in, unit.data()};
  const MatmulJob job{&w, rounded.data(), n_in};
  ThreadPool pool(1);
  TestScratch scratch(matmul_scratch_bytes(n_in, n_tokens, 1));
  matmul(pool, {&job, 1}, x.data(), n_tokens, scratch.scratch(), Precision::fast);
  return rounded;
}

struct Case {
  uint32_t type;
  int64_t n_in, n_out, n_tokens;
  Precision precision = Precision::fast;
  int n_threads = 2;
  bool bias = true, accumulate = true;
  float scale = 0.01f;
};

/** Largest error of the matmul, relative to the sum of the magnitudes of what is summed. */
double worst_error(const Case& c) {
  Random random(c.type * 1000003 + static_cast<uint64_t>(c.n_in * 31 + c.n_out * 7 + c.n_tokens));
  const std::vector<uint8_t> data = random_weights(c.type, c.n_in * c.n_out, random, c.scale);
  const std::vector<float> x = random.normals(c.n_in * c.n_tokens), bias = random.normals(c.n_out);
  const int64_t ldy = c.n_out + 3;
  std::vector<float> y = random.normals(ldy * c.n_tokens);
  const std::vector<float> before = y;

  const Matrix w{c.type, c.n_in, c.n_out, data.data(), c.bias ? bias.data() : nullptr};
  const MatmulJob job{&w, y.data(), ldy, c.accumulate};
  ThreadPool pool(c.n_threads);
  TestScratch scratch(matmul_scratch_bytes(c.n_in, c.n_tokens, c.n_threads));
  matmul(pool, {&job, 1}, x.data(), c.n_tokens, scratch.scratch(), c.precision);
  CHECK(scratch.guard_intact());

  const bool rounds = c.precision == Precision::fast && is_quantized(c.type);
  const std::vector<float> used = rounds ? rounded_to_8_bit(x, c.n_in, c.n_tokens) : x;
  double worst = 0;
  for (int64_t t = 0; t < c.n_tokens; ++t) {
    const float* xt = used.data() + t * c.n_in;
    for (int64_t r = 0; r < ldy; ++r) {
      const auto at = static_cast<size_t>(t * ldy + r);
      if (r >= c.n_out) {
        CHECK(y[at] == before[at]);  // behind the row: not ours
        continue;
      }
      const double held = c.accumulate ? before[at] : 0, offset = c.bias ? bias[static_cast<size_t>(r)] : 0;
      double sum = held + offset, magnitude = std::fabs(held) + std::fabs(offset);
      for (int64_t i = 0; i < c.n_in; ++i) {
        const double term = weight(c.type, data.data() + r * row_bytes(c.type, c.n_in), i) * static_cast<double>(xt[i]);
        sum += term;
        magnitude += std::fabs(term);
      }
      const double error = std::fabs(y[at] - sum) / magnitude;
      if (!(error <= worst)) worst = error;  // NaN too
    }
  }
  return worst;
}

/** Columns that end within, at and behind every unroll. */
std::vector<int64_t> columns_of(uint32_t type) {
  if (block_size(type) == 256) return {256, 512, 768, 2304};
  if (block_size(type) == 32) return {32, 64, 96, 128, 160, 224, 256, 288, 576, 640, 1056};
  return {1, 7, 16, 31, 33, 130, 576, 1027};
}

}  // namespace

TEST_CASE("matmul fast: every type, odd sizes, few tokens and many") {
  on_each_isa([] {
    for (Type type : kAllTypes) {
      CAPTURE(type_name(type));
      for (int64_t n_in : columns_of(type)) {
        for (int64_t n_tokens : {1, 2, 3, 4, 5, 7, 12, 13, 70}) {
          CAPTURE(n_in);
          CAPTURE(n_tokens);
          CHECK(worst_error({type, n_in, 37, n_tokens}) < 2e-6);
        }
      }
    }
  });
}

TEST_CASE("matmul fast: every number of rows and tokens around the tiles") {
  on_each_isa([] {
    for (Type type : {Q4_1, Q8_0, Q6_K, F16}) {
      CAPTURE(type_name(type));
      for (int64_t n_out = 1; n_out <= 70; n_out += 1 + n_out % 3) {
        CAPTURE(n_out);
        CHECK(worst_error({type, 256, n_out, 1}) < 2e-6);
        CHECK(worst_error({type, 256, n_out, 9}) < 2e-6);
      }
      for (int64_t n_tokens = 1; n_tokens <= 70; ++n_tokens) {
        CAPTURE(n_tokens);
        CHECK(worst_error({type, 256, 5, n_tokens}) < 2e-6);
      }
    }
  });
}

TEST_CASE("matmul exact: float32 activations with every type") {
  on_each_isa([] {
    for (Type type : kAllTypes) {
      CAPTURE(type_name(type));
      for (int64_t n_in : columns_of(type)) {
        for (int64_t n_tokens : {1, 4, 5, 33}) CHECK(worst_error({type, n_in, 35, n_tokens, Precision::exact}) < 2e-6);
      }
    }
  });
}

TEST_CASE("matmul: more tokens than sums are kept for at once") {
  on_each_isa([] {
    CHECK(worst_error({F16, 64, 33, 530}) < 2e-6);
    CHECK(worst_error({Q4_1, 64, 33, 530}) < 2e-6);
    CHECK(worst_error({Q4_1, 64, 33, 530, Precision::exact}) < 2e-6);
  });
}

TEST_CASE("matmul: without bias, without accumulate, on one to four threads") {
  on_each_isa([] {
    for (int n_threads = 1; n_threads <= 4; ++n_threads) {
      for (int64_t n_tokens : {1, 20}) {
        for (bool bias : {false, true}) {
          for (bool accumulate : {false, true}) {
            Case c{Q4_K, 512, 100, n_tokens};
            c.n_threads = n_threads;
            c.bias = bias;
            c.accumulate = accumulate;
            CHECK(worst_error(c) < 2e-6);
          }
        }
      }
    }
  });
}

TEST_CASE("matmul: scales from subnormal to large") {
  on_each_isa([] {
    for (Type type : kAllTypes) {
      CAPTURE(type_name(type));
      for (float scale : {1e-6f, 1e-3f, 1000.0f}) {
        Case c{type, 256, 16, 1};
        c.bias = c.accumulate = false;
        c.scale = scale;
        CHECK(worst_error(c) < 2e-6);
        c.n_tokens = 17;
        CHECK(worst_error(c) < 2e-6);
      }
    }
  });
}

TEST_CASE("matmul: quants at their limits do not saturate") {
  on_each_isa([] {
    for (Type type : kAllTypes) {
      if (!is_quantized(type)) continue;
      CAPTURE(type_name(type));
      for (int fill : {0x00, 0x7f, 0x80, 0xff}) {
        const int64_t n_in = 512, n_out = 33;
        std::vector<uint8_t> data(static_cast<size_t>(row_bytes(type, n_in) * n_out), static_cast<uint8_t>(fill));
        for (size_t block = 0; block < data.size(); block += static_cast<size_t>(block_bytes(type))) {
          for (int field : f16_fields(type)) write_u16(data.data() + block + field, f16_bits(0.5));
        }
        for (int64_t n_tokens : {1, 3, 8}) {
          for (float sign : {-1.0f, 1.0f}) {
            const std::vector<float> x(static_cast<size_t>(n_in * n_tokens), sign);
            std::vector<float> y(static_cast<size_t>(n_out * n_tokens));
            const Matrix w{type, n_in, n_out, data.data()};
            const MatmulJob job{&w, y.data(), n_out};
            ThreadPool pool(1);
            TestScratch scratch(matmul_scratch_bytes(n_in, n_tokens, 1));
            matmul(pool, {&job, 1}, x.data(), n_tokens, scratch.scratch(), Precision::fast);
            double sum = 0, magnitude = 0;
            for (int64_t i = 0; i < n_in; ++i) {
              sum += sign * weight(type, data.data(), i);
              magnitude += std::fabs(weight(type, data.data(), i));
            }
            for (float value : y) CHECK(std::fabs(value - sum) <= 2e-6 * magnitude);
          }
        }
      }
    }
  });
}

TEST_CASE("matmul: zero activations give the bias, and NaN stays NaN") {
  on_each_isa([] {
    for (Type type : kAllTypes) {
      CAPTURE(type_name(type));
      for (int64_t n_tokens : {1, 6}) {
        Random random(9);
        const int64_t n_in = 256, n_out = 20;
        const std::vector<uint8_t> data = random_weights(type, n_in * n_out, random);
        const std::vector<float> bias = random.normals(n_out);
        std::vector<float> x(static_cast<size_t>(n_in * n_tokens)), y(static_cast<size_t>(n_out * n_tokens));
        const Matrix w{type, n_in, n_out, data.data(), bias.data()};
        const MatmulJob job{&w, y.data(), n_out};
        ThreadPool pool(1);
        TestScratch scratch(matmul_scratch_bytes(n_in, n_tokens, 1));
        matmul(pool, {&job, 1}, x.data(), n_tokens, scratch.scratch(), Precision::fast);
        for (size_t i = 0; i < y.size(); ++i) CHECK(y[i] == bias[i % bias.size()]);

        x[5] = NAN;
        matmul(pool, {&job, 1}, x.data(), n_tokens, scratch.scratch(), Precision::fast);
        for (int64_t r = 0; r < n_out; ++r) CHECK(std::isnan(y[static_cast<size_t>(r)]));
        x[5] = INFINITY;
        matmul(pool, {&job, 1}, x.data(), n_tokens, scratch.scratch(), Precision::fast);
        for (int64_t r = 0; r < n_out; ++r) CHECK(!std::isfinite(y[static_cast<size_t>(r)]));
      }
    }
  });
}

TEST_CASE("matmul: several matrices of several types share the activations of one call") {
  on_each_isa([] {
    Random random(77);
    const int64_t n_in = 512;
    for (int64_t n_tokens : {1, 40}) {
      const std::vector<float> x = random.normals(n_in * n_tokens);
      std::vector<std::vector<uint8_t>> data;
      std::vector<Matrix> matrices;
      std::vector<std::vector<float>> together, alone;
      for (Type type : {Q5_0, Q8_0, F16, Q4_K}) {
        const int64_t n_out = 24 + 40 * static_cast<int64_t>(matrices.size());
        data.push_back(random_weights(type, n_in * n_out, random));
        matrices.push_back({type, n_in, n_out, data.back().data()});
        together.emplace_back(static_cast<size_t>(n_out * n_tokens));
        alone.emplace_back(static_cast<size_t>(n_out * n_tokens));
      }
      ThreadPool pool(2);
      TestScratch scratch(matmul_scratch_bytes(n_in, n_tokens, 2));
      std::vector<MatmulJob> jobs;
      for (size_t i = 0; i < matrices.size(); ++i)
        jobs.push_back({&matrices[i], together[i].data(), matrices[i].n_out});
      matmul(pool, jobs, x.data(), n_tokens, scratch.scratch(), Precision::fast);
      for (size_t i = 0; i < matrices.size(); ++i) {
        const MatmulJob job{&matrices[i], alone[i].data(), matrices[i].n_out};
        matmul(pool, {&job, 1}, x.data(), n_tokens, scratch.scratch(), Precision::fast);
        CHECK(together[i] == alone[i]);
      }
    }
  });
}

TEST_CASE("matmul: the number of threads changes no bit") {
  on_each_isa([] {
    for (Type type : {Q4_1, Q6_K, F32}) {
      for (int64_t n_tokens : {1, 50}) {
        Random random(5);
        const int64_t n_in = 512, n_out = 300;
        const std::vector<uint8_t> data = random_weights(type, n_in * n_out, random);
        const std::vector<float> x = random.normals(n_in * n_tokens);
        std::vector<float> first;
        for (int n_threads : {1, 2, 3, 5}) {
          std::vector<float> y(static_cast<size_t>(n_out * n_tokens));
          const Matrix w{type, n_in, n_out, data.data()};
          const MatmulJob job{&w, y.data(), n_out};
          ThreadPool pool(n_threads);
          TestScratch scratch(matmul_scratch_bytes(n_in, n_tokens, n_threads));
          matmul(pool, {&job, 1}, x.data(), n_tokens, scratch.scratch(), Precision::fast);
          if (first.empty()) first = y;
          CHECK(y == first);
        }
      }
    }
  });
}

TEST_CASE(
    "matmul: activations are rounded to about 1/254 of the largest of their 32, and exactly where that is possible") {
  on_each_isa([] {
    for (int64_t n_tokens : {1, 6}) {
      Random random(21);
      const int64_t n_in = 96;
      for (float size : {1e-30f, 1e-3f, 1.0f, 1e30f}) {
        const std::vector<float> x = random.normals(n_in * n_tokens, size);
        const std::vector<float> rounded = rounded_to_8_bit(x, n_in, n_tokens);
        for (size_t from = 0; from < x.size(); from += 32) {
          float largest = 0;
          double squares = 0;
          for (size_t i = from; i < from + 32; ++i) largest = std::max(largest, std::fabs(x[i]));
          for (size_t i = from; i < from + 32; ++i) {
            const double error = (static_cast<double>(rounded[i]) - x[i]) / largest;
            CHECK(std::fabs(error) < 0.5 / 124 + 0.001);  // half a step, and the fit of d
            squares += error * error;
          }
          CHECK(squares / 32 < 1.2 / 12 / (127 * 127));  // a uniform error has 1/12 of the step's square
        }
      }
      const std::vector<float> tiny(static_cast<size_t>(n_in * n_tokens), 1e-42f), zeros(tiny.size());
      CHECK(rounded_to_8_bit(tiny, n_in, n_tokens) == zeros);

      std::vector<float> whole(static_cast<size_t>(n_in * n_tokens));
      for (size_t i = 0; i < whole.size(); ++i) whole[i] = static_cast<float>(static_cast<int>(i * 37 % 255) - 127);
      for (size_t i = 0; i < whole.size(); i += 32) whole[i] = 127;
      CHECK(rounded_to_8_bit(whole, n_in, n_tokens) == whole);
    }
  });
}

TEST_CASE("matmul: 8-bit activations cost less than 1% of the result") {
  on_each_isa([] {
    for (Type type : kAllTypes) {
      CAPTURE(type_name(type));
      Random random(11);
      const int64_t n_in = 1024, n_out = 64, n_tokens = 5;
      const std::vector<uint8_t> data = random_weights(type, n_in * n_out, random);
      const std::vector<float> x = random.normals(n_in * n_tokens);
      std::vector<float> fast(static_cast<size_t>(n_out * n_tokens)), exact(fast.size());
      const Matrix w{type, n_in, n_out, data.data()};
      const MatmulJob fast_job{&w, fast.data(), n_out}, exact_job{&w, exact.data(), n_out};
      ThreadPool pool(2);
      TestScratch scratch(matmul_scratch_bytes(n_in, n_tokens, 2));
      matmul(pool, {&fast_job, 1}, x.data(), n_tokens, scratch.scratch(), Precision::fast);
      matmul(pool, {&exact_job, 1}, x.data(), n_tokens, scratch.scratch(), Precision::exact);
      CHECK(relative_error(fast, exact) < (is_quantized(type) ? 0.01 : 1e-6));
    }
  });
}

#if defined(__unix__)
TEST_CASE("matmul: nothing is read behind the weights, as at the end of a mapped file") {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  on_each_isa([&] {
    for (Type type : kAllTypes) {
      CAPTURE(type_name(type));
      for (int64_t n_in : columns_of(type)) {
        const int64_t n_out = 3;
        Random random(1);
        const std::vector<uint8_t> data = random_weights(type, n_in * n_out, random);
        const size_t room = (data.size() + page - 1) / page * page;
        void* memory = mmap(nullptr, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(memory != MAP_FAILED);
        REQUIRE(mprotect(static_cast<uint8_t*>(memory) + room, page, PROT_NONE) == 0);
        uint8_t* weights = static_cast<uint8_t*>(memory) + room - data.size();
        std::memcpy(weights, data.data(), data.size());
        const Matrix w{type, n_in, n_out, weights};
        ThreadPool pool(1);
        for (int64_t n_tokens : {1, 2, 3, 4, 6}) {
          const std::vector<float> x = random.normals(n_in * n_tokens);
          std::vector<float> y(static_cast<size_t>(n_out * n_tokens));
          const MatmulJob job{&w, y.data(), n_out};
          TestScratch scratch(matmul_scratch_bytes(n_in, n_tokens, 1));
          for (Precision precision : {Precision::fast, Precision::exact}) {
            matmul(pool, {&job, 1}, x.data(), n_tokens, scratch.scratch(), precision);  // or the process ends here
            for (float value : y) CHECK(std::isfinite(value));
          }
        }
        munmap(memory, room + page);
      }
    }
  });
}
#endif

TEST_CASE("matmul: told to stop, it begins no further piece, whatever the way it goes") {
  constexpr int64_t kIn = 256, kOut = 4096;
  Random random(3);
  const std::vector<uint8_t> data = random_weights(Q8_0, kIn * kOut, random, 0.01f);
  const Matrix w{Q8_0, kIn, kOut, data.data()};
  on_each_isa([&] {
    for (const int64_t n_tokens : {1, 40}) {
      for (const Precision precision : {Precision::fast, Precision::exact}) {
        for (const int n_threads : {1, 3}) {
          CAPTURE(n_tokens);
          CAPTURE(n_threads);
          const std::vector<float> x = random.normals(kIn * n_tokens);
          ThreadPool pool(n_threads);
          TestScratch scratch(matmul_scratch_bytes(kIn, n_tokens, n_threads));
          const auto product = [&](std::vector<float>& y) {
            const MatmulJob job{&w, y.data(), kOut};
            matmul(pool, {&job, 1}, x.data(), n_tokens, scratch.scratch(), precision);
          };
          const std::vector<float> nothing(static_cast<size_t>(kOut * n_tokens), 12345);
          std::vector<float> whole = nothing, asked_only = nothing, stopped = nothing;
          product(whole);
          int asked = 0;
          {
            const auto go_on = [&] { return ++asked < 0; };
            const StopWhen stop(pool, go_on);
            product(asked_only);
            CHECK(!pool.stopped());
          }
          CHECK(asked_only == whole);   // to be asked changes no bit
          if (n_threads > 1) continue;  // others may do all of it before the caller comes to ask
          CHECK(asked >= 4);
          const auto at_once = [] { return true; };
          const StopWhen stop(pool, at_once);
          product(stopped);
          CHECK(pool.stopped());
          CHECK(stopped == nothing);
        }
      }
    }
  });
}
