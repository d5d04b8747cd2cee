#include <cuda_fp16.h>

#include <algorithm>

#include "cuda/decode.h"
#include "cuda/decode_attention.h"
#include "cuda/gemv.h"
#include "cuda/packed.h"
#include "cuda/pdl.cuh"
#include "cuda/reduce.cuh"

namespace kigo::cuda {

namespace {

// ---- the small kernels at a step's beginning and end, and behind branches with a norm of their own --------------

constexpr int kThreads = 256;

__device__ float half_at(const uint8_t* bytes, int i) {
  return __half2float(reinterpret_cast<const __half*>(bytes)[i]);
}

/** Value `i` of a packed row: cuda/packed.h, line by line. */
__device__ float packed_value(uint32_t type, const uint8_t* row, int n_in, int i) {
  switch (type) {
    case kF32: return reinterpret_cast<const float*>(row)[i];
    case kF16: return half_at(row, i);
    case kBF16: return __uint_as_float(static_cast<uint32_t>(reinterpret_cast<const uint16_t*>(row)[i]) << 16);
    default: break;
  }
  const int record = i / kRecord, block = i % kRecord / kBlock, j = i % kBlock;
  const int n_blocks = min(kBlocksPerRecord, n_in / kBlock - record * kBlocksPerRecord);
  const RecordLayout at = record_layout(type, static_cast<uint32_t>(n_blocks));
  const uint8_t* from = row + record * record_layout(type, kBlocksPerRecord).bytes;
  const uint8_t* scales = from + at.scales;
  if (type == kQ8_0) {
    const auto* quants = reinterpret_cast<const int8_t*>(j < 16 ? from : from + at.quants2);
    return half_at(scales, block) * static_cast<float>(quants[block * 16 + j % 16]);
  }

  const int word = j % 16 / 4, byte = j % 4, second = j / 16;
  const int low = from[block * 16 + j % 16] >> 4 * second & 15;
  const auto* high = reinterpret_cast<const uint32_t*>(from + at.high);
  if (type == kQ6_K) {
    const int upper = static_cast<int>(high[block * 2 + second] >> (8 * byte + 2 * word) & 3);
    const int scale = reinterpret_cast<const int8_t*>(scales)[block * 2 + second];
    return half_at(from + at.super, block / 8) * static_cast<float>(scale * ((low | upper << 4) - 32));
  }
  const bool five = type == kQ5_0 || type == kQ5_1 || type == kQ5_K;
  const int fifth = five ? static_cast<int>(high[block] >> (8 * byte + 4 * second + word) & 1) : 0;
  const auto q = static_cast<float>(low | fifth << 4);
  switch (type) {
    case kQ4_0: return half_at(scales, block) * (q - 8);
    case kQ5_0: return half_at(scales, block) * (q - 16);
    case kQ4_1:
    case kQ5_1: return half_at(scales, 2 * block) * q + half_at(scales, 2 * block + 1);
    default: break;
  }
  const uint8_t* super = scales + block / 8 * 16;  // Q4_K, Q5_K
  const auto* words = reinterpret_cast<const uint32_t*>(super);
  const int shift = block % 8 * 4;
  const uint32_t upper = words[3] >> shift;
  const auto scale = static_cast<float>((words[1] >> shift & 15) | (upper & 3) << 4);
  const auto min = static_cast<float>((words[2] >> shift & 15) | (upper & 12) << 2);
  return half_at(super, 0) * scale * q - half_at(super, 1) * min;
}

/** x = scale · the row of the token whose turn it is. The first kernel of a step is not launched early. */
__global__ void embed(float* x, uint32_t type, const uint8_t* table, uint64_t row_bytes, int n_embd, float scale,
                      const int32_t* tokens, const StepState* state) {
  release_consumer();
  const uint8_t* row = table + static_cast<uint64_t>(tokens[state->length]) * row_bytes;
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n_embd) x[i] = scale * packed_value(type, row, n_embd, i);
}

__global__ void begin_with(float* x, const float* hidden_in, int n_embd) {
  release_consumer();
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n_embd) x[i] = hidden_in[i];
}

/** x += norm(branch), in one block. */
__global__ void add_normed(float* x, const float* branch, const float* weight, int n_embd, float eps) {
  release_consumer();
  wait_for_producer();
  float squares = 0;
  for (int i = static_cast<int>(threadIdx.x); i < n_embd; i += blockDim.x) {
    const float v = __ldcg(branch + i);
    squares += v * v;
  }
  const float scale = rsqrtf(block_sum(squares) / static_cast<float>(n_embd) + eps);
  for (int i = static_cast<int>(threadIdx.x); i < n_embd; i += blockDim.x) {
    x[i] = __ldcg(x + i) + __ldcg(branch + i) * scale * weight[i];
  }
}

/** The end of a step that has no LM head. `hidden_out` may be NULL. */
__global__ void end_without_head(float* hidden_out, const float* x, int n_embd, StepState* state) {
  release_consumer();
  wait_for_producer();
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (hidden_out != nullptr && i < n_embd) hidden_out[i] = __ldcg(x + i);
  if (i == 0) ++state->length;
}

unsigned blocks_of(int64_t n) { return static_cast<unsigned>((n + kThreads - 1) / kThreads); }

/** One step, as it is enqueued. */
struct Enqueue {
  const Context& ctx;
  const DecodeStep& step;
  const ModelConfig& config = step.config;
  const CudaWeights& weights = step.weights;
  const LayerRange range = step.range;
  const float eps = static_cast<float>(config.norm_eps);
  const int n_embd = static_cast<int>(config.n_embd);

  float* const x = at(step.layout.x);
  float* const qkv = at(step.layout.qkv);
  float* const attn = at(step.layout.attn);
  float* const branch = at(step.layout.branch);
  float* const hidden = at(step.layout.hidden);
  float* const gate = at(step.layout.gate);

  void all() {
    begin();
    for (int64_t i = 0; i < range.count(); ++i) layer(static_cast<size_t>(i));
    if (range.has_head(config) && step.logits != nullptr) {
      head();
    } else {
      launch_early(ctx.device, ctx.stream, "ending a step", end_without_head, blocks_of(n_embd), kThreads, 0,
                   step.hidden_out, x, n_embd, step.state);
    }
  }

  void begin() {
    if (!range.embeds()) {
      begin_with<<<blocks_of(n_embd), kThreads, 0, ctx.stream>>>(x, step.hidden_in, n_embd);
    } else {
      const Matrix& table = weights.token_embd;
      embed<<<blocks_of(n_embd), kThreads, 0, ctx.stream>>>(x, table.type, table.data, table.row_bytes, n_embd,
                                                            static_cast<float>(config.embedding_scale), step.tokens,
                                                            step.state);
    }
    check_launch("beginning a step");
  }

  void layer(size_t held) {
    const LayerConfig& l = config.layers[static_cast<size_t>(range.first) + held];
    const auto& w = weights.layers[held];

    // queries, keys, values of the normed x
    enqueue_gemv(ctx, {.matrices = {w.attn_q, w.attn_k, w.attn_v},
                       .n_matrices = 3,
                       .x = x,
                       .norm = w.attn_norm,
                       .eps = eps,
                       .y = qkv});

    // q/k norm, rotation, the cache's next position, attention
    enqueue_decode_attention(ctx, {.layer = l,
                                   .kv = step.kv[held],
                                   .qkv = qkv,
                                   .q_norm = w.attn_q_norm,
                                   .k_norm = w.attn_k_norm,
                                   .eps = eps,
                                   .rope = step.rope[held],
                                   .state = step.state,
                                   .out = attn,
                                   .partials = at(step.layout.partials),
                                   .partials_stride = static_cast<int64_t>(step.layout.partials_stride),
                                   .meetings = reinterpret_cast<Meeting*>(step.workspace + step.layout.meetings),
                                   .max_length = step.max_length});
    add_to_residual(w.attn_output, attn, w.post_attention_norm);

    // FFN: act(gate)·up of the normed x, then down
    enqueue_gemv(ctx,
                 {.matrices = {w.ffn_gate, w.ffn_up},
                  .n_matrices = 2,
                  .pair = true,
                  .x = x,
                  .norm = w.ffn_norm,
                  .eps = eps,
                  .y = hidden,
                  .activation = l.activation},
                 gate);
    add_to_residual(w.ffn_down, hidden, w.post_ffw_norm);
  }

  /** x += w · input, or x += norm(w · input). */
  void add_to_residual(const Matrix& w, const float* input, const float* norm) {
    const bool direct = norm == nullptr;
    enqueue_gemv(ctx, {.matrices = {w}, .x = input, .y = direct ? x : branch, .accumulate = direct});
    if (direct) return;
    launch_early(ctx.device, ctx.stream, "the norm behind a branch", add_normed, 1, 1024, 0, x,
                 static_cast<const float*>(branch), norm, n_embd, eps);
  }

  void head() {
    enqueue_gemv(ctx, {.matrices = {weights.output},
                       .x = x,
                       .norm = weights.output_norm,
                       .eps = eps,
                       .y = step.logits,
                       .softcap = static_cast<float>(config.logit_softcap),
                       .ends = step.state});
  }

  float* at(uint64_t offset) const { return reinterpret_cast<float*>(step.workspace + offset); }
};

}  // namespace

DecodeLayout layout_decode(const ModelConfig& config, LayerRange range, const DeviceTraits& device, int64_t n_ctx,
                           Layout& work) {
  int64_t n_qkv = 0, n_q = 0, n_ff = 0, partials = 0, groups = 0;
  for (int64_t i = range.first; i < range.last; ++i) {
    const LayerConfig& l = config.layers[static_cast<size_t>(i)];
    n_q = std::max(n_q, l.n_q());
    n_qkv = std::max(n_qkv, l.n_q() + 2 * l.n_kv());
    n_ff = std::max(n_ff, l.n_ff);
    partials = std::max(partials, attention_partials(l, device, n_ctx));
    groups = std::max(groups, attention_groups(l));
  }
  const auto count = [](int64_t n) { return static_cast<uint64_t>(n); };
  DecodeLayout at;
  at.x = work.add<float>(count(config.n_embd));
  at.qkv = work.add<float>(count(n_qkv));
  at.attn = work.add<float>(count(n_q));
  at.branch = work.add<float>(count(config.n_embd));
  at.hidden = work.add<float>(count(n_ff));
  at.gate = work.add<float>(count(n_ff));
  at.n_groups = count(groups);
  at.partials_stride = count(partials);
  at.partials = work.add<float>(at.n_groups * 2 * at.partials_stride);
  at.meetings = work.add<Meeting>(at.n_groups);
  return at;
}

void expect_decodable(const BoundWeights& bound, const DeviceTraits& device) {
  const auto matrix = [](const BoundMatrix& m) -> Matrix {
    if (!m) return {};
    const uint32_t type = m.tensor->type;
    return {.type = type, .n_in = m.n_in, .n_out = m.n_out, .row_bytes = packed_row_bytes(type, m.n_in)};
  };
  const auto weights = convert<Matrix, int>(bound, matrix, [](const BoundVector&) { return 0; });
  for (const auto& w : weights.layers) {
    expect_gemv_fits({.matrices = {w.attn_q, w.attn_k, w.attn_v}, .n_matrices = 3}, device);
    expect_gemv_fits({.matrices = {w.attn_output}}, device);
    expect_gemv_fits({.matrices = {w.ffn_gate, w.ffn_up}, .n_matrices = 2, .pair = true}, device);
    expect_gemv_fits({.matrices = {w.ffn_down}}, device);
  }
  if (bound.output) expect_gemv_fits({.matrices = {weights.output}}, device);
}

void prepare_decode(Context& ctx, const DecodeStep& step) {
  const DecodeLayout& at = step.layout;
  const auto fill = [&](uint64_t offset, int byte, uint64_t n) {
    check(cudaMemsetAsync(step.workspace + offset, byte, n, ctx.stream), "preparing a session's working memory");
  };
  fill(at.partials, 0xff, at.n_groups * 2 * at.partials_stride * sizeof(float));
  fill(at.meetings, 0, at.n_groups * sizeof(Meeting));
}

void enqueue_decode(Context& ctx, const DecodeStep& step) { Enqueue{ctx, step}.all(); }

int64_t decode_bucket(int64_t length, int64_t n_ctx) {
  int64_t bucket = 512;
  while (bucket < length) bucket *= 2;
  return std::min(bucket, n_ctx);
}

}  // namespace kigo::cuda
