// Products of quantised weights with 8-bit activations in plain C++: what runs where nothing better fits.

inline constexpr int kGemmRows = 16;

void quantize_for_gemv_here(const float* x, QuantizedTokens tokens, int64_t token) {
  int8_t* q = reinterpret_cast<int8_t*>(tokens.q(token));
  for (int64_t b = 0; b < tokens.n_blocks(tokens.n_in); ++b) {
    const RoundedBlock block = round_block(x + 32 * b, tokens.n_in - 32 * b);
    tokens.d(token)[b] = block.d;
    tokens.s(token)[b] = block.s;
    for (int i = 0; i < 32; ++i) {
      const float value = block.q[i / kLanes].v[i % kLanes];
      q[32 * b + i] = value == value ? static_cast<int8_t>(value) : int8_t{0};
    }
  }
}

void quantize_for_gemm_here(const float* x, QuantizedTokens tokens, int64_t token) {
  quantize_for_gemv_here(x, tokens, token);
}

/// One row, unpacked a block at a time, with each of the tokens.
template <class Block>
void multiply_row(const uint8_t* row, QuantizedTokens x, int64_t n_tokens, float* sums) {
  for (int64_t t = 0; t < n_tokens; ++t) sums[t] = 0;
  for (int64_t from = 0; from < x.n_in; from += Block::kSize, row += sizeof(Block)) {
    typename UnpackedOf<Block>::type u;
    unpack(*reinterpret_cast<const Block*>(row), u);
    for (int64_t t = 0; t < n_tokens; ++t) {
      const int8_t* q = reinterpret_cast<const int8_t*>(x.q(t)) + from;
      const float* d = x.d(t) + from / 32;
      const float* s = x.s(t) + from / 32;
      float sum = 0;
      for (int j = 0; j < Block::kSize / 16; ++j) {
        int dot = 0;
        for (int i = 16 * j; i < 16 * j + 16; ++i) dot += u.q[i] * q[i];
        sum += u.d[j] * d[j / 2] * static_cast<float>(dot);
      }
      if constexpr (u.kHasOffset) {
        for (int j = 0; j < Block::kSize / 32; ++j) sum += u.m[j] * s[j];
      }
      sums[t] += sum;
    }
  }
}

template <class Block>
void multiply_rows_quantized(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out) {
  constexpr int64_t kTokens = 64;
  float sums[kTokens];
  for (int64_t t = 0; t < n_tokens; t += kTokens) {
    const int64_t n = n_tokens - t < kTokens ? n_tokens - t : kTokens;
    for (int64_t r = 0; r < w.n_rows; ++r) {
      multiply_row<Block>(w.data + r * w.stride, x.from(t), n, sums);
      for (int64_t i = 0; i < n; ++i) store_output(out, t + i, r, sums[i]);
    }
  }
}

void gemv_quantized_here(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out) {
  switch (w.type) {
    case Q8_0: return multiply_rows_quantized<BlockQ8_0>(w, x, n_tokens, out);
    case Q4_0: return multiply_rows_quantized<BlockQ4_0>(w, x, n_tokens, out);
    case Q4_1: return multiply_rows_quantized<BlockQ4_1>(w, x, n_tokens, out);
    case Q5_0: return multiply_rows_quantized<BlockQ5_0>(w, x, n_tokens, out);
    case Q5_1: return multiply_rows_quantized<BlockQ5_1>(w, x, n_tokens, out);
    case Q4_K: return multiply_rows_quantized<BlockQ4_K>(w, x, n_tokens, out);
    case Q5_K: return multiply_rows_quantized<BlockQ5_K>(w, x, n_tokens, out);
    case Q6_K: return multiply_rows_quantized<BlockQ6_K>(w, x, n_tokens, out);
    default: return;  // refused by the caller
  }
}

void gemm_quantized_here(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out, std::byte*) {
  gemv_quantized_here(w, x, n_tokens, out);
}
