/**
 * One token through the held layers: the fast path of decoding, made of fused kernels. In the exact mode, and for
 * more than one token, cuda/forward.cu computes the same with one kernel an operation.
 */
#pragma once

#include <vector>

#include "core/memory.h"
#include "core/model.h"
#include "cuda/context.h"
#include "cuda/model.h"
#include "cuda/step_state.h"

namespace kigo::cuda {

/** Where the step's own buffers lie in the session's workspace. */
struct DecodeLayout {
  uint64_t x = 0;  // [n_embd] float32: the residual stream
  uint64_t qkv = 0;
  uint64_t attn = 0;
  uint64_t branch = 0;  // [n_embd], where a norm stands before the residual
  uint64_t hidden = 0;  // [n_ff], between gate/up and down
  uint64_t gate = 0;    // [n_ff], where gate and up are of two types
  // Of split attention (cuda/decode_attention.h)
  uint64_t partials = 0;  // [n_groups][2][partials_stride] float32
  uint64_t partials_stride = 0;
  uint64_t meetings = 0;  // [n_groups]
  uint64_t n_groups = 0;
};
/** Adds the buffers to `work`: the one source of the plan and of the pointers. */
DecodeLayout layout_decode(const ModelConfig& config, LayerRange range, const DeviceTraits& device, int64_t n_ctx,
                           Layout& work);

struct DecodeStep {
  const ModelConfig& config;
  const CudaWeights& weights;
  LayerRange range;
  const std::vector<KvView>& kv;           // [held layers]
  const std::vector<const float2*>& rope;  // [held layers] -> [n_ctx][n_rot/2] {cos, sin}
  const DecodeLayout& layout;
  std::byte* workspace;
  const int32_t* tokens;  // [n_ctx + 1]; used where the model holds layer 0
  StepState* state;
  const float* hidden_in;  // device [n_embd]; where the model does not hold layer 0, else NULL
  float* hidden_out;       // device [n_embd]; where it does not hold the last layer, else NULL
  float* logits;           // [n_vocab]; NULL: none are wanted
  /** The longest that the cache can be when this step runs: picks how attention is split. */
  int64_t max_length;
};

/** Throws UNSUPPORTED_QUANTIZATION where rows of a matrix are too long for this GPU. */
void expect_decodable(const BoundWeights& weights, const DeviceTraits& device);

/** Zeroes what must be zero before the first step. */
void prepare_decode(Context&, const DecodeStep&);

/**
 * Enqueues the step's kernels on the context's stream, which may be capturing: nothing that differs from token to
 * token is an argument. The last kernel adds 1 to state->length.
 */
void enqueue_decode(Context&, const DecodeStep&);

/** `length` rounded up to where attention is split in another way: one captured graph serves up to there. */
int64_t decode_bucket(int64_t length, int64_t n_ctx);

}  // namespace kigo::cuda
