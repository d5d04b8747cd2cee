#include <algorithm>

#include "core/types.h"
#include "cuda/ahead.h"
#include "cuda/dequantize.h"
#include "cuda/gemm.h"
#include "cuda/matmul.h"
#include "cuda/numbers.cuh"
#include "cuda/packed.h"
#include "cuda/row_product.h"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

__global__ void bias_kernel(float* y, const float* bias, int64_t n_out, int64_t n) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) y[i] += bias[i % n_out];
}

template <class T>
__global__ void convert_kernel(T* y, int64_t ld, const float* x, int64_t n_columns, int64_t n) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) y[i / n_columns * ld + i % n_columns] = from_float<T>(x[i]);
}

/** Are the weights stored as the product reads them? */
bool is_stored_as(const Matrix& w, Number type) {
  switch (type) {
    case Number::f32: return w.type == kF32;
    case Number::f16: return w.type == kF16;
    case Number::bf16: return w.type == kBF16;
  }
  return false;
}

/** In memory, as rows of the same kind. */
bool lies_behind(const Matrix& first, const Matrix& next) {
  return next.type == first.type && next.data == first.data + static_cast<uint64_t>(first.n_out) * first.row_bytes;
}

void* column(const RowsOut& y, int64_t at) {
  return static_cast<std::byte*>(y.data) + static_cast<size_t>(at) * size_of(y.type);
}

void dequantize(cudaStream_t stream, Number type, const Matrix& w, int64_t first, int64_t n_rows, void* to) {
  if (type == Number::f32) {
    dequantize_f32(stream, w, first, n_rows, static_cast<float*>(to));
  } else {
    dequantize_half(stream, w, first, n_rows, type == Number::bf16, to);
  }
}

}  // namespace

void matmul(Context& ctx, RowsOut y, Rows x, std::initializer_list<const Matrix*> stack, int64_t n_rows,
            bool accumulate) {
  const int64_t n_in = (*stack.begin())->n_in;
  int64_t n_done = 0;  // outputs
  const auto multiply = [&](const void* w, int64_t ldw, int64_t n_out) {
    ctx.gemm.multiply({.x = x,
                       .w = {x.type, w, ldw},
                       .y = {y.type, column(y, n_done), y.ld},
                       .n_rows = n_rows,
                       .n_in = n_in,
                       .n_out = n_out,
                       .accumulate = accumulate});
    n_done += n_out;
  };

  const size_t row_bytes = static_cast<size_t>(n_in) * size_of(x.type);
  const size_t slab_bytes = ctx.ahead == nullptr ? ctx.scratch_bytes : ctx.scratch_bytes / Ahead::kSlabs;
  const auto slab_rows = static_cast<int64_t>(slab_bytes / row_bytes);
  if (slab_rows == 0) throw Error(KIGO_INTERNAL, "The scratch memory holds no row of weights.");
  int64_t in_slab = 0;  // rows that wait there
  const auto slab = [&] { return ctx.scratch + (ctx.ahead == nullptr ? 0 : ctx.ahead->turn() * slab_bytes); };
  cudaStream_t filling = ctx.stream;
  const auto flush = [&] {
    if (in_slab == 0) return;
    if (ctx.ahead != nullptr) ctx.ahead->end_filling(ctx.stream);
    multiply(slab(), n_in, in_slab);
    if (ctx.ahead != nullptr) ctx.ahead->release(ctx.stream);
    in_slab = 0;
  };

  for (auto next = stack.begin(); next != stack.end();) {
    Matrix w = **next;  // with those that lie behind it, which are one with it
    while (++next != stack.end() && lies_behind(w, **next)) w.n_out += (*next)->n_out;
    if (is_stored_as(w, x.type)) {
      flush();
      multiply(w.data, static_cast<int64_t>(w.row_bytes / size_of(x.type)), w.n_out);
    } else if (n_rows == 1 && x.type == Number::f16 && !is_float(w.type)) {
      flush();
      multiply_row(ctx.stream, {y.type, column(y, n_done), y.ld}, x, w, accumulate);
      n_done += w.n_out;
    } else {
      for (int64_t row = 0; row < w.n_out;) {
        const int64_t n = std::min(w.n_out - row, slab_rows - in_slab);
        if (ctx.ahead != nullptr && in_slab == 0) filling = ctx.ahead->begin_filling();
        dequantize(filling, x.type, w, row, n, slab() + static_cast<size_t>(in_slab) * row_bytes);
        row += n;
        in_slab += n;
        if (in_slab == slab_rows) flush();
      }
    }
  }
  flush();
}

size_t slab_bytes(const DeviceTraits& device, Precision precision, int64_t n_in, int64_t n_out) {
  // Two waves of tiles of 128 outputs for 512 rows. Smaller slabs would stay in the L2, but leave multiprocessors idle
  // at their ends: an H200 computes a prompt of 8B Q4_K at 15,800 tokens/s with 32 MiB, at 26,600 with these 138.
  const int64_t rows = std::min<int64_t>(n_out, int64_t{device.n_sm} * 128);
  return static_cast<size_t>(rows) * static_cast<size_t>(n_in) * (precision == Precision::exact ? 4 : 2);
}

Number number_for(const Context& ctx, std::initializer_list<const Matrix*> stack) {
  if (ctx.precision == Precision::exact) return Number::f32;
  const bool bf16 = std::all_of(stack.begin(), stack.end(), [](const Matrix* w) { return w->type == kBF16; });
  return bf16 && ctx.device.compute >= 80 ? Number::bf16 : Number::f16;
}

void add_bias(cudaStream_t stream, float* y, const float* bias, int64_t n_rows, int64_t n_out) {
  if (bias == nullptr) return;
  bias_kernel<<<blocks_for(n_rows * n_out, 256), 256, 0, stream>>>(y, bias, n_out, n_rows * n_out);
  check_launch("adding a bias");
}

void convert_rows(cudaStream_t stream, RowsOut y, const float* x, int64_t n_rows, int64_t n) {
  with_type(y.type, [&](auto zero) {
    using T = decltype(zero);
    convert_kernel<<<blocks_for(n_rows * n, 256), 256, 0, stream>>>(static_cast<T*>(y.data), y.ld, x, n, n_rows * n);
  });
  check_launch("rounding activations");
}

RowsOut Borrowed::rows(Number type, int64_t n_rows, int64_t n) {
  const size_t bytes = (static_cast<size_t>(n_rows) * static_cast<size_t>(n) * size_of(type) + 255) / 256 * 256;
  if (bytes > ctx_.scratch_bytes) throw Error(KIGO_INTERNAL, "The scratch memory is too small for the activations.");
  RowsOut out = {type, ctx_.scratch, n};
  ctx_.scratch += bytes;
  ctx_.scratch_bytes -= bytes;
  return out;
}

Rows Borrowed::rounded(Number type, const float* x, int64_t n_rows, int64_t n) {
  if (type == Number::f32) return {type, x, n};
  const RowsOut to = rows(type, n_rows, n);
  convert_rows(ctx_.stream, to, x, n_rows, n);
  return to;
}

}  // namespace kigo::cuda
