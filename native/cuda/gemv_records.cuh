/**
 * A lane's part of a record of a packed row (cuda/packed.h): its registers, its loads, and its product with the
 * activations in shared memory. Quantised types: one block of 32 values a lane. F32, F16, BF16: four times 16 bytes a
 * lane, a record being 2048 bytes.
 */
#pragma once

#include "cuda/gemv_activations.cuh"
#include "cuda/packed.h"
#include "cuda/ptx.cuh"

namespace kigo::cuda {

/** What all rows of a matrix have in common. */
struct RowShape {
  int n_records = 0;     // the last one may be shorter
  int n_whole = 0;       // records of full length
  int tail = 0;          // blocks, or 16-byte chunks of float types, of a shorter last record
  RecordLayout tail_at;  // where its planes are; quantised types
};

inline RowShape row_shape(uint32_t type, int64_t n_in) {
  RowShape shape;
  const int64_t unit = is_float(type) ? (type == kF32 ? 4 : 8) : kBlock;
  const int64_t per_record = is_float(type) ? 128 : kBlocksPerRecord;
  const int64_t units = (n_in + unit - 1) / unit;
  shape.n_whole = static_cast<int>(units / per_record);
  shape.tail = static_cast<int>(units % per_record);
  shape.n_records = shape.n_whole + (shape.tail > 0);
  if (!is_float(type) && shape.tail > 0) shape.tail_at = record_layout(type, static_cast<uint32_t>(shape.tail));
  return shape;
}

/** Bytes of a whole record of a row. */
constexpr __host__ __device__ uint32_t record_bytes(uint32_t type) {
  return is_float(type) ? 2048 : record_layout(type, kBlocksPerRecord).bytes;
}

__device__ inline float half_value(uint16_t bits) { return __half2float(__ushort_as_half(bits)); }
__device__ inline float2 half2_values(uint32_t bits) {
  return __half22float2(*reinterpret_cast<const __half2*>(&bits));
}

/** A lane's part of one record of activations; see gemv_activations.cuh. */
template <uint32_t type, Form form = form_of(type)>
struct ActivationSlice;

template <uint32_t type>
struct ActivationSlice<type, Form::small> {
  uint4 low, high;  // a block's first 16 values, its second 16
  float4 scales;    // steps, sums

  ActivationSlice() = default;
  __device__ ActivationSlice(const std::byte* shared, int n, int record, int lane) {
    const int block = record * kBlocksPerRecord + lane, n_blocks = n / kBlock;
    const auto* planes = reinterpret_cast<const uint4*>(shared);
    low = planes[block];
    high = planes[n_blocks + block];
    scales = reinterpret_cast<const float4*>(planes)[2 * n_blocks + block];
  }
};

template <uint32_t type>
struct ActivationSlice<type, Form::half> {
  uint4 v[4];
  float scale[4];

  ActivationSlice() = default;
  __device__ ActivationSlice(const std::byte* shared, int n, int record, int lane) {
    for (int j = 0; j < 4; ++j) {
      const int chunk = record * 128 + j * 32 + lane;
      v[j] = reinterpret_cast<const uint4*>(shared)[chunk];
      scale[j] = reinterpret_cast<const float*>(shared + n * 2)[chunk];
    }
  }
};

template <uint32_t type>
struct ActivationSlice<type, Form::wide> {
  static constexpr int kVectors = type == kF32 ? 1 : 2;  // of four values, for 16 bytes of weights
  float4 v[4][kVectors];

  ActivationSlice() = default;
  __device__ ActivationSlice(const std::byte* shared, int, int record, int lane) {
    for (int j = 0; j < 4; ++j) {
      const int chunk = record * 128 + j * 32 + lane;
      for (int k = 0; k < kVectors; ++k) v[j][k] = reinterpret_cast<const float4*>(shared)[chunk * kVectors + k];
    }
  }
};

/** Four times four products of int8, added. */
__device__ inline float dot_16(uint32_t a, uint32_t b, uint32_t c, uint32_t d, const uint4& x) {
  int sum = __dp4a(static_cast<int>(a), static_cast<int>(x.x), 0);
  sum = __dp4a(static_cast<int>(b), static_cast<int>(x.y), sum);
  sum = __dp4a(static_cast<int>(c), static_cast<int>(x.z), sum);
  sum = __dp4a(static_cast<int>(d), static_cast<int>(x.w), sum);
  return static_cast<float>(sum);
}

/**
 * Where a lane's parts of neighbouring records lie, in bytes from the row's beginning. `whole`: the row has no shorter
 * record, so that one place and constant steps do for all.
 */
template <uint32_t type, int records, bool whole>
class Places {
 public:
  /**
   * Lanes behind a row's end read what the last one reads, and records behind it are the last one again: their
   * activations are 0, and loads without a condition take half the instructions.
   */
  __device__ Places(const RowShape& row, int first, int lane) {
    for (int i = 0; i < kKept; ++i) {
      const int record = whole ? first : min(first + i, row.n_records - 1);
      const bool full = whole || record < row.n_whole;
      const RecordLayout at = full ? record_layout(type, kBlocksPerRecord) : row.tail_at;
      const uint32_t begin = static_cast<uint32_t>(record) * record_bytes(type);
      end_ = begin + static_cast<uint32_t>(full ? 128 : row.tail) * 16;
      const auto unit = static_cast<uint32_t>(full || is_float(type) ? lane : min(lane, row.tail - 1));
      units_[i] = begin + unit * 16;
      quants2_[i] = begin + at.quants2 + unit * 16;
      high_[i] = begin + at.high + unit * (type == kQ6_K ? 8 : 4);
      super_[i] = begin + at.super + unit / 8 * 2;
      switch (type) {
        case kQ4_K:
        case kQ5_K: scales_[i] = begin + at.scales + unit / 8 * 16; break;
        case kQ4_1:
        case kQ5_1: scales_[i] = begin + at.scales + unit * 4; break;
        default: scales_[i] = begin + at.scales + unit * 2;
      }
    }
  }

  /** Of record i, 16 bytes each. */
  __device__ uint32_t quants(int i, int j) const {
    if constexpr (!is_float(type)) return of(j == 0 ? units_ : quants2_, i);
    const uint32_t at = of(units_, i) + static_cast<uint32_t>(j) * 32 * 16;
    return whole ? at : min(at, end_ - 16);
  }
  __device__ uint32_t high(int i) const { return of(high_, i); }
  __device__ uint32_t scales(int i) const { return of(scales_, i); }
  __device__ uint32_t super(int i) const { return of(super_, i); }

 private:
  static constexpr int kKept = whole ? 1 : records;
  // What a type does not use takes no registers.
  uint32_t units_[kKept], quants2_[kKept], high_[kKept], scales_[kKept], super_[kKept];
  uint32_t end_;

  __device__ static uint32_t of(const uint32_t (&at)[kKept], int i) {
    return whole ? at[0] + static_cast<uint32_t>(i) * record_bytes(type) : at[i];
  }
};

/** The same where the first factors are unsigned. */
__device__ inline float dot_16_unsigned(uint32_t a, uint32_t b, uint32_t c, uint32_t d, const uint4& x) {
  const auto add = [](int sum, uint32_t w, uint32_t v) { return dp4a_unsigned(w, v, sum); };
  return static_cast<float>(add(add(add(add(0, a, x.x), b, x.y), c, x.z), d, x.w));
}

template <uint32_t type>
struct Fragment {
  static constexpr bool kFifthBits = type == kQ5_0 || type == kQ5_1 || type == kQ5_K;
  /** High nibbles stay where they are, 16 times too large: four shifts less. */
  static constexpr bool kHighNibbles = type == kQ4_0 || type == kQ4_1 || type == kQ4_K;

  // A type's unused members take no registers.
  uint4 q[is_float(type) ? 4 : type == kQ8_0 ? 2 : 1];
  uint2 high;
  uint4 super;  // Q4_K, Q5_K: d, dmin, scales, mins, upper
  uint32_t scales;
  uint16_t d;

  /** Record i of those that `at` places. */
  template <int records, bool whole>
  __device__ void load(const uint8_t* row, const Places<type, records, whole>& at, int i) {
    constexpr int kVectors = sizeof(q) / 16;
    for (int j = 0; j < kVectors; ++j) q[j] = stream_16(row + at.quants(i, j));
    if constexpr (kFifthBits) high.x = stream_4(row + at.high(i));
    if constexpr (type == kQ4_K || type == kQ5_K) {
      super = stream_16(row + at.scales(i));
    } else if constexpr (type == kQ4_1 || type == kQ5_1) {
      scales = stream_4(row + at.scales(i));
    } else if constexpr (type == kQ6_K) {
      high = stream_8(row + at.high(i));
      scales = stream_2(row + at.scales(i));
      d = stream_2(row + at.super(i));
    } else if constexpr (!is_float(type)) {
      d = stream_2(row + at.scales(i));
    }
  }

  __device__ float dot(const ActivationSlice<type>& x, int lane) const {
    if constexpr (type == kF16) return dot_f16(x);
    if constexpr (type == kBF16) return dot_bf16(x);
    if constexpr (type == kF32) return dot_f32(x);
    if constexpr (!is_float(type)) return dot_quants(x, lane);
  }

 private:
  /** Runs of four products in float16, the rest in float32. */
  __device__ float dot_f16(const ActivationSlice<type>& x) const {
    float sum = 0;
    for (int j = 0; j < 4; ++j) {
      const auto* w = reinterpret_cast<const __half2*>(&q[j]);
      const auto* v = reinterpret_cast<const __half2*>(&x.v[j]);
      __half2 run = __hmul2(w[0], v[0]);
      for (int k = 1; k < 4; ++k) run = __hfma2(w[k], v[k], run);
      const float2 pair = __half22float2(run);
      sum = fmaf(pair.x + pair.y, x.scale[j], sum);
    }
    return sum;
  }

  __device__ float dot_bf16(const ActivationSlice<type>& x) const {
    float sum = 0;
    for (int j = 0; j < 4; ++j) {
      const auto* w = reinterpret_cast<const uint32_t*>(&q[j]);
      const auto* v = reinterpret_cast<const float2*>(&x.v[j]);
      for (int k = 0; k < 4; ++k) {  // a bfloat16 is the upper half of a float32
        sum = fmaf(__uint_as_float(w[k] << 16), v[k].x, sum);
        sum = fmaf(__uint_as_float(w[k] & 0xffff0000), v[k].y, sum);
      }
    }
    return sum;
  }

  __device__ float dot_f32(const ActivationSlice<type>& x) const {
    float sum = 0;
    for (int j = 0; j < 4; ++j) {
      const auto* w = reinterpret_cast<const float*>(&q[j]);
      const auto* v = reinterpret_cast<const float*>(&x.v[j]);
      for (int k = 0; k < 4; ++k) sum = fmaf(w[k], v[k], sum);
    }
    return sum;
  }

  __device__ float dot_quants(const ActivationSlice<type>& x, int lane) const {
    const float sums = x.scales.z + x.scales.w;
    if constexpr (type == kQ8_0) {
      const float first = dot_16(q[0].x, q[0].y, q[0].z, q[0].w, x.low);
      const float second = dot_16(q[1].x, q[1].y, q[1].z, q[1].w, x.high);
      return half_value(d) * (x.scales.x * first + x.scales.y * second);
    } else {
      // Low nibbles are the first 16 values, high ones the second; then come the bits above.
      uint32_t a[4] = {q[0].x, q[0].y, q[0].z, q[0].w}, b[4];
      for (int w = 0; w < 4; ++w) {
        b[w] = kHighNibbles ? a[w] & 0xf0f0f0f0 : a[w] >> 4 & 0x0f0f0f0f;
        a[w] &= 0x0f0f0f0f;
        if constexpr (kFifthBits) {
          a[w] |= high.x >> w << 4 & 0x10101010;
          b[w] |= high.x >> w & 0x10101010;  // bits 8j+4+w
        }
        if constexpr (type == kQ6_K) {
          a[w] |= high.x >> 2 * w << 4 & 0x30303030;
          b[w] |= high.y >> 2 * w << 4 & 0x30303030;
        }
      }
      const float first = dot_16(a[0], a[1], a[2], a[3], x.low);
      const float second = kHighNibbles ? dot_16_unsigned(b[0], b[1], b[2], b[3], x.high) * 0.0625f
                                        : dot_16(b[0], b[1], b[2], b[3], x.high);
      if constexpr (type == kQ6_K) {
        const auto scale_1 = static_cast<float>(static_cast<int8_t>(scales));
        const auto scale_2 = static_cast<float>(static_cast<int8_t>(scales >> 8));
        return half_value(d) *
               (scale_1 * (x.scales.x * first - 32 * x.scales.z) + scale_2 * (x.scales.y * second - 32 * x.scales.w));
      }
      const float quants = x.scales.x * first + x.scales.y * second;
      if constexpr (type == kQ4_0) return half_value(d) * (quants - 8 * sums);
      if constexpr (type == kQ5_0) return half_value(d) * (quants - 16 * sums);
      if constexpr (type == kQ4_1 || type == kQ5_1) {
        const float2 of_block = half2_values(scales);
        return of_block.x * quants + of_block.y * sums;
      }
      if constexpr (type == kQ4_K || type == kQ5_K) {
        const int shift = lane % 8 * 4;
        const uint32_t upper = super.w >> shift;
        const uint32_t scale = (super.y >> shift & 15) | (upper & 3) << 4;
        const uint32_t min = (super.z >> shift & 15) | (upper & 12) << 2;
        const float2 of_super = half2_values(super.x);
        return of_super.x * static_cast<float>(scale) * quants - of_super.y * static_cast<float>(min) * sums;
      }
    }
  }
};

}  // namespace kigo::cuda
