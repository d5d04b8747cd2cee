#include <algorithm>

#include "core/ops.h"
#include "cuda/head.h"
#include "cuda/matmul.h"
#include "cuda/numbers.cuh"
#include "cuda/reduce.cuh"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

__global__ void finish_kernel(float* logits, const float* bias, int64_t n_vocab, int64_t n, float softcap,
                              int32_t* flag) {
  bool found = false;
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    float logit = logits[i];
    if (bias != nullptr) logit += bias[i % n_vocab];
    found = found || !isfinite(logit);
    if (softcap != 0) logit = softcap * tanhf(logit / softcap);
    if (bias != nullptr || softcap != 0) logits[i] = logit;
  }
  if (found && flag != nullptr) *flag = 1;
}

/** One block a row. */
__global__ void score_kernel(double* logprobs, const float* logits, const int32_t* targets, int64_t n_vocab) {
  logits += blockIdx.x * n_vocab;
  float largest = -INFINITY;
  for (int64_t i = threadIdx.x; i < n_vocab; i += blockDim.x) largest = fmaxf(largest, logits[i]);
  largest = block_max(largest);
  double total = 0;
  for (int64_t i = threadIdx.x; i < n_vocab; i += blockDim.x) total += static_cast<double>(expf(logits[i] - largest));
  total = block_sum(total);
  if (threadIdx.x != 0) return;
  const int32_t target = targets[blockIdx.x];
  logprobs[blockIdx.x] = target < 0 ? 0 : static_cast<double>(logits[target] - largest) - log(total);
}

}  // namespace

void finish_logits(cudaStream_t stream, float* logits, const float* bias, int64_t n_rows, int64_t n_vocab,
                   float softcap, int32_t* flag) {
  const int64_t n = n_rows * n_vocab;
  finish_kernel<<<std::min(blocks_for(n, 256 * 4), 2048u), 256, 0, stream>>>(logits, bias, n_vocab, n, softcap, flag);
  check_launch("the soft cap of logits");
}

void score_rows(cudaStream_t stream, double* logprobs, const float* logits, const int32_t* targets, int64_t n_rows,
                int64_t n_vocab) {
  score_kernel<<<static_cast<unsigned>(n_rows), 512, 0, stream>>>(logprobs, logits, targets, n_vocab);
  check_launch("log-probabilities");
}

void lm_head_forward(Context& ctx, float* logits, const float* normed, const Matrix& output, int64_t n_rows,
                     float softcap) {
  Borrowed borrowed(ctx);
  const Rows rows = borrowed.rounded(number_for(ctx, {&output}), normed, n_rows, output.n_in);
  matmul(ctx, {Number::f32, logits, output.n_out}, rows, {&output}, n_rows);
  finish_logits(ctx.stream, logits, output.bias, n_rows, output.n_out, softcap, nullptr);
}

}  // namespace kigo::cuda
