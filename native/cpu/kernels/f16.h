/// float16 to and from float32 by bits, for code that is compiled once per instruction set: `static`, so that the
/// linker never picks one set's copy for another.
#pragma once
#include <cstdint>
#include <cstring>

static inline float kigo_f16_to_f32(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
  const uint32_t rest = h & 0x7fff;
  uint32_t bits;
  if (rest >= 0x7c00) {  // infinity; NaN, made quiet as the processor's own conversion does
    bits = 0x7f800000 | rest << 13 | (rest > 0x7c00 ? 0x400000u : 0u);
  } else if (rest >= 0x0400) {
    bits = (rest << 13) + (112u << 23);
  } else {  // subnormal: rest · 2^−24, exact in float32
    const float value = static_cast<float>(rest) * 0x1p-24f;
    memcpy(&bits, &value, sizeof bits);
  }
  bits |= sign;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// To nearest, ties to even.
static inline uint16_t kigo_f32_to_f16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00 | (bits >> 13 & 0x1ff));
  if (bits >= 0x47800000) return static_cast<uint16_t>(sign | 0x7c00);  // 65536 and more
  if (bits < 0x38800000) {  // below 2^−14: subnormal, in steps of 2^−24, which adding 1/2 rounds to
    float magnitude;
    memcpy(&magnitude, &bits, sizeof magnitude);
    magnitude += 0.5f;
    memcpy(&bits, &magnitude, sizeof bits);
    return static_cast<uint16_t>(sign | (bits - 0x3f000000));
  }
  bits += 0xfff + (bits >> 13 & 1);  // a carry into the exponent, up to infinity, is right
  return static_cast<uint16_t>(sign | (bits - (112u << 23)) >> 13);
}
