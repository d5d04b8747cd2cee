/** Draws among few: the best one, or the best k, ranked by one block. */
#include "cuda/sampler_rank.cuh"

namespace kigo::cuda::sampler {

namespace {

/** Temperature 0. */
__global__ __launch_bounds__(kLastThreads) void take_best(Draw d) {
  __shared__ RankMemory memory;
  __shared__ uint64_t best[KIGO_MAX_TOP];
  __shared__ RecordSlot slot;
  allow_dependents();
  await_dependency();

  const kigo_sampling s = *d.sampling;
  clear(slot);
  const Slice all = merge_slices(d);
  const uint32_t id = all.not_finite ? 0 : id_of_ranked(all.best);
  if (!all.not_finite) {
    report_top(d, s, all, memory, best, slot);
    if (threadIdx.x == 0 && s.n_top > 0) {
      slot.record.n_kept = 1;
      slot.record.kept[0] = {static_cast<int32_t>(id), 0};
    }
  }
  finish(d, slot, all, id);
}

/** What the cuts leave of the ranked. */
struct Survivors {
  int n;
  uint64_t total;  // weight at the draw's temperature
};

/** Top-p, min-p and temperature over the n best: a weight for each, 0 for those cut off. One warp calls it. */
__device__ Survivors weigh(const kigo_sampling& s, const uint64_t* best, int n, uint64_t* weights) {
  constexpr int kEach = kMaxRanked / 32;
  const int first = kEach * static_cast<int>(threadIdx.x % 32);
  const float max = value_of(key_of_ranked(best[0]));
  float logit[kEach];
  uint64_t weight[kEach], mine = 0;
  for (int j = 0; j < kEach; ++j) {
    logit[j] = first + j < n ? value_of(key_of_ranked(best[first + j])) : -INFINITY;
    mine += weight[j] = weight_of(logit[j], max, 1);
  }
  const uint64_t upto = warp_scan(mine), total = __shfl_sync(~0u, upto, 31);
  const auto wanted = static_cast<uint64_t>(ceil(static_cast<double>(s.top_p) * static_cast<double>(total)));
  const double least = s.min_p > 0 ? static_cast<double>(max) + log(static_cast<double>(s.min_p)) : -INFINITY;

  int kept = 0;
  uint64_t before = upto - mine, kept_weight = 0;
  for (int j = 0; j < kEach; ++j) {
    const bool in_nucleus = s.top_p >= 1 || before < wanted || first + j == 0;
    const bool stays = first + j < n && in_nucleus && static_cast<double>(logit[j]) >= least;
    before += weight[j];
    weight[j] = stays ? weight_of(logit[j], max, s.temperature) : 0;
    weights[first + j] = weight[j];
    kept += stays;
    kept_weight += weight[j];
  }
  return {warp_sum(kept), warp_sum(kept_weight)};
}

/** A top-k of at most max_ranked, then the other cuts, then the draw. */
__global__ __launch_bounds__(kLastThreads) void draw_ranked(Draw d) {
  __shared__ RankMemory memory;
  __shared__ uint64_t best[kMaxRanked], weights[kMaxRanked];
  __shared__ Survivors survivors;
  __shared__ uint64_t target;
  __shared__ uint32_t drawn;
  __shared__ RecordSlot slot;
  allow_dependents();
  await_dependency();

  const kigo_sampling s = *d.sampling;
  clear(slot);
  const Slice all = merge_slices(d);
  if (all.not_finite) return finish(d, slot, all, 0);
  report_top(d, s, all, memory, best, slot);
  __syncthreads();
  const int n = rank_best(d, values_of(d, s), d.group_keys, static_cast<int>(top_k(s, d.n_vocab)), memory, best);

  if (threadIdx.x < 32) {
    const Survivors left = weigh(s, best, n, weights);
    if (threadIdx.x == 0) {
      survivors = left;
      target = random_below(d, s, left.total);
    }
  }
  __syncthreads();

  // The one whose share, in order of id, the random number falls into: eight threads add up what is in front of each.
  const int i = static_cast<int>(threadIdx.x / 8);
  const uint32_t id = i < n ? id_of_ranked(best[i]) : 0;
  uint64_t before = 0;
  for (int j = static_cast<int>(threadIdx.x % 8); j < survivors.n; j += 8) {
    before += id_of_ranked(best[j]) < id ? weights[j] : 0;
  }
  for (int apart = 4; apart > 0; apart /= 2) before += __shfl_xor_sync(~0u, before, apart);
  if (threadIdx.x % 8 == 0 && i < survivors.n && before <= target && target < before + weights[i]) drawn = id;

  const int n_kept = min(s.n_top, survivors.n);
  if (threadIdx.x < n_kept) {
    const float max = value_of(key_of_ranked(best[0]));
    slot.record.kept[threadIdx.x] = kept(best[threadIdx.x], max, s.temperature, survivors.total);
  }
  if (threadIdx.x == 0) slot.record.n_kept = n_kept;
  __syncthreads();
  finish(d, slot, all, drawn);
}

}  // namespace

void enqueue_greedy(const Context& ctx, const Draw& draw) {
  launch(ctx, "taking the best token", take_best, 1, kLastThreads, 0, draw);
}

void enqueue_ranked(const Context& ctx, const Draw& draw) {
  launch(ctx, "drawing a token", draw_ranked, 1, kLastThreads, 0, draw);
}

}  // namespace kigo::cuda::sampler
