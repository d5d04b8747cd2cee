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
  // How a launch is cut up, counted out on the host: a division takes a kernel as long as it has for a whole row. The
  // first `remainder` blocks, or shares of a row, have one more.
  int split_k;
  float inverse_split_k;
  int n_groups;  // of warps that share rows, in a block
  int runs_per_block, runs_remainder;
  int steps_per_share, steps_remainder;
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

/** Rows [first, end) of a block: whole runs of `rows`. */
struct RowRange {
  int first, end;
  __device__ RowRange(const GemvArguments& a, int rows, int block) {
    first = (block * a.runs_per_block + min(block, a.runs_remainder)) * rows;
    end = min(first + (a.runs_per_block + (block < a.runs_remainder)) * rows, a.n_rows);
  }
};

__device__ inline float activate(float v, bool gelu) {
  // gelu: x·(1 + tanh u)/2 = x/(1 + e^-2u), u = √(2/π)·(x + 0.044715x³)
  const float u = gelu ? 1.5957691216f * (v + 0.044715f * v * v * v) : v;
  return __fdividef(v, 1 + __expf(-fmaxf(u, -80.0f)));
}

/** Steps of a warp through its rows: run of rows by run, and within it record by record. */
template <uint32_t type, int rows, int records, int depth>
struct GemvWarp {
  const GemvArguments& a;
  const RowRange range;
  const int lane, group, share, n_runs, steps_per_run;
  Fragment<type> fragments[depth][rows][records];
  int load_run, load_step = 0;  // where the loads are

  __device__ GemvWarp(const GemvArguments& arguments, RowRange of_block)
      : a(arguments),
        range(of_block),
        lane(threadIdx.x % 32),
        group(static_cast<int>((static_cast<float>(threadIdx.x / 32) + 0.5f) * a.inverse_split_k)),
        share(static_cast<int>(threadIdx.x / 32) - group * a.split_k),
        n_runs((range.end - range.first + rows - 1) / rows),
        steps_per_run(a.steps_per_share + (share < a.steps_remainder)),
        load_run(group) {}

  __device__ int record(int step) const { return (step * a.split_k + share) * records; }

  /** Behind the last row comes the last row again, whose sum is dropped. */
  __device__ void load(Fragment<type> (&to)[rows][records]) {
    for (int r = 0; r < rows; ++r) {
      const uint8_t* row = a.row(min(range.first + load_run * rows + r, range.end - 1));
      for (int i = 0; i < records; ++i) to[r][i].load(row, record(load_step) + i, a.shape, lane);
    }
    if (++load_step == steps_per_run) {
      load_step = 0;
      load_run += a.n_groups;
    }
  }

  /** The first steps, as long as there are some. */
  __device__ void load_ahead() {
#pragma unroll
    for (int d = 0; d < depth; ++d) {
      if (load_run < n_runs) load(fragments[d]);
    }
  }

  /** sums [rows of the block][split_k] */
  __device__ void multiply(const std::byte* x, float* sums) {
    int run = group, step = 0;
    float sum[rows] = {};
    while (run < n_runs) {
#pragma unroll
      for (int d = 0; d < depth; ++d) {
        if (run >= n_runs) break;
#pragma unroll
        for (int i = 0; i < records; ++i) {
          if (record(step) + i >= a.shape.n_records) break;
          const ActivationSlice<type> slice(x, a.n_padded, record(step) + i, lane);
          for (int r = 0; r < rows; ++r) sum[r] += fragments[d][r][i].dot(slice, lane);
        }
        if (load_run < n_runs) load(fragments[d]);
        if (++step < steps_per_run) continue;

        for (int r = 0; r < rows; ++r) sum[r] = warp_sum(sum[r]);
        if (lane == 0) {
          for (int r = 0; r < rows; ++r) sums[(run * rows + r) * a.split_k + share] = sum[r];
        }
        for (int r = 0; r < rows; ++r) sum[r] = 0;
        step = 0;
        run += a.n_groups;
      }
    }
  }
};

/** A block's shared memory: activations, then the sums of rows, then what the block's warps add up for the norm. */
inline __host__ __device__ uint32_t gemv_sums_at(uint32_t type, int n_padded) {
  return form_bytes(form_of(type), static_cast<uint32_t>(n_padded));
}

template <uint32_t type, int rows, int records, int depth>
__device__ void gemv_block(const GemvArguments& a, int block) {
  extern __shared__ __align__(16) std::byte shared[];
  constexpr Form form = form_of(type);
  auto* sums = reinterpret_cast<float*>(shared + gemv_sums_at(type, a.n_padded));
  __shared__ float squares_of_warp[32];
  const int thread = threadIdx.x, n_threads = blockDim.x;

  release_consumer();
  // A pair's rows stay together.
  const RowRange range(a, a.pair && rows == 1 ? 2 : rows, block);
  GemvWarp<type, rows, records, depth> warp(a, range);
  warp.load_ahead();
  const int n_items = a.n_padded / kItem;
  float4 norm = {};
  if (a.norm != nullptr && thread < n_items) norm = load_constant_item(a.norm, thread, a.n_in);
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
    float4 v = load_item(a.x, i, a.n_in);
    if (a.norm != nullptr) {
      if (i != thread) norm = load_constant_item(a.norm, i, a.n_in);
      squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
      v = {v.x * norm.x, v.y * norm.y, v.z * norm.z, v.w * norm.w};
    }
    store_item<form>(shared, a.n_padded, i, v);
  }
  if (a.norm != nullptr) {
    squares = warp_sum(squares);
    if (thread % 32 == 0) squares_of_warp[thread / 32] = squares;
  }
  __syncthreads();
  float scale = 1;
  if (a.norm != nullptr) {
    squares = thread % 32 < n_threads / 32 ? squares_of_warp[thread % 32] : 0;
    scale = rsqrtf(warp_sum(squares) / static_cast<float>(a.n_in) + a.eps);
  }

  warp.multiply(shared, sums);
  __syncthreads();

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

template <uint32_t type, int rows, int records, int depth, int max_warps, int min_blocks>
__global__ __launch_bounds__(max_warps * 32, min_blocks) void gemv_kernel(const __grid_constant__ GemvArguments a) {
  gemv_block<type, rows, records, depth>(a, static_cast<int>(blockIdx.x));
}

/** Two types in one launch: the first `n_first` blocks have the one, the rest the other. */
template <uint32_t first, uint32_t second, int rows, int records, int depth, int max_warps, int min_blocks>
__global__ __launch_bounds__(max_warps * 32,
                             min_blocks) void gemv_kernel_of_two(const __grid_constant__ GemvArguments a,
                                                                 const __grid_constant__ GemvArguments b, int n_first) {
  const int block = static_cast<int>(blockIdx.x);
  if (block < n_first) {
    gemv_block<first, rows, records, depth>(a, block);
  } else {
    gemv_block<second, rows, records, depth>(b, block - n_first);
  }
}

/** Fills in how `blocks` blocks of a shape cut the work up; gives the bytes of shared memory of a block. */
inline size_t cut(uint32_t type, GemvArguments& a, const GemvShape& shape, int blocks) {
  const int rows = std::max(shape.rows, a.pair ? 2 : 1), runs = (a.n_rows + rows - 1) / rows;
  const int steps = (a.shape.n_records + shape.records - 1) / shape.records;
  a.split_k = std::min(shape.split_k, steps);
  a.inverse_split_k = 1 / static_cast<float>(a.split_k);
  a.n_groups = shape.warps / a.split_k;
  a.runs_per_block = runs / blocks;
  a.runs_remainder = runs % blocks;
  a.steps_per_share = steps / a.split_k;
  a.steps_remainder = steps % a.split_k;
  const int most_rows = (a.runs_per_block + (a.runs_remainder > 0)) * rows;
  return gemv_sums_at(type, a.n_padded) + static_cast<size_t>(most_rows * a.split_k) * sizeof(float);
}

}  // namespace kigo::cuda
