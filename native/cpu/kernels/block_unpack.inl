// Included once per instruction set, inside its namespace, behind a simd/*.h: blocks to small integers and scales.
// Plain loops, which the compiler vectorises. Every weight is d·q + m with an integer q, one d per 16 weights and one m
// per 32.

/// The weights of one block. Symmetric types have q around zero and no m.
template <class Block>
struct Unpacked {
  static constexpr bool kHasOffset = false;
  int8_t q[Block::kSize];
  float d[Block::kSize / 16];
};

template <class Block>
struct UnpackedWithOffset {
  static constexpr bool kHasOffset = true;
  int8_t q[Block::kSize];
  float d[Block::kSize / 16];
  float m[Block::kSize / 32];
};

inline void unpack_nibbles(const uint8_t* packed, int n, int8_t* low, int8_t* high) {
  for (int i = 0; i < n; ++i) low[i] = static_cast<int8_t>(packed[i] & 15);
  for (int i = 0; i < n; ++i) high[i] = static_cast<int8_t>(packed[i] >> 4);
}

/// Adds 16 to q[j] where bit j of the 32 is set.
inline void add_fifth_bits(const uint8_t* bits, int8_t* q) {
  for (int j = 0; j < 32; ++j) q[j] = static_cast<int8_t>(q[j] + (bits[j / 8] >> j % 8 & 1) * 16);
}

/// The eight 6-bit scales and mins of Q4_K and Q5_K: four lie in the low bits of bytes 0–3 (mins: 4–7), the others
/// in the nibbles of bytes 8–11 and the two top bits of bytes 0–3 (4–7).
inline void unpack_scales_k4(const uint8_t* packed, uint8_t* scale, uint8_t* min) {
  for (int j = 0; j < 4; ++j) {
    scale[j] = packed[j] & 63;
    min[j] = packed[j + 4] & 63;
    scale[j + 4] = static_cast<uint8_t>((packed[j + 8] & 15) | packed[j] >> 6 << 4);
    min[j + 4] = static_cast<uint8_t>(packed[j + 8] >> 4 | packed[j + 4] >> 6 << 4);
  }
}

inline void unpack(const BlockQ8_0& b, Unpacked<BlockQ8_0>& u) {
  memcpy(u.q, b.q, 32);
  u.d[0] = u.d[1] = f16(b.d);
}

inline void unpack(const BlockQ4_0& b, Unpacked<BlockQ4_0>& u) {
  unpack_nibbles(b.q, 16, u.q, u.q + 16);
  for (int8_t& q : u.q) q = static_cast<int8_t>(q - 8);
  u.d[0] = u.d[1] = f16(b.d);
}

inline void unpack(const BlockQ5_0& b, Unpacked<BlockQ5_0>& u) {
  unpack_nibbles(b.q, 16, u.q, u.q + 16);
  add_fifth_bits(b.high, u.q);
  for (int8_t& q : u.q) q = static_cast<int8_t>(q - 16);
  u.d[0] = u.d[1] = f16(b.d);
}

inline void unpack(const BlockQ4_1& b, UnpackedWithOffset<BlockQ4_1>& u) {
  unpack_nibbles(b.q, 16, u.q, u.q + 16);
  u.d[0] = u.d[1] = f16(b.d);
  u.m[0] = f16(b.m);
}

inline void unpack(const BlockQ5_1& b, UnpackedWithOffset<BlockQ5_1>& u) {
  unpack_nibbles(b.q, 16, u.q, u.q + 16);
  add_fifth_bits(b.high, u.q);
  u.d[0] = u.d[1] = f16(b.d);
  u.m[0] = f16(b.m);
}

template <class BlockK>
inline void scales_k4(const BlockK& b, UnpackedWithOffset<BlockK>& u) {
  const float d = f16(b.d), dmin = f16(b.dmin);
  uint8_t scale[8], min[8];
  unpack_scales_k4(b.scales, scale, min);
  for (int j = 0; j < 8; ++j) {
    u.d[2 * j] = u.d[2 * j + 1] = d * scale[j];
    u.m[j] = -(dmin * min[j]);
  }
}

inline void unpack(const BlockQ4_K& b, UnpackedWithOffset<BlockQ4_K>& u) {
  for (int j = 0; j < 4; ++j) unpack_nibbles(b.q + 32 * j, 32, u.q + 64 * j, u.q + 64 * j + 32);
  scales_k4(b, u);
}

inline void unpack(const BlockQ5_K& b, UnpackedWithOffset<BlockQ5_K>& u) {
  for (int j = 0; j < 4; ++j) unpack_nibbles(b.q + 32 * j, 32, u.q + 64 * j, u.q + 64 * j + 32);
  for (int j = 0; j < 8; ++j) {
    int8_t* q = u.q + 32 * j;
    for (int l = 0; l < 32; ++l) q[l] = static_cast<int8_t>(q[l] + (b.high[l] >> j & 1) * 16);
  }
  scales_k4(b, u);
}

inline void unpack(const BlockQ6_K& b, Unpacked<BlockQ6_K>& u) {
  for (int half = 0; half < 2; ++half) {
    int8_t* q = u.q + 128 * half;
    unpack_nibbles(b.low + 64 * half, 64, q, q + 64);
    const uint8_t* high = b.high + 32 * half;
    for (int j = 0; j < 4; ++j) {
      for (int l = 0; l < 32; ++l) {
        const int top = high[l] >> 2 * j & 3;
        q[32 * j + l] = static_cast<int8_t>(q[32 * j + l] + top * 16 - 32);
      }
    }
  }
  const float d = f16(b.d);
  for (int j = 0; j < 16; ++j) u.d[j] = d * b.scales[j];
}

/// What `unpack` fills for a block type.
template <class Block>
struct UnpackedOf {
  using type = Unpacked<Block>;
};
template <>
struct UnpackedOf<BlockQ4_1> {
  using type = UnpackedWithOffset<BlockQ4_1>;
};
template <>
struct UnpackedOf<BlockQ5_1> {
  using type = UnpackedWithOffset<BlockQ5_1>;
};
template <>
struct UnpackedOf<BlockQ4_K> {
  using type = UnpackedWithOffset<BlockQ4_K>;
};
template <>
struct UnpackedOf<BlockQ5_K> {
  using type = UnpackedWithOffset<BlockQ5_K>;
};

template <class Block>
void dequantize_blocks(const void* src, float* dst, int64_t n) {
  const Block* block = static_cast<const Block*>(src);
  for (int64_t from = 0; from < n; from += Block::kSize, ++block, dst += Block::kSize) {
    typename UnpackedOf<Block>::type u;
    unpack(*block, u);
    for (int i = 0; i < Block::kSize; i += kLanes) {
      // Two roundings everywhere: these files are compiled without contraction into a fused multiply-add.
      Vf w = mul(set1(u.d[i / 16]), load_i8(u.q + i));
      if constexpr (u.kHasOffset) w = add(w, set1(u.m[i / 32]));
      store(dst + i, w);
    }
  }
}

void dequantize_row_here(uint32_t type, const void* src, float* dst, int64_t n) {
  switch (type) {
    case F32: memcpy(dst, src, static_cast<size_t>(n) * 4); break;
    case F16: f16_to_f32_row_here(static_cast<const uint16_t*>(src), dst, n); break;
    case BF16:
      for (int64_t i = 0; i < n; ++i) {
        uint16_t half;
        memcpy(&half, static_cast<const uint8_t*>(src) + 2 * i, 2);
        const uint32_t bits = static_cast<uint32_t>(half) << 16;
        memcpy(dst + i, &bits, 4);
      }
      break;
    case Q8_0: dequantize_blocks<BlockQ8_0>(src, dst, n); break;
    case Q4_0: dequantize_blocks<BlockQ4_0>(src, dst, n); break;
    case Q4_1: dequantize_blocks<BlockQ4_1>(src, dst, n); break;
    case Q5_0: dequantize_blocks<BlockQ5_0>(src, dst, n); break;
    case Q5_1: dequantize_blocks<BlockQ5_1>(src, dst, n); break;
    case Q4_K: dequantize_blocks<BlockQ4_K>(src, dst, n); break;
    case Q5_K: dequantize_blocks<BlockQ5_K>(src, dst, n); break;
    case Q6_K: dequantize_blocks<BlockQ6_K>(src, dst, n); break;
    default: break;  // refused by the caller
  }
}
