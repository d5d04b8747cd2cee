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
    // Where row 0 would lie, and its bias, if all rows were this part's (of a pair: if all outputs were).
    const uint8_t* row0;
    const float* bias0;  // or NULL
    int end;             // rows up to here, those of the parts in front included
  };
  Part parts[3];
  uint32_t row_bytes;
  int n_rows;   // of all parts; of a pair, gate and up by turns
  bool biased;  // one of the parts is
  bool gelu;
  bool accumulate;
  int n_in;
  int n_padded;  // to whole records of 1024
  bool ragged;   // n_in is no multiple of kItem
  RowShape shape;
  // How a launch is cut up, counted out on the host: a division takes a kernel as long as it has for a whole row. The
  // first `remainder` blocks, or shares of a row, have one more.
  int split_k;
  uint32_t inverse_split_k;  // times 2^16, rounded up
  int n_groups;              // of warps that share rows, in a block
  int runs_per_block, runs_remainder;
  int steps_per_share, steps_remainder;
  const float* x;
  const float* norm;
  float eps, inverse_n_in;
  float* y;
  const float* gate;
  float softcap;
  StepState* ends;

  /** Row r of the launch: the rows of gate and up take turns. */
  template <bool pair>
  __device__ const uint8_t* row(int r) const {
    const int index = pair ? r / 2 : r;
    return parts[part<pair>(r)].row0 + static_cast<uint64_t>(static_cast<uint32_t>(index)) * row_bytes;
  }
  template <bool pair>
  __device__ float bias(int r) const {
    const float* bias0 = parts[part<pair>(r)].bias0;
    return bias0 == nullptr ? 0 : __ldg(bias0 + (pair ? r / 2 : r));
  }

 private:
  template <bool pair>
  __device__ int part(int r) const {
    return pair ? r % 2 : (r >= parts[0].end) + (r >= parts[1].end);
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
template <uint32_t type, int rows, int records, int depth, bool pair>
struct GemvWarp {
  const GemvArguments& a;
  const RowRange range;
  const int lane, group, share, n_runs, steps_per_run;
  const Places<type> in_whole, in_tail;  // records
  Fragment<type> fragments[depth][rows][records];
  // Where the loads are.
  int load_run, load_step = 0;
  const uint8_t* load_rows[rows];

  __device__ GemvWarp(const GemvArguments& arguments, RowRange of_block)
      : a(arguments),
        range(of_block),
        lane(threadIdx.x % 32),
        group(static_cast<int>(threadIdx.x / 32 * a.inverse_split_k >> 16)),
        share(static_cast<int>(threadIdx.x / 32) - group * a.split_k),
        n_runs((range.end - range.first + rows - 1) / rows),
        steps_per_run(a.steps_per_share + (share < a.steps_remainder)),
        in_whole(record_layout(type, kBlocksPerRecord), is_float(type) ? 128 : kBlocksPerRecord, lane),
        in_tail(a.shape.tail_at, a.shape.tail, lane),
        load_run(group) {}

  __device__ int record(int step) const { return (step * a.split_k + share) * records; }

  /** Behind the last row comes the last row again, whose sum is dropped. */
  __device__ void load(Fragment<type> (&to)[rows][records]) {
    constexpr bool kRemembers = records * depth > 1;  // shapes for rows of one record have no registers for it
    if (load_step == 0 || !kRemembers) {
      for (int r = 0; r < rows; ++r) load_rows[r] = a.row<pair>(min(range.first + load_run * rows + r, range.end - 1));
    }
#pragma unroll
    for (int i = 0; i < records; ++i) {
      const int at = record(load_step) + i;
      if (at >= a.shape.n_records) break;
      const Places<type> places = at < a.shape.n_whole ? in_whole : in_tail;
      for (int r = 0; r < rows; ++r) to[r][i].load(load_rows[r], at * record_bytes(type), places);
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

/** Rows that stay together: those that a warp takes at a time, and a pair's two. */
KIGO_HOST_DEVICE constexpr int run_of_rows(int rows, bool pair) { return pair && rows == 1 ? 2 : rows; }

/** Items of x that a thread has on their way at once: as many as its registers have room for. */
KIGO_HOST_DEVICE constexpr int items_at_once(int max_warps, int min_blocks) {
  return max_warps * min_blocks <= 16 ? 4 : 2;
}

/** A block's shared memory: activations, then the sums of rows, then what the block's warps add up for the norm. */
inline __host__ __device__ uint32_t gemv_sums_at(uint32_t type, int n_padded) {
  return form_bytes(form_of(type), static_cast<uint32_t>(n_padded));
}

template <uint32_t type, int rows, int records, int depth, int items, bool pair>
__device__ void gemv_block(const GemvArguments& a, int block) {
  extern __shared__ __align__(16) std::byte shared[];
  constexpr Form form = form_of(type);
  auto* sums = reinterpret_cast<float*>(shared + gemv_sums_at(type, a.n_padded));
  __shared__ float4 squares_of_warps[8];  // 0 for warps that there are not
  const int thread = threadIdx.x, n_threads = blockDim.x;

  release_consumer();
  constexpr int per_output = pair ? 2 : 1;
  const RowRange range(a, run_of_rows(rows, pair), block);
  GemvWarp<type, rows, records, depth, pair> warp(a, range);
  warp.load_ahead();
  const int n_items = static_cast<int>(static_cast<uint32_t>(a.n_padded) / kItem);
  float4 norm = {};
  if (a.norm != nullptr && thread < n_items) norm = load_constant_item(a.norm, thread, a.n_in);
  const int n_outputs = (range.end - range.first) / per_output;
  float* const y = a.y + range.first / per_output;
  float bias[per_output] = {}, old = 0;
  const auto load_biases = [&](int output) {
    for (int k = 0; k < per_output; ++k) bias[k] = a.bias<pair>(range.first + output * per_output + k);
  };
  if (a.biased && thread < n_outputs) load_biases(thread);

  wait_for_producer();
  if (a.accumulate && thread < n_outputs) old = __ldcg(y + thread);
  // The norm's weights go into x; its scale, a factor of everything, is multiplied to the sums. Some items at a time,
  // as each round waits for the second cache.
  float squares = 0;
#pragma unroll 1
  for (int first = thread; first < n_items; first += items * n_threads) {
    float4 v[items];
#pragma unroll
    for (int j = 0; j < items; ++j) v[j] = load_item(a.x, first + j * n_threads, a.n_in);
#pragma unroll
    for (int j = 0; j < items; ++j) {
      const int i = first + j * n_threads;
      if (i >= n_items) break;
      if (a.ragged) v[j] = up_to_end(v[j], i, a.n_in);
      if (a.norm != nullptr) {
        if (i != thread) norm = load_constant_item(a.norm, i, a.n_in);
        squares += v[j].x * v[j].x + v[j].y * v[j].y + v[j].z * v[j].z + v[j].w * v[j].w;
        v[j] = {v[j].x * norm.x, v[j].y * norm.y, v[j].z * norm.z, v[j].w * norm.w};
        if (a.ragged) v[j] = up_to_end(v[j], i, a.n_in);
      }
      store_item<form>(shared, a.n_padded, i, v[j]);
    }
  }
  if (a.norm != nullptr) {
    squares = warp_sum(squares);
    auto* of_warp = reinterpret_cast<float*>(squares_of_warps);
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = squares;
    if (threadIdx.x < 32 && threadIdx.x >= blockDim.x / 32) of_warp[threadIdx.x] = 0;
  }
  __syncthreads();
  warp.multiply(shared, sums);
  __syncthreads();

  float scale = 1;
  if (a.norm != nullptr) {
    float4 sum = {0, 0, 0, 0};
    for (const float4& v : squares_of_warps) sum = {sum.x + v.x, sum.y + v.y, sum.z + v.z, sum.w + v.w};
    scale = rsqrtf((sum.x + sum.y + sum.z + sum.w) * a.inverse_n_in + a.eps);
  }
  // Straight code to the first output, and loops that stay small: what runs here runs once, and instructions that come
  // from the second cache take longer than their work (0.3 µs a kernel).
#pragma unroll 1
  for (int i = thread; i < n_outputs; i += n_threads) {
    if (i != thread) {
      if (a.biased) load_biases(i);
      if (a.accumulate) old = __ldcg(y + i);
    }
    float v[per_output] = {};
    const float* from = sums + i * per_output * a.split_k;
#pragma unroll 1
    for (int k = 0; k < a.split_k; ++k, ++from) {
      for (int r = 0; r < per_output; ++r) v[r] += from[r * a.split_k];
    }
    for (int r = 0; r < per_output; ++r) v[r] = v[r] * scale + bias[r];
    if constexpr (pair) {
      v[0] = activate(v[0], a.gelu) * v[1];
    } else {
      if (a.gate != nullptr) v[0] *= activate(__ldcg(a.gate + range.first + i), a.gelu);
      if (a.softcap != 0) v[0] = a.softcap * tanhf(v[0] / a.softcap);
    }
    y[i] = v[0] + old;
  }
  if (a.ends != nullptr && block == 0 && thread == 0) ++a.ends->length;
}

template <uint32_t type, int rows, int records, int depth, int max_warps, int min_blocks, bool pair>
__global__ __launch_bounds__(max_warps * 32, min_blocks) void gemv_kernel(const __grid_constant__ GemvArguments a) {
  gemv_block<type, rows, records, depth, items_at_once(max_warps, min_blocks), pair>(a, static_cast<int>(blockIdx.x));
}

/** Two types in one launch: the first `n_first` blocks have the one, the rest the other. */
template <uint32_t first, uint32_t second, int rows, int records, int depth, int max_warps, int min_blocks>
__global__ __launch_bounds__(max_warps * 32,
                             min_blocks) void gemv_kernel_of_two(const __grid_constant__ GemvArguments a,
                                                                 const __grid_constant__ GemvArguments b, int n_first) {
  const int block = static_cast<int>(blockIdx.x);
  constexpr int items = items_at_once(max_warps, min_blocks);
  if (block < n_first) {
    gemv_block<first, rows, records, depth, items, false>(a, block);
  } else {
    gemv_block<second, rows, records, depth, items, false>(b, block - n_first);
  }
}

/** Fills in how `blocks` blocks of a shape cut the work up; gives the bytes of shared memory of a block. */
inline size_t cut(uint32_t type, GemvArguments& a, bool pair, const GemvShape& shape, int blocks) {
  const int rows = run_of_rows(shape.rows, pair), runs = (a.n_rows + rows - 1) / rows;
  const int steps = (a.shape.n_records + shape.records - 1) / shape.records;
  a.split_k = std::min(shape.split_k, steps);
  a.inverse_split_k = (65536 + static_cast<uint32_t>(a.split_k) - 1) / static_cast<uint32_t>(a.split_k);
  a.n_groups = shape.warps / a.split_k;
  a.runs_per_block = runs / blocks;
  a.runs_remainder = runs % blocks;
  a.steps_per_share = steps / a.split_k;
  a.steps_remainder = steps % a.split_k;
  const int most_rows = (a.runs_per_block + (a.runs_remainder > 0)) * rows;
  return gemv_sums_at(type, a.n_padded) + static_cast<size_t>(most_rows * a.split_k) * sizeof(float);
}

}  // namespace kigo::cuda
