/** Packed rows as numbers. A block of threads takes a record of 1024 columns, row after row. */
#include <algorithm>

#include "cuda/dequantize.h"
#include "cuda/numbers.cuh"
#include "cuda/packed.cuh"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

/** Four lanes share a 32-block, so that a warp reads 128 bytes of quants in one piece and writes whole sectors. */
constexpr int kThreads = kBlocksPerRecord * 4;
/** Rows of a block of threads: their loads are on the way together, before the first number is computed. */
constexpr int64_t kRowsAtOnce = 4;
constexpr unsigned kMaxGrid = 65535;

/** Which rows of a matrix, and what they are multiplied with. */
struct RowChoice {
  int64_t first;
  const int32_t* tokens;  // row numbers; NULL: first, first + 1, …
  int64_t n_rows;
  float scale;

  __device__ int64_t row(int64_t r) const { return tokens == nullptr ? first + r : __ldg(tokens + r); }
};

__device__ void store4(float* to, const float (&values)[4], float scale) {
  *reinterpret_cast<float4*>(to) = {__fmul_rn(scale, values[0]), __fmul_rn(scale, values[1]),
                                    __fmul_rn(scale, values[2]), __fmul_rn(scale, values[3])};
}

/** Two numbers an instruction, and none is clipped: a weight beyond float16 is an error that the forward finds. */
__device__ void store4(__half* to, const float (&values)[4], float scale) {
  struct alignas(8) Four {
    __half2 low, high;
  };
  *reinterpret_cast<Four*>(to) = {__floats2half2_rn(__fmul_rn(scale, values[0]), __fmul_rn(scale, values[1])),
                                  __floats2half2_rn(__fmul_rn(scale, values[2]), __fmul_rn(scale, values[3]))};
}

__device__ void store4(__nv_bfloat16* to, const float (&values)[4], float scale) {
  struct alignas(8) Four {
    __nv_bfloat162 low, high;
  };
  *reinterpret_cast<Four*>(to) = {__floats2bfloat162_rn(__fmul_rn(scale, values[0]), __fmul_rn(scale, values[1])),
                                  __floats2bfloat162_rn(__fmul_rn(scale, values[2]), __fmul_rn(scale, values[3]))};
}

template <uint32_t kType, class Out>
__global__ void __launch_bounds__(kThreads) unpack_kernel(Matrix from, RowChoice rows, Out* out) {
  const auto blocks_per_row = static_cast<uint32_t>(from.n_in / kBlock);
  const uint32_t first = blockIdx.x * kBlocksPerRecord;
  const uint32_t n = min(uint32_t{kBlocksPerRecord}, blocks_per_row - first);
  const uint32_t i = threadIdx.x / 4, w = threadIdx.x % 4;
  if (i >= n) return;

  const uint8_t* record = from.data + uint64_t{blockIdx.x} * record_layout(kType, kBlocksPerRecord).bytes;
  out += int64_t{first + i} * kBlock + 4 * w;
  const auto write = [&](int64_t r) {
    const Quarter values = unpack<kType>(record + static_cast<uint64_t>(rows.row(r)) * from.row_bytes, n, i, w);
    store4(out + r * from.n_in, values.first, rows.scale);
    store4(out + r * from.n_in + 16, values.second, rows.scale);
  };
  for (int64_t r = blockIdx.y * kRowsAtOnce; r < rows.n_rows; r += gridDim.y * kRowsAtOnce) {
    if (r + kRowsAtOnce <= rows.n_rows) {
#pragma unroll
      for (int64_t k = 0; k < kRowsAtOnce; ++k) write(r + k);
    } else {
      for (int64_t k = r; k < rows.n_rows; ++k) write(k);
    }
  }
}

/** Rows of floats, which may be of any length. */
template <class In, class Out>
__global__ void __launch_bounds__(kThreads) convert_kernel(Matrix from, RowChoice rows, Out* out) {
  const int64_t first = blockIdx.x * int64_t{kRecord};
  const int64_t end = min(first + kRecord, from.n_in);
  for (int64_t r = blockIdx.y; r < rows.n_rows; r += gridDim.y) {
    const auto* row = reinterpret_cast<const In*>(from.data + static_cast<uint64_t>(rows.row(r)) * from.row_bytes);
    for (int64_t i = first + threadIdx.x; i < end; i += kThreads) {
      out[r * from.n_in + i] = from_float<Out>(__fmul_rn(rows.scale, to_float(__ldg(row + i))));
    }
  }
}

template <class Out>
void write_rows(cudaStream_t stream, const Matrix& from, const RowChoice& rows, Out* out) {
  if (rows.n_rows == 0) return;
  const dim3 grid(blocks_for(from.n_in, kRecord), std::min(blocks_for(rows.n_rows, kRowsAtOnce), kMaxGrid));
  switch (from.type) {
    case kF32: convert_kernel<float><<<grid, kThreads, 0, stream>>>(from, rows, out); break;
    case kF16: convert_kernel<__half><<<grid, kThreads, 0, stream>>>(from, rows, out); break;
    case kBF16: convert_kernel<__nv_bfloat16><<<grid, kThreads, 0, stream>>>(from, rows, out); break;
    case kQ8_0: unpack_kernel<kQ8_0><<<grid, kThreads, 0, stream>>>(from, rows, out); break;
    case kQ4_0: unpack_kernel<kQ4_0><<<grid, kThreads, 0, stream>>>(from, rows, out); break;
    case kQ4_1: unpack_kernel<kQ4_1><<<grid, kThreads, 0, stream>>>(from, rows, out); break;
    case kQ5_0: unpack_kernel<kQ5_0><<<grid, kThreads, 0, stream>>>(from, rows, out); break;
    case kQ5_1: unpack_kernel<kQ5_1><<<grid, kThreads, 0, stream>>>(from, rows, out); break;
    case kQ4_K: unpack_kernel<kQ4_K><<<grid, kThreads, 0, stream>>>(from, rows, out); break;
    case kQ5_K: unpack_kernel<kQ5_K><<<grid, kThreads, 0, stream>>>(from, rows, out); break;
    case kQ6_K: unpack_kernel<kQ6_K><<<grid, kThreads, 0, stream>>>(from, rows, out); break;
    default: throw Error(KIGO_INTERNAL, "A weight matrix has a type that no kernel reads.");
  }
  check_launch("dequantising weights");
}

}  // namespace

void dequantize_f32(cudaStream_t stream, const Matrix& from, int64_t row_first, int64_t n_rows, float* out) {
  write_rows(stream, from, {row_first, nullptr, n_rows, 1}, out);
}

void dequantize_half(cudaStream_t stream, const Matrix& from, int64_t row_first, int64_t n_rows, bool bf16, void* out) {
  const RowChoice rows = {row_first, nullptr, n_rows, 1};
  if (bf16) {
    write_rows(stream, from, rows, static_cast<__nv_bfloat16*>(out));
  } else {
    write_rows(stream, from, rows, static_cast<__half*>(out));
  }
}

void gather_rows(cudaStream_t stream, const Matrix& table, const int32_t* tokens, int64_t n_tokens, float scale,
                 float* y) {
  write_rows(stream, table, {0, tokens, n_tokens, scale}, y);
}

}  // namespace kigo::cuda
