/** The CUDA twin's matrix products against float64. */
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "test/cuda_library.h"
#include "test/kernels_testing.h"

using namespace kigo;
using namespace kigo::test;
using cpu::testing::Random;

namespace {

enum Kernel : int32_t { kPlain, kTensorCores, kHopper, kCublas };
enum Kind : int32_t { kFloat32, kFloat16, kBfloat16 };

/** The number that a value becomes in 24, 11 or 8 bits of precision. */
float rounded(float value, Kind kind) {
  if (kind == kFloat32 || value == 0) return value;
  int exponent = 0;
  const float fraction = std::frexp(value, &exponent);
  const float steps = kind == kFloat16 ? 2048.0f : 256.0f;
  return std::ldexp(std::nearbyint(fraction * steps) / steps, exponent);
}

struct Shape {
  int64_t n_rows, n_in, n_out;
};

}  // namespace

TEST_CASE("cuda: every kernel of matrix products agrees with float64, writing and adding, at odd sizes too") {
  const auto has = cuda_function<kigo_status(int32_t*, int32_t)>("cuda_has_gemm");
  const auto multiply = cuda_function<kigo_status(float*, const float*, int64_t, const float*, int32_t, int32_t,
                                                  int32_t, int64_t, int64_t, int64_t, int32_t)>("cuda_multiply");
  if (multiply == nullptr) return;
  const uint64_t seed = std::random_device{}();
  Random random(seed);
  INFO("seed " << seed);
  const std::vector<Shape> shapes = {{1, 48, 97},     {3, 37, 64},    {37, 80, 200},
                                     {130, 896, 257}, {129, 40, 136}, {300, 136, 520}};
  for (const Shape& s : few(shapes, 2)) {
    for (const int64_t padding : {0, 8}) {
      std::vector<float> x = random.normals(s.n_rows * (s.n_in + padding)), w = random.normals(s.n_out * s.n_in, 0.05f);
      const std::vector<float> before = random.normals(s.n_rows * s.n_out);
      for (const Kind kind : {kFloat32, kFloat16, kBfloat16}) {
        for (float& v : x) v = rounded(v, kind);  // the coarser the later: each kind gets what it can hold
        for (float& v : w) v = rounded(v, kind);
        std::vector<double> product(before.size());
        for (int64_t r = 0; r < s.n_rows; ++r) {
          for (int64_t o = 0; o < s.n_out; ++o) {
            double sum = 0;
            for (int64_t i = 0; i < s.n_in; ++i) {
              sum += static_cast<double>(x[static_cast<size_t>(r * (s.n_in + padding) + i)]) *
                     static_cast<double>(w[static_cast<size_t>(o * s.n_in + i)]);
            }
            product[static_cast<size_t>(r * s.n_out + o)] = sum;
          }
        }
        std::vector<double> total = product;
        for (size_t i = 0; i < total.size(); ++i) total[i] += static_cast<double>(before[i]);

        for (const Kernel kernel : {kPlain, kTensorCores, kHopper, kCublas}) {
          if ((kernel == kPlain) != (kind == kFloat32)) continue;
          if (kernel == kHopper && s.n_in % 8 != 0) continue;
          int32_t here = 0;
          KIGO_REQUIRE_CUDA(has(&here, kernel));
          if (here == 0) continue;
          CAPTURE(s.n_rows);
          CAPTURE(s.n_in);
          CAPTURE(s.n_out);
          CAPTURE(padding);
          CAPTURE(kind);
          CAPTURE(kernel);
          const auto run = [&](bool y_rounded, bool accumulate) {
            std::vector<float> y = before;
            KIGO_REQUIRE_CUDA(multiply(y.data(), x.data(), s.n_in + padding, w.data(), kind, y_rounded, accumulate,
                                       s.n_rows, s.n_in, s.n_out, kernel));
            return y;
          };
          CHECK(cpu::testing::relative_error(run(false, false), product) < 2e-6);
          CHECK(cpu::testing::relative_error(run(false, true), total) < 2e-6);
          if (kind == kFloat16) {  // beyond its range is infinite, whichever kernel: the forward looks for that
            const std::vector<float> large(x.size(), 3000), tens(w.size(), 10);
            std::vector<float> y = before;
            KIGO_REQUIRE_CUDA(multiply(y.data(), large.data(), s.n_in + padding, tens.data(), kind, true, false,
                                       s.n_rows, s.n_in, s.n_out, kernel));
            CHECK(std::all_of(y.begin(), y.end(), [](float v) { return std::isinf(v); }));
          }
          if (kind != kFloat32) {
            CHECK(cpu::testing::relative_error(run(true, false), product) < (kind == kFloat16 ? 5e-4 : 4e-3));
          }
        }
      }
    }
  }
}
