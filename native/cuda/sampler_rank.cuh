/** The best k of a vocabulary, found by one block that reads little of it. */
#pragma once

#include "cuda/sampler_kernels.cuh"

namespace kigo::cuda::sampler {

/** Shared memory of rank_best. */
struct RankMemory {
  uint64_t list[kListLength];  // logits that may be among the best, in no order
  uint64_t shortlist[kMaxRanked];
  uint32_t groups[kMaxRanked];
  uint32_t histogram[kLastThreads];
  uint32_t n_groups, n_list, n_shortlist;
  uint32_t bin, above, in_bin;
};

/**
 * A bound that at least k and at most `most` of the block's items reach. Items are unique, 0 is none; thread t has
 * items t, t + kLastThreads, …; there are at least k. 1 ≤ k ≤ min(most, kLastThreads).
 *
 * The range of items in question is cut into a bin a thread until the bin that holds the k-th best is small enough.
 * That is once, mostly: the range starts at the worst of the threads' best, which k items reach for certain, since
 * either every thread has one or each has one at most.
 */
template <int kItems>
__device__ uint64_t bound_of_best(const uint64_t (&items)[kItems], uint32_t k, uint32_t most, RankMemory& m) {
  uint64_t best = 0;
  for (const uint64_t item : items) best = max(best, item);
  const auto largest = [](uint64_t v) { return warp_max(v); };
  uint64_t high = block_reduce<uint64_t>(best, 0, largest);
  uint64_t low = ~block_reduce<uint64_t>(best == 0 ? 0 : ~best, 0, largest);
  int shift = max(0, 64 - __clzll(static_cast<long long>(high - low)) - 10);
  for (uint32_t above = 0;;) {
    m.histogram[threadIdx.x] = 0;
    __syncthreads();
    for (const uint64_t item : items) {
      if (item >= low && item <= high) atomicAdd(&m.histogram[(item - low) >> shift], 1);
    }
    __syncthreads();
    const uint32_t bin = kLastThreads - 1 - threadIdx.x, in_bin = m.histogram[bin];
    const uint32_t higher = above + block_scan(in_bin).before;
    if (higher < k && higher + in_bin >= k) {
      m.bin = bin;
      m.above = higher;
      m.in_bin = in_bin;
    }
    __syncthreads();
    low += uint64_t{m.bin} << shift;
    high = min(high, low + ((uint64_t{1} << shift) - 1));
    above = m.above;
    if (above + m.in_bin <= most) return low;
    shift = max(0, shift - 10);
  }
}

/**
 * The best k of values [n_vocab], best first, as ranked() words in `best` [k]; returns how many: k, or n_vocab where
 * that is less. group_keys are those of `values`. 1 ≤ k ≤ max_ranked. One block of kLastThreads calls it; no barrier
 * is needed behind it, one is before `memory` and `best` are used for something else.
 *
 * The k best lie in the k groups whose own best are the best: a better group has at least one that is better. So two
 * choices are made, among the groups and among the members of those chosen.
 */
__device__ inline int rank_best(const Draw& d, const float* values, const uint32_t* group_keys, int k, RankMemory& m,
                                uint64_t* best) {
  const uint32_t most = static_cast<uint32_t>(max_ranked(d.group_size));
  if (threadIdx.x == 0) m.n_groups = m.n_list = m.n_shortlist = 0;

  constexpr int kGroupsEach = kMaxGroups / kLastThreads;
  uint64_t groups[kGroupsEach];
  for (int j = 0; j < kGroupsEach; ++j) {
    const uint32_t g = threadIdx.x + j * kLastThreads;
    groups[j] = g < d.n_groups ? ranked(group_keys[g], g) : 0;
  }
  const uint64_t group_bound = d.n_groups <= most ? 1 : bound_of_best(groups, k, most, m);
  __syncthreads();
  for (const uint64_t group : groups) {
    if (group >= group_bound) m.groups[atomicAdd(&m.n_groups, 1)] = id_of_ranked(group);
  }
  __syncthreads();

  constexpr int kMembersEach = kListLength / kLastThreads;
  uint64_t members[kMembersEach];
  for (int j = 0; j < kMembersEach; ++j) {
    const uint32_t i = threadIdx.x + j * kLastThreads, g = i / d.group_size;
    const uint32_t id = g < m.n_groups ? m.groups[g] * d.group_size + i % d.group_size : d.n_vocab;
    members[j] = id < d.n_vocab ? ranked(key_of(values[id]), id) : 0;
  }
  for (const uint64_t member : members) {
    if (member != 0 && key_of_ranked(member) >= key_of_ranked(group_bound)) {
      m.list[atomicAdd(&m.n_list, 1)] = member;
    }
  }
  __syncthreads();

  const uint32_t n_list = m.n_list;
  for (int j = 0; j < kMembersEach; ++j) {
    const uint32_t i = threadIdx.x + j * kLastThreads;
    members[j] = i < n_list ? m.list[i] : 0;
  }
  const uint64_t bound = n_list <= most ? 1 : bound_of_best(members, k, most, m);
  for (const uint64_t member : members) {
    if (member >= bound) m.shortlist[atomicAdd(&m.n_shortlist, 1)] = member;
  }
  __syncthreads();

  // Each one's place is the number of better ones, counted by eight threads.
  static_assert(8 * kMaxRanked == kLastThreads);
  const uint32_t n = m.n_shortlist, i = threadIdx.x / 8;
  const uint64_t mine = i < n ? m.shortlist[i] : 0;
  int place = 0;
  for (uint32_t j = threadIdx.x % 8; j < n; j += 8) place += m.shortlist[j] > mine;
  for (int apart = 4; apart > 0; apart /= 2) place += __shfl_xor_sync(~0u, place, apart);
  if (i < n && place < k && threadIdx.x % 8 == 0) best[place] = mine;
  __syncthreads();
  return min(k, static_cast<int>(n));
}

/** The record's best before any sampler. All threads call it; a barrier is needed before `best` is used again. */
__device__ inline void report_top(const Draw& d, const kigo_sampling& s, const Slice& all, RankMemory& m,
                                  uint64_t* best, RecordSlot& slot) {
  if (s.n_top == 0) return;
  const uint32_t* keys = has_penalties(s) ? d.raw_group_keys : d.group_keys;
  const int n = rank_best(d, d.logits, keys, s.n_top, m, best);
  if (threadIdx.x < n) {
    const uint64_t r = best[threadIdx.x];
    const double logit = static_cast<double>(value_of(key_of_ranked(r)));
    slot.record.top[threadIdx.x] = {static_cast<int32_t>(id_of_ranked(r)), static_cast<float>(logit - log_total(all))};
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
