/** The best k of a vocabulary, found by one block that reads little of it. */
#pragma once

#include "cuda/sampler_kernels.cuh"

namespace kigo::cuda::sampler {

constexpr int kGroupsEach = kMaxGroups / kLastThreads;
constexpr int kMembersEach = kListLength / kLastThreads;
constexpr int kRankBins = 256;

/** Shared memory of rank_best. */
struct RankMemory {
  uint64_t list[kListLength];  // logits that may be among the best, in no order
  uint64_t shortlist[kMaxRanked];
  uint32_t groups[kMaxRanked];
  uint32_t histogram[kRankBins];
  uint32_t n_groups, n_list, n_shortlist;
  uint32_t high, low;
  uint32_t bin, above, in_bin;
};

/**
 * Finds the bin with the k-th best item in it: m.bin, what it holds, and how many are above it, `above` of them outside
 * of the histogram. One warp calls it, which looks at eight bins a lane, the highest first.
 */
__device__ inline void find_bin(uint32_t k, uint32_t above, RankMemory& m) {
  constexpr int kEach = kRankBins / 32;
  const int highest = kRankBins - 1 - kEach * static_cast<int>(threadIdx.x % 32);
  uint32_t bins[kEach], mine = 0;
  for (int j = 0; j < kEach; ++j) mine += bins[j] = m.histogram[highest - j];
  above += warp_scan(mine) - mine;
  for (int j = 0; j < kEach; ++j) {
    if (above < k && above + bins[j] >= k) {
      m.bin = static_cast<uint32_t>(highest - j);
      m.above = above;
      m.in_bin = bins[j];
    }
    above += bins[j];
  }
}

/**
 * A bound that at least k and at most `most` of the block's n items reach. Items are unique, 0 is none; thread t has
 * items t, t + kLastThreads, … 1 ≤ k ≤ most < n, and k ≤ kMaxRanked.
 *
 * The range of items in question is cut into bins until the one that holds the k-th best is small enough. That is once,
 * mostly: the range starts at a bound that k items reach for certain, though not many more do. It is the worst of what
 * the threads have for best, or eight threads together where every thread has an item.
 */
template <int kItems>
__device__ uint64_t bound_of_best(const uint64_t (&items)[kItems], uint32_t n, uint32_t k, uint32_t most,
                                  RankMemory& m) {
  static_assert(kLastThreads / 8 >= kMaxRanked);
  uint64_t first = 0;
  for (const uint64_t item : items) first = max(first, item);
  const uint32_t best = key_of_ranked(first);
  uint32_t floor = best;
  if (n >= kLastThreads) {
    for (int apart = 1; apart < 8; apart *= 2) floor = max(floor, __shfl_xor_sync(~0u, floor, apart));
  }
  if (threadIdx.x == 0) m.high = 0, m.low = UINT32_MAX;
  if (threadIdx.x < kRankBins) m.histogram[threadIdx.x] = 0;
  __syncthreads();
  const uint32_t warp_high = warp_max(best), warp_low = ~warp_max(first == 0 ? 0 : ~floor);
  if (threadIdx.x % 32 == 0) {
    atomicMax(&m.high, warp_high);
    atomicMin(&m.low, warp_low);
  }
  __syncthreads();
  uint64_t low = uint64_t{m.low} << 32, high = uint64_t{m.high} << 32 | UINT32_MAX;
  for (uint32_t above = 0;;) {
    const int shift = max(0, 64 - 8 - __clzll(static_cast<long long>(high - low)));
    for (const uint64_t item : items) {
      if (item >= low && item <= high) atomicAdd(&m.histogram[(item - low) >> shift], 1);
    }
    __syncthreads();
    if (threadIdx.x < 32) find_bin(k, above, m);
    __syncthreads();
    low += uint64_t{m.bin} << shift;
    high = min(high, low + ((uint64_t{1} << shift) - 1));
    above = m.above;
    if (above + m.in_bin <= most) return low;
    if (threadIdx.x < kRankBins) m.histogram[threadIdx.x] = 0;
    __syncthreads();
  }
}

/** Each thread's share of the groups' best, as ranked() words; 0 where there is no group. */
struct Groups {
  uint64_t best[kGroupsEach];
};
__device__ inline Groups load_groups(const Draw& d, const uint32_t* group_keys) {
  Groups groups;
  for (int j = 0; j < kGroupsEach; ++j) {
    const uint32_t g = threadIdx.x + j * kLastThreads;
    groups.best[j] = g < d.n_groups ? ranked(group_keys[g], g) : 0;
  }
  return groups;
}

/**
 * The best k of values [n_vocab], best first, as ranked() words in `best` [k]; returns how many: k, or n_vocab where
 * that is less. `groups` are those of `values`. 1 ≤ k ≤ max_ranked. All threads of the one block call it, behind a
 * barrier where `memory` and `best` were in use; none is needed behind it.
 *
 * The k best lie in the k groups whose own best are the best: a better group has at least one that is better. So two
 * choices are made, among the groups and among the members of those chosen.
 */
__device__ inline int rank_best(const Draw& d, const float* values, const Groups& groups, int k, RankMemory& m,
                                uint64_t* best) {
  const uint32_t most = static_cast<uint32_t>(max_ranked(d.group_size));
  if (threadIdx.x == 0) m.n_groups = m.n_list = m.n_shortlist = 0;
  const uint32_t n_groups = static_cast<uint32_t>(d.n_groups);
  const uint64_t group_bound = n_groups <= most ? 1 : bound_of_best(groups.best, n_groups, k, most, m);
  __syncthreads();
  for (const uint64_t group : groups.best) {
    if (group >= group_bound) m.groups[atomicAdd(&m.n_groups, 1)] = id_of_ranked(group);
  }
  __syncthreads();

  uint64_t members[kMembersEach];
  for (int j = 0; j < kMembersEach; ++j) {
    const uint32_t i = threadIdx.x + j * kLastThreads, g = i / d.group_size;
    const uint32_t id = g < m.n_groups ? m.groups[g] * d.group_size + i % d.group_size : d.n_vocab;
    members[j] = id < d.n_vocab ? ranked(key_of(values[id]), id) : 0;
  }
  for (const uint64_t member : members) {
    const bool may_be = member != 0 && key_of_ranked(member) >= key_of_ranked(group_bound);
    const uint32_t of_warp = __ballot_sync(~0u, may_be), lane = threadIdx.x % 32;
    if (of_warp == 0) continue;
    uint32_t place = lane == 0 ? atomicAdd(&m.n_list, __popc(of_warp)) : 0;
    place = __shfl_sync(~0u, place, 0) + __popc(of_warp & ((1u << lane) - 1));
    if (may_be) m.list[place] = member;
  }
  __syncthreads();

  const uint64_t* shortlist = m.list;
  uint32_t n = m.n_list;
  if (n > most) {
    for (int j = 0; j < kMembersEach; ++j) {
      const uint32_t i = threadIdx.x + j * kLastThreads;
      members[j] = i < n ? m.list[i] : 0;
    }
    const uint64_t bound = bound_of_best(members, n, k, most, m);
    for (const uint64_t member : members) {
      if (member >= bound) m.shortlist[atomicAdd(&m.n_shortlist, 1)] = member;
    }
    __syncthreads();
    shortlist = m.shortlist;
    n = m.n_shortlist;
  }

  // Each one's place is the number of better ones, counted by eight threads.
  static_assert(8 * kMaxRanked == kLastThreads);
  const uint32_t i = threadIdx.x / 8;
  if (threadIdx.x / 32 * 4 < n) {
    const uint64_t mine = i < n ? shortlist[i] : 0;
    int place = 0;
#pragma unroll 4
    for (uint32_t j = threadIdx.x % 8; j < n; j += 8) place += shortlist[j] > mine;
    for (int apart = 4; apart > 0; apart /= 2) place += __shfl_xor_sync(~0u, place, apart);
    if (i < n && place < k && threadIdx.x % 8 == 0) best[place] = mine;
  }
  __syncthreads();
  return min(k, static_cast<int>(n));
}

/** The record's best before any sampler. As rank_best; `whole` must be there behind the next barrier. */
__device__ inline void report_top(const Draw& d, const kigo_sampling& s, const Whole& whole, RankMemory& m,
                                  uint64_t* best, RecordSlot& slot) {
  const Groups groups = load_groups(d, has_penalties(s) ? d.raw_group_keys : d.group_keys);
  const int n = rank_best(d, d.logits, groups, s.n_top, m, best);
  if (threadIdx.x < n) {
    const uint64_t r = best[threadIdx.x];
    const double logit = static_cast<double>(value_of(key_of_ranked(r)));
    slot.record.top[threadIdx.x] = {static_cast<int32_t>(id_of_ranked(r)), static_cast<float>(logit - whole.log_total)};
  }
  if (threadIdx.x == 0) slot.record.n_top = n;
}

/** One of the record's best after the samplers. `total`: the survivors' weight. */
__device__ inline kigo_candidate kept(uint64_t r, float max, float temperature, uint64_t total) {
  const double scaled =
      (static_cast<double>(value_of(key_of_ranked(r))) - static_cast<double>(max)) / static_cast<double>(temperature);
  const double logprob = scaled - log(static_cast<double>(total) * kWeightUnit);
  return {static_cast<int32_t>(id_of_ranked(r)), static_cast<float>(logprob)};
}

}  // namespace kigo::cuda::sampler
