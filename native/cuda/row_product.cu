#include "cuda/numbers.cuh"
#include "cuda/packed.cuh"
#include "cuda/reduce.cuh"
#include "cuda/row_product.h"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

constexpr int kThreads = 128;
/** Outputs of a block of threads: their loads are on the way together, and share the row. */
constexpr int kOutputs = 4;

__device__ void read8(const __half* from, float (&to)[8]) {
  const Pack<__half, 8> halves = *reinterpret_cast<const Pack<__half, 8>*>(from);
#pragma unroll
  for (int j = 0; j < 8; ++j) to[j] = to_float(halves.values[j]);
}

/** As in dequantising, two lanes share a 32-block. Quants are multiplied as they are, and the sums with their scales.
 */
template <uint32_t kType, class Y>
__global__ void __launch_bounds__(kThreads) row_kernel(Matrix w, const __half* x, Y* y, bool accumulate) {
  const auto n_blocks = static_cast<uint32_t>(w.n_in / kBlock);
  const int64_t out0 = int64_t{blockIdx.x} * kOutputs;
  const uint32_t half = threadIdx.x % 2;

  float sums[kOutputs] = {};
  for (uint32_t block = threadIdx.x / 2; block < n_blocks; block += kThreads / 2) {
    const uint32_t record = block / kBlocksPerRecord, i = block % kBlocksPerRecord;
    const uint32_t n = min(uint32_t{kBlocksPerRecord}, n_blocks - record * kBlocksPerRecord);
    const uint8_t* at = w.data + record * record_layout(kType, kBlocksPerRecord).bytes;
    float first[8], second[8], x_sum = 0;
    read8(x + block * kBlock + 8 * half, first);
    read8(x + block * kBlock + 16 + 8 * half, second);
#pragma unroll
    for (int j = 0; j < 8; ++j) x_sum += first[j] + second[j];
#pragma unroll
    for (int k = 0; k < kOutputs; ++k) {
      const uint8_t* row = at + static_cast<uint64_t>(min(out0 + k, w.n_out - 1)) * w.row_bytes;
      const BlockScales scales = block_scales<kType>(row, n, i);
      float in_first = 0, in_second = 0;
#pragma unroll
      for (uint32_t word = 0; word < 2; ++word) {
        const QuantWords q = quant_words<kType>(row, n, i, 2 * half + word);
#pragma unroll
        for (uint32_t j = 0; j < 4; ++j) {
          in_first = fmaf(byte_as_float(q.first, j, quant_zero(kType)), first[4 * word + j], in_first);
          in_second = fmaf(byte_as_float(q.second, j, quant_zero(kType)), second[4 * word + j], in_second);
        }
      }
      sums[k] += scales.d_first * in_first + scales.d_second * in_second + scales.m * x_sum;
    }
  }

#pragma unroll
  for (int k = 0; k < kOutputs; ++k) {
    const float sum = block_sum(sums[k]);
    if (threadIdx.x != 0 || out0 + k >= w.n_out) continue;
    Y& to = y[out0 + k];
    to = rounded<Y>(accumulate ? to_float(to) + sum : sum);
  }
}

template <class Y>
void launch(cudaStream_t stream, Y* y, const __half* x, const Matrix& w, bool accumulate) {
  const auto go = [&](auto kernel) {
    kernel<<<blocks_for(w.n_out, kOutputs), kThreads, 0, stream>>>(w, x, y, accumulate);
  };
  switch (w.type) {
    case kQ8_0: go(row_kernel<kQ8_0, Y>); break;
    case kQ4_0: go(row_kernel<kQ4_0, Y>); break;
    case kQ4_1: go(row_kernel<kQ4_1, Y>); break;
    case kQ5_0: go(row_kernel<kQ5_0, Y>); break;
    case kQ5_1: go(row_kernel<kQ5_1, Y>); break;
    case kQ4_K: go(row_kernel<kQ4_K, Y>); break;
    case kQ5_K: go(row_kernel<kQ5_K, Y>); break;
    case kQ6_K: go(row_kernel<kQ6_K, Y>); break;
    default: throw Error(KIGO_INTERNAL, "A weight matrix has a type that no kernel reads.");
  }
  check_launch("a matrix product of one row");
}

}  // namespace

void multiply_row(cudaStream_t stream, RowsOut y, Rows x, const Matrix& w, bool accumulate) {
  const auto* row = static_cast<const __half*>(x.data);
  if (y.type == Number::f32) {
    launch(stream, static_cast<float*>(y.data), row, w, accumulate);
  } else {
    launch(stream, static_cast<__half*>(y.data), row, w, accumulate);
  }
}

}  // namespace kigo::cuda
