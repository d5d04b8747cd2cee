/**
 * The kernel behind cuda/gemv.h. A block takes a run of output rows, its warps a few of them at a time; each warp has
 * the next records of weights on their way in registers while it multiplies the ones before, from before the kernel in
 * front has ended. Sums of rows meet in shared memory, where one thread an output finishes them: stores stand side by
 * side, and warps that share rows need no meeting in between.
 */
#pragma once

#include <algorithm>

#include "cuda/gemv.h"
#include "cuda/gemv_records.cuh"
#include "cuda/pdl.cuh"
#include "cuda/reduce.cuh"

namespace kigo::cuda {

/** What the kernel takes: a Gemv of one type. */
struct GemvArguments {
  struct Part {
    const uint8_t* data;
    const float* bias;
    int end;  // rows up to here, those of the parts in front included
  };
  Part parts[3];
  uint32_t row_bytes;
  int n_rows;  // of all parts; of a pair, gate and up by turns
  bool pair;
  bool gelu;
  bool accumulate;
  int n_in;
  int n_padded;  // to whole records of 1024
  RowShape shape;
  int split_k;
  const float* x;
  const float* norm;
  float eps;
  float* y;
  const float* gate;
  float softcap;
  StepState* ends;

  __device__ const uint8_t* row(int r) const {
    if (pair) return parts[r % 2].data + static_cast<uint64_t>(r / 2) * row_bytes;
    if (r < parts[0].end) return parts[0].data + static_cast<uint64_t>(r) * row_bytes;
    if (r < parts[1].end) return parts[1].data + static_cast<uint64_t>(r - parts[0].end) * row_bytes;
    return parts[2].data + static_cast<uint64_t>(r - parts[1].end) * row_bytes;
  }
  __device__ float bias(int r) const {
    if (pair) return parts[r % 2].bias == nullptr ? 0 : __ldg(parts[r % 2].bias + r / 2);
    const int part = r < parts[0].end ? 0 : r < parts[1].end ? 1 : 2;
    const int first = part == 0 ? 0 : parts[part - 1].end;
    return parts[part].bias == nullptr ? 0 : __ldg(parts[part].bias + r - first);
  }
};

/** Rows [first, end) of block `block` of `n_blocks`: whole runs of `rows`, so that all blocks have about as many. */
struct RowRange {
  int first, end;
};
__host__ __device__ inline RowRange rows_of_block(int n_rows, int rows, int block, int n_blocks) {
  const int64_t n_runs = (n_rows + rows - 1) / rows;
  const auto start = [&](int b) { return static_cast<int>(n_runs * b / n_blocks) * rows; };
  const int end = start(block + 1);
  return {start(block), end < n_rows ? end : n_rows};
}

__device__ inline float activate(float v, bool gelu) {
  // gelu: x·(1 + tanh u)/2 = x/(1 + e^-2u), u = √(2/π)·(x + 0.044715x³)
  const float u = gelu ? 1.5957691216f * (v + 0.044715f * v * v * v) : v;
  return __fdividef(v, 1 + __expf(-fmaxf(u, -80.0f)));
}

/** Steps of a warp through its rows: run of rows by run, and within it record by record. */
template <uint32_t type, int rows, int records, int depth>
struct GemvWarp {
  const GemvArguments& a;
  RowRange range;
  int lane, share, run_stride, n_runs, steps_per_run;
  int first_run;
  Fragment<type> fragments[depth][rows][records];

  // where the loads are
  int load_run, load_step = 0;

  __device__ GemvWarp(const GemvArguments& arguments, RowRange of_block) : a(arguments), range(of_block) {
    const int warp = threadIdx.x / 32, n_groups = blockDim.x / 32 / a.split_k;
    lane = threadIdx.x % 32;
    share = warp % a.split_k;
    first_run = warp / a.split_k;
    run_stride = n_groups;
    n_runs = (range.end - range.first + rows - 1) / rows;
    const int groups_of_records = (a.shape.n_records + records - 1) / records;
    steps_per_run = share < groups_of_records ? (groups_of_records - share - 1) / a.split_k + 1 : 0;
    load_run = first_run;
  }

  __device__ int n_steps() const {
    return first_run < n_runs ? ((n_runs - first_run - 1) / run_stride + 1) * steps_per_run : 0;
  }
  __device__ int record(int step) const { return (step * a.split_k + share) * records; }

  /** Behind the last row comes the last row again, whose sum is dropped. */
  __device__ void load(Fragment<type> (&to)[rows][records]) {
    for (int r = 0; r < rows; ++r) {
      const uint8_t* row = a.row(min(range.first + load_run * rows + r, range.end - 1));
      for (int i = 0; i < records; ++i) to[r][i].load(row, record(load_step) + i, a.shape, lane);
    }
    if (++load_step == steps_per_run) {
      load_step = 0;
      load_run += run_stride;
    }
  }

  /** The first steps, as long as there are some. */
  __device__ void load_ahead() {
#pragma unroll
    for (int d = 0; d < depth; ++d) {
      if (d < n_steps()) load(fragments[d]);
    }
  }

  /** sums [rows of the block][split_k] */
  __device__ void multiply(const std::byte* x, float* sums) {
    const int n = n_steps();
    int run = first_run, step = 0;
    float sum[rows] = {};
    for (int t = 0; t < n; t += depth) {
#pragma unroll
      for (int d = 0; d < depth; ++d) {
        if (t + d >= n) break;
#pragma unroll
        for (int i = 0; i < records; ++i) {
          if (record(step) + i >= a.shape.n_records) break;
          const ActivationSlice<type> slice(x, a.n_padded, record(step) + i, lane);
          for (int r = 0; r < rows; ++r) sum[r] += fragments[d][r][i].dot(slice, lane);
        }
        if (t + d + depth < n) load(fragments[d]);
        if (++step < steps_per_run) continue;

        for (int r = 0; r < rows; ++r) sum[r] = warp_sum(sum[r]);
        if (lane == 0) {
          for (int r = 0; r < rows; ++r) sums[(run * rows + r) * a.split_k + share] = sum[r];
        }
        for (int r = 0; r < rows; ++r) sum[r] = 0;
        step = 0;
        run += run_stride;
      }
    }
    if (steps_per_run == 0 && lane == 0) {  // more warps than records
      for (; run < n_runs; run += run_stride) {
        for (int r = 0; r < rows; ++r) sums[(run * rows + r) * a.split_k + share] = 0;
      }
    }
  }
};

/** A block's shared memory: activations, then the sums of rows, then what the block's warps add up for the norm. */
inline __host__ __device__ uint32_t gemv_sums_at(uint32_t type, int n_padded) {
  return form_bytes(form_of(type), static_cast<uint32_t>(n_padded));
}

template <uint32_t type, int rows, int records, int depth, int max_warps>
__device__ void gemv_block(const GemvArguments& a, int block, int n_blocks) {
  extern __shared__ __align__(16) std::byte shared[];
  constexpr Form form = form_of(type);
  auto* sums = reinterpret_cast<float*>(shared + gemv_sums_at(type, a.n_padded));
  __shared__ float squares_of_warp[32];
  const int thread = threadIdx.x, n_threads = blockDim.x;

  release_consumer();
  // A pair's rows stay together.
  const RowRange range = rows_of_block(a.n_rows, a.pair && rows == 1 ? 2 : rows, block, n_blocks);
  GemvWarp<type, rows, records, depth> warp(a, range);
  warp.load_ahead();
  const int n_items = a.n_padded / kItem;
  Item norm = {};
  constexpr bool norm_ahead = max_warps <= 20;  // more warps have no registers for it
  if (norm_ahead && a.norm != nullptr && thread < n_items) norm = load_constant_item(a.norm, thread, a.n_in);
  const int per_output = a.pair ? 2 : 1;
  const int n_outputs = (range.end - range.first) / per_output, first_output = range.first / per_output;
  float bias = 0, bias_up = 0;
  if (thread < n_outputs) {
    bias = a.bias(range.first + thread * per_output);
    if (a.pair) bias_up = a.bias(range.first + thread * 2 + 1);
  }

  wait_for_producer();
  float old = 0;
  if (a.accumulate && thread < n_outputs) old = __ldcg(a.y + first_output + thread);
  // The norm's weights go into x; its scale, a factor of everything, is multiplied to the sums.
  float squares = 0;
#pragma unroll 1
  for (int i = thread; i < n_items; i += n_threads) {
    Item item = load_item(a.x, i, a.n_in);
    if (a.norm != nullptr) {
      if (!norm_ahead || i != thread) norm = load_constant_item(a.norm, i, a.n_in);
      for (int k = 0; k < kItem; ++k) {
        squares += item.v[k] * item.v[k];
        item.v[k] *= norm.v[k];
      }
    }
    store_item<form>(shared, a.n_padded, i, item);
  }
  if (a.norm != nullptr) {
    squares = warp_sum(squares);
    if (thread % 32 == 0) squares_of_warp[thread / 32] = squares;
  }
  __syncthreads();

  warp.multiply(shared, sums);
  __syncthreads();

  float scale = 1;
  if (a.norm != nullptr) {
    squares = thread % 32 < n_threads / 32 ? squares_of_warp[thread % 32] : 0;
    scale = rsqrtf(warp_sum(squares) / static_cast<float>(a.n_in) + a.eps);
  }
  const auto sum_of_row = [&](int r) {
    float sum = 0;
    for (int k = 0; k < a.split_k; ++k) sum += sums[r * a.split_k + k];
    return sum * scale;
  };
  for (int i = thread; i < n_outputs; i += n_threads) {
    if (i != thread) {
      bias = a.bias(range.first + i * per_output);
      if (a.pair) bias_up = a.bias(range.first + i * 2 + 1);
      if (a.accumulate) old = __ldcg(a.y + first_output + i);
    }
    float v = sum_of_row(i * per_output) + bias;
    if (a.pair) v = activate(v, a.gelu) * (sum_of_row(i * 2 + 1) + bias_up);
    if (a.gate != nullptr) v *= activate(__ldcg(a.gate + first_output + i), a.gelu);
    if (a.softcap != 0) v = a.softcap * tanhf(v / a.softcap);
    a.y[first_output + i] = v + old;
  }
  if (a.ends != nullptr && block == 0 && thread == 0) ++a.ends->length;
}

template <uint32_t type, int rows, int records, int depth, int max_warps>
__global__ __launch_bounds__(max_warps * 32, 1) void gemv_kernel(const __grid_constant__ GemvArguments a) {
  gemv_block<type, rows, records, depth, max_warps>(a, static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x));
}

/** Two types in one launch: the first `n_first` blocks have the one, the rest the other. */
template <uint32_t first, uint32_t second, int rows, int records, int depth, int max_warps>
__global__ __launch_bounds__(max_warps * 32, 1) void gemv_kernel_of_two(const __grid_constant__ GemvArguments a,
                                                                        const __grid_constant__ GemvArguments b,
                                                                        int n_first) {
  const int block = static_cast<int>(blockIdx.x);
  if (block < n_first) {
    gemv_block<first, rows, records, depth, max_warps>(a, block, n_first);
  } else {
    gemv_block<second, rows, records, depth, max_warps>(b, block - n_first, static_cast<int>(gridDim.x) - n_first);
  }
}

/** Shared memory of a block of `blocks`. */
inline size_t gemv_shared_bytes(uint32_t type, const GemvArguments& a, const GemvShape& shape, int blocks) {
  const int64_t rows = std::max(shape.rows, a.pair ? 2 : 1);
  const int64_t runs = (a.n_rows + rows - 1) / rows, of_block = (runs + blocks - 1) / blocks * rows;
  return gemv_sums_at(type, a.n_padded) + static_cast<size_t>(of_block * shape.split_k) * sizeof(float);
}

}  // namespace kigo::cuda
