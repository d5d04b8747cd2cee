#include "cpu/kernels/dequantize.h"
#include "cpu/kernels/vector.h"
#include "kernels_testing.h"

using namespace kigo::cpu;
using namespace kigo::cpu::testing;

TEST_CASE("dequantize: every type has the values of its format") {
  on_each_isa([] {
    for (Type type : kAllTypes) {
      CAPTURE(type_name(type));
      for (float scale : {1e-6f, 0.01f, 100.0f}) {  // the first are subnormal in float16
        Random random(type + 1);
        const int64_t n = 512;
        const std::vector<uint8_t> row = random_weights(type, n, random, scale);
        std::vector<float> values(static_cast<size_t>(n));
        dequantize_row(type, row.data(), values.data(), n);
        double worst = 0;
        for (int64_t i = 0; i < n; ++i) {
          // Sums of two rounded terms; the terms are at most 2^15 scales.
          worst = std::max(worst, std::fabs(values[static_cast<size_t>(i)] - weight(type, row.data(), i)));
        }
        CHECK(worst <= (is_quantized(type) ? scale * 32768 * 1e-7 : 0));
      }
    }
  });
}

TEST_CASE("dequantize: the same bits on each instruction set") {
  for (Type type : kAllTypes) {
    CAPTURE(type_name(type));
    Random random(type + 100);
    const int64_t n = 256 * 5;
    const std::vector<uint8_t> row = random_weights(type, n, random);
    use_isa(Isa::scalar);
    std::vector<float> expected(static_cast<size_t>(n));
    dequantize_row(type, row.data(), expected.data(), n);
    on_each_isa([&] {
      std::vector<float> values(static_cast<size_t>(n));
      dequantize_row(type, row.data(), values.data(), n);
      CHECK(std::memcmp(values.data(), expected.data(), values.size() * sizeof(float)) == 0);
    });
  }
}

TEST_CASE("dequantize: float rows of any length, nothing written behind them") {
  on_each_isa([] {
    for (Type type : {F32, F16, BF16}) {
      for (int64_t n = 1; n < 70; ++n) {
        Random random(static_cast<uint64_t>(n));
        const std::vector<uint8_t> row = random_weights(type, n, random, 1);
        std::vector<float> values(static_cast<size_t>(n) + 1, 7.0f);
        dequantize_row(type, row.data(), values.data(), n);
        for (int64_t i = 0; i < n; ++i) CHECK(values[static_cast<size_t>(i)] == weight(type, row.data(), i));
        CHECK(values.back() == 7.0f);
      }
    }
  });
}

TEST_CASE("float16: every value survives the way to float32 and back, on each instruction set") {
  std::vector<uint16_t> all(65536), back(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  std::vector<float> values(65536);
  on_each_isa([&] {
    f16_to_f32_row(all.data(), values.data(), 65536);
    f32_to_f16_row(values.data(), back.data(), 65536);
    for (size_t i = 0; i < all.size(); ++i) {
      const double expected = f16_value(all[i]);
      if (std::isnan(expected)) {
        REQUIRE(std::isnan(values[i]));
        REQUIRE(std::isnan(f16_value(back[i])));
        continue;
      }
      REQUIRE(values[i] == expected);
      REQUIRE(std::signbit(values[i]) == std::signbit(expected));
      REQUIRE(back[i] == all[i]);
      REQUIRE(f16_to_f32(all[i]) == values[i]);
      REQUIRE(f32_to_f16(values[i]) == all[i]);
    }
  });
}

TEST_CASE("float16: rounds to nearest, ties to even, as the format asks") {
  Random random(3);
  std::vector<float> values;
  for (int i = 0; i < 20000; ++i)
    values.push_back(std::ldexp(random.signed_unit(), static_cast<int>(random.below(45)) - 28));
  for (float tie :
       {1 + 0x1p-11f, 1 + 3 * 0x1p-11f, 0x1p-25f, 3 * 0x1p-25f, 65519.0f, 65520.0f, 1e9f, -1e-9f, 0.0f, -0.0f}) {
    values.push_back(tie);
  }
  std::vector<uint16_t> rounded(values.size());
  on_each_isa([&] {
    f32_to_f16_row(values.data(), rounded.data(), static_cast<int64_t>(values.size()));
    for (size_t i = 0; i < values.size(); ++i) {
      CAPTURE(values[i]);
      const uint16_t sign = std::signbit(values[i]) ? 0x8000 : 0;
      const uint16_t expected =
          std::fabs(values[i]) >= 65520 ? static_cast<uint16_t>(sign | 0x7c00) : f16_bits(values[i]);
      REQUIRE(rounded[i] == expected);
      REQUIRE(f32_to_f16(values[i]) == expected);
    }
  });
}
