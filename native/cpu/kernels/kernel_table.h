/// What each instruction set provides: one table of functions that work on a range of rows, tokens or heads. The
/// drivers (matmul.cpp, attention.cpp) cut the work and call these; nothing here knows of threads.
#pragma once
#include <cstddef>
#include <cstdint>

#include "isa.h"
#include "types.h"

namespace kigo::cpu {

/// Where the rows of a product go: y[t·ldy + r] = sum + bias[r] (+ y[t·ldy + r]).
struct Output {
  float* y;
  int64_t ldy;
  const float* bias;  ///< null: none
  bool accumulate;
};

/// Some rows of a weight matrix.
struct Rows {
  uint32_t type;
  const uint8_t* data;
  int64_t stride;  ///< bytes from row to row
  int64_t n_rows;
  int64_t n_in;
};

/// Activations in blocks of 32: x ≈ d·q with whole q in −127…127 (see round_block) or of 16 bits, and s = d·Σq, for
/// types with an offset. A token takes token_bytes(n_in): first the q, int8 or int16 as the kernel likes, then d, then
/// s. The row is padded with zero blocks to whole 256s.
struct QuantizedTokens {
  static constexpr int64_t padded(int64_t n_in) { return (n_in + 255) / 256 * 256; }
  static constexpr int64_t n_blocks(int64_t n_in) { return padded(n_in) / 32; }
  static constexpr int64_t token_bytes(int64_t n_in) { return (padded(n_in) * 2 + n_blocks(n_in) * 8 + 63) / 64 * 64; }

  std::byte* data;
  int64_t n_in;

  std::byte* q(int64_t token) const { return data + token * token_bytes(n_in); }
  float* d(int64_t token) const { return reinterpret_cast<float*>(q(token) + padded(n_in) * 2); }
  float* s(int64_t token) const { return d(token) + n_blocks(n_in); }
  QuantizedTokens from(int64_t token) const { return {q(token), n_in}; }
};

/// Working memory of one thread in a gemm: a panel of unpacked weights, which should stay in its caches.
inline constexpr size_t kPanelBytes = 192 << 10;

/// Keys and values of one head, [pos][head_dim], float16 or float32.
struct HeadKv {
  const void* k;
  const void* v;
  bool f16;
  int64_t head_dim;
};

/// Queries of `group` neighbouring heads, which share their keys and values, and of n_tokens neighbouring positions.
struct QueryTile {
  const float* q;  ///< head g of token t at q + t·q_stride + g·head_dim
  int64_t q_stride;
  int64_t group;
  int64_t n_tokens;  ///< n_tokens · group <= kAttentionRows
  int64_t pos0;      ///< position of the first token
  int64_t window;
  float scale;
  float softcap;
};

inline constexpr int64_t kAttentionRows = 48;       // a multiple of every set's register tile
inline constexpr int64_t kAttentionPositions = 64;  // keys and values taken in one step
inline constexpr int64_t kMaxHeadDim = 256;

/// Working memory of both.
constexpr size_t attend_work_bytes(int64_t head_dim) {
  const int64_t width = (head_dim + 15) / 16 * 16;
  const int64_t values =
      2 * kAttentionRows * width + 2 * kAttentionPositions * width + kAttentionRows * kAttentionPositions;
  return static_cast<size_t>(values) * sizeof(float);
}

struct KernelTable {
  Isa isa;

  void (*dequantize_row)(uint32_t type, const void* src, float* dst, int64_t n);

  // Few tokens: bound by reading the weights, which are unpacked in registers.
  int gemv_max_tokens;  ///< more than these go to the gemm
  void (*quantize_for_gemv)(const float* x, QuantizedTokens tokens, int64_t token);
  void (*gemv_quantized)(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out);
  void (*gemv_float)(const Rows& w, const float* x, int64_t n_tokens, const Output& out);

  // Many tokens: bound by arithmetic; up to gemm_rows rows are unpacked once, into `panel`, for all tokens.
  int gemm_rows;
  void (*quantize_for_gemm)(const float* x, QuantizedTokens tokens, int64_t token);
  void (*gemm_quantized)(const Rows& w, QuantizedTokens x, int64_t n_tokens, const Output& out, std::byte* panel);
  void (*gemm_float)(const Rows& w, const float* x, int64_t n_tokens, const Output& out, std::byte* panel);

  // Attention of a tile over the positions [from, to) that its rows see; row t·group + g.
  // out[row][head_dim] = Σ e^(score − max)·v, sum[row] = Σ e^(score − max), max[row] the largest score (−inf: none).
  // attend_decode takes tiles of one token.
  using Attend = void(const HeadKv& kv, const QueryTile& tile, int64_t from, int64_t to, float* out, float* max,
                      float* sum, std::byte* work);
  Attend* attend_decode;
  Attend* attend_prefill;

  // vector.h
  void (*f16_to_f32_row)(const uint16_t* x, float* out, int64_t n);
  void (*f32_to_f16_row)(const float* x, uint16_t* out, int64_t n);
  void (*rmsnorm)(const float* x, const float* weight, float eps, float* out, int64_t n);
  void (*exp)(const float* x, float* out, int64_t n);
  void (*tanh)(const float* x, float* out, int64_t n);
  void (*silu_mul)(const float* gate, const float* up, float* out, int64_t n);
  void (*gelu_mul)(const float* gate, const float* up, float* out, int64_t n);
  void (*add)(float* y, const float* x, int64_t n);
  void (*scale)(float* x, float s, int64_t n);
  void (*softcap)(float* x, float c, int64_t n);
  float (*dot)(const float* x, const float* y, int64_t n);
  float (*max)(const float* x, int64_t n);
  int64_t (*argmax)(const float* x, int64_t n);
  double (*sum_exp)(const float* x, float max, int64_t n);
  void (*softmax)(float* x, int64_t n);
  bool (*all_finite)(const float* x, int64_t n);
};

/// The table in use (see isa()).
const KernelTable& kernels();

// One of each instruction set; null where the build has none.
const KernelTable* scalar_kernels();
const KernelTable* avx2_kernels();
const KernelTable* avx512_kernels();

}  // namespace kigo::cpu
