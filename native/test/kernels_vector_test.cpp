#include <functional>

#include "cpu/kernels/vector.h"
#include "kernels_testing.h"

using namespace kigo::cpu;
using namespace kigo::cpu::testing;

namespace {

/** Distance of a float32 from the exact value, in units of the last place of that value's float32. */
double ulps(float value, double exact) {
  if (std::isnan(exact)) return std::isnan(value) ? 0 : INFINITY;
  const double rounded = static_cast<float>(exact);
  if (std::isinf(rounded)) return value == rounded ? 0 : INFINITY;
  const int exponent = exact == 0 ? -126 : std::max(-126, std::ilogb(exact));
  return std::fabs(value - exact) / std::ldexp(1, exponent - 23);
}

using Function = std::function<void(const float*, float*, int64_t)>;

/** Largest error in ulp over [low, high]. */
double worst_ulps(const Function& f, const std::function<double(double)>& exact, float low, float high) {
  std::vector<float> x;
  for (int i = 0; i <= 100000; ++i) x.push_back(low + (high - low) * static_cast<float>(i) / 100000);
  std::vector<float> y(x.size());
  f(x.data(), y.data(), static_cast<int64_t>(x.size()));
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, ulps(y[i], exact(x[i])));
  return worst;
}

double silu_exact(double x) { return x / (1 + std::exp(-x)); }
double gelu_exact(double x) {
  const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
  return x / (1 + std::exp(-2 * u));  // ½x(1 + tanh u), without cancellation
}

void silu_alone(const float* x, float* y, int64_t n) {
  const std::vector<float> ones(static_cast<size_t>(n), 1);
  silu_mul(x, ones.data(), y, n);
}
void gelu_alone(const float* x, float* y, int64_t n) {
  const std::vector<float> ones(static_cast<size_t>(n), 1);
  gelu_mul(x, ones.data(), y, n);
}

}  // namespace

TEST_CASE("vector: exp and tanh are good to 2 ulp") {
  on_each_isa([] {
    CHECK(worst_ulps(
              vec_exp, [](double x) { return std::exp(x); }, -87, 88.7f) <= 2);
    CHECK(worst_ulps(
              vec_exp, [](double x) { return std::exp(x); }, -1, 1) <= 2);
    CHECK(worst_ulps(
              vec_exp, [](double x) { return std::exp(x); }, -110, -87) <= 2);  // subnormal, zero
    CHECK(worst_ulps(
              vec_tanh, [](double x) { return std::tanh(x); }, -12, 12) <= 2);
    CHECK(worst_ulps(
              vec_tanh, [](double x) { return std::tanh(x); }, -0.01f, 0.01f) <= 2);
  });
}

TEST_CASE("vector: exp and tanh at the ends of their range") {
  const std::vector<float> x = {0, -0.0f, INFINITY, -INFINITY, NAN, 100, -200, 88.72f, 88.73f, 1e-30f};
  on_each_isa([&] {
    std::vector<float> y(x.size());
    vec_exp(x.data(), y.data(), static_cast<int64_t>(x.size()));
    CHECK(y[0] == 1);
    CHECK(y[1] == 1);
    CHECK(y[2] == INFINITY);
    CHECK(y[3] == 0);
    CHECK(std::isnan(y[4]));
    CHECK(y[5] == INFINITY);
    CHECK(y[6] == 0);
    CHECK(std::isfinite(y[7]));
    CHECK(y[8] == INFINITY);
    CHECK(y[9] == 1);
    vec_tanh(x.data(), y.data(), static_cast<int64_t>(x.size()));
    CHECK(y[0] == 0);
    CHECK(y[2] == 1);
    CHECK(y[3] == -1);
    CHECK(std::isnan(y[4]));
    CHECK(y[9] == 1e-30f);
  });
}

TEST_CASE("vector: silu and gelu against float64") {
  on_each_isa([] {
    CHECK(worst_ulps(silu_alone, silu_exact, -20, 20) <= 4);
    CHECK(worst_ulps(gelu_alone, gelu_exact, -4, 10) <= 24);  // e^-2u magnifies the rounding of u by |2u|
    const std::vector<float> x = {-1000, 1000, NAN, 0};
    std::vector<float> y(4);
    silu_alone(x.data(), y.data(), 4);
    CHECK(y[0] == 0);
    CHECK(y[1] == 1000);
    CHECK(std::isnan(y[2]));
    CHECK(y[3] == 0);
    gelu_alone(x.data(), y.data(), 4);
    CHECK(y[0] == 0);
    CHECK(y[1] == 1000);
    CHECK(std::isnan(y[2]));
  });
}

TEST_CASE("vector: every length, nothing written behind it") {
  on_each_isa([] {
    for (int64_t n = 1; n < 80; ++n) {
      CAPTURE(n);
      Random random(static_cast<uint64_t>(n));
      const std::vector<float> a = random.normals(n), b = random.normals(n);
      const auto size = static_cast<size_t>(n);
      std::vector<float> out(size + 1, 7.0f);
      double squares = 0, product = 0;
      for (size_t i = 0; i < size; ++i) {
        squares += static_cast<double>(a[i]) * a[i];
        product += static_cast<double>(a[i]) * b[i];
      }

      rmsnorm(a.data(), b.data(), 1e-5f, out.data(), n);
      for (size_t i = 0; i < size; ++i) {
        CHECK(out[i] ==
              doctest::Approx(a[i] / std::sqrt(squares / static_cast<double>(n) + 1e-5) * b[i]).epsilon(1e-5));
      }
      rmsnorm(a.data(), nullptr, 1e-5f, out.data(), n);
      CHECK(out[size - 1] ==
            doctest::Approx(a[size - 1] / std::sqrt(squares / static_cast<double>(n) + 1e-5)).epsilon(1e-5));
      CHECK(dot(a.data(), b.data(), n) == doctest::Approx(product).epsilon(1e-5).scale(10));

      std::copy(a.begin(), a.end(), out.begin());
      vec_add(out.data(), b.data(), n);
      for (size_t i = 0; i < size; ++i) CHECK(out[i] == a[i] + b[i]);
      std::copy(a.begin(), a.end(), out.begin());
      vec_scale(out.data(), 3, n);
      for (size_t i = 0; i < size; ++i) CHECK(out[i] == a[i] * 3);
      vec_softcap(out.data(), 2, n);
      for (size_t i = 0; i < size; ++i) CHECK(out[i] == doctest::Approx(2 * std::tanh(a[i] * 3.0 / 2)).epsilon(1e-5));
      silu_mul(a.data(), b.data(), out.data(), n);
      for (size_t i = 0; i < size; ++i) CHECK(out[i] == doctest::Approx(silu_exact(a[i]) * b[i]).epsilon(1e-5));
      gelu_mul(a.data(), b.data(), out.data(), n);
      for (size_t i = 0; i < size; ++i) CHECK(out[i] == doctest::Approx(gelu_exact(a[i]) * b[i]).epsilon(1e-5));

      std::copy(a.begin(), a.end(), out.begin());
      softmax(out.data(), n);
      const float largest = *std::max_element(a.begin(), a.end());
      double sum = 0;
      for (float v : a) sum += std::exp(static_cast<double>(v) - largest);
      for (size_t i = 0; i < size; ++i)
        CHECK(out[i] == doctest::Approx(std::exp(static_cast<double>(a[i]) - largest) / sum).epsilon(1e-5));
      CHECK(sum_exp(a.data(), largest, n) == doctest::Approx(sum).epsilon(1e-6));
      CHECK(vec_max(a.data(), n) == largest);
      CHECK(out[size] == 7.0f);
    }
  });
}

TEST_CASE(
    "vector: a sum of exponentials is right to a few roundings, whatever its length and however equal its terms") {
  on_each_isa([] {
    for (const size_t n : {1, 97, 4097, 49'152, 262'208}) {
      for (const float below : {0.0f, 0.3f, 9.7f, 13.1f}) {
        CAPTURE(n);
        CAPTURE(below);
        std::vector<float> x(n, -below);
        x[n / 2] = 0;  // one best, the others as far below it
        double sum = 0;
        for (const float v : x) sum += std::exp(static_cast<double>(v));
        const double rounding = (15 + std::log(static_cast<double>(n))) * 0x1p-24;
        CHECK(std::abs(sum_exp(x.data(), 0, static_cast<int64_t>(n)) - sum) <= rounding * sum);
      }
    }
  });
}

TEST_CASE("vector: argmax gives the first of the largest, wherever it stands, and never NaN") {
  on_each_isa([] {
    for (int64_t n : {1, 5, 16, 1023, 1024, 1025, 5000}) {
      std::vector<float> x(static_cast<size_t>(n), -2.0f);
      CHECK(argmax(x.data(), n) == 0);
      for (int64_t at : {int64_t{0}, n / 2, n - 1}) {
        std::vector<float> y = x;
        y[static_cast<size_t>(at)] = -1;
        CHECK(argmax(y.data(), n) == at);
        CHECK(vec_max(y.data(), n) == -1);
        y.back() = -1;
        CHECK(argmax(y.data(), n) == at);
        if (at > 0) {
          y[0] = NAN;
          CHECK(argmax(y.data(), n) == at);
          CHECK(vec_max(y.data(), n) == -1);
        }
      }
      std::vector<float> low(static_cast<size_t>(n), -INFINITY);
      CHECK(argmax(low.data(), n) == 0);
    }
  });
}

TEST_CASE("vector: a large softmax sums to one") {
  on_each_isa([] {
    Random random(8);
    std::vector<float> x = random.normals(262144, 5);
    softmax(x.data(), 262144);
    double sum = 0;
    for (float v : x) sum += v;
    CHECK(sum == doctest::Approx(1).epsilon(1e-6));
  });
}

TEST_CASE("vector: all_finite sees one bad value anywhere") {
  on_each_isa([] {
    for (int64_t n = 1; n < 70; ++n) {
      std::vector<float> x(static_cast<size_t>(n), 1e38f);
      CHECK(all_finite(x.data(), n));
      for (float bad : {NAN, INFINITY, -INFINITY}) {
        for (size_t at : {size_t{0}, x.size() / 2, x.size() - 1}) {
          std::vector<float> y = x;
          y[at] = bad;
          CHECK(!all_finite(y.data(), n));
        }
      }
    }
  });
}
