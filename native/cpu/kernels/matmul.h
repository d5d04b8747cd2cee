/// Products of weight matrices, in any type, with float32 activations.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "scratch.h"
#include "thread_pool.h"
#include "types.h"

namespace kigo::cpu {

/// n_out rows of n_in weights each, row by row; n_in is a multiple of the type's block size. `data` may lie in a
/// mapped file: no byte outside the matrix is read, no alignment is assumed beyond that of the type's numbers.
struct Matrix {
  uint32_t type = F32;
  int64_t n_in = 0;
  int64_t n_out = 0;
  const uint8_t* data = nullptr;
  const float* bias = nullptr;  ///< [n_out] or null
};

struct MatmulJob {
  const Matrix* w = nullptr;
  float* y = nullptr;  ///< [n_tokens][ldy], the first n_out of each row are written
  int64_t ldy = 0;
  bool accumulate = false;  ///< add to what y holds
};

enum class Precision {
  exact,  ///< float32 activations and weights, float32 sums
  fast,   ///< quantised weights: activations rounded to 8 bit, one float scale per 32; others as exact
};

/// Bytes of scratch that a matmul over weights of n_in columns needs.
size_t matmul_scratch_bytes(int64_t n_in, int64_t n_tokens, int n_threads);

/// Asks between pieces of work whether to stop, as StopWhen says. For each job: y[t·ldy + r] (+)= Σ_c W[r,c]·x[t·n_in +
/// c] + bias[r]. All jobs share x, so n_in is the same; y must not overlap x. The result does not depend on the number
/// of threads.
void matmul(ThreadPool& pool, std::span<const MatmulJob> jobs, const float* x, int64_t n_tokens, Scratch scratch,
            Precision precision);

}  // namespace kigo::cpu
