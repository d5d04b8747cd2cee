/** The first kernel of a draw: one look at the whole vocabulary. */
#include <cfloat>

#include "cuda/sampler_kernels.cuh"

namespace kigo::cuda::sampler {

namespace {

/** The logit of a token that stands `times` in the window. Rounded as the CPU twin rounds; never infinite. */
__device__ float penalise(float logit, int32_t times, const kigo_sampling& s) {
  logit = logit > 0 ? __fdiv_rn(logit, s.repeat_penalty) : __fmul_rn(logit, s.repeat_penalty);
  const float less = __fadd_rn(__fmul_rn(static_cast<float>(times), s.frequency_penalty), s.presence_penalty);
  return fminf(fmaxf(__fadd_rn(logit, -less), -FLT_MAX), FLT_MAX);
}

/** How often each of the slice's tokens stands among the last repeat_last_n. All threads call it. */
__device__ void count_tokens(const Draw& d, const kigo_sampling& s, int first, int32_t* counts) {
  for (int i = threadIdx.x; i < kSlice; i += kSliceThreads) counts[i] = 0;
  __syncthreads();
  const int32_t length = d.state->length, n = min(length, s.repeat_last_n);
  for (int i = threadIdx.x; i < n; i += kSliceThreads) {
    const int at = d.tokens[length - n + i] - first;
    if (at >= 0 && at < kSlice) atomicAdd(&counts[at], 1);
  }
  __syncthreads();
}

/** The largest key of each group of lanes that look at one group of neighbours, to the group's place. */
__device__ void keep_group_key(uint32_t key, uint32_t* group_keys, int first, const Draw& d) {
  const int lanes = d.group_size / 4;
  for (int apart = 1; apart < lanes; apart *= 2) key = max(key, __shfl_xor_sync(~0u, key, apart));
  if (threadIdx.x % lanes == 0 && first < d.n_vocab) group_keys[first / d.group_size] = key;
}

/** Each thread looks at four neighbours. */
__global__ __launch_bounds__(kSliceThreads) void scan_slice(Draw d, bool searches) {
  __shared__ int32_t counts[kSlice];
  release_consumer();
  wait_for_producer();

  const int first = static_cast<int>(blockIdx.x) * kSlice + 4 * static_cast<int>(threadIdx.x);
  const float4 raw = load_four(d.logits, first, d.n_vocab);
  const kigo_sampling s = *d.sampling;
  const float logit[4] = {raw.x, raw.y, raw.z, raw.w};

  Slice mine = empty_slice();
  uint32_t raw_key = 0;
  for (int j = 0; j < 4; ++j) {
    if (first + j >= d.n_vocab) continue;
    mine.not_finite |= !isfinite(logit[j]);
    mine.raw_max = fmaxf(mine.raw_max, logit[j]);
    raw_key = max(raw_key, key_of(logit[j]));
  }
  for (int j = 0; j < 4; ++j) {
    if (first + j < d.n_vocab) mine.raw_sum += expf(logit[j] - mine.raw_max);
  }

  float value[4] = {raw.x, raw.y, raw.z, raw.w};
  if (has_penalties(s)) {
    count_tokens(d, s, static_cast<int>(blockIdx.x) * kSlice, counts);
    const uint32_t exempt = first < d.n_vocab ? d.exempt[first / 32] >> first % 32 : 0;
    for (int j = 0; j < 4; ++j) {
      const int32_t times = counts[4 * threadIdx.x + j];
      if (times > 0 && (exempt >> j & 1) == 0) value[j] = penalise(logit[j], times, s);
    }
    // The buffer is as long as whole float4 need.
    if (first < d.n_vocab) {
      *reinterpret_cast<float4*>(d.penalised + first) = {value[0], value[1], value[2], value[3]};
    }
    if (s.n_top > 0) keep_group_key(raw_key, d.raw_group_keys, first, d);
  }
  for (int j = 0; j < 4; ++j) {
    if (first + j < d.n_vocab) mine.best = max(mine.best, ranked(key_of(value[j]), first + j));
  }
  keep_group_key(key_of_ranked(mine.best), d.group_keys, first, d);

  __shared__ Slice of_warp[kSliceThreads / 32];
  mine = merge_warp(mine);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = mine;
  __syncthreads();
  if (threadIdx.x < 32) {
    const Slice slice = merge_warp(threadIdx.x < kSliceThreads / 32 ? of_warp[threadIdx.x] : empty_slice());
    if (threadIdx.x == 0) d.slices[blockIdx.x] = slice;
  }

  if (searches) {
    constexpr int kWords = 2 * kDigits * kBins;
    uint64_t* words = &d.search->histograms[0][0];
    for (int i = blockIdx.x * kSliceThreads + threadIdx.x; i < kWords; i += gridDim.x * kSliceThreads) words[i] = 0;
  }
}

}  // namespace

void enqueue_scan(const Context& ctx, const Draw& draw, bool searches) {
  launch_early(ctx.device, ctx.stream, "looking at the logits", scan_slice, static_cast<unsigned>(draw.n_slices),
               kSliceThreads, 0, draw, searches);
}

}  // namespace kigo::cuda::sampler
