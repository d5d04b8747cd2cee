// Products of quantised weights with 8-bit activations by vpmaddubsw and vpmaddwd. Included by kernels_avx2.cpp only.

inline __m256i load_bytes(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

/// Four sums of eight products of unsigned and signed bytes each, as float32. A pair's sum must fit in 16 bits.
inline Vf dot_unsigned(__m256i w, __m256i x) {
  return _mm256_cvtepi32_ps(_mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
}
/// The same of signed weights: |w| and x with w's sign. Up to 128·127·2, which fits.
inline Vf dot_signed(__m256i w, __m256i x) { return dot_unsigned(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)); }

// ---- activations ----

/// 0…15 or 16…31 of a block as 16-bit numbers.
inline __m256i words_of(const RoundedBlock& block, int half) {
  const __m256i low = _mm256_cvtps_epi32(block.q[2 * half]), high = _mm256_cvtps_epi32(block.q[2 * half + 1]);
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
}

void quantize_for_gemv_here(const float* x, QuantizedTokens tokens, int64_t token) {
  for (int64_t b = 0; b < tokens.n_blocks(tokens.n_in); ++b) {
    const RoundedBlock block = round_block(x + 32 * b, tokens.n_in - 32 * b);
    const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(words_of(block, 0), words_of(block, 1)), 0xd8);
    _mm256_store_si256(reinterpret_cast<__m256i*>(tokens.q(token) + 32 * b), bytes);
    tokens.d(token)[b] = block.d;
    tokens.s(token)[b] = block.s;
  }
}

/// A block of 32 activations as whole numbers of 16 bits: the largest magnitude becomes 127·256, and the error is a
/// 256th of that of 8 bits. If any activation is not finite, d and s are not numbers either.
inline RoundedBlock round_finely(const float* x, int64_t left) {
  if (left <= 0) return {};
  constexpr int kVectors = 32 / kLanes;
  constexpr float kEnd = 127 * 256;
  Vf v[kVectors], largest = zero(), sum = zero();
  for (int i = 0; i < kVectors; ++i) {
    const int64_t n = left - i * kLanes;
    v[i] = n >= kLanes ? load(x + i * kLanes) : n > 0 ? load_n(x + i * kLanes, n) : zero();
    largest = max(abs(v[i]), largest);
  }
  const float end = reduce_max(largest);
  RoundedBlock block;
  const Vf inverse = set1(end > 1e-33f ? kEnd / end : 0);  // what is smaller counts as 0
  for (int i = 0; i < kVectors; ++i) {
    block.q[i] = round(mul(v[i], inverse));
    sum = add(sum, block.q[i]);
  }
  const float total = reduce_add(sum);
  block.d = end / kEnd + 0 * total;  // the maximum passes over NaN, the sum does not
  block.s = block.d * total;
  return block;
}

/// As 16-bit numbers: those are what the gemm multiplies, so the finer steps cost nothing. 32 products with weights of
/// 8 bits stay below 2^28.
void quantize_for_gemm_here(const float* x, QuantizedTokens tokens, int64_t token) {
  for (int64_t b = 0; b < tokens.n_blocks(tokens.n_in); ++b) {
    const RoundedBlock block = round_finely(x + 32 * b, tokens.n_in - 32 * b);
    for (int half = 0; half < 2; ++half) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(tokens.q(token) + 64 * b + 32 * half), words_of(block, half));
    }
    tokens.d(token)[b] = block.d;
    tokens.s(token)[b] = block.s;
  }
}

// ---- blocks ----
//
// quants(block, j): weights 32j…32j+31 in order, as bytes; around zero for types without an offset.
// scales(block, d, m): d for each 32 weights (Q6_K: for each 16) and, for types with an offset, m for each 32.

inline __m256i nibbles(const uint8_t* q) {
  const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(q));
  return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(packed, 4), packed), _mm256_set1_epi8(15));
}
/// 16 in byte j where bit j of the four bytes is set.
inline __m256i fifth_bits(const uint8_t* high) {
  int32_t bits;
  memcpy(&bits, high, 4);
  const __m256i byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
  const __m256i here = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(bits), byte), bit);
  return _mm256_and_si256(_mm256_cmpeq_epi8(here, bit), _mm256_set1_epi8(16));
}
inline __m256i subtract(__m256i v, char z) { return _mm256_sub_epi8(v, _mm256_set1_epi8(z)); }

inline __m256i quants(const BlockQ8_0& b, int) { return load_bytes(b.q); }
inline __m256i quants(const BlockQ4_0& b, int) { return subtract(nibbles(b.q), 8); }
inline __m256i quants(const BlockQ4_1& b, int) { return nibbles(b.q); }
inline __m256i quants(const BlockQ5_0& b, int) {
  return subtract(_mm256_or_si256(nibbles(b.q), fifth_bits(b.high)), 16);
}
inline __m256i quants(const BlockQ5_1& b, int) { return _mm256_or_si256(nibbles(b.q), fifth_bits(b.high)); }
inline __m256i quants(const BlockQ4_K& b, int j) {
  const __m256i q = load_bytes(b.q + 32 * (j / 2));
  return _mm256_and_si256(j % 2 == 0 ? q : _mm256_srli_epi16(q, 4), _mm256_set1_epi8(15));
}
inline __m256i quants(const BlockQ5_K& b, int j) {
  const __m256i q = load_bytes(b.q + 32 * (j / 2)), bit = _mm256_set1_epi8(static_cast<char>(1 << j));
  const __m256i low = _mm256_and_si256(j % 2 == 0 ? q : _mm256_srli_epi16(q, 4), _mm256_set1_epi8(15));
  const __m256i high = _mm256_cmpeq_epi8(_mm256_and_si256(load_bytes(b.high), bit), bit);
  return _mm256_or_si256(low, _mm256_and_si256(high, _mm256_set1_epi8(16)));
}
inline __m256i quants(const BlockQ6_K& b, int j) {
  const int half = j / 4, quarter = j % 4;
  const __m256i q = load_bytes(b.low + 64 * half + 32 * (quarter % 2)), high = load_bytes(b.high + 32 * half);
  const __m256i low = _mm256_and_si256(quarter < 2 ? q : _mm256_srli_epi16(q, 4), _mm256_set1_epi8(15));
  const __m256i shifted = quarter == 0   ? _mm256_slli_epi16(high, 4)
                          : quarter == 1 ? _mm256_slli_epi16(high, 2)
                          : quarter == 2 ? high
                                         : _mm256_srli_epi16(high, 2);
  return subtract(_mm256_or_si256(low, _mm256_and_si256(shifted, _mm256_set1_epi8(0x30))), 32);
}

template <class Block>
inline void scales(const Block& b, float* d, float* m) {
  if constexpr (sizeof(Block) == sizeof(BlockQ4_K) || sizeof(Block) == sizeof(BlockQ5_K)) {
    // Eight scales in the bytes of one 64-bit number, eight mins in those of another (see unpack_scales_k4).
    uint32_t low, mid, top;
    memcpy(&low, b.scales, 4);
    memcpy(&mid, b.scales + 4, 4);
    memcpy(&top, b.scales + 8, 4);
    const uint64_t scale_high = (top & 0x0f0f0f0f) | (low >> 2 & 0x30303030);
    const uint64_t min_high = (top >> 4 & 0x0f0f0f0f) | (mid >> 2 & 0x30303030);
    const auto floats = [](uint64_t bytes) {
      return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(bytes))));
    };
    store(d, mul(set1(f16(b.d)), floats((low & 0x3f3f3f3f) | scale_high << 32)));
    store(m, mul(set1(-f16(b.dmin)), floats((mid & 0x3f3f3f3f) | min_high << 32)));
  } else if constexpr (sizeof(Block) == sizeof(BlockQ6_K)) {
    for (int i = 0; i < 16; i += 8) store(d + i, mul(set1(f16(b.d)), load_i8(b.scales + i)));
  } else {
    d[0] = f16(b.d);
    if constexpr (UnpackedOf<Block>::type::kHasOffset) m[0] = f16(b.m);
  }
}

/// Weights that share one d.
template <class Block>
inline constexpr int kWeightsOfScale = sizeof(Block) == sizeof(BlockQ6_K) ? 16 : 32;

// ---- gemv: few tokens ----

/// d and m of the blocks that 256 columns take, or `n_blocks` of them at a row's end: the others are left as they are.
template <class Block>
inline void step_scales(const Block* blocks, int n_blocks, float* d, float* m) {
  if constexpr (Block::kSize == 256) {
    scales(*blocks, d, m);
  } else {
    // Eight at a time: one by one, the conversions cost as much as the products.
    alignas(16) uint16_t d16[8] = {}, m16[8] = {};
    for (int j = 0; j < n_blocks; ++j) {
      d16[j] = blocks[j].d;
      if constexpr (UnpackedOf<Block>::type::kHasOffset) m16[j] = blocks[j].m;
    }
    store(d, load_f16(d16));
    if constexpr (UnpackedOf<Block>::type::kHasOffset) store(m, load_f16(m16));
  }
}

/// 256 columns of one row with T tokens, or `n` times 32 at its end.
template <class Block, int T>
inline void gemv_step(const uint8_t* row, int n, QuantizedTokens x, int64_t k, Vf (&sum)[T], Vf (&offset)[T]) {
  constexpr bool kOffset = UnpackedOf<Block>::type::kHasOffset, kSix = kWeightsOfScale<Block> == 16;
  constexpr int kParts = Block::kSize / 32;
  const Block* blocks = reinterpret_cast<const Block*>(row);
  float d[256 / kWeightsOfScale<Block>], m[8], scale[T][8];
  step_scales(blocks, n / kParts, d, m);
  for (int t = 0; t < T; ++t) {
    const Vf dx = load(x.d(t) + k / 32);
    store(scale[t], kSix ? dx : mul(load(d), dx));
    if constexpr (kOffset) offset[t] = fma(load(m), load(x.s(t) + k / 32), offset[t]);
  }
#pragma GCC unroll 8
  for (int j = 0; j < n; ++j) {
    const __m256i w = quants(blocks[j / kParts], j % kParts);
    for (int t = 0; t < T; ++t) {
      const __m256i q = load_bytes(x.q(t) + k + 32 * j);
      const Vf dot = kOffset ? dot_unsigned(w, q) : dot_signed(w, q);
      Vf factor = set1(scale[t][j]);
      if constexpr (kSix) factor = mul(factor, _mm256_set_m128(_mm_set1_ps(d[2 * j + 1]), _mm_set1_ps(d[2 * j])));
      sum[t] = fma(dot, factor, sum[t]);
    }
  }
}

template <class Block, int T>
inline void gemv_row(const uint8_t* row, QuantizedTokens x, float* sums) {
  Vf sum[T], offset[T];
  for (int t = 0; t < T; ++t) sum[t] = offset[t] = zero();
  int64_t k = 0;
  for (; k + 256 <= x.n_in; k += 256, row += 256 / Block::kSize * sizeof(Block)) {
    kigo_prefetch(row, 256 / Block::kSize * sizeof(Block));
    gemv_step<Block, T>(row, 8, x, k, sum, offset);
  }
  if (Block::kSize < 256 && k < x.n_in) {
    gemv_step<Block, T>(row, static_cast<int>((x.n_in - k) / 32), x, k, sum, offset);
  }
  for (int t = 0; t < T; ++t) sums[t] = reduce_add(add(sum[t], offset[t]));
}

template <class Block>
void gemv_of(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out) {
  float sums[kGemvMaxTokens];
  for (int64_t r = 0; r < w.n_rows; ++r) {
    const uint8_t* row = w.data + r * w.stride;
    switch (n_tokens) {
      case 1: gemv_row<Block, 1>(row, x, sums); break;
      case 2: gemv_row<Block, 2>(row, x, sums); break;
      case 3: gemv_row<Block, 3>(row, x, sums); break;
      default: gemv_row<Block, 4>(row, x, sums); break;
    }
    for (int64_t t = 0; t < n_tokens; ++t) store_output(out, t, r, sums[t]);
  }
}

void gemv_quantized_here(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out) {
  switch (w.type) {
    case Q8_0: return gemv_of<BlockQ8_0>(w, x, n_tokens, out);
    case Q4_0: return gemv_of<BlockQ4_0>(w, x, n_tokens, out);
    case Q4_1: return gemv_of<BlockQ4_1>(w, x, n_tokens, out);
    case Q5_0: return gemv_of<BlockQ5_0>(w, x, n_tokens, out);
    case Q5_1: return gemv_of<BlockQ5_1>(w, x, n_tokens, out);
    case Q4_K: return gemv_of<BlockQ4_K>(w, x, n_tokens, out);
    case Q5_K: return gemv_of<BlockQ5_K>(w, x, n_tokens, out);
    case Q6_K: return gemv_of<BlockQ6_K>(w, x, n_tokens, out);
    default: return;  // refused by the caller
  }
}

// ---- gemm: many tokens ----
//
// A panel is 16 rows × up to kDepth columns, unpacked to 16-bit numbers: of each two columns, two vectors with the
// pairs of 8 rows each.

inline constexpr int kGemmRows = 16;
inline constexpr int64_t kDepth = 512;

/// kSub columns of a panel, with one scale for each row.
template <int kSub, bool kOffset>
struct PanelBlock {
  __m256i w[kSub / 2][2];
  __m256 d[2];
  __m256 m[kOffset ? 2 : 1];
};

/// Sums over a panel's columns: T tokens × 16 rows.
template <int T, int kSub, bool kOffset>
inline void gemm_tile(const PanelBlock<kSub, kOffset>* panel, int64_t n_blocks, const std::byte* q, const float* d,
                      const float* s, int64_t token_bytes, float* sums, bool accumulate) {
  Vf sum[T][2];
  for (int t = 0; t < T; ++t) {
    for (int v = 0; v < 2; ++v) sum[t][v] = accumulate ? load(sums + t * 16 + 8 * v) : zero();
  }
  const auto scale = [token_bytes](const float* first, int t, int64_t block) {
    return set1(*(reinterpret_cast<const float*>(reinterpret_cast<const std::byte*>(first) + t * token_bytes) + block));
  };
  for (int64_t b = 0; b < n_blocks; ++b, ++panel, q += 2 * kSub) {
    __m256i dot[T][2];
    for (int t = 0; t < T; ++t) dot[t][0] = dot[t][1] = _mm256_setzero_si256();
#pragma GCC unroll 16
    for (int k = 0; k < kSub / 2; ++k) {
      for (int t = 0; t < T; ++t) {
        int32_t two;
        memcpy(&two, q + t * token_bytes + 4 * k, 4);
        const __m256i x = _mm256_set1_epi32(two);
        for (int v = 0; v < 2; ++v) dot[t][v] = _mm256_add_epi32(dot[t][v], _mm256_madd_epi16(x, panel->w[k][v]));
      }
    }
    const int64_t block = b * kSub / 32;
    for (int t = 0; t < T; ++t) {
      const Vf dx = scale(d, t, block);
      for (int v = 0; v < 2; ++v) {
        sum[t][v] = fma(_mm256_cvtepi32_ps(dot[t][v]), mul(panel->d[v], dx), sum[t][v]);
        if constexpr (kOffset) sum[t][v] = fma(panel->m[v], scale(s, t, block), sum[t][v]);
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    for (int v = 0; v < 2; ++v) store(sums + t * 16 + 8 * v, sum[t][v]);
  }
}

/// Rows [r0, r0 + 16) of a weight matrix, columns [k0, k0 + depth), into the panel; rows from n_rows on are zero.
template <class Block, class Panel>
inline void fill_panel(const Rows& w, int64_t r0, int64_t n_rows, int64_t k0, int64_t depth, Panel* panel) {
  constexpr int kSub = kWeightsOfScale<Block>;
  alignas(32) int8_t rows[8][kDepth];
  alignas(32) float d[8][kDepth / kSub], m[8][kDepth / 32];
  for (int v = 0; v < 2; ++v) {
    memset(m, 0, sizeof m);
    for (int r = 0; r < 8; ++r) {
      const int64_t row = 8 * v + r;
      if (row >= n_rows) {
        memset(rows[r], 0, sizeof rows[r]);
        memset(d[r], 0, sizeof d[r]);
        continue;
      }
      const Block* block = reinterpret_cast<const Block*>(w.data + (r0 + row) * w.stride) + k0 / Block::kSize;
      for (int64_t k = 0; k < depth; k += Block::kSize, ++block) {
        scales(*block, d[r] + k / kSub, m[r] + k / 32);
        for (int j = 0; j < Block::kSize / 32; ++j) {
          _mm256_store_si256(reinterpret_cast<__m256i*>(rows[r] + k + 32 * j), quants(*block, j));
        }
      }
    }
    for (int64_t k = 0; k < depth; k += 16) {  // 8 rows × 16 columns are turned by pairs
      Vf tile[8];
      for (int r = 0; r < 8; ++r) {
        const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(rows[r] + k));
        tile[r] = _mm256_castsi256_ps(_mm256_cvtepi8_epi16(bytes));
      }
      transpose(tile);
      for (int i = 0; i < 8; ++i) panel[k / kSub].w[k % kSub / 2 + i][v] = _mm256_castps_si256(tile[i]);
    }
    for (int64_t b = 0; b < depth / kSub; ++b) {
      panel[b].d[v] = _mm256_setr_ps(d[0][b], d[1][b], d[2][b], d[3][b], d[4][b], d[5][b], d[6][b], d[7][b]);
      if constexpr (UnpackedOf<Block>::type::kHasOffset) {
        panel[b].m[v] = _mm256_setr_ps(m[0][b], m[1][b], m[2][b], m[3][b], m[4][b], m[5][b], m[6][b], m[7][b]);
      }
    }
  }
}

template <class Block>
void gemm_of(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out, std::byte* memory) {
  constexpr int kSub = kWeightsOfScale<Block>;
  using Panel = PanelBlock<kSub, UnpackedOf<Block>::type::kHasOffset>;
  constexpr int64_t kTokens = 512;  // whose sums are kept while the columns pass by
  constexpr int kTile = 3;          // tokens × 2 vectors: 6 integer and 6 float sums in registers
  static_assert(kDepth / kSub * sizeof(Panel) + kTokens * kGemmRows * sizeof(float) <= kPanelBytes);
  Panel* const panel = reinterpret_cast<Panel*>(memory);
  float* const sums = reinterpret_cast<float*>(panel + kDepth / kSub);
  const int64_t token_bytes = QuantizedTokens::token_bytes(x.n_in);

  for (int64_t r0 = 0; r0 < w.n_rows; r0 += kGemmRows) {
    const int64_t n_rows = w.n_rows - r0 < kGemmRows ? w.n_rows - r0 : kGemmRows;
    for (int64_t t0 = 0; t0 < n_tokens; t0 += kTokens) {
      const int64_t n = n_tokens - t0 < kTokens ? n_tokens - t0 : kTokens;
      for (int64_t k0 = 0; k0 < x.n_in; k0 += kDepth) {
        const int64_t depth = x.n_in - k0 < kDepth ? x.n_in - k0 : kDepth, n_blocks = depth / kSub;
        fill_panel<Block>(w, r0, n_rows, k0, depth, panel);
        const auto tile = [&]<int T>(int64_t t) {
          gemm_tile<T>(panel, n_blocks, x.q(t0 + t) + 2 * k0, x.d(t0 + t) + k0 / 32, x.s(t0 + t) + k0 / 32, token_bytes,
                       sums + t * kGemmRows, k0 > 0);
        };
        int64_t t = 0;
        for (; t + kTile <= n; t += kTile) tile.template operator()<kTile>(t);
        if (n - t == 2) tile.template operator()<2>(t);
        if (n - t == 1) tile.template operator()<1>(t);
      }
      store_sums(out, t0, n, r0, n_rows, sums, kGemmRows);
    }
  }
}

void gemm_quantized_here(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out, std::byte* panel) {
  switch (w.type) {
    case Q8_0: return gemm_of<BlockQ8_0>(w, x, n_tokens, out, panel);
    case Q4_0: return gemm_of<BlockQ4_0>(w, x, n_tokens, out, panel);
    case Q4_1: return gemm_of<BlockQ4_1>(w, x, n_tokens, out, panel);
    case Q5_0: return gemm_of<BlockQ5_0>(w, x, n_tokens, out, panel);
    case Q5_1: return gemm_of<BlockQ5_1>(w, x, n_tokens, out, panel);
    case Q4_K: return gemm_of<BlockQ4_K>(w, x, n_tokens, out, panel);
    case Q5_K: return gemm_of<BlockQ5_K>(w, x, n_tokens, out, panel);
    case Q6_K: return gemm_of<BlockQ6_K>(w, x, n_tokens, out, panel);
    default: return;  // refused by the caller
  }
}
