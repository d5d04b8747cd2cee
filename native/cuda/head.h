/** Logits behind the last projection. */
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace kigo::cuda {

/**
 * logits = softcap(logits + bias) in place, [n_rows][n_vocab]; bias NULL, softcap 0: off. Sets *flag (mapped host
 * memory; may be NULL) to 1 where one is not finite.
 */
void finish_logits(cudaStream_t stream, float* logits, const float* bias, int64_t n_rows, int64_t n_vocab,
                   float softcap, int32_t* flag);

/**
 * logprobs[r] = natural log-probability of targets[r] by row r of logits [n_rows][n_vocab]; 0 where targets[r] is
 * negative. targets and logprobs may be mapped host memory.
 */
void score_rows(cudaStream_t stream, double* logprobs, const float* logits, const int32_t* targets, int64_t n_rows,
                int64_t n_vocab);

}  // namespace kigo::cuda
