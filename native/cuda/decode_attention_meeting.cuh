/**
 * How the warps and the blocks of cuda/decode_attention.cu put their results together: warps in shared memory, blocks
 * in global memory, where the last of them to arrive finds what the others left.
 */
#pragma once

#include "cuda/decode_attention.cuh"
#include "cuda/ptx.cuh"

namespace kigo::cuda {

inline constexpr int kHeads = 8;  // of a block

/** What outputs are relative to: the largest score (base 2) that they have seen, and the sum of weights. */
struct Weight {
  float most = kLowest, total = 0;
};

/** A warp's or a block's result: outputs not yet divided by the sum of weights. */
template <int dims>
struct Partial {
  float out[kHeads][dims];
  Weight weight[kHeads];
};

/** Four dimensions of a head, of several warps or blocks together. */
struct Combined {
  float4 out = {0, 0, 0, 0};
  Weight weight;

  __device__ void scale_to(float most) {
    const float factor = exp2f(weight.most - most);
    out = {out.x * factor, out.y * factor, out.z * factor, out.w * factor};
    weight = {most, weight.total * factor};
  }
  /** What has seen no larger score than this. */
  __device__ void add(const float4& v, const Weight& w) {
    const float factor = exp2f(w.most - weight.most);
    out = {out.x + v.x * factor, out.y + v.y * factor, out.z + v.z * factor, out.w + v.w * factor};
    weight.total += w.total * factor;
  }
  __device__ float4 result() const {
    const float share = __fdividef(1, weight.total);
    return {out.x * share, out.y * share, out.z * share, out.w * share};
  }
};

/** The maximum comes first: what the warps add does then not wait for one another. */
template <int dims, int warps>
__device__ Combined combine_warps(const Partial<dims> (&parts)[warps], int head, int d) {
  Combined sum;
  for (const auto& part : parts) sum.weight.most = fmaxf(sum.weight.most, part.weight[head].most);
  for (const auto& part : parts) sum.add(*reinterpret_cast<const float4*>(&part.out[head][d]), part.weight[head]);
  return sum;
}

// Each number that a block leaves in memory says by itself that it is there: what it takes the place of is no number
// that arithmetic makes. So nothing has to be in order: a block counts itself in before it has all of its numbers, and
// the last one to do so reads again until all are there. (Numbers, a fence, the counter, and two times numbers were
// five trips to the second cache one behind the other, about 1 µs more.) Kernels use two halves of the memory by turns,
// and each clears the half of the one in front for the one behind: the last block alone took 0.7 to 2.3 µs for it.

inline constexpr uint32_t kAbsent = ~0u;  // a NaN; a GPU's arithmetic makes another

__device__ inline bool is_absent(float v) { return __float_as_uint(v) == kAbsent; }
__device__ inline bool is_absent(const float2& v) { return is_absent(v.x) || is_absent(v.y); }
__device__ inline bool is_absent(const float4& v) {
  return is_absent(v.x) || is_absent(v.y) || is_absent(v.z) || is_absent(v.w);
}
__device__ inline float number(float v) { return is_absent(v) ? __uint_as_float(0x7fffffff) : v; }

/** A group's memory. */
template <int dims>
struct Exchange {
  Meeting* meeting;
  uint32_t n_before;    // kernels that have met here
  Partial<dims>* ours;  // [blocks], of this kernel
  float4* theirs;       // of the kernel in front
  int size;             // of each, in float4

  __device__ Exchange(const AttentionArguments& a, int group)
      : meeting(a.meetings + group), n_before(peek(&meeting->n_kernels)), size(a.partials_stride / 4) {
    auto* halves = reinterpret_cast<float4*>(a.partials) + static_cast<int64_t>(group) * 2 * size;
    ours = reinterpret_cast<Partial<dims>*>(halves + n_before % 2 * size);
    theirs = halves + (n_before + 1) % 2 * size;
  }
  /** A block's share of it. */
  __device__ void clear_theirs(int block, int n_blocks) const {
    const float none = __uint_as_float(kAbsent);
    const int n_threads = blockDim.x;
    for (int i = block * n_threads + threadIdx.x; i < size; i += n_blocks * n_threads) {
      publish(theirs + i, {none, none, none, none});
    }
  }
  __device__ float4* out(int block, int head, int d) const {
    return reinterpret_cast<float4*>(&ours[block].out[head][d]);
  }
  __device__ float2* weight(int block, int head) const { return reinterpret_cast<float2*>(&ours[block].weight[head]); }
};

/**
 * What all blocks make together, added up in their order, whichever of them was last. All threads of that one call it.
 */
template <int dims, int warps>
__device__ void gather(const AttentionArguments& a, const Exchange<dims>& exchange,
                       const Partial<dims> (&of_warps)[warps], int mine, int n_blocks, int n_heads, float* out) {
  constexpr int kLanes = 2;                    // that share a piece
  constexpr int kAhead = dims < 128 ? 12 : 8;  // blocks of a lane on their way at once
  constexpr int kPieces = dims / 4;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
#pragma unroll 1
  for (int first = 0; first < n_heads * kPieces; first += warps * 32 / kLanes) {
    const int piece = first + static_cast<int>(threadIdx.x) / kLanes, head = piece / kPieces, d = piece % kPieces * 4;
    const bool is_one = head < n_heads && d < a.head_dim;
    Combined sum;
#pragma unroll 1
    for (int block = lane; is_one && block < n_blocks; block += kLanes * kAhead) {
      float4 v[kAhead] = {};  // of blocks that there are, and of others nothing
      float2 w[kAhead];
      for (float2& of_none : w) of_none = {kLowest, 0};
      for (bool all = false; !all;) {
#pragma unroll
        for (int i = 0; i < kAhead; ++i) {
          const int from = block + i * kLanes;
          if (from >= n_blocks || from == mine) continue;
          v[i] = peek(exchange.out(from, head, d));
          w[i] = peek(exchange.weight(from, head));
        }
        all = true;
        for (int i = 0; i < kAhead; ++i) all = all && !is_absent(v[i]) && !is_absent(w[i]);
      }
      if (const int at = mine - block; at >= 0 && at % kLanes == 0 && at < kLanes * kAhead) {
        const Combined own = combine_warps(of_warps, head, d);
#pragma unroll
        for (int i = 0; i < kAhead; ++i) {
          if (at != i * kLanes) continue;
          v[i] = own.out;
          w[i] = {own.weight.most, own.weight.total};
        }
      }
      float most = sum.weight.most;
      for (const float2& of_block : w) most = fmaxf(most, of_block.x);
      sum.scale_to(most);
      for (int i = 0; i < kAhead; ++i) sum.add(v[i], {w[i].x, w[i].y});
    }
    sum.scale_to(fmaxf(sum.weight.most, __shfl_xor_sync(~0u, sum.weight.most, 1)));
    sum.weight.total += __shfl_xor_sync(~0u, sum.weight.total, 1);
    for (float* v : {&sum.out.x, &sum.out.y, &sum.out.z, &sum.out.w}) *v += __shfl_xor_sync(~0u, *v, 1);
    if (is_one && lane == 0) *reinterpret_cast<float4*>(out + head * a.head_dim + d) = sum.result();
  }
  if (threadIdx.x == 0) publish(&exchange.meeting->n_kernels, exchange.n_before + 1);
}

}  // namespace kigo::cuda
