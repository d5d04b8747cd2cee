/**
 * What the sampler's kernels share.
 *
 * A draw is two or more kernels. The first one looks at the whole vocabulary, a slice a block: it applies the
 * penalties and leaves each slice's maximum and sum of exponentials, and the best of each group of neighbours. What
 * follows depends on the settings (SampleKind): sampler_ranked.cu or sampler_searched.cu.
 *
 * Two ideas make every result exact and the same in every run. Logits are compared as integers (a key orders as its
 * float does; key and id in one word are unique, the lower id being the better of equals). Weights are integers too,
 * e^(logit - max) in units of 2^-42: their sums do not depend on the order in which atomics arrive, and a vocabulary's
 * rounding stays below 1e-7 of its sum.
 */
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "core/philox.h"
#include "cuda/pdl.cuh"
#include "cuda/reduce.cuh"
#include "cuda/sampler.h"

namespace kigo::cuda::sampler {

constexpr int kSliceThreads = 256;
constexpr int kSlice = 4 * kSliceThreads;  // neighbouring logits, looked at by one block
constexpr int kLastThreads = 1024;         // of the one block that draws
constexpr int kMaxSlices = kLastThreads;   // a slice a thread
constexpr int kMaxGroups = 8 * kLastThreads;
constexpr int kListLength = 4096;  // logits that one block can rank
constexpr int kMaxRanked = 128;
constexpr int kDigits = 3;  // of a key, in a search: 11, 11 and 10 bits
constexpr int kBins = 1 << 11;

/** A slice's share of what is known of the whole vocabulary. */
struct Slice {
  uint64_t best;  // ranked(), after the penalties
  float raw_max;  // before them
  float raw_sum;  // of e^(logit - raw_max)
  int32_t not_finite;
  int32_t reserved;
};

/** What is known of a cut's threshold after a digit. */
struct Progress {
  uint32_t prefix;  // of the threshold's key; later digits are 0
  uint64_t wanted;  // count or weight that keys with the prefix must still give
  uint64_t there;   // count or weight of all keys with the prefix
};

/** Who survives: keys above `key`, and of those equal to it the first `ties` by id. */
struct Threshold {
  uint32_t key;
  uint32_t ties;
};

/** Scratch of sampler_searched.cu. Pass p is digit p % kDigits of cut p / kDigits: top-k counts, top-p weighs. */
struct Search {
  uint64_t histograms[2 * kDigits][kBins];
  Progress progress[2 * kDigits];
  Threshold threshold;
  uint64_t weight[kMaxSlices];  // of those above the threshold, at the draw's temperature
  uint32_t ties[kMaxSlices];
};

/** The kernels' argument: nothing in it changes from draw to draw. */
struct Draw {
  const kigo_sampling* sampling;  // whose pointers are the host's
  const uint32_t* exempt;
  const float* logits;
  float* penalised;
  uint32_t* group_keys;
  uint32_t* raw_group_keys;
  Slice* slices;
  Search* search;
  int32_t* tokens;
  StepState* state;
  RecordSlot* slots;
  int64_t position_offset;
  int32_t n_vocab;
  int32_t n_slices;
  int32_t n_groups;
  int32_t group_size;
};

/** Neighbours whose best is remembered: 32, more for vocabularies past 262,144. */
KIGO_HOST_DEVICE inline int group_size(int64_t n_vocab) {
  int size = 32;
  while (int64_t{size} * kMaxGroups < n_vocab) size *= 2;
  return size;
}

/** As many of the best as there may be groups to look into. */
KIGO_HOST_DEVICE inline int max_ranked(int group_size) {
  return kListLength / group_size < kMaxRanked ? kListLength / group_size : kMaxRanked;
}

KIGO_HOST_DEVICE inline int64_t top_k(const kigo_sampling& s, int64_t n_vocab) {
  return s.top_k > 0 && s.top_k < n_vocab ? s.top_k : n_vocab;
}

KIGO_HOST_DEVICE inline bool has_penalties(const kigo_sampling& s) {
  return s.repeat_last_n > 0 && (s.repeat_penalty != 1 || s.presence_penalty != 0 || s.frequency_penalty != 0);
}

#ifdef __CUDACC__

/** Orders as the float does; 0 is below every number. */
__device__ inline uint32_t key_of(float value) {
  const uint32_t bits = __float_as_uint(value + 0.0f);  // -0 becomes 0, its equal
  return bits & 0x80000000 ? ~bits : bits | 0x80000000;
}
__device__ inline float value_of(uint32_t key) { return __uint_as_float(key & 0x80000000 ? key & 0x7fffffff : ~key); }

/** Unique, larger for the better of two: key first, then the lower id. */
__device__ inline uint64_t ranked(uint32_t key, uint32_t id) {
  return uint64_t{key} << 32 | static_cast<uint32_t>(~id);
}
__device__ inline uint32_t key_of_ranked(uint64_t r) { return static_cast<uint32_t>(r >> 32); }
__device__ inline uint32_t id_of_ranked(uint64_t r) { return ~static_cast<uint32_t>(r); }

/** Up to 2^42; sums over 2^20 entries fit. */
constexpr double kWeightUnit = 0x1p-42;
__device__ inline uint64_t weight_of(float logit, float max, float temperature) {
  return __float2ull_rn(expf((logit - max) / temperature) * 0x1p42f);
}

__device__ inline uint32_t warp_max(uint32_t v) {
#if __CUDA_ARCH__ >= 800
  return __reduce_max_sync(~0u, v);
#else
  for (int apart = 16; apart > 0; apart /= 2) v = max(v, __shfl_xor_sync(~0u, v, apart));
  return v;
#endif
}
__device__ inline uint64_t warp_max(uint64_t v) {
  const uint32_t high = warp_max(static_cast<uint32_t>(v >> 32));
  const uint32_t low = warp_max(static_cast<uint32_t>(v >> 32) == high ? static_cast<uint32_t>(v) : 0);
  return uint64_t{high} << 32 | low;
}

template <class T>
struct Scanned {
  T before;  // sum over the threads in front
  T total;
};

template <class T>
__device__ T warp_scan(T v) {  // this lane's and those in front
  for (int apart = 1; apart < 32; apart *= 2) {
    const T other = __shfl_up_sync(~0u, v, apart);
    if (threadIdx.x % 32 >= apart) v += other;
  }
  return v;
}

/** All threads call it; blockDim.x is whole warps. */
template <class T>
__device__ Scanned<T> block_scan(T v) {
  __shared__ T of_warp[32];
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const T upto = warp_scan(v);
  __syncthreads();  // of_warp may be in use by the call before
  if (lane == 31) of_warp[warp] = upto;
  __syncthreads();
  const T warps = warp_scan(lane < blockDim.x / 32 ? of_warp[lane] : T{0});
  const T in_front = __shfl_sync(~0u, warps, warp == 0 ? 0 : warp - 1);
  return {upto - v + (warp == 0 ? T{0} : in_front), __shfl_sync(~0u, warps, 31)};
}

/** The four logits from `first` on; -inf behind the end. `first` is a multiple of 4, `values` aligned to 16 bytes. */
__device__ inline float4 load_four(const float* values, int first, int n) {
  if (first + 4 <= n) return *reinterpret_cast<const float4*>(values + first);
  const auto at = [&](int i) { return i < n ? values[i] : -INFINITY; };
  return {at(first), at(first + 1), at(first + 2), at(first + 3)};
}

/** Of no logits at all. */
__device__ inline Slice empty_slice() { return {0, -INFINITY, 0, 0, 0}; }

/** One of a warp's lanes each, put together; the result is every lane's. */
__device__ inline Slice merge_warp(Slice s) {
  const float max = value_of(warp_max(key_of(s.raw_max)));
  s.raw_sum = warp_sum(s.raw_max == -INFINITY ? 0 : s.raw_sum * expf(s.raw_max - max));
  s.raw_max = max;
  s.best = warp_max(s.best);
  s.not_finite = __any_sync(~0u, s.not_finite);
  return s;
}

/** What is known of the whole vocabulary. */
struct Whole {
  Slice all;
  double log_total;  // ln Σ e^logit, before the penalties
};

/** The slices put together, in shared memory, behind the next barrier. All threads of the one block call it. */
__device__ inline void merge_slices(const Draw& d, Whole& whole) {
  __shared__ Slice of_warp[32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, n_warps = (d.n_slices + 31) / 32;
  if (warp < n_warps) {
    const int i = static_cast<int>(threadIdx.x);
    const Slice s = merge_warp(i < d.n_slices ? d.slices[i] : empty_slice());
    if (lane == 0) of_warp[warp] = s;
  }
  __syncthreads();
  if (warp == kLastThreads / 32 - 1) {  // which has the least to do meanwhile
    const Slice all = merge_warp(lane < n_warps ? of_warp[lane] : empty_slice());
    if (lane == 0) { whole = {all, static_cast<double>(all.raw_max) + log(static_cast<double>(all.raw_sum))}; }
  }
}

/** The logits after the penalties. */
__device__ inline const float* values_of(const Draw& d, const kigo_sampling& s) {
  return has_penalties(s) ? d.penalised : d.logits;
}

/** Empties the record in shared memory. All threads call it, before a barrier. */
__device__ inline void clear(RecordSlot& slot) {
  static_assert(sizeof(RecordSlot) % sizeof(uint32_t) == 0);
  if (threadIdx.x < sizeof slot / sizeof(uint32_t)) reinterpret_cast<uint32_t*>(&slot)[threadIdx.x] = 0;
}

/** The random number of the draw behind a sequence of `length` tokens. */
__device__ inline uint64_t random_bits(const Draw& d, const kigo_sampling& s, int32_t length) {
  return philox_bits(s.seed, static_cast<uint64_t>(length + d.position_offset));
}
/** The same, scaled to [0, total). */
__device__ inline uint64_t scale(uint64_t bits, uint64_t total) { return __umul64hi(bits << 11, total); }

/**
 * Ends a draw: completes the record in shared memory with `id`, whose logit was `raw` before the penalties, and sends
 * it off; the token becomes part of the sequence. `before` is the state as the kernel found it. All threads call it,
 * with the same arguments.
 */
__device__ inline void finish(const Draw& d, RecordSlot& slot, const StepState& before, const Whole& whole, uint32_t id,
                              float raw) {
  const bool not_finite = whole.all.not_finite != 0;
  if (not_finite) id = 0;
  if (threadIdx.x == 0) {
    if (not_finite) slot.record.n_top = slot.record.n_kept = 0;
    slot.record.id = static_cast<int32_t>(id);
    slot.record.logprob = not_finite ? 0 : static_cast<float>(static_cast<double>(raw) - whole.log_total);
    slot.not_finite = before.not_finite | not_finite;
    d.tokens[before.length] = static_cast<int32_t>(id);
    d.state->n_drawn = before.n_drawn + 1;
    d.state->not_finite = slot.not_finite;
  }
  __syncthreads();
  if (threadIdx.x < sizeof slot / sizeof(uint32_t)) {
    uint32_t* to = reinterpret_cast<uint32_t*>(&d.slots[before.n_drawn % kRecordSlots]);
    to[threadIdx.x] = reinterpret_cast<const uint32_t*>(&slot)[threadIdx.x];
  }
}

#endif

void enqueue_scan(const Context& ctx, const Draw& draw, bool searches);
void enqueue_greedy(const Context& ctx, const Draw& draw);
void enqueue_ranked(const Context& ctx, const Draw& draw);
void enqueue_searched(const Context& ctx, const Draw& draw);

}  // namespace kigo::cuda::sampler
