// Products of quantised weights with 8-bit activations by vpdpbusd (AVX-512 VNNI): 64 unsigned × signed products a
// step, summed by fours. Included by kernels_avx512.cpp only.

inline __m512i load_bytes(const void* p) { return _mm512_loadu_si512(p); }
inline __m512i load_bytes_n(const void* p, int64_t n) {
  return _mm512_maskz_loadu_epi8(n >= 64 ? ~0ull : (1ull << (n > 0 ? n : 0)) - 1, p);
}
inline __m512i low_nibbles(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
inline __m512i high_nibbles(__m512i v) { return low_nibbles(_mm512_srli_epi16(v, 4)); }

// ---- activations ----

/// kFlip: q + 128, unsigned, as the gemm takes it.
template <bool kFlip>
inline void quantize_here(const float* x, QuantizedTokens tokens, int64_t token) {
  const __m128i flip = _mm_set1_epi8(kFlip ? -128 : 0);
  float* d = tokens.d(token);
  float* s = tokens.s(token);
  __m128i* q = reinterpret_cast<__m128i*>(tokens.q(token));
  for (int64_t b = 0; b < tokens.n_blocks(tokens.n_in); ++b, q += 2) {
    const RoundedBlock block = round_block(x + 32 * b, tokens.n_in - 32 * b);
    _mm_store_si128(q, _mm_xor_si128(_mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(block.q[0])), flip));
    _mm_store_si128(q + 1, _mm_xor_si128(_mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(block.q[1])), flip));
    d[b] = block.d;
    s[b] = block.s;
  }
}

void quantize_for_gemv_here(const float* x, QuantizedTokens tokens, int64_t token) {
  quantize_here<false>(x, tokens, token);
}
void quantize_for_gemm_here(const float* x, QuantizedTokens tokens, int64_t token) {
  quantize_here<true>(x, tokens, token);
}

// ---- gemv: few tokens ----
//
// A type gives kGroup, the weights of a step; load() and load_part(), a step's weights as unsigned bytes with their
// scales; multiply(), which adds a step's products to 16 partial sums; and put(), which writes them in order for the
// gemm. Weights with a zero point z are taken as w + z, and the integer sums start from −z·Σx, which is computed once
// for all rows.

/// Indices for vpermt2w over two vectors.
struct WordIndex {
  alignas(64) int16_t word[32];
};

/// −z·Σ over each four activations; for z = 0: Σ.
template <int kZero>
inline __m512i start_of(__m512i x0, __m512i x1) {
  const __m512i factor = _mm512_set1_epi8(kZero == 0 ? 1 : static_cast<char>(kZero));
  const __m512i sum = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(_mm512_setzero_si512(), factor, x0), factor, x1);
  return kZero == 0 ? sum : _mm512_sub_epi32(_mm512_setzero_si512(), sum);
}

/// Value j of four in all of 128-bit lane j.
inline __m512 to_lanes_of(__m128 four) {
  const __m512i lane = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  return _mm512_permutexvar_ps(lane, _mm512_castps128_ps512(four));
}

/// Types with blocks of 32, four in a step: 128-bit lane j of `low` holds the first 16 weights of block j, of `high`
/// the others. kZero 0: a type with an offset m.
template <class Block, int kZero>
struct FourBlocks {
  static constexpr int kGroup = 128, kPartOf = 32, kBytes = 4 * sizeof(Block), kSub = 32;
  static constexpr bool kOffset = kZero == 0;

  struct Tokens {
    __m512i low, high, start;
    __m512 d, s;
  };
  struct Weights {
    __m512i low, high;
    __m512 d, m;
  };

  static inline Tokens load_tokens(const int8_t* q, const float* d, const float*) {
    Tokens t;
    const __m512i x0 = load_bytes(q), x1 = load_bytes(q + 64);
    t.low = _mm512_shuffle_i32x4(x0, x1, 0x88);
    t.high = _mm512_shuffle_i32x4(x0, x1, 0xdd);
    t.d = to_lanes_of(_mm_loadu_ps(d));
    t.start = start_of<kZero>(t.low, t.high);
    if constexpr (kZero == 0) t.s = mul(t.d, _mm512_cvtepi32_ps(t.start));
    return t;
  }

  /// Leaves the last n of the four blocks.
  static inline void keep_last(Tokens& t, int64_t n) {
    const auto lanes = static_cast<__mmask16>(0xffff << 4 * (4 - n));
    t.d = _mm512_maskz_mov_ps(lanes, t.d);
    if constexpr (kZero == 0) t.s = _mm512_maskz_mov_ps(lanes, t.s);
  }

  /// The weights in order and signed; d and m for each 32.
  static inline void put(const Weights& w, int8_t* q, float* d, float* m) {
    const __m512i front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                  back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const __m512i zero_point = _mm512_set1_epi8(static_cast<char>(kZero));
    _mm512_storeu_si512(q, _mm512_sub_epi8(_mm512_permutex2var_epi64(w.low, front, w.high), zero_point));
    _mm512_storeu_si512(q + 64, _mm512_sub_epi8(_mm512_permutex2var_epi64(w.low, back, w.high), zero_point));
    const __m512i first_of_lane = _mm512_castsi128_si512(_mm_setr_epi32(0, 4, 8, 12));
    _mm_storeu_ps(d, _mm512_castps512_ps128(_mm512_permutexvar_ps(first_of_lane, w.d)));
    if constexpr (kOffset) _mm_storeu_ps(m, _mm512_castps512_ps128(_mm512_permutexvar_ps(first_of_lane, w.m)));
  }

  static inline __m512 multiply(const Weights& w, const Tokens& x, __m512 sum) {
    const __m512i start = kZero == 0 ? _mm512_setzero_si512() : x.start;
    const __m512i dot = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(start, w.low, x.low), w.high, x.high);
    sum = fma(_mm512_cvtepi32_ps(dot), mul(w.d, x.d), sum);
    return kZero == 0 ? fma(w.m, x.s, sum) : sum;
  }
};

/// Those whose four blocks lie within 128 bytes: two loads, then every field by its 16-bit words.
template <class Block, int kZero>
struct PackedBlocks : FourBlocks<Block, kZero> {
  using typename FourBlocks<Block, kZero>::Weights;
  using FourBlocks<Block, kZero>::kBytes;
  static constexpr int kWords = sizeof(Block) / 2;
  static constexpr int kSecond = kBytes - 64;  // the second vector ends where the step ends

  static constexpr int16_t index_of(int word) {
    return static_cast<int16_t>(word < 32 ? word : word - kSecond / 2 + 32);
  }
  /// Words first…first+7 of block j to lane j.
  static constexpr WordIndex quants(int first) {
    WordIndex index{};
    for (int i = 0; i < 32; ++i) index.word[i] = index_of(i / 8 * kWords + first + i % 8);
    return index;
  }
  /// Words a and b of block j, in turn, to lane j.
  static constexpr WordIndex pairs(int a, int b) {
    WordIndex index{};
    for (int i = 0; i < 32; ++i) index.word[i] = index_of(i / 8 * kWords + (i % 2 == 0 ? a : b));
    return index;
  }
  /// In the lower half word a of block j to words 4j…4j+3, in the upper half word b.
  static constexpr WordIndex scales(int a, int b) {
    WordIndex index{};
    for (int i = 0; i < 32; ++i) index.word[i] = index_of(i % 16 / 4 * kWords + (i < 16 ? a : b));
    return index;
  }

  struct Bytes {
    __m512i first, second;
    inline __m512i pick(const WordIndex& index) const {
      return _mm512_permutex2var_epi16(first, load_bytes(index.word), second);
    }
  };

  static inline Weights load(const uint8_t* p) { return unpack_bytes({load_bytes(p), load_bytes(p + kSecond)}); }
  static inline Weights load_part(const uint8_t* p, int64_t n_blocks) {
    const int64_t n = n_blocks * static_cast<int64_t>(sizeof(Block));
    return unpack_bytes({load_bytes_n(p, n), load_bytes_n(p + kSecond, n - kSecond)});
  }

  static inline Weights unpack_bytes(const Bytes& bytes) {
    static constexpr bool kFive = sizeof(Block) > 20;
    static constexpr int kHigh = kZero == 0 ? 2 : 1;  // word of the fifth bits
    static constexpr WordIndex kQuants = quants(kHigh + (kFive ? 2 : 0)), kScales = scales(0, 1);
    Weights w;
    const __m512i q = bytes.pick(kQuants), d = bytes.pick(kScales);
    w.low = low_nibbles(q);
    w.high = high_nibbles(q);
    w.d = _mm512_cvtph_ps(_mm512_castsi512_si256(d));
    if constexpr (kZero == 0) w.m = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(d, 1));
    if constexpr (kFive) {
      // The block's four bytes of fifth bits all over its lane; byte i of low needs bit i of the first two.
      static constexpr WordIndex kBits = pairs(kHigh, kHigh + 1);
      const __m512i bits = bytes.pick(kBits), sixteen = _mm512_set1_epi8(16);
      const __m512i low_byte = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
      const __m512i high_byte = _mm512_add_epi8(low_byte, _mm512_set1_epi8(2));
      const __m512i bit = _mm512_set1_epi64(static_cast<int64_t>(0x8040201008040201));
      const __mmask64 low = _mm512_test_epi8_mask(_mm512_shuffle_epi8(bits, low_byte), bit);
      const __mmask64 high = _mm512_test_epi8_mask(_mm512_shuffle_epi8(bits, high_byte), bit);
      w.low = _mm512_mask_add_epi8(w.low, low, w.low, sixteen);
      w.high = _mm512_mask_add_epi8(w.high, high, w.high, sixteen);
    }
    return w;
  }
};

struct EightBits : FourBlocks<BlockQ8_0, 128> {
  /// q as unsigned, from 32 bytes of each of four blocks.
  static inline Weights from_blocks(__m256i b0, __m256i b1, __m256i b2, __m256i b3, __m128i d) {
    const __m512i first = _mm512_inserti64x4(_mm512_castsi256_si512(b0), b1, 1);
    const __m512i second = _mm512_inserti64x4(_mm512_castsi256_si512(b2), b3, 1);
    const __m512i flip = _mm512_set1_epi8(-128);
    Weights w;
    w.low = _mm512_xor_si512(_mm512_shuffle_i32x4(first, second, 0x88), flip);
    w.high = _mm512_xor_si512(_mm512_shuffle_i32x4(first, second, 0xdd), flip);
    w.d = to_lanes_of(_mm_cvtph_ps(d));
    return w;
  }
  static inline Weights load(const uint8_t* p) {
    const auto quants = [p](int block) {
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 34 * block + 2));
    };
    // The scales are words 0, 17, 34 and 51: two of them within 64 bytes from p, two from p + 68.
    const __m512i index = _mm512_castsi128_si512(_mm_setr_epi16(0, 17, 32, 49, 0, 0, 0, 0));
    const __m512i d = _mm512_permutex2var_epi16(load_bytes(p), index, load_bytes(p + 68));
    return from_blocks(quants(0), quants(1), quants(2), quants(3), _mm512_castsi512_si128(d));
  }
  static inline Weights load_part(const uint8_t* p, int64_t n_blocks) {
    const auto quants = [=](int block) {
      return _mm256_maskz_loadu_epi8(block < n_blocks ? 0xffffffff : 0, p + 34 * block + 2);
    };
    uint16_t d[8] = {};
    for (int block = 0; block < 4; ++block) {
      if (block < n_blocks) memcpy(d + block, p + 34 * block, 2);
    }
    return from_blocks(quants(0), quants(1), quants(2), quants(3), _mm_loadu_si128(reinterpret_cast<__m128i*>(d)));
  }
};

// The K types, a block of 256 in a step.

/// Eight scales, one for each 32 weights: the pair (a, b) for the halves of a vector.
inline __m512 halves_of(__m256 eight, int a, int b) {
  const __m512i index = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set1_epi32(a)), _mm256_set1_epi32(b), 1);
  return _mm512_permutexvar_ps(index, _mm512_castps256_ps512(eight));
}

template <class Block>
struct FourOrFiveK {
  static constexpr int kGroup = 256, kPartOf = 256, kBytes = sizeof(Block), kSub = 32;
  static constexpr bool kOffset = true;

  struct Tokens {
    __m512i x[4];  // blocks of 32: (0,2), (1,3), (4,6), (5,7), as the nibbles lie
    __m256 d, s;
  };
  struct Weights {
    __m512i w[4];
    __m256 d, m;
  };

  static inline Tokens load_tokens(const int8_t* q, const float* d, const float* s) {
    Tokens t;
    for (int i = 0; i < 2; ++i) {
      const __m512i x0 = load_bytes(q + 128 * i), x1 = load_bytes(q + 128 * i + 64);
      t.x[2 * i] = _mm512_shuffle_i32x4(x0, x1, 0x44);
      t.x[2 * i + 1] = _mm512_shuffle_i32x4(x0, x1, 0xee);
    }
    t.d = _mm256_loadu_ps(d);
    t.s = _mm256_loadu_ps(s);
    return t;
  }

  static inline Weights load_part(const uint8_t* p, int64_t) { return load(p); }
  static inline Weights load(const uint8_t* p) {
    const Block& b = *reinterpret_cast<const Block*>(p);
    Weights w;
    for (int i = 0; i < 2; ++i) {
      const __m512i q = load_bytes(b.q + 64 * i);
      w.w[2 * i] = low_nibbles(q);
      w.w[2 * i + 1] = high_nibbles(q);
    }
    if constexpr (sizeof(Block) == sizeof(BlockQ5_K)) {
      const __m512i bits = _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b.high)));
      const __m512i sixteen = _mm512_set1_epi8(16);
      for (int i = 0; i < 4; ++i) {
        const int first = i / 2 * 4 + i % 2;  // and first + 2
        const __m512i bit = _mm512_inserti64x4(_mm512_set1_epi8(static_cast<char>(1 << first)),
                                               _mm256_set1_epi8(static_cast<char>(4 << first)), 1);
        w.w[i] = _mm512_mask_add_epi8(w.w[i], _mm512_test_epi8_mask(bits, bit), w.w[i], sixteen);
      }
    }
    // Eight scales in the bytes of one 64-bit number, eight mins in those of another (see unpack_scales_k4).
    uint32_t a, c, e;
    memcpy(&a, b.scales, 4);
    memcpy(&c, b.scales + 4, 4);
    memcpy(&e, b.scales + 8, 4);
    const uint64_t scale_high = (e & 0x0f0f0f0f) | (a >> 2 & 0x30303030);
    const uint64_t min_high = (e >> 4 & 0x0f0f0f0f) | (c >> 2 & 0x30303030);
    const auto floats = [](uint64_t bytes) {
      return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(bytes))));
    };
    w.d = _mm256_mul_ps(_mm256_set1_ps(f16(b.d)), floats((a & 0x3f3f3f3f) | scale_high << 32));
    w.m = _mm256_mul_ps(_mm256_set1_ps(-f16(b.dmin)), floats((c & 0x3f3f3f3f) | min_high << 32));
    return w;
  }

  static inline void put(const Weights& w, int8_t* q, float* d, float* m) {
    for (int i = 0; i < 4; i += 2) {
      _mm512_storeu_si512(q + 64 * i, _mm512_shuffle_i64x2(w.w[i], w.w[i + 1], 0x44));
      _mm512_storeu_si512(q + 64 * i + 64, _mm512_shuffle_i64x2(w.w[i], w.w[i + 1], 0xee));
    }
    _mm256_storeu_ps(d, w.d);
    _mm256_storeu_ps(m, w.m);
  }

  static inline __m512 multiply(const Weights& w, const Tokens& x, __m512 sum) {
    const __m256 d = _mm256_mul_ps(w.d, x.d);
    for (int i = 0; i < 4; ++i) {
      const int first = i / 2 * 4 + i % 2;
      const __m512i dot = _mm512_dpbusd_epi32(_mm512_setzero_si512(), w.w[i], x.x[i]);
      sum = fma(_mm512_cvtepi32_ps(dot), halves_of(d, first, first + 2), sum);
    }
    return _mm512_mask3_fmadd_ps(_mm512_castps256_ps512(w.m), _mm512_castps256_ps512(x.s), sum, 0x00ff);
  }
};

struct SixK {
  static constexpr int kGroup = 256, kPartOf = 256, kBytes = sizeof(BlockQ6_K), kSub = 16;
  static constexpr bool kOffset = false;

  struct Tokens {
    __m512i x[4], start[4];
    __m512 d;  // for each 16 weights
  };
  struct Weights {
    __m512i w[4];
    __m512 d;
  };

  static inline Tokens load_tokens(const int8_t* q, const float* d, const float*) {
    Tokens t;
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    t.d = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_loadu_ps(d)));
    for (int i = 0; i < 4; ++i) {
      t.x[i] = load_bytes(q + 64 * i);
      t.start[i] = start_of<32>(t.x[i], _mm512_setzero_si512());
    }
    return t;
  }

  static inline Weights load_part(const uint8_t* p, int64_t) { return load(p); }
  static inline Weights load(const uint8_t* p) {
    const BlockQ6_K& b = *reinterpret_cast<const BlockQ6_K*>(p);
    const __m512i top = _mm512_set1_epi8(0x30);
    const __m512i left = _mm512_inserti64x4(_mm512_set1_epi16(4), _mm256_set1_epi16(2), 1);
    const __m512i right = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(2), 1);
    Weights w;
    for (int half = 0; half < 2; ++half) {
      const __m512i low = load_bytes(b.low + 64 * half);
      const __m512i high =
          _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b.high + 32 * half)));
      w.w[2 * half] = _mm512_or_si512(low_nibbles(low), _mm512_and_si512(top, _mm512_sllv_epi16(high, left)));
      w.w[2 * half + 1] = _mm512_or_si512(high_nibbles(low), _mm512_and_si512(top, _mm512_srlv_epi16(high, right)));
    }
    const __m512i scales = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b.scales)));
    w.d = mul(set1(f16(b.d)), _mm512_cvtepi32_ps(scales));
    return w;
  }

  static inline void put(const Weights& w, int8_t* q, float* d, float*) {
    for (int i = 0; i < 4; ++i) _mm512_storeu_si512(q + 64 * i, _mm512_sub_epi8(w.w[i], _mm512_set1_epi8(32)));
    _mm512_storeu_ps(d, w.d);
  }

  static inline __m512 multiply(const Weights& w, const Tokens& x, __m512 sum) {
    const __m512 d = mul(w.d, x.d);
    const __m512i lane = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    for (int i = 0; i < 4; ++i) {
      const __m512i dot = _mm512_dpbusd_epi32(x.start[i], w.w[i], x.x[i]);
      const __m512 scale = _mm512_permutexvar_ps(_mm512_add_epi32(lane, _mm512_set1_epi32(4 * i)), d);
      sum = fma(_mm512_cvtepi32_ps(dot), scale, sum);
    }
    return sum;
  }
};

/// R rows with T tokens.
template <class Type, int R, int T>
inline void gemv_tile(const uint8_t* rows, int64_t stride, QuantizedTokens x, float (&sums)[T][4]) {
  __m512 sum[R][T];
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < T; ++t) sum[r][t] = zero();
  }
  const auto load_tokens = [&](typename Type::Tokens(&tokens)[T], int64_t k) {
    for (int t = 0; t < T; ++t) {
      tokens[t] = Type::load_tokens(reinterpret_cast<const int8_t*>(x.q(t)) + k, x.d(t) + k / 32, x.s(t) + k / 32);
    }
  };
  typename Type::Tokens tokens[T];
  const uint8_t* p = rows;
  int64_t k = 0;
  for (; k + Type::kGroup <= x.n_in; k += Type::kGroup, p += Type::kBytes) {
    load_tokens(tokens, k);
    for (int r = 0; r < R; ++r) {
      kigo_prefetch(p + r * stride, Type::kBytes);
      const typename Type::Weights w = Type::load(p + r * stride);
      for (int t = 0; t < T; ++t) sum[r][t] = Type::multiply(w, tokens[t], sum[r][t]);
    }
  }
  if constexpr (Type::kPartOf < Type::kGroup) {
    const int64_t n_left = (x.n_in - k) / Type::kPartOf;
    if (n_left > 0 && k > 0) {
      // The row's last whole step again, with scales of zero for what has been summed already: faster than part of one.
      load_tokens(tokens, x.n_in - Type::kGroup);
      for (int t = 0; t < T; ++t) Type::keep_last(tokens[t], n_left);
      for (int r = 0; r < R; ++r) {
        const typename Type::Weights w = Type::load(rows + (r + 1) * stride - Type::kBytes);
        for (int t = 0; t < T; ++t) sum[r][t] = Type::multiply(w, tokens[t], sum[r][t]);
      }
    } else if (n_left > 0) {
      load_tokens(tokens, 0);
      for (int r = 0; r < R; ++r) {
        const typename Type::Weights w = Type::load_part(rows + r * stride, n_left);
        for (int t = 0; t < T; ++t) sum[r][t] = Type::multiply(w, tokens[t], sum[r][t]);
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    const auto row = [&](int r) { return r < R ? sum[r < R ? r : 0][t] : zero(); };
    reduce_add4(row(0), row(1), row(2), row(3), sums[t]);
  }
}

template <class Type, int T>
inline void gemv_rows(const Rows& w, QuantizedTokens x, const Output& out) {
  constexpr int R = T <= 2 ? 4 : 2;
  float sums[T][4];
  int64_t r = 0;
  for (; r + R <= w.n_rows; r += R) {
    gemv_tile<Type, R, T>(w.data + r * w.stride, w.stride, x, sums);
    for (int t = 0; t < T; ++t) {
      for (int i = 0; i < R; ++i) store_output(out, t, r + i, sums[t][i]);
    }
  }
  for (; r < w.n_rows; ++r) {
    gemv_tile<Type, 1, T>(w.data + r * w.stride, w.stride, x, sums);
    for (int t = 0; t < T; ++t) store_output(out, t, r, sums[t][0]);
  }
}

template <class Type>
void gemv_of(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out) {
  switch (n_tokens) {
    case 1: return gemv_rows<Type, 1>(w, x, out);
    case 2: return gemv_rows<Type, 2>(w, x, out);
    case 3: return gemv_rows<Type, 3>(w, x, out);
    case 4: return gemv_rows<Type, 4>(w, x, out);
  }
}

void gemv_quantized_here(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out) {
  switch (w.type) {
    case Q8_0: return gemv_of<EightBits>(w, x, n_tokens, out);
    case Q4_0: return gemv_of<PackedBlocks<BlockQ4_0, 8>>(w, x, n_tokens, out);
    case Q4_1: return gemv_of<PackedBlocks<BlockQ4_1, 0>>(w, x, n_tokens, out);
    case Q5_0: return gemv_of<PackedBlocks<BlockQ5_0, 16>>(w, x, n_tokens, out);
    case Q5_1: return gemv_of<PackedBlocks<BlockQ5_1, 0>>(w, x, n_tokens, out);
    case Q4_K: return gemv_of<FourOrFiveK<BlockQ4_K>>(w, x, n_tokens, out);
    case Q5_K: return gemv_of<FourOrFiveK<BlockQ5_K>>(w, x, n_tokens, out);
    case Q6_K: return gemv_of<SixK>(w, x, n_tokens, out);
    default: return;  // refused by the caller
  }
}

// ---- gemm: many tokens ----
//
// A panel is 32 rows × up to kDepth columns, unpacked to signed bytes in the order that vpdpbusd takes them: of each
// four columns, two vectors with the four weights of 16 rows each. The activations are unsigned here, q + 128; the
// integer sums start from −128·Σw.

inline constexpr int kGemmRows = 32;
inline constexpr int64_t kDepth = 512;

/// kSub columns of a panel, with one scale for each row.
template <int kSub, bool kOffset>
struct PanelBlock {
  __m512i w[kSub / 4][2];
  __m512i start[2];
  __m512 d[2];
  __m512 m[kOffset ? 2 : 1];
};

/// Sums over a panel's columns: T tokens × 32 rows.
template <int T, int kSub, bool kOffset>
inline void gemm_tile(const PanelBlock<kSub, kOffset>* panel, int64_t n_blocks, const std::byte* q, const float* d,
                      const float* s, int64_t token_bytes, float* sums, bool accumulate) {
  __m512 sum[T][2];
  for (int t = 0; t < T; ++t) {
    for (int v = 0; v < 2; ++v) sum[t][v] = accumulate ? load(sums + t * 32 + 16 * v) : zero();
  }
  const auto scale = [token_bytes](const float* first, int t, int64_t block) {
    return set1(*(reinterpret_cast<const float*>(reinterpret_cast<const std::byte*>(first) + t * token_bytes) + block));
  };
  for (int64_t b = 0; b < n_blocks; ++b, ++panel, q += kSub) {
    __m512i dot[T][2];
    for (int t = 0; t < T; ++t) {
      dot[t][0] = panel->start[0];
      dot[t][1] = panel->start[1];
    }
#pragma GCC unroll 8
    for (int k = 0; k < kSub / 4; ++k) {
      const __m512i w0 = panel->w[k][0], w1 = panel->w[k][1];
      for (int t = 0; t < T; ++t) {
        int32_t four;
        memcpy(&four, q + t * token_bytes + 4 * k, 4);
        const __m512i x = _mm512_set1_epi32(four);
        dot[t][0] = _mm512_dpbusd_epi32(dot[t][0], x, w0);
        dot[t][1] = _mm512_dpbusd_epi32(dot[t][1], x, w1);
      }
    }
    const int64_t block = b * kSub / 32;
    for (int t = 0; t < T; ++t) {
      const __m512 dx = scale(d, t, block);
      for (int v = 0; v < 2; ++v) {
        sum[t][v] = fma(_mm512_cvtepi32_ps(dot[t][v]), mul(panel->d[v], dx), sum[t][v]);
        if constexpr (kOffset) sum[t][v] = fma(panel->m[v], scale(s, t, block), sum[t][v]);
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    for (int v = 0; v < 2; ++v) store(sums + t * 32 + 16 * v, sum[t][v]);
  }
}

/// Rows [r0, r0 + 32) of a weight matrix, columns [k0, k0 + depth), into the panel; rows from n_rows on are zero.
template <class Type, class Panel>
inline void fill_panel(const Rows& w, int64_t r0, int64_t n_rows, int64_t k0, int64_t depth, Panel* panel) {
  constexpr int kSub = Type::kSub;
  // Rows in order first; then 16 rows × 64 columns at a time are turned, by units of four bytes.
  alignas(64) int8_t rows[16][kDepth];
  alignas(64) float d[16][kDepth / kSub], m[16][kDepth / kSub];
  for (int v = 0; v < 2; ++v) {
    for (int r = 0; r < 16; ++r) {
      const int64_t row = 16 * v + r;
      if (row >= n_rows) {
        memset(rows[r], 0, sizeof rows[r]);
        memset(d[r], 0, sizeof d[r]);
        memset(m[r], 0, sizeof m[r]);
        continue;
      }
      const uint8_t* p = w.data + (r0 + row) * w.stride + k0 / Type::kGroup * Type::kBytes;
      for (int64_t k = 0; k < depth; k += Type::kGroup, p += Type::kBytes) {
        const typename Type::Weights part =
            k + Type::kGroup <= depth ? Type::load(p) : Type::load_part(p, (depth - k) / Type::kPartOf);
        Type::put(part, rows[r] + k, d[r] + k / kSub, m[r] + k / kSub);
      }
    }
    for (int64_t k = 0; k < depth; k += 64) {
      __m512i tile[16];
      for (int r = 0; r < 16; ++r) tile[r] = load_bytes(rows[r] + k);
      transpose(tile);
      for (int j = 0; j < 64 / kSub; ++j) {
        Panel& to = panel[k / kSub + j];
        __m512i sum = _mm512_setzero_si512();
        for (int i = 0; i < kSub / 4; ++i) {
          const __m512i four = tile[j * kSub / 4 + i];
          to.w[i][v] = four;
          sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(-128), four);
        }
        to.start[v] = _mm512_sub_epi32(_mm512_setzero_si512(), sum);
      }
    }
    for (int64_t b = 0; b < depth / kSub; b += 16) {
      Vf scales[16], offsets[16];
      for (int r = 0; r < 16; ++r) scales[r] = load(d[r] + b), offsets[r] = load(m[r] + b);
      transpose(scales);
      if constexpr (Type::kOffset) transpose(offsets);
      for (int i = 0; i < 16; ++i) {
        panel[b + i].d[v] = scales[i];
        if constexpr (Type::kOffset) panel[b + i].m[v] = offsets[i];
      }
    }
  }
}

template <class Type>
void gemm_of(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out, std::byte* memory) {
  constexpr int kSub = Type::kSub;
  using Panel = PanelBlock<kSub, Type::kOffset>;
  constexpr int64_t kTokens = 512;  // whose sums are kept while the columns pass by
  constexpr int kTile = 6;          // tokens × 2 vectors: 12 integer and 12 float sums in registers
  static_assert(kDepth / kSub * sizeof(Panel) + kTokens * 32 * sizeof(float) <= kPanelBytes);
  Panel* const panel = reinterpret_cast<Panel*>(memory);
  float* const sums = reinterpret_cast<float*>(panel + kDepth / kSub);
  const int64_t token_bytes = QuantizedTokens::token_bytes(x.n_in);

  for (int64_t r0 = 0; r0 < w.n_rows; r0 += kGemmRows) {
    const int64_t n_rows = w.n_rows - r0 < kGemmRows ? w.n_rows - r0 : kGemmRows;
    for (int64_t t0 = 0; t0 < n_tokens; t0 += kTokens) {
      const int64_t n = n_tokens - t0 < kTokens ? n_tokens - t0 : kTokens;
      for (int64_t k0 = 0; k0 < x.n_in; k0 += kDepth) {
        const int64_t depth = x.n_in - k0 < kDepth ? x.n_in - k0 : kDepth, n_blocks = depth / kSub;
        fill_panel<Type>(w, r0, n_rows, k0, depth, panel);
        const auto tile = [&]<int T>(int64_t t) {
          gemm_tile<T>(panel, n_blocks, x.q(t0 + t) + k0, x.d(t0 + t) + k0 / 32, x.s(t0 + t) + k0 / 32, token_bytes,
                       sums + t * 32, k0 > 0);
        };
        int64_t t = 0;
        for (; t + kTile <= n; t += kTile) tile.template operator()<kTile>(t);
        switch (n - t) {
          case 1: tile.template operator()<1>(t); break;
          case 2: tile.template operator()<2>(t); break;
          case 3: tile.template operator()<3>(t); break;
          case 4: tile.template operator()<4>(t); break;
          case 5: tile.template operator()<5>(t); break;
        }
      }
      store_sums(out, t0, n, r0, n_rows, sums, 32);
    }
  }
}

void gemm_quantized_here(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out, std::byte* panel) {
  switch (w.type) {
    case Q8_0: return gemm_of<EightBits>(w, x, n_tokens, out, panel);
    case Q4_0: return gemm_of<PackedBlocks<BlockQ4_0, 8>>(w, x, n_tokens, out, panel);
    case Q4_1: return gemm_of<PackedBlocks<BlockQ4_1, 0>>(w, x, n_tokens, out, panel);
    case Q5_0: return gemm_of<PackedBlocks<BlockQ5_0, 16>>(w, x, n_tokens, out, panel);
    case Q5_1: return gemm_of<PackedBlocks<BlockQ5_1, 0>>(w, x, n_tokens, out, panel);
    case Q4_K: return gemm_of<FourOrFiveK<BlockQ4_K>>(w, x, n_tokens, out, panel);
    case Q5_K: return gemm_of<FourOrFiveK<BlockQ5_K>>(w, x, n_tokens, out, panel);
    case Q6_K: return gemm_of<SixK>(w, x, n_tokens, out, panel);
    default: return;  // refused by the caller
  }
}
