/// Sixteen float lanes with AVX-512.
#pragma once

// GCC 12 takes the undefined pass-through operand inside its own intrinsics for ours (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "../f16.h"

namespace {

using Vf = __m512;
inline constexpr int kLanes = 16;
inline constexpr int kGemmTokens = 12;  // tokens × row vectors of accumulators in registers: 24 of 32
inline constexpr int kGemmVectors = 2;
inline constexpr int kDecodeVectors = 4;  // of a head, for four heads at a time

inline __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>(n >= 16 ? 0xffff : (1u << n) - 1); }

inline Vf set1(float x) { return _mm512_set1_ps(x); }
inline Vf zero() { return _mm512_setzero_ps(); }
inline Vf load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vf a) { _mm512_storeu_ps(p, a); }
inline Vf load_n(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
inline void store_n(float* p, Vf a, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), a); }
inline Vf add(Vf a, Vf b) { return _mm512_add_ps(a, b); }
inline Vf sub(Vf a, Vf b) { return _mm512_sub_ps(a, b); }
inline Vf mul(Vf a, Vf b) { return _mm512_mul_ps(a, b); }
inline Vf div(Vf a, Vf b) { return _mm512_div_ps(a, b); }
inline Vf fma(Vf a, Vf b, Vf c) { return _mm512_fmadd_ps(a, b, c); }
/// b where either is NaN.
inline Vf max(Vf a, Vf b) { return _mm512_max_ps(a, b); }
inline Vf min(Vf a, Vf b) { return _mm512_min_ps(a, b); }
inline Vf round(Vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline Vf abs(Vf a) { return _mm512_abs_ps(a); }
/// |a| with the sign of b.
inline Vf copysign(Vf a, Vf b) { return _mm512_or_ps(_mm512_abs_ps(a), _mm512_and_ps(b, _mm512_set1_ps(-0.0f))); }
/// a < limit ? b : c
inline Vf select_less(Vf a, Vf limit, Vf b, Vf c) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, limit, _CMP_LT_OQ), c, b);
}
/// a · 2^n for whole n.
inline Vf scale_by_power(Vf a, Vf n) { return _mm512_scalef_ps(a, n); }
inline Vf load_i8(const int8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline Vf load_f16(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Vf load_bf16(const uint16_t* p) {
  const __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
}
inline Vf load_f16_n(const uint16_t* p, int64_t n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}
inline void store_f16(uint16_t* p, Vf a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
inline float reduce_add(Vf a) { return _mm512_reduce_add_ps(a); }
/// Σ of each.
inline __m128 reduce_add4(Vf a, Vf b, Vf c, Vf d) {
  const Vf ab = add(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const Vf cd = add(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const Vf low = _mm512_shuffle_ps(ab, cd, 0x44), high = _mm512_shuffle_ps(ab, cd, 0xee);
  const Vf all = add(low, high);  // a b c d in each 128-bit lane
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}
inline void reduce_add4(Vf a, Vf b, Vf c, Vf d, float* out) { _mm_storeu_ps(out, reduce_add4(a, b, c, d)); }
inline float reduce_max(Vf a) { return _mm512_reduce_max_ps(a); }

/// Columns [col0, col0 + 16) of 16 rows of 32-bit values become rows.
inline void transpose(__m512i (&r)[16]) {
  __m512i a[16];
  for (int i = 0; i < 16; i += 4) {  // 4×4 blocks within each 128-bit lane
    const __m512i t0 = _mm512_unpacklo_epi32(r[i], r[i + 1]), t1 = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    const __m512i t2 = _mm512_unpacklo_epi32(r[i + 2], r[i + 3]), t3 = _mm512_unpackhi_epi32(r[i + 2], r[i + 3]);
    a[i] = _mm512_unpacklo_epi64(t0, t2);
    a[i + 1] = _mm512_unpackhi_epi64(t0, t2);
    a[i + 2] = _mm512_unpacklo_epi64(t1, t3);
    a[i + 3] = _mm512_unpackhi_epi64(t1, t3);
  }
  for (int i = 0; i < 4; ++i) {  // then the 4×4 of lanes; a[i + 4j] holds columns i, i+4, i+8, i+12 of rows 4j…4j+3
    const __m512i t0 = _mm512_shuffle_i32x4(a[i], a[i + 4], 0x44), t1 = _mm512_shuffle_i32x4(a[i], a[i + 4], 0xee);
    const __m512i t2 = _mm512_shuffle_i32x4(a[i + 8], a[i + 12], 0x44);
    const __m512i t3 = _mm512_shuffle_i32x4(a[i + 8], a[i + 12], 0xee);
    r[i] = _mm512_shuffle_i32x4(t0, t2, 0x88);
    r[i + 4] = _mm512_shuffle_i32x4(t0, t2, 0xdd);
    r[i + 8] = _mm512_shuffle_i32x4(t1, t3, 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t1, t3, 0xdd);
  }
}

inline void transpose(Vf (&rows)[16]) {
  __m512i r[16];
  for (int i = 0; i < 16; ++i) r[i] = _mm512_castps_si512(rows[i]);
  transpose(r);
  for (int i = 0; i < 16; ++i) rows[i] = _mm512_castsi512_ps(r[i]);
}

}  // namespace
