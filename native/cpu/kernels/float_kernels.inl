// Included once per instruction set, inside its namespace, behind a simd/*.h that gives Vf and its operations: all
// kernels over float32, written once.

void f16_to_f32_row_here(const uint16_t* x, float* out, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, load_f16(x + i));
  for (; i < n; ++i) out[i] = kigo_f16_to_f32(x[i]);
}

void f32_to_f16_row_here(const float* x, uint16_t* out, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_f16(out + i, load(x + i));
  for (; i < n; ++i) out[i] = kigo_f32_to_f16(x[i]);
}

/// e^x: 2^n·e^r with |r| <= ln2/2, ln2 in two parts, e^r by Cephes' polynomial (2 ulp). 0 below −104, infinity above
/// 88.73, NaN stays NaN.
inline Vf exp(Vf x) {
  x = min(set1(89.0f), max(set1(-104.0f), x));
  const Vf n = round(mul(x, set1(1.44269504f)));
  Vf r = fma(n, set1(-0.693359375f), x);
  r = fma(n, set1(2.12194440e-4f), r);
  Vf p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = add(fma(p, mul(r, r), r), set1(1));
  return scale_by_power(p, n);
}

/// Cephes: an odd polynomial below 0.625, where the quotient would cancel; 1 − 2/(e^2|x| + 1) above.
inline Vf tanh(Vf x) {
  const Vf magnitude = abs(x), square = mul(x, x);
  Vf p = set1(-5.70498872745e-3f);
  p = fma(p, square, set1(2.06390887954e-2f));
  p = fma(p, square, set1(-5.37397155531e-2f));
  p = fma(p, square, set1(1.33314422036e-1f));
  p = fma(p, square, set1(-3.33332819422e-1f));
  const Vf small = fma(mul(p, square), x, x);
  const Vf quotient = div(set1(2), add(exp(add(magnitude, magnitude)), set1(1)));
  return select_less(magnitude, set1(0.625f), small, copysign(sub(set1(1), quotient), x));
}

/// x / (1 + e^−x)
inline Vf silu(Vf x) { return div(x, add(set1(1), exp(sub(zero(), x)))); }

/// ½x(1 + tanh u) = x / (1 + e^−2u), u = √(2/π)·(x + 0.044715x³): the quotient does not cancel for negative x.
inline Vf gelu(Vf x) {
  const Vf u2 = mul(mul(set1(1.5957691216f), x), fma(mul(set1(0.044715f), x), x, set1(1)));
  return div(x, add(set1(1), exp(sub(zero(), u2))));
}

/// out[i] = f(a[i], b[i])
template <class F>
inline void map2(const float* a, const float* b, float* out, int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, f(load(a + i), load(b + i)));
  if (i < n) store_n(out + i, f(load_n(a + i, n - i), load_n(b + i, n - i)), n - i);
}

template <class F>
inline void map1(const float* a, float* out, int64_t n, F f) {
  map2(a, a, out, n, [&](Vf x, Vf) { return f(x); });
}

void exp_row(const float* x, float* out, int64_t n) {
  map1(x, out, n, [](Vf v) { return exp(v); });
}
void tanh_row(const float* x, float* out, int64_t n) {
  map1(x, out, n, [](Vf v) { return tanh(v); });
}

void silu_mul_row(const float* gate, const float* up, float* out, int64_t n) {
  map2(gate, up, out, n, [](Vf g, Vf u) { return mul(silu(g), u); });
}

void gelu_mul_row(const float* gate, const float* up, float* out, int64_t n) {
  map2(gate, up, out, n, [](Vf g, Vf u) { return mul(gelu(g), u); });
}

void add_row(float* y, const float* x, int64_t n) {
  map2(y, x, y, n, [](Vf a, Vf b) { return add(a, b); });
}

void scale_row(float* x, float s, int64_t n) {
  map1(x, x, n, [s](Vf v) { return mul(v, set1(s)); });
}

void softcap_row(float* x, float c, int64_t n) {
  const Vf inverse = set1(1 / c);
  map1(x, x, n, [=](Vf v) { return mul(set1(c), tanh(mul(v, inverse))); });
}

float dot_row(const float* x, const float* y, int64_t n) {
  Vf sum[4] = {zero(), zero(), zero(), zero()};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (int j = 0; j < 4; ++j) sum[j] = fma(load(x + i + j * kLanes), load(y + i + j * kLanes), sum[j]);
  }
  for (; i < n; i += kLanes) sum[0] = fma(load_n(x + i, n - i), load_n(y + i, n - i), sum[0]);
  return reduce_add(add(add(sum[0], sum[1]), add(sum[2], sum[3])));
}

void rmsnorm_row(const float* x, const float* weight, float eps, float* out, int64_t n) {
  const Vf scale = set1(1 / std::sqrt(dot_row(x, x, n) / static_cast<float>(n) + eps));
  if (weight)
    map2(x, weight, out, n, [=](Vf v, Vf w) { return mul(mul(v, scale), w); });
  else
    map1(x, out, n, [=](Vf v) { return mul(v, scale); });
}

float max_row(const float* x, int64_t n) {
  const float lowest = -HUGE_VALF;
  Vf best[4] = {set1(lowest), set1(lowest), set1(lowest), set1(lowest)};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (int j = 0; j < 4; ++j) best[j] = max(load(x + i + j * kLanes), best[j]);
  }
  float result = reduce_max(max(max(best[0], best[1]), max(best[2], best[3])));
  for (; i < n; ++i) {
    if (x[i] > result) result = x[i];
  }
  return result;
}

int64_t argmax_row(const float* x, int64_t n) {
  // The block with the first largest value by vector maxima, then its place in it.
  constexpr int64_t kBlock = 1024;
  float best = -HUGE_VALF;
  int64_t best_from = 0;
  for (int64_t from = 0; from < n; from += kBlock) {
    const float here = max_row(x + from, n - from < kBlock ? n - from : kBlock);
    if (here > best) {
      best = here;
      best_from = from;
    }
  }
  for (int64_t i = best_from; i < n; ++i) {
    if (x[i] == best) return i;
  }
  return 0;  // nothing but NaN
}

/// Σ e^(x − max) over a short stretch; out: the terms, if not null.
inline float exp_block(const float* x, float max, float* out, int64_t n) {
  const Vf shift = set1(max);
  Vf sum = zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vf e = exp(sub(load(x + i), shift));
    sum = add(sum, e);
    if (out) store(out + i, e);
  }
  if (i < n) {
    float tail[kLanes] = {};
    store_n(tail, exp(sub(load_n(x + i, n - i), shift)), n - i);
    sum = add(sum, load(tail));
    if (out) store_n(out + i, load(tail), n - i);
  }
  return reduce_add(sum);
}

/// Terms that are added in float32 before float64 takes over. Equal terms are rounded the same way again and again, so
/// the error of a long float32 sum grows with its length; of so few it stays below 11 roundings (7 in a lane, 4 between
/// the lanes).
constexpr int64_t kExpBlock = 8 * kLanes;

double sum_exp_row(const float* x, float max, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i += kExpBlock) {
    sum += exp_block(x + i, max, nullptr, n - i < kExpBlock ? n - i : kExpBlock);
  }
  return sum;
}

void softmax_row(float* x, int64_t n) {
  const float max = max_row(x, n);
  double sum = 0;
  for (int64_t i = 0; i < n; i += kExpBlock) {
    sum += exp_block(x + i, max, x + i, n - i < kExpBlock ? n - i : kExpBlock);
  }
  scale_row(x, static_cast<float>(1 / sum), n);
}

bool all_finite_row(const float* x, int64_t n) {
  // x·0 is 0 for numbers and NaN for infinities and NaN; one sum shows all of them.
  Vf sum = zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum = fma(load(x + i), zero(), sum);
  if (i < n) sum = fma(load_n(x + i, n - i), zero(), sum);
  return reduce_add(sum) == 0;
}

// ---- activations in 8 bit ----

/// A block of 32 activations as whole numbers −127…127 (still float32) with their scale, x ≈ d·q, and s = d·Σq.
struct RoundedBlock {
  Vf q[32 / kLanes];
  float d, s;
};

/// The largest magnitude becomes 127, 126, 125 or 124, whichever leaves the smallest squared error; then d is the one
/// that fits these q best. That is 9% less error than 127 and max/127 (a normal distribution), for a hundredth of the
/// time of a product. Activations from `left` on count as 0. If any is not finite, d and s are not numbers either.
inline RoundedBlock round_block(const float* x, int64_t left) {
  if (left <= 0) return {};
  constexpr int kVectors = 32 / kLanes, kScales = 4;
  Vf v[kVectors], largest = zero();
  for (int i = 0; i < kVectors; ++i) {
    const int64_t n = left - i * kLanes;
    v[i] = n >= kLanes ? load(x + i * kLanes) : n > 0 ? load_n(x + i * kLanes, n) : zero();
    largest = max(abs(v[i]), largest);
  }
  const float end = reduce_max(largest), unit = end > 1e-37f ? 1 / end : 0;  // what is smaller counts as 0

  float error[kScales];
  Vf squares[kScales];
  for (int c = 0; c < kScales; ++c) {
    const Vf inverse = set1(static_cast<float>(127 - c) * unit);
    squares[c] = zero();
    for (int i = 0; i < kVectors; ++i) {
      const Vf scaled = mul(v[i], inverse), off = sub(scaled, round(scaled));
      squares[c] = fma(off, off, squares[c]);
    }
  }
  reduce_add4(squares[0], squares[1], squares[2], squares[3], error);
  int best = 0;
  for (int c = 1; c < kScales; ++c) {
    // In units of the step, which is max/(127 − c).
    constexpr float kStep[kScales] = {1.0f / (127 * 127), 1.0f / (126 * 126), 1.0f / (125 * 125), 1.0f / (124 * 124)};
    if (error[c] * kStep[c] < error[best] * kStep[best]) best = c;
  }

  RoundedBlock block;
  const Vf inverse = set1(static_cast<float>(127 - best) * unit);
  Vf xq = zero(), qq = zero(), sum = zero();
  for (int i = 0; i < kVectors; ++i) {
    block.q[i] = round(mul(v[i], inverse));
    xq = fma(v[i], block.q[i], xq);
    qq = fma(block.q[i], block.q[i], qq);
    sum = add(sum, block.q[i]);
  }
  float sums[4];
  reduce_add4(xq, qq, sum, zero(), sums);
  block.d = sums[1] == 0 ? sums[0] : sums[0] / sums[1];  // 0, or NaN for 0·∞
  block.s = block.d * sums[2];
  return block;
}

// ---- products ----

inline void store_output(const Output& out, int64_t token, int64_t row, float sum) {
  float* y = out.y + token * out.ldy + row;
  if (out.bias) sum += out.bias[row];
  *y = out.accumulate ? *y + sum : sum;
}

/// Weights i… of a row of floats, one vector.
template <uint32_t kType>
inline Vf load_weights(const uint8_t* row, int64_t i) {
  if constexpr (kType == F32)
    return load(reinterpret_cast<const float*>(row) + i);
  else if constexpr (kType == F16)
    return load_f16(reinterpret_cast<const uint16_t*>(row) + i);
  else
    return load_bf16(reinterpret_cast<const uint16_t*>(row) + i);
}

/// A row of floats with T tokens.
template <uint32_t kType, int T>
inline void dot_floats(const uint8_t* row, int64_t n_in, const float* x, float* sums) {
  constexpr int kUnroll = T == 1 ? 4 : 2;
  Vf sum[T][kUnroll];
  for (int t = 0; t < T; ++t) {
    for (int u = 0; u < kUnroll; ++u) sum[t][u] = zero();
  }
  int64_t i = 0;
  for (; i + kUnroll * kLanes <= n_in; i += kUnroll * kLanes) {
    kigo_prefetch(row + i * block_bytes(kType), kUnroll * kLanes * block_bytes(kType));
    for (int u = 0; u < kUnroll; ++u) {
      const Vf w = load_weights<kType>(row, i + u * kLanes);
      for (int t = 0; t < T; ++t) sum[t][u] = fma(w, load(x + t * n_in + i + u * kLanes), sum[t][u]);
    }
  }
  for (; i < n_in; i += kLanes) {
    const int64_t n = n_in - i < kLanes ? n_in - i : kLanes;
    float rest[kLanes];
    dequantize_row_here(kType, row + i * block_bytes(kType), rest, n);
    for (int t = 0; t < T; ++t) sum[t][0] = fma(load_n(rest, n), load_n(x + t * n_in + i, n), sum[t][0]);
  }
  for (int t = 0; t < T; ++t) {
    Vf all = sum[t][0];
    for (int u = 1; u < kUnroll; ++u) all = add(all, sum[t][u]);
    sums[t] = reduce_add(all);
  }
}

/// A row of any type with the tokens, through a buffer in the first-level cache.
inline void dot_dequantized(const Rows& w, const uint8_t* row, const float* x, int64_t n_tokens, float* sums) {
  constexpr int64_t kChunk = 512;
  float buffer[kChunk];
  const int64_t block = block_size(w.type), bytes = block_bytes(w.type);
  for (int64_t t = 0; t < n_tokens; ++t) sums[t] = 0;
  for (int64_t k = 0; k < w.n_in; k += kChunk) {
    const int64_t n = w.n_in - k < kChunk ? w.n_in - k : kChunk;
    dequantize_row_here(w.type, row + k / block * bytes, buffer, n);
    for (int64_t t = 0; t < n_tokens; ++t) sums[t] += dot_row(buffer, x + t * w.n_in + k, n);
  }
}

inline constexpr int kGemvMaxTokens = 4;

template <uint32_t kType>
inline void dot_floats_of(const Rows& w, const uint8_t* row, const float* x, int64_t n_tokens, float* sums) {
  switch (n_tokens) {
    case 1: return dot_floats<kType, 1>(row, w.n_in, x, sums);
    case 2: return dot_floats<kType, 2>(row, w.n_in, x, sums);
    case 3: return dot_floats<kType, 3>(row, w.n_in, x, sums);
    default: return dot_floats<kType, kGemvMaxTokens>(row, w.n_in, x, sums);
  }
}

void gemv_float_here(const Rows& w, const float* x, int64_t n_tokens, const Output& out) {
  for (int64_t r = 0; r < w.n_rows; ++r) {
    const uint8_t* row = w.data + r * w.stride;
    float sums[kGemvMaxTokens];
    switch (w.type) {
      case F32: dot_floats_of<F32>(w, row, x, n_tokens, sums); break;
      case F16: dot_floats_of<F16>(w, row, x, n_tokens, sums); break;
      case BF16: dot_floats_of<BF16>(w, row, x, n_tokens, sums); break;
      default: dot_dequantized(w, row, x, n_tokens, sums); break;
    }
    for (int64_t t = 0; t < n_tokens; ++t) store_output(out, t, r, sums[t]);
  }
}

/// acc[T][V] += Σ_k a[t·lda + k]·b[k·ldb + vector lanes]
template <int T, int V>
inline void multiply_tile(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t n_k, Vf (&acc)[T][V]) {
  for (int64_t k = 0; k < n_k; ++k) {
    Vf row[V];
    for (int v = 0; v < V; ++v) row[v] = load(b + k * ldb + v * kLanes);
    for (int t = 0; t < T; ++t) {
      const Vf x = set1(a[t * lda + k]);
      for (int v = 0; v < V; ++v) acc[t][v] = fma(x, row[v], acc[t][v]);
    }
  }
}

/// c[t·ldc + i] (+)= Σ_k a[t·lda + k]·b[k·ldb + i] for T rows and i in [0, V·kLanes)
template <int T, int V>
inline void multiply_store(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t n_k, float* c, int64_t ldc,
                           bool accumulate) {
  Vf acc[T][V];
  for (int t = 0; t < T; ++t) {
    for (int v = 0; v < V; ++v) acc[t][v] = accumulate ? load(c + t * ldc + v * kLanes) : zero();
  }
  multiply_tile<T, V>(a, lda, b, ldb, n_k, acc);
  for (int t = 0; t < T; ++t) {
    for (int v = 0; v < V; ++v) store(c + t * ldc + v * kLanes, acc[t][v]);
  }
}

/// The rows of c, T at a time, then the rest with fewer.
template <int T, int V>
inline void multiply_rows(const float* a, int64_t lda, int64_t n_rows, const float* b, int64_t ldb, int64_t n_k,
                          float* c, int64_t ldc, bool accumulate) {
  int64_t t = 0;
  for (; t + T <= n_rows; t += T) { multiply_store<T, V>(a + t * lda, lda, b, ldb, n_k, c + t * ldc, ldc, accumulate); }
  if constexpr (T > 1) {
    if (t < n_rows) {
      multiply_rows<T - 1, V>(a + t * lda, lda, n_rows - t, b, ldb, n_k, c + t * ldc, ldc, accumulate);
    }
  }
}

/// c = (c +) a·b, a [n_rows][n_k], b [n_k][n_cols], n_cols a multiple of kLanes.
void multiply(const float* a, int64_t lda, int64_t n_rows, const float* b, int64_t ldb, int64_t n_k, int64_t n_cols,
              float* c, int64_t ldc, bool accumulate) {
  constexpr int64_t kWide = kGemmVectors * kLanes;
  int64_t i = 0;
  for (; i + kWide <= n_cols; i += kWide) {
    multiply_rows<kGemmTokens, kGemmVectors>(a, lda, n_rows, b + i, ldb, n_k, c + i, ldc, accumulate);
  }
  for (; i < n_cols; i += kLanes)
    multiply_rows<kGemmTokens, 1>(a, lda, n_rows, b + i, ldb, n_k, c + i, ldc, accumulate);
}

/// b[k·ldb + r] = a[r·lda + k] for n_rows and n_k that are multiples of kLanes.
inline void transpose_matrix(const float* a, int64_t lda, int64_t n_rows, int64_t n_k, float* b, int64_t ldb) {
  for (int64_t r = 0; r < n_rows; r += kLanes) {
    for (int64_t k = 0; k < n_k; k += kLanes) {
      Vf tile[kLanes];
      for (int i = 0; i < kLanes; ++i) tile[i] = load(a + (r + i) * lda + k);
      transpose(tile);
      for (int i = 0; i < kLanes; ++i) store(b + (k + i) * ldb + r, tile[i]);
    }
  }
}

constexpr int64_t to_lanes(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

/// Finished sums of tokens × rows into y.
inline void store_sums(const Output& out, int64_t first_token, int64_t n_tokens, int64_t first_row, int64_t n_rows,
                       const float* sums, int64_t ld) {
  for (int64_t t = 0; t < n_tokens; ++t) {
    for (int64_t r = 0; r < n_rows; ++r) store_output(out, first_token + t, first_row + r, sums[t * ld + r]);
  }
}

inline constexpr int64_t kFloatPanelRows = kGemmVectors * kLanes;

void gemm_float_here(const Rows& w, const float* x, int64_t n_tokens, const Output& out, std::byte* panel) {
  constexpr int64_t kDepth = 256;   // columns of a panel
  constexpr int64_t kTokens = 512;  // tokens whose sums are kept while the columns pass by
  constexpr int64_t kRows = kFloatPanelRows;
  float* const columns = reinterpret_cast<float*>(panel);  // [kDepth][kRows], transposed weights
  float* const sums = columns + kDepth * kRows;            // [kTokens][kRows]
  float* const rows = sums + kTokens * kRows;              // [kRows][kDepth]
  static_assert((2 * kDepth * kRows + kTokens * kRows) * sizeof(float) <= kPanelBytes);
  const int64_t block = block_size(w.type), bytes = block_bytes(w.type);

  for (int64_t r0 = 0; r0 < w.n_rows; r0 += kRows) {
    const int64_t n_rows = w.n_rows - r0 < kRows ? w.n_rows - r0 : kRows;
    memset(rows, 0, kRows * kDepth * sizeof(float));
    for (int64_t t0 = 0; t0 < n_tokens; t0 += kTokens) {
      const int64_t n = n_tokens - t0 < kTokens ? n_tokens - t0 : kTokens;
      for (int64_t k0 = 0; k0 < w.n_in; k0 += kDepth) {
        const int64_t depth = w.n_in - k0 < kDepth ? w.n_in - k0 : kDepth;
        for (int64_t r = 0; r < n_rows; ++r) {
          dequantize_row_here(w.type, w.data + (r0 + r) * w.stride + k0 / block * bytes, rows + r * kDepth, depth);
        }
        transpose_matrix(rows, kDepth, kRows, to_lanes(depth), columns, kRows);
        multiply(x + t0 * w.n_in + k0, w.n_in, n, columns, kRows, depth, kRows, sums, kRows, k0 > 0);
      }
      store_sums(out, t0, n, r0, n_rows, sums, kRows);
    }
  }
}

// ---- attention ----

/// n values of float16 or float32 at element `offset`, as float32, padded with zeros to whole vectors.
inline void load_kv(const void* source, bool is_f16, int64_t offset, int64_t n, float* out) {
  if (is_f16)
    f16_to_f32_row_here(static_cast<const uint16_t*>(source) + offset, out, n);
  else
    memcpy(out, static_cast<const float*>(source) + offset, static_cast<size_t>(n) * sizeof(float));
  for (int64_t i = n; i < to_lanes(n); ++i) out[i] = 0;
}

/// The new maximum of a row's scores; `scores` become e^(score − max), `sum` and `out` follow the new maximum.
inline float soften(float* scores, int64_t n, float old_max, float* sum, float* out, int64_t head_dim) {
  const float here = max_row(scores, n);
  const float max = here > old_max ? here : old_max;
  const float added = exp_block(scores, max, scores, n);
  if (max == old_max) {
    *sum += added;
  } else {
    const float keep = *sum == 0 ? 0 : reduce_max(exp(set1(old_max - max)));
    *sum = *sum * keep + added;
    scale_row(out, keep, head_dim);
  }
  return max;
}

/// A vector of stored keys or values, as far as there are n more of them.
template <bool kF16>
inline Vf load_stored(const void* source, int64_t offset, int64_t n) {
  if constexpr (kF16) {
    const uint16_t* p = static_cast<const uint16_t*>(source) + offset;
    return n >= kLanes ? load_f16(p) : load_f16_n(p, n);
  } else {
    const float* p = static_cast<const float*>(source) + offset;
    return n >= kLanes ? load(p) : load_n(p, n);
  }
}

/// scores[g][p] = query g · key p, for n positions from `pos` on.
template <int G, bool kF16>
inline void score_positions(const void* keys, int64_t dim, int64_t pos, int64_t n, const float* queries, int64_t width,
                            float* scores) {
  for (int64_t p = 0; p < n; p += 4) {
    int64_t offset[4];
    for (int i = 0; i < 4; ++i) offset[i] = (pos + (p + i < n ? p + i : n - 1)) * dim;
    Vf sum[G][4];
    for (int g = 0; g < G; ++g) {
      for (int i = 0; i < 4; ++i) sum[g][i] = zero();
    }
    for (int64_t d = 0; d < dim; d += kLanes) {
      Vf key[4];
      for (int i = 0; i < 4; ++i) key[i] = load_stored<kF16>(keys, offset[i] + d, dim - d);
      for (int g = 0; g < G; ++g) {
        const Vf query = load(queries + g * width + d);
        for (int i = 0; i < 4; ++i) sum[g][i] = fma(query, key[i], sum[g][i]);
      }
    }
    for (int g = 0; g < G; ++g) {
      reduce_add4(sum[g][0], sum[g][1], sum[g][2], sum[g][3], scores + g * kAttentionPositions + p);
    }
  }
}

/// sums[g] += Σ_p weights[g][p] · value p, for C vectors of a head from `column` on.
template <int G, int C, bool kF16>
inline void add_values(const void* values, int64_t dim, int64_t pos, int64_t n, int64_t column, const float* weights,
                       float* sums, int64_t width) {
  Vf sum[G][C];
  for (int g = 0; g < G; ++g) {
    for (int c = 0; c < C; ++c) sum[g][c] = load(sums + g * width + column + c * kLanes);
  }
  for (int64_t p = 0; p < n; ++p) {
    Vf value[C];
    for (int c = 0; c < C; ++c) {
      const int64_t at = column + c * kLanes;
      value[c] = load_stored<kF16>(values, (pos + p) * dim + at, dim - at);
    }
    for (int g = 0; g < G; ++g) {
      const Vf weight = set1(weights[g * kAttentionPositions + p]);
      for (int c = 0; c < C; ++c) sum[g][c] = fma(weight, value[c], sum[g][c]);
    }
  }
  for (int g = 0; g < G; ++g) {
    for (int c = 0; c < C; ++c) store(sums + g * width + column + c * kLanes, sum[g][c]);
  }
}

/// One step of attention for G queries at one position, which see all of the n positions from `pos` on.
template <int G, bool kF16>
void attend_step(const HeadKv& kv, int64_t pos, int64_t n, float softcap, const float* queries, int64_t width,
                 float* scores, float* max, float* sum, float* sums) {
  score_positions<G, kF16>(kv.k, kv.head_dim, pos, n, queries, width, scores);
  for (int g = 0; g < G; ++g) {
    float* row = scores + g * kAttentionPositions;
    if (softcap > 0) softcap_row(row, softcap, n);
    max[g] = soften(row, n, max[g], sum + g, sums + g * width, width);
  }
  constexpr int C = kDecodeVectors;
  int64_t column = 0;
  for (; column + C * kLanes <= width; column += C * kLanes) {
    add_values<G, C, kF16>(kv.v, kv.head_dim, pos, n, column, scores, sums, width);
  }
  for (; column < width; column += kLanes) {
    add_values<G, 1, kF16>(kv.v, kv.head_dim, pos, n, column, scores, sums, width);
  }
}

/// Few queries at one position: keys and values are used as they are stored, four heads at a time.
template <bool kF16>
inline void attend_few(const HeadKv& kv, const QueryTile& tile, int64_t from, int64_t to, const float* queries,
                       int64_t width, float* scores, float* max, float* sum, float* sums) {
  for (int64_t pos = from; pos < to; pos += kAttentionPositions) {
    const int64_t n = to - pos < kAttentionPositions ? to - pos : kAttentionPositions;
    for (int64_t g = 0; g < tile.group; g += 4) {
      const auto step = [&](auto function) {
        function(kv, pos, n, tile.softcap, queries + g * width, width, scores, max + g, sum + g, sums + g * width);
      };
      switch (tile.group - g) {
        case 1: step(attend_step<1, kF16>); break;
        case 2: step(attend_step<2, kF16>); break;
        case 3: step(attend_step<3, kF16>); break;
        default: step(attend_step<4, kF16>); break;
      }
    }
  }
}

template <bool kDecode>
void attend_here(const HeadKv& kv, const QueryTile& tile, int64_t from, int64_t to, float* out, float* max, float* sum,
                 std::byte* work) {
  constexpr int64_t kP = kAttentionPositions;
  const int64_t dim = kv.head_dim, width = to_lanes(dim), n_rows = tile.n_tokens * tile.group;
  float* const queries = reinterpret_cast<float*>(work);  // [rows][width], scaled
  float* const rows = queries + kAttentionRows * width;   // [kP][width]: keys, then values
  float* const keys = rows + kP * width;                  // [width][kP]
  float* const scores = keys + kP * width;                // [rows][kP]
  float* const sums = scores + kAttentionRows * kP;       // [rows][width], what `out` becomes

  for (int64_t t = 0; t < tile.n_tokens; ++t) {
    for (int64_t g = 0; g < tile.group; ++g) {
      float* query = queries + (t * tile.group + g) * width;
      load_kv(tile.q + t * tile.q_stride, false, g * dim, dim, query);
      scale_row(query, tile.scale, dim);
    }
  }
  memset(sums, 0, static_cast<size_t>(n_rows * width) * sizeof(float));
  for (int64_t r = 0; r < n_rows; ++r) {
    max[r] = -HUGE_VALF;
    sum[r] = 0;
  }

  // Only what some row of the tile sees.
  const int64_t last = tile.pos0 + tile.n_tokens;
  if (to > last) to = last;
  if (tile.window > 0 && from < tile.pos0 - tile.window + 1) from = tile.pos0 - tile.window + 1;

  // Steps begin at multiples of kP whatever the tile, so that a token's result does not depend on its neighbours.
  if (!kDecode) from -= from % kP;
  if (kDecode && kv.f16) attend_few<true>(kv, tile, from, to, queries, width, scores, max, sum, sums);
  if (kDecode && !kv.f16) attend_few<false>(kv, tile, from, to, queries, width, scores, max, sum, sums);

  for (int64_t p0 = from; p0 < to && !kDecode; p0 += kP) {
    const int64_t n = to - p0 < kP ? to - p0 : kP, columns = to_lanes(n);
    for (int64_t p = 0; p < n; ++p) load_kv(kv.k, kv.f16, (p0 + p) * dim, dim, rows + p * width);
    memset(rows + n * width, 0, static_cast<size_t>((columns - n) * width) * sizeof(float));
    transpose_matrix(rows, width, columns, width, keys, kP);
    multiply(queries, width, n_rows, keys, kP, dim, columns, scores, kP, false);

    for (int64_t r = 0; r < n_rows; ++r) {
      float* row = scores + r * kP;
      if (tile.softcap > 0) softcap_row(row, tile.softcap, n);
      const int64_t pos = tile.pos0 + r / tile.group;  // sees (pos − window, pos]
      int64_t begin = tile.window > 0 ? pos - tile.window + 1 - p0 : 0, end = pos + 1 - p0;
      if (begin < 0) begin = 0;
      if (end > n) end = n;
      if (begin >= end)
        begin = end = 0;
      else
        max[r] = soften(row + begin, end - begin, max[r], sum + r, sums + r * width, width);
      for (int64_t p = 0; p < begin; ++p) row[p] = 0;
      for (int64_t p = end; p < n; ++p) row[p] = 0;
    }

    for (int64_t p = 0; p < n; ++p) load_kv(kv.v, kv.f16, (p0 + p) * dim, dim, rows + p * width);
    multiply(scores, kP, n_rows, rows, width, n, width, sums, width, true);
  }
  for (int64_t r = 0; r < n_rows; ++r)
    memcpy(out + r * dim, sums + r * width, static_cast<size_t>(dim) * sizeof(float));
}
