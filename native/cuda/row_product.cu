#include "cuda/numbers.cuh"
#include "cuda/packed.cuh"
#include "cuda/reduce.cuh"
#include "cuda/row_product.h"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

constexpr int kWarps = 4;
/** Outputs of a warp: their loads are on the way together, and share the row. */
constexpr int kOutputs = 4;

/** As in dequantising, four lanes share a 32-block; a warp takes eight of them at a time. */
template <uint32_t kType, class Y>
__global__ void __launch_bounds__(kWarps * 32) row_kernel(Matrix w, const __half* x, Y* y, bool accumulate) {
  using Four = Pack<__half, 4>;
  const uint32_t lane = threadIdx.x % 32, word = lane % 4;
  const auto n_blocks = static_cast<uint32_t>(w.n_in / kBlock);
  const int64_t first = (int64_t{blockIdx.x} * kWarps + threadIdx.x / 32) * kOutputs;
  const uint8_t* rows[kOutputs];
  for (int k = 0; k < kOutputs; ++k) rows[k] = w.data + min(first + k, w.n_out - 1) * w.row_bytes;

  float sums[kOutputs] = {};
  for (uint32_t block = lane / 4; block < n_blocks; block += 8) {
    const uint32_t record = block / kBlocksPerRecord;
    const uint32_t n = min(uint32_t{kBlocksPerRecord}, n_blocks - record * kBlocksPerRecord);
    const uint32_t at = record * record_layout(kType, kBlocksPerRecord).bytes;
    const Four low = *reinterpret_cast<const Four*>(x + block * kBlock + 4 * word);
    const Four high = *reinterpret_cast<const Four*>(x + block * kBlock + 16 + 4 * word);
#pragma unroll
    for (int k = 0; k < kOutputs; ++k) {
      const Quarter weights = unpack<kType>(rows[k] + at, n, block % kBlocksPerRecord, word);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        sums[k] = fmaf(weights.first[j], to_float(low.values[j]), sums[k]);
        sums[k] = fmaf(weights.second[j], to_float(high.values[j]), sums[k]);
      }
    }
  }

#pragma unroll
  for (int k = 0; k < kOutputs; ++k) {
    const float sum = warp_sum(sums[k]);
    if (lane != 0 || first + k >= w.n_out) continue;
    Y& to = y[first + k];
    to = from_float<Y>(accumulate ? to_float(to) + sum : sum);
  }
}

template <class Y>
void launch(cudaStream_t stream, Y* y, const __half* x, const Matrix& w, bool accumulate) {
  const unsigned n_blocks = blocks_for(w.n_out, kWarps * kOutputs);
  const auto go = [&](auto kernel) { kernel<<<n_blocks, kWarps * 32, 0, stream>>>(w, x, y, accumulate); };
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
