/** Matrices times one vector, with what stands in front of the product and behind it in the same kernel. */
#pragma once

#include "core/model.h"
#include "cuda/context.h"
#include "cuda/step_state.h"

namespace kigo::cuda {

/** y = epilogue(matrices · norm(x)). */
struct Gemv {
  /**
   * One to three matrices of one n_in, whose outputs stand one behind another in y (queries, keys, values); or gate
   * and up of a pair, whose outputs become one.
   */
  Matrix matrices[3];
  int n_matrices = 1;
  bool pair = false;

  // Both in memory that goes on to the next multiple of 32 bytes.
  const float* x = nullptr;     // [n_in]
  const float* norm = nullptr;  // [n_in], the weights of an RMS norm over x; NULL: none, for one matrix
  float eps = 0;

  float* y = nullptr;
  bool accumulate = false;                   // y += instead of y =; where there is no norm
  Activation activation = Activation::silu;  // of a pair: y = act(gate)·up
  // Where there is a norm:
  const float* gate = nullptr;  // y = act(gate)·product, where gate stands in memory: pairs of two types
  float softcap = 0;            // y = c·tanh(y/c); 0: off
  StepState* ends = nullptr;    // the state whose length this kernel counts up, as the last of a step; or NULL
};

/** How a launch is cut up. A rule gives it; a bench may try others. */
struct GemvShape {
  int kind = 0;    // which compiled one (cuda/gemv_kernel.cuh)
  int warps = 0;   // of a block
  int blocks = 0;  // at most
};
GemvShape gemv_shape(const Gemv& gemv, const DeviceTraits& device);

/**
 * Throws UNSUPPORTED_QUANTIZATION where one of its kernels takes more shared memory than a block of this GPU has. Types
 * and sizes of the matrices count; data may be NULL.
 */
void expect_gemv_fits(const Gemv& gemv, const DeviceTraits& device);

/**
 * Enqueues one kernel where the matrices are of one type, or of two that a kernel exists for; else one a type. `spare`
 * [n_out of the gate]: used for pairs of two types. A kernel ends before the next one's wait_for_producer.
 */
void enqueue_gemv(const Context& ctx, const Gemv& gemv, float* spare = nullptr);
/** The same in a given shape; the matrices are of one type. */
void enqueue_gemv(const Context& ctx, const Gemv& gemv, const GemvShape& shape);

}  // namespace kigo::cuda
