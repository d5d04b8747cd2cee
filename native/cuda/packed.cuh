/** Packed blocks as numbers: the one reader of the format of packed.h but the dot products of decoding. */
#pragma once

#include <cuda_fp16.h>

#include "cuda/packed.h"
#include "cuda/ptx.cuh"

namespace kigo::cuda {

/** A quarter of a block: its values 4w…4w+3 and 16+4w…19+4w, which lie in one word of quants. */
struct Quarter {
  float first[4];
  float second[4];
};

/** value = d·q + m; Q6_K has another d for its second 16 values, and only some types have m. */
struct BlockScales {
  float d_first;
  float d_second;
  float m;
};

constexpr __host__ __device__ bool has_min(uint32_t type) {
  return type == kQ4_1 || type == kQ5_1 || type == kQ4_K || type == kQ5_K;
}

/** What q is too large by as it is stored; a byte of Q8_0 is read with its sign bit turned over. */
constexpr __host__ __device__ int quant_zero(uint32_t type) {
  switch (type) {
    case kQ8_0: return 128;
    case kQ4_0: return 8;
    case kQ5_0: return 16;
    case kQ6_K: return 32;
    default: return 0;
  }
}

template <class T>
__device__ T read(const uint8_t* at) {
  return __ldg(reinterpret_cast<const T*>(at));
}

/** Scales of block i of a record of n blocks, rounded as the CPU twin rounds them. */
template <uint32_t kType>
__device__ BlockScales block_scales(const uint8_t* record, uint32_t n, uint32_t i) {
  const RecordLayout at = record_layout(kType, n);
  const uint8_t* scales = record + at.scales;
  if constexpr (kType == kQ4_1 || kType == kQ5_1) {
    const float2 dm = __half22float2(read<__half2>(scales + 4 * i));
    return {dm.x, dm.x, dm.y};
  } else if constexpr (kType == kQ4_K || kType == kQ5_K) {
    const uint4 group = read<uint4>(scales + i / 8 * 16);
    const float2 dm = __half22float2(reinterpret_cast<const __half2&>(group.x));
    const uint32_t shift = 4 * (i % 8), upper = group.w >> shift;
    const uint32_t scale = (group.y >> shift & 15) | (upper & 3) << 4;
    const uint32_t min = (group.z >> shift & 15) | (upper & 12) << 2;
    const float d = __fmul_rn(dm.x, static_cast<float>(scale));
    return {d, d, -__fmul_rn(dm.y, static_cast<float>(min))};
  } else if constexpr (kType == kQ6_K) {
    const float d = __half2float(read<__half>(record + at.super + i / 8 * 2));
    const char2 scale = read<char2>(scales + 2 * i);
    return {__fmul_rn(d, static_cast<float>(scale.x)), __fmul_rn(d, static_cast<float>(scale.y)), 0};
  } else {
    const float d = __half2float(read<__half>(scales + 2 * i));
    return {d, d, 0};
  }
}

/** Word w of a block's quants: byte j of `first` is value 4w+j, of `second` value 16+4w+j, both from quant_zero on. */
struct QuantWords {
  uint32_t first;
  uint32_t second;
};

template <uint32_t kType>
__device__ QuantWords quant_words(const uint8_t* record, uint32_t n, uint32_t i, uint32_t w) {
  const RecordLayout at = record_layout(kType, n);
  const uint32_t low = read<uint32_t>(record + 16 * i + 4 * w);
  if constexpr (kType == kQ8_0) {
    return {low ^ 0x80808080, read<uint32_t>(record + at.quants2 + 16 * i + 4 * w) ^ 0x80808080};
  }
  QuantWords q = {low & 0x0f0f0f0f, low >> 4 & 0x0f0f0f0f};
  if constexpr (kType == kQ5_0 || kType == kQ5_1 || kType == kQ5_K) {
    const uint32_t high = read<uint32_t>(record + at.high + 4 * i) >> w;
    q.first |= (high & 0x01010101) << 4;
    q.second |= high & 0x10101010;
  }
  if constexpr (kType == kQ6_K) {
    const uint2 high = read<uint2>(record + at.high + 8 * i);
    q.first |= (high.x >> 2 * w & 0x03030303) << 4;
    q.second |= (high.y >> 2 * w & 0x03030303) << 4;
  }
  return q;
}

/**
 * Byte j of a word as a number, less `zero`. The byte becomes the lowest of the float 2^23 + byte, from which a
 * subtraction leaves it exactly: two operations at full rate, where a conversion runs at a quarter of it.
 */
__device__ inline float byte_as_float(uint32_t word, uint32_t j, int zero) {
  const uint32_t upper = in_register<0x4b000000>();            // so that the selectors need none
  const uint32_t bits = __byte_perm(word, upper, 0x7550 + j);  // {byte j, 0, 0, 0x4b}
  return __uint_as_float(bits) - static_cast<float>(8388608 + zero);
}

/** The values of a word: the same bits as the CPU twin's dequantisation. */
template <uint32_t kType>
__device__ Quarter to_numbers(const QuantWords& q, const BlockScales& s) {
  const auto number = [&](uint32_t word, uint32_t j, float d) {
    const float quant = byte_as_float(word, j, quant_zero(kType));
    // d·q has 22 bits at most where there is an m, so that one rounding is as good as the CPU's two.
    return has_min(kType) ? __fmaf_rn(d, quant, s.m) : __fmul_rn(d, quant);
  };
  Quarter values;
#pragma unroll
  for (uint32_t j = 0; j < 4; ++j) {
    values.first[j] = number(q.first, j, s.d_first);
    values.second[j] = number(q.second, j, s.d_second);
  }
  return values;
}

/** Quarter w (0…3) of block i in a record of n blocks. */
template <uint32_t kType>
__device__ Quarter unpack(const uint8_t* record, uint32_t n, uint32_t i, uint32_t w) {
  return to_numbers<kType>(quant_words<kType>(record, n, i, w), block_scales<kType>(record, n, i));
}

}  // namespace kigo::cuda
