/** What the exported parts of a decode step take: plain pointers to host memory, so that tests need no CUDA header. */
#pragma once

#include "core/model.h"
#include "kigo/abi.h"

namespace kigo::cuda::testing {

/** Rows as a GGUF file holds them. */
struct HostMatrix {
  uint32_t type = 0;
  int64_t n_in = 0;
  int64_t n_out = 0;
  const uint8_t* rows = nullptr;
  const float* bias = nullptr;
  explicit operator bool() const { return rows != nullptr; }
};

using HostWeights = Weights<HostMatrix, const float*>;

/** y = epilogue(matrices · norm(x)), as cuda/gemv.h. */
struct HostGemv {
  HostMatrix matrices[3];
  int32_t n_matrices = 1;
  bool pair = false;
  const float* x = nullptr;
  const float* norm = nullptr;  // or NULL
  float* y = nullptr;           // in and out
  bool accumulate = false;
  Activation activation = Activation::silu;
  float softcap = 0;
};

/** One step, as cuda/decode.h, from a cache of `length` positions. */
struct HostStep {
  const ModelConfig* config = nullptr;
  const HostWeights* weights = nullptr;
  LayerRange range;
  int64_t n_ctx = 0;
  int32_t length = 0;
  uint16_t* k = nullptr;        // [held layers][n_head_kv][n_ctx][head_dim] float16, in and out
  uint16_t* v = nullptr;        // the same; all layers are of one size
  const float* rope = nullptr;  // [n_ctx][n_rot/2][2], of every layer
  int32_t token = 0;
  const float* hidden_in = nullptr;
  float* hidden_out = nullptr;
  float* logits = nullptr;
  int64_t max_length = 0;
  int32_t length_after = 0;  // out
  bool can_meet = false;     // out: blocks of the next kernel of split attention will not find numbers of this one
  int32_t n_steps = 1;       // of the same token, one behind another in one captured graph
};

}  // namespace kigo::cuda::testing
