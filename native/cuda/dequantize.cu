/** Packed rows as numbers. */
#include <algorithm>

#include "cuda/dequantize.h"
#include "cuda/numbers.cuh"
#include "cuda/packed.cuh"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

/** Two lanes share a 32-block: each has two words of its quants, and writes twice eight values. */
constexpr int kLanesPerRecord = 2 * kBlocksPerRecord;
constexpr int kThreads = 4 * kLanesPerRecord;
constexpr int kRowsPerBlock = kThreads / kLanesPerRecord;
constexpr unsigned kMaxGrid = 65535;

/** Which rows of a matrix, and what they are multiplied with. */
struct RowChoice {
  int32_t first;
  const int32_t* tokens;  // row numbers; NULL: first, first + 1, …
  int32_t n_rows;
  float scale;

  __device__ const uint8_t* row(const uint8_t* of_first_row, int32_t r, uint64_t row_bytes) const {
    const int32_t row = tokens == nullptr ? first + r : __ldg(tokens + r);
    return of_first_row + static_cast<uint32_t>(row) * row_bytes;
  }
};

__device__ void store8(float* to, const float (&a)[4], const float (&b)[4], float scale) {
  const auto four = [&](const float(&v)[4]) {
    return float4{__fmul_rn(scale, v[0]), __fmul_rn(scale, v[1]), __fmul_rn(scale, v[2]), __fmul_rn(scale, v[3])};
  };
  *reinterpret_cast<float4*>(to) = four(a);
  *reinterpret_cast<float4*>(to + 4) = four(b);
}

/** None is clipped: a weight beyond float16 is an error that the forward finds. */
__device__ uint32_t pack(__half, float low, float high) {
  const __half2 both = __floats2half2_rn(low, high);
  return reinterpret_cast<const uint32_t&>(both);
}

__device__ uint32_t pack(__nv_bfloat16, float low, float high) {
  const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
  return reinterpret_cast<const uint32_t&>(both);
}

/** Halves are what products read: those are not scaled. */
template <class Half>
__device__ void store8(Half* to, const float (&a)[4], const float (&b)[4], float) {
  *reinterpret_cast<uint4*>(to) = {pack(Half(), a[0], a[1]), pack(Half(), a[2], a[3]), pack(Half(), b[0], b[1]),
                                   pack(Half(), b[2], b[3])};
}

/**
 * blockIdx.x: the record of 1024 columns. An H200 writes float16 so at 3.7 to 3.8 TB/s, counting what it reads; four
 * values a lane and store ran at 2.85, several rows a lane at 3.6.
 */
template <uint32_t kType, class Out>
__global__ void __launch_bounds__(kThreads) unpack_kernel(Matrix from, RowChoice rows, Out* out) {
  const auto blocks_per_row = static_cast<uint32_t>(from.n_in / kBlock);
  const uint32_t first = blockIdx.x * kBlocksPerRecord;
  const uint32_t n = min(uint32_t{kBlocksPerRecord}, blocks_per_row - first);
  const uint32_t lane = threadIdx.x % kLanesPerRecord, i = lane / 2, half = lane % 2;
  if (i >= n) return;

  const uint8_t* record = from.data + uint64_t{blockIdx.x} * record_layout(kType, kBlocksPerRecord).bytes;
  out += int64_t{first + i} * kBlock + 8 * half;
  auto r = static_cast<int32_t>(blockIdx.y * kRowsPerBlock + threadIdx.x / kLanesPerRecord);
  for (; r < rows.n_rows; r += static_cast<int32_t>(gridDim.y) * kRowsPerBlock) {
    const uint8_t* at = rows.row(record, r, from.row_bytes);
    const BlockScales scales = block_scales<kType>(at, n, i);
    const Quarter a = to_numbers<kType>(quant_words<kType>(at, n, i, 2 * half), scales);
    const Quarter b = to_numbers<kType>(quant_words<kType>(at, n, i, 2 * half + 1), scales);
    Out* to = out + int64_t{r} * from.n_in;
    store8(to, a.first, b.first, rows.scale);
    store8(to + 16, a.second, b.second, rows.scale);
  }
}

/** Rows of floats, which may be of any length. */
template <class In, class Out>
__global__ void __launch_bounds__(kThreads) convert_kernel(Matrix from, RowChoice rows, Out* out) {
  const int64_t first = blockIdx.x * int64_t{kRecord};
  const int64_t end = min(first + kRecord, from.n_in);
  for (auto r = static_cast<int32_t>(blockIdx.y); r < rows.n_rows; r += static_cast<int32_t>(gridDim.y)) {
    const auto* row = reinterpret_cast<const In*>(rows.row(from.data, r, from.row_bytes));
    for (int64_t i = first + threadIdx.x; i < end; i += kThreads) {
      out[int64_t{r} * from.n_in + i] = from_float<Out>(__fmul_rn(rows.scale, to_float(__ldg(row + i))));
    }
  }
}

template <class Out>
void write_rows(cudaStream_t stream, const Matrix& from, const RowChoice& rows, Out* out) {
  if (rows.n_rows == 0) return;
  const dim3 grid(blocks_for(from.n_in, kRecord), std::min(blocks_for(rows.n_rows, kRowsPerBlock), kMaxGrid));
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

RowChoice choose(int64_t first, int64_t n) {
  return {static_cast<int32_t>(first), nullptr, static_cast<int32_t>(n), 1};
}

}  // namespace

void dequantize_f32(cudaStream_t stream, const Matrix& from, int64_t row_first, int64_t n_rows, float* out) {
  write_rows(stream, from, choose(row_first, n_rows), out);
}

void dequantize_half(cudaStream_t stream, const Matrix& from, int64_t row_first, int64_t n_rows, bool bf16, void* out) {
  const RowChoice rows = choose(row_first, n_rows);
  if (bf16) {
    write_rows(stream, from, rows, static_cast<__nv_bfloat16*>(out));
  } else {
    write_rows(stream, from, rows, static_cast<__half*>(out));
  }
}

void gather_rows(cudaStream_t stream, const Matrix& table, const int32_t* tokens, int64_t n_tokens, float scale,
                 float* y) {
  write_rows(stream, table, {0, tokens, static_cast<int32_t>(n_tokens), scale}, y);
}

}  // namespace kigo::cuda
