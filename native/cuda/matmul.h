/** Rows times weight matrices of any type: weights are dequantised slab by slab into what the product reads. */
#pragma once

#include <initializer_list>
#include <span>

#include "cuda/context.h"
#include "cuda/numbers.h"

namespace kigo::cuda {

/**
 * y [n_rows] = x · [w0; w1; …]ᵀ: the outputs of matrices that read the same rows, side by side; biases are left to
 * whoever reads y next. y is float32, or of x's kind. Slabs stand at the start of ctx.scratch, each of which holds a
 * row of weights at least. x and y lie elsewhere.
 */
void matmul(Context& ctx, RowsOut y, Rows x, std::initializer_list<const Matrix*> stack, int64_t n_rows,
            bool accumulate = false);

/** Bytes of slabs that serve a GPU best, for matrices of up to `n_in` columns and n_out rows in all. */
size_t slab_bytes(const DeviceTraits& device, Precision precision, int64_t n_in, int64_t n_out);

/**
 * What rows must be to meet these weights: float32 in the exact mode, bfloat16 where all the weights are, for the
 * sake of their range, and float16 otherwise.
 */
Number number_for(const Context& ctx, std::initializer_list<const Matrix*> stack);

/** y[r][o] += bias[o]; NULL: nothing. y [n_rows][n_out] float32. */
void add_bias(cudaStream_t stream, float* y, const float* bias, int64_t n_rows, int64_t n_out);

/** y[r] = x[r] as another kind of number. x [n_rows][n] float32. */
void convert_rows(cudaStream_t stream, RowsOut y, const float* x, int64_t n_rows, int64_t n);

/** Memory taken piece by piece from the front of a context's scratch for as long as this lives. */
class Borrowed {
 public:
  explicit Borrowed(Context& ctx) : ctx_(ctx), scratch_(ctx.scratch), scratch_bytes_(ctx.scratch_bytes) {}
  ~Borrowed() {
    ctx_.scratch = scratch_;
    ctx_.scratch_bytes = scratch_bytes_;
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  /** Throws INTERNAL where the scratch is too small. */
  RowsOut rows(Number type, int64_t n_rows, int64_t n);
  /** x [n_rows][n] float32 as `type`: itself, or rounded into the scratch. */
  Rows rounded(Number type, const float* x, int64_t n_rows, int64_t n);

 private:
  Context& ctx_;
  std::byte* scratch_;
  size_t scratch_bytes_;
};

}  // namespace kigo::cuda
