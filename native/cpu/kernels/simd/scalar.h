/// Four float lanes in plain C++, for processors without a set of their own here (compilers map them to SSE2, NEON).
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "../f16.h"

namespace {

inline constexpr int kLanes = 4;
inline constexpr int kGemmTokens = 4;  // tokens × row vectors of accumulators in registers
inline constexpr int kGemmVectors = 2;
inline constexpr int kDecodeVectors = 2;  // of a head, for four heads at a time

struct Vf {
  float v[kLanes];
};

#define KIGO_LANES for (int i = 0; i < kLanes; ++i)
inline Vf set1(float x) {
  Vf r;
  KIGO_LANES r.v[i] = x;
  return r;
}
inline Vf zero() { return set1(0); }
inline Vf load(const float* p) {
  Vf r;
  KIGO_LANES r.v[i] = p[i];
  return r;
}
inline void store(float* p, Vf a) { KIGO_LANES p[i] = a.v[i]; }
inline Vf load_n(const float* p, int64_t n) {
  Vf r;
  KIGO_LANES r.v[i] = i < n ? p[i] : 0;
  return r;
}
inline void store_n(float* p, Vf a, int64_t n) {
  for (int i = 0; i < n; ++i) p[i] = a.v[i];
}
inline Vf add(Vf a, Vf b) {
  KIGO_LANES a.v[i] += b.v[i];
  return a;
}
inline Vf sub(Vf a, Vf b) {
  KIGO_LANES a.v[i] -= b.v[i];
  return a;
}
inline Vf mul(Vf a, Vf b) {
  KIGO_LANES a.v[i] *= b.v[i];
  return a;
}
inline Vf div(Vf a, Vf b) {
  KIGO_LANES a.v[i] /= b.v[i];
  return a;
}
inline Vf fma(Vf a, Vf b, Vf c) {
  KIGO_LANES c.v[i] += a.v[i] * b.v[i];
  return c;
}
/// b where either is NaN.
inline Vf max(Vf a, Vf b) {
  KIGO_LANES a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return a;
}
inline Vf min(Vf a, Vf b) {
  KIGO_LANES a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
  return a;
}
inline Vf round(Vf a) {
  KIGO_LANES a.v[i] = std::nearbyintf(a.v[i]);
  return a;
}
inline Vf abs(Vf a) {
  KIGO_LANES a.v[i] = std::fabs(a.v[i]);
  return a;
}
/// |a| with the sign of b.
inline Vf copysign(Vf a, Vf b) {
  KIGO_LANES a.v[i] = std::copysign(a.v[i], b.v[i]);
  return a;
}
/// a < limit ? b : c
inline Vf select_less(Vf a, Vf limit, Vf b, Vf c) {
  KIGO_LANES a.v[i] = a.v[i] < limit.v[i] ? b.v[i] : c.v[i];
  return a;
}
/// a · 2^n for whole n in −300…300.
inline Vf scale_by_power(Vf a, Vf n) {
  KIGO_LANES a.v[i] = std::ldexp(a.v[i], static_cast<int>(n.v[i]));
  return a;
}
inline Vf load_i8(const int8_t* p) {
  Vf r;
  KIGO_LANES r.v[i] = p[i];
  return r;
}
inline Vf load_f16(const uint16_t* p) {
  Vf r;
  KIGO_LANES r.v[i] = kigo_f16_to_f32(p[i]);
  return r;
}
inline Vf load_bf16(const uint16_t* p) {
  Vf r;
  KIGO_LANES {
    const uint32_t bits = static_cast<uint32_t>(p[i]) << 16;
    memcpy(&r.v[i], &bits, sizeof bits);
  }
  return r;
}
inline Vf load_f16_n(const uint16_t* p, int64_t n) {
  Vf r;
  KIGO_LANES r.v[i] = i < n ? kigo_f16_to_f32(p[i]) : 0;
  return r;
}
inline void store_f16(uint16_t* p, Vf a) { KIGO_LANES p[i] = kigo_f32_to_f16(a.v[i]); }
#undef KIGO_LANES
inline float reduce_add(Vf a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }
/// out[0…3] = Σ of each.
inline void reduce_add4(Vf a, Vf b, Vf c, Vf d, float* out) {
  out[0] = reduce_add(a);
  out[1] = reduce_add(b);
  out[2] = reduce_add(c);
  out[3] = reduce_add(d);
}
inline float reduce_max(Vf a) {
  const float low = a.v[0] > a.v[1] ? a.v[0] : a.v[1], high = a.v[2] > a.v[3] ? a.v[2] : a.v[3];
  return low > high ? low : high;
}

inline void transpose(Vf (&rows)[kLanes]) {
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < i; ++j) {
      const float swap = rows[i].v[j];
      rows[i].v[j] = rows[j].v[i];
      rows[j].v[i] = swap;
    }
  }
}

}  // namespace
