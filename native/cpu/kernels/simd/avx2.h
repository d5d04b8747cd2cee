/// Eight float lanes with AVX2, FMA and F16C.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "../f16.h"

namespace {

using Vf = __m256;
inline constexpr int kLanes = 8;
inline constexpr int kGemmTokens = 6;  // tokens × row vectors of accumulators in registers: 12 of 16
inline constexpr int kGemmVectors = 2;
inline constexpr int kDecodeVectors = 2;  // of a head, for four heads at a time

inline __m256i first_lanes(int64_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n < 8 ? n : 8)), lane);
}

inline Vf set1(float x) { return _mm256_set1_ps(x); }
inline Vf zero() { return _mm256_setzero_ps(); }
inline Vf load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, Vf a) { _mm256_storeu_ps(p, a); }
inline Vf load_n(const float* p, int64_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
inline void store_n(float* p, Vf a, int64_t n) { _mm256_maskstore_ps(p, first_lanes(n), a); }
inline Vf add(Vf a, Vf b) { return _mm256_add_ps(a, b); }
inline Vf sub(Vf a, Vf b) { return _mm256_sub_ps(a, b); }
inline Vf mul(Vf a, Vf b) { return _mm256_mul_ps(a, b); }
inline Vf div(Vf a, Vf b) { return _mm256_div_ps(a, b); }
inline Vf fma(Vf a, Vf b, Vf c) { return _mm256_fmadd_ps(a, b, c); }
/// b where either is NaN.
inline Vf max(Vf a, Vf b) { return _mm256_max_ps(a, b); }
inline Vf min(Vf a, Vf b) { return _mm256_min_ps(a, b); }
inline Vf round(Vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline Vf abs(Vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
/// |a| with the sign of b.
inline Vf copysign(Vf a, Vf b) { return _mm256_or_ps(abs(a), _mm256_and_ps(b, _mm256_set1_ps(-0.0f))); }
/// a < limit ? b : c
inline Vf select_less(Vf a, Vf limit, Vf b, Vf c) {
  return _mm256_blendv_ps(c, b, _mm256_cmp_ps(a, limit, _CMP_LT_OQ));
}
/// a · 2^n for whole n in −250…250: in two halves, since 2^n alone may be no normal number. NaN for n keeps a's NaN.
inline Vf scale_by_power(Vf a, Vf n) {
  const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
  const auto power = [](__m256i e) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(127)), 23));
  };
  return mul(mul(a, power(half)), power(_mm256_sub_epi32(whole, half)));
}
inline Vf load_i8(const int8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline Vf load_f16(const uint16_t* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline Vf load_bf16(const uint16_t* p) {
  const __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
}
inline Vf load_f16_n(const uint16_t* p, int64_t n) {
  uint16_t copy[8] = {};
  memcpy(copy, p, static_cast<size_t>(n) * 2);
  return load_f16(copy);
}
inline void store_f16(uint16_t* p, Vf a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
inline float reduce_add(Vf a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
/// out[0…3] = Σ of each.
inline void reduce_add4(Vf a, Vf b, Vf c, Vf d, float* out) {
  const Vf all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
}
inline float reduce_max(Vf a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

inline void transpose(Vf (&r)[8]) {
  Vf a[8];
  for (int i = 0; i < 8; i += 4) {  // 4×4 blocks within each 128-bit lane
    const Vf t0 = _mm256_unpacklo_ps(r[i], r[i + 1]), t1 = _mm256_unpackhi_ps(r[i], r[i + 1]);
    const Vf t2 = _mm256_unpacklo_ps(r[i + 2], r[i + 3]), t3 = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
    a[i] = _mm256_shuffle_ps(t0, t2, 0x44);
    a[i + 1] = _mm256_shuffle_ps(t0, t2, 0xee);
    a[i + 2] = _mm256_shuffle_ps(t1, t3, 0x44);
    a[i + 3] = _mm256_shuffle_ps(t1, t3, 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x31);
  }
}

}  // namespace
