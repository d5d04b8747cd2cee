/**
 * The engine's vocabulary: what a model is, which weights it has, what a step needs.
 *
 * Shapes are row-major, slowest first. A matrix [n_out][n_in] maps a vector of n_in to n_out values, each row
 * being one output's weights; in GGUF's order (fastest first) it reads [n_in, n_out].
 */
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace kigo {

enum class Mixer { attention };
enum class Ffn { dense };
enum class Activation { silu, gelu };
/** Which dimensions of a head turn together: (2i, 2i+1), or (i, i + n_rot/2). */
enum class Rope { norm, neox };

/** One row of the table that the forward follows: kinds, sizes, and flags of what differs within a kind. */
struct LayerConfig {
  Mixer mixer = Mixer::attention;
  Ffn ffn = Ffn::dense;

  int64_t n_head = 0;
  int64_t n_head_kv = 0;
  int64_t head_dim = 0;
  int64_t n_ff = 0;
  Activation activation = Activation::silu;

  Rope rope = Rope::norm;
  int64_t n_rot = 0;
  double rope_base = 10000;
  double rope_scale = 1;          // angles are multiplied by it
  double rope_mscale = 1;         // cos and sin are multiplied by it
  int64_t yarn_original_ctx = 0;  // 0: no YaRN
  bool rope_freqs = false;        // angles are divided by rope_freqs.weight, where it exists

  double attn_scale = 1;    // scores are multiplied by it
  double attn_softcap = 0;  // c in c·tanh(score/c); 0: off
  int64_t window = 0;       // position i sees j when i - j < window; 0: all

  int64_t n_q() const { return n_head * head_dim; }
  int64_t n_kv() const { return n_head_kv * head_dim; }
};

struct ModelConfig {
  int64_t n_embd = 0;
  int64_t n_vocab = 0;
  int64_t n_ctx_train = 0;
  double norm_eps = 0;
  double embedding_scale = 1;
  double logit_softcap = 0;  // c in c·tanh(logit/c); 0: off
  std::vector<LayerConfig> layers;

  int64_t n_layer() const { return static_cast<int64_t>(layers.size()); }
};

/** Layers that a model object holds, [first, last). The holder of 0 embeds, the holder of the last has the head. */
struct LayerRange {
  int64_t first = 0;
  int64_t last = 0;
  bool embeds() const { return first == 0; }
  bool has_head(const ModelConfig& config) const { return last == config.n_layer(); }
  int64_t count() const { return last - first; }
};

/** A tensor as the header describes it, checked: type known, bytes right for its dims, inside its file. */
struct Tensor {
  std::string name;
  uint32_t type = 0;               // ggml id
  std::array<uint64_t, 4> dims{};  // fastest first, unused ones 1
  uint32_t file = 0;
  uint64_t offset = 0;  // in the file
  uint64_t bytes = 0;
};

/**
 * Weights, over the handles that a backend keeps matrices and vectors by. A handle that is false is absent.
 * Vectors are float32 whatever the file holds them as.
 */
template <class Matrix, class Vector>
struct LayerWeights {
  Vector attn_norm;            // [n_embd]
  Matrix attn_q;               // [n_head·head_dim][n_embd], optional bias
  Matrix attn_k;               // [n_head_kv·head_dim][n_embd], optional bias
  Matrix attn_v;               // [n_head_kv·head_dim][n_embd], optional bias
  Vector attn_q_norm;          // [head_dim], optional: RMS norm of each head before rope
  Vector attn_k_norm;          // [head_dim], optional
  Matrix attn_output;          // [n_embd][n_head·head_dim], optional bias
  Vector post_attention_norm;  // [n_embd], optional: on the attention's output before it joins the residual
  Vector ffn_norm;             // [n_embd]
  Matrix ffn_gate;             // [n_ff][n_embd], optional bias
  Matrix ffn_up;               // [n_ff][n_embd], optional bias
  Matrix ffn_down;             // [n_embd][n_ff], optional bias
  Vector post_ffw_norm;        // [n_embd], optional
};

template <class Matrix, class Vector>
struct Weights {
  Matrix token_embd;  // [n_vocab][n_embd]; absent where neither layer 0 nor a tied head is held
  std::vector<LayerWeights<Matrix, Vector>> layers;  // those of the range held
  Vector rope_freqs;                                 // [n_rot/2], optional, one for all layers
  Vector output_norm;                                // [n_embd]
  Matrix output;  // [n_vocab][n_embd], optional bias; token_embd's rows where the file has none
};

/** The same weights by other handles: every matrix through `matrix`, every vector through `vector`. */
template <class M, class V, class FromM, class FromV, class MatrixFn, class VectorFn>
Weights<M, V> convert(const Weights<FromM, FromV>& from, MatrixFn matrix, VectorFn vector) {
  Weights<M, V> to;
  to.token_embd = matrix(from.token_embd);
  for (const auto& l : from.layers) {
    to.layers.push_back({
        .attn_norm = vector(l.attn_norm),
        .attn_q = matrix(l.attn_q),
        .attn_k = matrix(l.attn_k),
        .attn_v = matrix(l.attn_v),
        .attn_q_norm = vector(l.attn_q_norm),
        .attn_k_norm = vector(l.attn_k_norm),
        .attn_output = matrix(l.attn_output),
        .post_attention_norm = vector(l.post_attention_norm),
        .ffn_norm = vector(l.ffn_norm),
        .ffn_gate = matrix(l.ffn_gate),
        .ffn_up = matrix(l.ffn_up),
        .ffn_down = matrix(l.ffn_down),
        .post_ffw_norm = vector(l.post_ffw_norm),
    });
  }
  to.rope_freqs = vector(from.rope_freqs);
  to.output_norm = vector(from.output_norm);
  to.output = matrix(from.output);
  return to;
}

/** What one forward works in; sizes follow from the config and n_batch. All float32. */
struct RunState {
  float* x = nullptr;       // [n_batch][n_embd]      the residual stream
  float* normed = nullptr;  // [n_batch][n_embd]      what a norm gives a mixer or FFN
  float* q = nullptr;       // [n_batch][n_head·head_dim]
  float* k = nullptr;       // [n_batch][n_head_kv·head_dim]
  float* v = nullptr;       // [n_batch][n_head_kv·head_dim]
  float* attn = nullptr;    // [n_batch][n_head·head_dim]  attention's output before its projection
  float* gate = nullptr;    // [n_batch][n_ff]
  float* up = nullptr;      // [n_batch][n_ff]
  float* branch = nullptr;  // [n_batch][n_embd]      a branch's output where a post norm stands before the residual
  float* logits = nullptr;  // [n_slice][n_vocab]     rows of the LM head in flight
};

}  // namespace kigo
