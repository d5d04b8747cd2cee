/** Between the FFN's projections. */
#pragma once

#include "core/model.h"
#include "cuda/context.h"
#include "cuda/numbers.h"

namespace kigo::cuda {

/** hidden = act(gate + gate_bias) · (up + up_bias) */
struct Gate {
  RowsOut hidden;  // [n_rows][n_ff]; may be gate itself
  Number from;     // of gate and up: float32, or hidden's kind
  const void* gate;
  const void* up;  // [n_rows][n_ff], rows `ld` apart
  int64_t ld;
  const float* gate_bias;
  const float* up_bias;  // [n_ff] or NULL
  int64_t n_rows;
  int64_t n_ff;
  Activation activation;
};
void gate_rows(cudaStream_t stream, const Gate&);

}  // namespace kigo::cuda
