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
#include "cuda/soft_cap.cuh"

namespace kigo::cuda {

/** What a kernel is compiled for. */
struct CompiledShape {
  int rows;       // that a warp takes at a time
  int records;    // of each of them; warps share a row where it has more
  int depth;      // such steps on their way at once
  int max_warps;  // of a block
  bool whole;     // for rows of whole records, as many as warps share out evenly
};

enum ShapeKind {
  kWide,   // most rows at once
  kSmall,  // few registers, or work that few rows are to share out evenly
  kLarge,  // most bytes on their way
  kLong,   // rows of up to 64 records
  kFlat,   // most rows of long ones
  kShapeKinds
};
/** Kinds that a type is compiled in: the first so many. */
KIGO_HOST_DEVICE constexpr int shape_kinds(uint32_t type) { return is_float(type) ? kFlat : kShapeKinds; }

/** A lane's part of a record is 64 bytes of float types, and 18 to 36 of quantised ones: fewer fit in registers. */
KIGO_HOST_DEVICE constexpr CompiledShape compiled_shape(uint32_t type, int kind) {
  switch (kind) {
    case kWide:  // types with activations in float32 have no registers for four rows
      return {.rows = form_of(type) == Form::wide ? 2 : 4, .records = 1, .depth = 1, .max_warps = 20, .whole = false};
    case kSmall: return {.rows = 2, .records = 1, .depth = 1, .max_warps = 20, .whole = false};
    case kLarge:
      if (is_float(type)) return {.rows = 2, .records = 1, .depth = 2, .max_warps = 20, .whole = false};
      return {.rows = 2, .records = 2, .depth = 2, .max_warps = 16, .whole = true};
    case kLong:  // spills four registers of F32, whose rows are hardly ever that long
      return {.rows = 1, .records = 4, .depth = 1, .max_warps = 16, .whole = false};
    default: return {.rows = 4, .records = 2, .depth = 1, .max_warps = 16, .whole = true};  // kFlat
  }
}

/**
 * What a product is for, known when its kernel is compiled: code that never runs, for what other products need, made
 * the step of a 0.5B 5 to 6% longer, and an 8B's 0.4 to 1.8%.
 */
enum class Use {
  project,  // norm in front; one to three matrices behind one another
  pair,     // norm in front; gate and up, whose outputs become one
  branch    // no norm; one matrix, whose output may be added to y
};

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
  int n_padded;  // to the records that warps share out
  bool ragged;   // n_in is no multiple of kItem
  RowShape shape;
  // How a launch is cut up, counted out on the host: a division takes a kernel as long as it has for a whole row. The
  // first `remainder` blocks have one more.
  int split_k;
  uint32_t inverse_split_k;  // times 2^16, rounded up
  int n_groups;              // of warps that share rows, in a block
  int runs_per_block, runs_remainder;
  const float* x;
  const float* norm;
  float eps, inverse_n_in;
  float* y;
  const float* gate;
  float softcap, inverse_softcap;
  StepState* ends;

  /** Row r of the launch: the rows of gate and up take turns. */
  template <Use use>
  __device__ const uint8_t* row(int r) const {
    const int index = use == Use::pair ? r / 2 : r;
    const auto row0 = [](const Part& part) { return part.row0; };
    return of_part<use>(r, row0) + static_cast<uint64_t>(static_cast<uint32_t>(index)) * row_bytes;
  }
  template <Use use>
  __device__ float bias(int r) const {
    const float* bias0 = of_part<use>(r, [](const Part& part) { return part.bias0; });
    return bias0 == nullptr ? 0 : __ldg(bias0 + (use == Use::pair ? r / 2 : r));
  }

 private:
  /** Chosen among, and not addressed: constants with an address of their own come a load later. */
  template <Use use, class Get>
  __device__ auto of_part(int r, Get get) const {
    auto value = get(parts[0]);
    if (use == Use::pair) {
      if (r % 2 != 0) value = get(parts[1]);
    } else if (use == Use::project) {
      if (r >= parts[0].end) value = get(parts[1]);
      if (r >= parts[1].end) value = get(parts[2]);
    }
    return value;
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

/**
 * A warp's way through the rows of its block: `rows` of them at a time, and of each always the same `records`, its
 * share of the row. So its part of x stays in registers, and a step is straight code.
 */
template <uint32_t type, CompiledShape shape, Use use>
struct GemvWarp {
  static constexpr int rows = shape.rows, records = shape.records, depth = shape.depth;

  const GemvArguments& a;
  const RowRange range;
  const int lane, group, share, n_runs;
  const Places<type, records, shape.whole> places;
  Fragment<type> fragments[depth][rows][records];
  int load_run;

  __device__ GemvWarp(const GemvArguments& arguments, RowRange of_block)
      : a(arguments),
        range(of_block),
        lane(threadIdx.x % 32),
        group(static_cast<int>(threadIdx.x / 32 * a.inverse_split_k >> 16)),
        share(static_cast<int>(threadIdx.x / 32) - group * a.split_k),
        n_runs((range.end - range.first + rows - 1) / rows),
        places(a.shape, share * records, lane),
        load_run(group) {}

  /** Behind the last row comes the last row again, whose sum is dropped. */
  __device__ void load(Fragment<type> (&to)[rows][records]) {
    const int first = range.first + load_run * rows;
    for (int r = 0; r < rows; ++r) {
      const uint8_t* row = a.row<use>(min(first + r, range.end - 1));
      for (int i = 0; i < records; ++i) to[r][i].load(row, places, i);
    }
    load_run += a.n_groups;
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
    // In registers where there are enough of them.
    constexpr bool kKeeps = !is_float(type) && records <= 2;
    ActivationSlice<type> kept[records];
    const auto slice = [&](int i) { return ActivationSlice<type>(x, a.n_padded, share * records + i, lane); };
    if (kKeeps) {
      for (int i = 0; i < records; ++i) kept[i] = slice(i);
    }
    float* to = sums + (group * rows + row_of_lane<rows>(lane)) * a.split_k + share;
    const bool stores = lane % (32 / rows) == 0;
    for (int run = group; run < n_runs;) {
#pragma unroll
      for (int d = 0; d < depth; ++d) {
        if (run >= n_runs) break;
        float sum[rows] = {};
#pragma unroll
        for (int i = 0; i < records; ++i) {
          const ActivationSlice<type> of_record = kKeeps ? kept[i] : slice(i);
          for (int r = 0; r < rows; ++r) sum[r] += fragments[d][r][i].dot(of_record, lane);
        }
        if (load_run < n_runs) load(fragments[d]);
        const float of_lane = warp_sums(sum, lane);
        if (stores) *to = of_lane;
        to += a.n_groups * rows * a.split_k;
        run += a.n_groups;
      }
    }
  }
};

/** Rows that stay together: those that a warp takes at a time, and a pair's two. */
KIGO_HOST_DEVICE constexpr int run_of_rows(int rows, bool pair) { return pair && rows == 1 ? 2 : rows; }

/** A block's shared memory: activations, then the sums of rows, then what the block's warps add up for the norm. */
inline __host__ __device__ uint32_t gemv_sums_at(uint32_t type, int n_padded) {
  return form_bytes(form_of(type), static_cast<uint32_t>(n_padded));
}

template <uint32_t type, CompiledShape shape, Use use>
__device__ void gemv_block(const GemvArguments& a, int block) {
  extern __shared__ __align__(16) std::byte shared[];
  constexpr Form form = form_of(type);
  constexpr bool pair = use == Use::pair, normed = use != Use::branch;
  // Of x that a thread has on their way at once, besides its weights.
  constexpr int items = shape.max_warps <= 16 && shape.records < 4 ? 2 : 1;
  auto* sums = reinterpret_cast<float*>(shared + gemv_sums_at(type, a.n_padded));
  __shared__ float4 squares_of_warps[8];  // 0 for warps that there are not
  const int thread = threadIdx.x, n_threads = blockDim.x;

  release_consumer();
  constexpr int per_output = pair ? 2 : 1;
  const RowRange range(a, run_of_rows(shape.rows, pair), block);
  GemvWarp<type, shape, use> warp(a, range);
  warp.load_ahead();
  const int n_items = static_cast<int>(static_cast<uint32_t>(a.n_padded) / kItem);
  Item norm[items] = {};
  if (normed) {
#pragma unroll
    for (int j = 0; j < items; ++j) norm[j] = load_constant_item(a.norm, thread + j * n_threads, a.n_in);
  }
  const int n_outputs = (range.end - range.first) / per_output;
  const auto y = [&](int output) { return a.y + (range.first / per_output + output); };
  float bias[per_output] = {}, old = 0;
  const auto load_biases = [&](int output) {
    for (int k = 0; k < per_output; ++k) bias[k] = a.bias<use>(range.first + output * per_output + k);
  };
  if (a.biased && thread < n_outputs) load_biases(thread);

  wait_for_producer();
  if (!normed && a.accumulate && thread < n_outputs) old = __ldcg(y(thread));
  // The norm's weights go into x; its scale, a factor of everything, is multiplied to the sums.
  float squares = 0;
#pragma unroll 1
  for (int first = thread; first < n_items; first += items * n_threads) {
    Item v[items];
#pragma unroll
    for (int j = 0; j < items; ++j) v[j] = load_item(a.x, first + j * n_threads, a.n_in);
#pragma unroll
    for (int j = 0; j < items; ++j) {
      const int i = first + j * n_threads;
      if (i >= n_items) break;
      if (a.ragged) clear_behind_end(v[j], i, a.n_in);
      if (normed) {
        if (first != thread) norm[j] = load_constant_item(a.norm, i, a.n_in);
        if (a.ragged) clear_behind_end(norm[j], i, a.n_in);
        for (int k = 0; k < kItem; ++k) {
          squares += v[j].v[k] * v[j].v[k];
          v[j].v[k] *= norm[j].v[k];
        }
      }
      store_item<form>(shared, a.n_padded, i, v[j]);
    }
  }
  if (normed) {
    squares = warp_sum(squares);
    auto* of_warp = reinterpret_cast<float*>(squares_of_warps);
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = squares;
    if (threadIdx.x < 32 && threadIdx.x >= blockDim.x / 32) of_warp[threadIdx.x] = 0;
  }
  __syncthreads();
  warp.multiply(shared, sums);
  __syncthreads();

  float scale = 1;
  if (normed) {
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
      if (!normed && a.accumulate) old = __ldcg(y(i));
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
    } else if (normed) {
      if (a.gate != nullptr) v[0] *= activate(__ldcg(a.gate + range.first + i), a.gelu);
      if (a.softcap != 0) v[0] = soft_cap(v[0], a.softcap, a.inverse_softcap);
    }
    *y(i) = v[0] + old;
  }
  if (normed && a.ends != nullptr && block == 0 && thread == 0) ++a.ends->length;
}

template <uint32_t type, int kind, Use use>
__global__ __launch_bounds__(compiled_shape(type, kind).max_warps * 32,
                             1) void gemv_kernel(const __grid_constant__ GemvArguments a) {
  gemv_block<type, compiled_shape(type, kind), use>(a, static_cast<int>(blockIdx.x));
}

/** Two types in one launch: the first `n_first` blocks have the one, the rest the other. */
template <uint32_t first, uint32_t second, int kind>
__global__ __launch_bounds__(compiled_shape(first, kind).max_warps * 32,
                             1) void gemv_kernel_of_two(const __grid_constant__ GemvArguments a,
                                                        const __grid_constant__ GemvArguments b, int n_first) {
  constexpr CompiledShape shape = compiled_shape(first, kind);
  const int block = static_cast<int>(blockIdx.x);
  if (block < n_first) {
    gemv_block<first, shape, Use::project>(a, block);
  } else {
    gemv_block<second, shape, Use::project>(b, block - n_first);
  }
}

/** Fills in how `blocks` blocks of a shape cut the work up; gives the bytes of shared memory of a block. */
inline size_t cut(uint32_t type, GemvArguments& a, bool pair, const GemvShape& shape, int blocks) {
  const CompiledShape compiled = compiled_shape(type, shape.kind);
  const int rows = run_of_rows(compiled.rows, pair), runs = (a.n_rows + rows - 1) / rows;
  a.split_k = (a.shape.n_records + compiled.records - 1) / compiled.records;
  a.n_padded = a.split_k * compiled.records * (type == kF32 ? 512 : 1024);
  a.inverse_split_k = (65536 + static_cast<uint32_t>(a.split_k) - 1) / static_cast<uint32_t>(a.split_k);
  a.n_groups = shape.warps / a.split_k;
  a.runs_per_block = runs / blocks;
  a.runs_remainder = runs % blocks;
  const int most_rows = (a.runs_per_block + (a.runs_remainder > 0)) * rows;
  return gemv_sums_at(type, a.n_padded) + static_cast<size_t>(most_rows * a.split_k) * sizeof(float);
}

}  // namespace kigo::cuda
