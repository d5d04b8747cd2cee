/** What the tests of the CPU kernels share: random weights of any type, and their values in float64. */
#pragma once
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "cpu/kernels/isa.h"
#include "cpu/kernels/scratch.h"
#include "cpu/kernels/types.h"

namespace kigo::cpu::testing {

/** SplitMix64: the same numbers everywhere. */
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
  /** In [-1, 1). */
  float signed_unit() { return static_cast<float>(static_cast<int64_t>(bits()) >> 40) * 0x1p-23f; }
  /** Bell-shaped with variance 1, as activations are. */
  float normal() {
    float sum = 0;
    for (int i = 0; i < 12; ++i) sum += signed_unit();
    return sum * 0.5f;
  }
  std::vector<float> normals(int64_t n, float scale = 1) {
    std::vector<float> values(static_cast<size_t>(n));
    for (float& v : values) v = normal() * scale;
    return values;
  }

 private:
  uint64_t state_;
};

/** Value of a float16's bits, from the definition. */
inline double f16_value_defined(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double value;
  if (exponent == 31)
    value = fraction ? NAN : INFINITY;
  else if (exponent == 0)
    value = std::ldexp(fraction, -24);
  else
    value = std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -value : value;
}

/** The same, looked up: tests ask for it once a weight. */
inline double f16_value(uint16_t bits) {
  static const std::vector<double> all = [] {
    std::vector<double> values;
    for (int i = 0; i < 65536; ++i) values.push_back(f16_value_defined(static_cast<uint16_t>(i)));
    return values;
  }();
  return all[bits];
}

/** The float16 nearest to a value, by search among its neighbours. */
inline uint16_t f16_bits(double value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  uint16_t low = 0, high = 0x7bff;
  while (high - low > 1) {
    const auto middle = static_cast<uint16_t>((low + high) / 2);
    (f16_value(middle) <= std::fabs(value) ? low : high) = middle;
  }
  const double below = std::fabs(value) - f16_value(low), above = f16_value(high) - std::fabs(value);
  return static_cast<uint16_t>(sign | (below < above || (below == above && low % 2 == 0) ? low : high));
}

inline uint16_t read_u16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); }
inline void write_u16(uint8_t* p, uint16_t v) {
  p[0] = static_cast<uint8_t>(v);
  p[1] = static_cast<uint8_t>(v >> 8);
}

/** Byte offsets of the float16 numbers in a block of a quantised type. */
inline std::vector<int> f16_fields(uint32_t type) {
  switch (type) {
    case Q4_1:
    case Q5_1:
    case Q4_K:
    case Q5_K: return {0, 2};
    case Q6_K: return {208};
    default: return {0};
  }
}

/** n weights with random quants and scales of about `scale`, whatever the type. */
inline std::vector<uint8_t> random_weights(uint32_t type, int64_t n, Random& random, float scale = 0.01f) {
  std::vector<uint8_t> bytes(static_cast<size_t>(row_bytes(type, n)));
  if (!is_quantized(type)) {
    for (int64_t i = 0; i < n; ++i) {
      const float value = random.normal() * scale;
      uint32_t bits = std::bit_cast<uint32_t>(value);
      if (type == F32)
        std::memcpy(bytes.data() + 4 * i, &bits, 4);
      else
        write_u16(bytes.data() + 2 * i, type == F16 ? f16_bits(value) : static_cast<uint16_t>(bits >> 16));
    }
    return bytes;
  }
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.bits());
  for (int64_t block = 0; block < n / block_size(type); ++block) {
    for (int field : f16_fields(type)) {
      write_u16(bytes.data() + block * block_bytes(type) + field, f16_bits(random.signed_unit() * scale));
    }
  }
  return bytes;
}

/** Weight i of a row, straight from the format's description. */
inline double weight(uint32_t type, const uint8_t* row, int64_t i) {
  if (type == F32) {
    float value;
    std::memcpy(&value, row + 4 * i, 4);
    return value;
  }
  if (type == F16) return f16_value(read_u16(row + 2 * i));
  if (type == BF16) return std::bit_cast<float>(static_cast<uint32_t>(read_u16(row + 2 * i)) << 16);

  const uint8_t* b = row + i / block_size(type) * block_bytes(type);
  const int j = static_cast<int>(i % block_size(type));
  const double d = f16_value(read_u16(b + (type == Q6_K ? 208 : 0)));
  const auto nibble = [&](const uint8_t* q) { return j < 16 ? q[j] & 15 : q[j - 16] >> 4; };
  const auto fifth = [&](const uint8_t* high) { return (high[j / 8] >> j % 8 & 1) << 4; };
  switch (type) {
    case Q8_0: return d * static_cast<int8_t>(b[2 + j]);
    case Q4_0: return d * (nibble(b + 2) - 8);
    case Q4_1: return d * nibble(b + 4) + f16_value(read_u16(b + 2));
    case Q5_0: return d * ((nibble(b + 6) | fifth(b + 2)) - 16);
    case Q5_1: return d * (nibble(b + 8) | fifth(b + 4)) + f16_value(read_u16(b + 2));
    case Q6_K: {
      const int half = j / 128, k = j % 128, l = k % 32, quarter = k / 32;
      const uint8_t low = b[64 * half + k % 64];
      const int q = (k < 64 ? low & 15 : low >> 4) | (b[128 + 32 * half + l] >> 2 * quarter & 3) << 4;
      return d * static_cast<int8_t>(b[192 + j / 16]) * (q - 32);
    }
    default: break;
  }
  // Q4_K, Q5_K
  const int s = j / 32;
  const uint8_t* p = b + 4;
  const int scale = s < 4 ? p[s] & 63 : (p[s + 4] & 15) | p[s - 4] >> 6 << 4;
  const int min = s < 4 ? p[s + 4] & 63 : p[s + 4] >> 4 | p[s] >> 6 << 4;
  const uint8_t* quants = b + (type == Q4_K ? 16 : 48);
  int q = quants[32 * (j / 64) + j % 32];
  q = j % 64 < 32 ? q & 15 : q >> 4;
  if (type == Q5_K) q |= (b[16 + j % 32] >> s & 1) << 4;
  return d * scale * q - f16_value(read_u16(b + 2)) * min;
}

inline std::string type_name(uint32_t type) {
  switch (type) {
    case F32: return "F32";
    case F16: return "F16";
    case BF16: return "BF16";
    case Q8_0: return "Q8_0";
    case Q4_0: return "Q4_0";
    case Q4_1: return "Q4_1";
    case Q5_0: return "Q5_0";
    case Q5_1: return "Q5_1";
    case Q4_K: return "Q4_K";
    case Q5_K: return "Q5_K";
    case Q6_K: return "Q6_K";
    default: return "?";
  }
}

/** 64-byte aligned scratch of exactly the asked size, with a guard behind it. */
class TestScratch {
 public:
  explicit TestScratch(size_t bytes) : memory_(bytes + 128, std::byte{0xa5}), bytes_(bytes) {}
  Scratch scratch() { return {start(), bytes_}; }
  bool guard_intact() {
    for (int i = 0; i < 32; ++i) {
      if (start()[bytes_ + static_cast<size_t>(i)] != std::byte{0xa5}) return false;
    }
    return true;
  }

 private:
  std::byte* start() {
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    return memory_.data() + (64 - address % 64) % 64;
  }
  std::vector<std::byte> memory_;
  size_t bytes_;
};

/** Runs body on each instruction set that this machine has, and returns to the one in use. */
template <class Body>
void on_each_isa(Body body) {
  const Isa before = isa();
  for (Isa each : kAllIsas) {
    if (!isa_available(each)) continue;
    CAPTURE(isa_name(each));
    use_isa(each);
    body();
  }
  use_isa(before);
}

/** sqrt(Σ(a−b)²/Σb²) */
template <class A, class B>
double relative_error(const A& a, const B& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += static_cast<double>(b[i]) * b[i];
  }
  return std::sqrt(difference / size);
}

}  // namespace kigo::cpu::testing
