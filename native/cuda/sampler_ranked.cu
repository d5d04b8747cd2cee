/** Draws among few: the best one, or the best k, ranked by one block. */
#include "cuda/sampler_rank.cuh"

namespace kigo::cuda::sampler {

namespace {

/** Temperature 0. */
__global__ __launch_bounds__(kLastThreads) void take_best(Draw d) {
  __shared__ RankMemory memory;
  __shared__ uint64_t best[KIGO_MAX_TOP];
  __shared__ Whole whole;
  __shared__ RecordSlot slot;
  release_consumer();
  wait_for_producer();

  const kigo_sampling s = *d.sampling;
  const StepState state = *d.state;
  clear(slot);
  merge_slices(d, whole);
  if (s.n_top > 0) report_top(d, s, whole, memory, best, slot);
  __syncthreads();
  const uint64_t first = whole.all.best;
  const uint32_t id = id_of_ranked(first);
  if (threadIdx.x == 0 && s.n_top > 0) {
    slot.record.n_kept = 1;
    slot.record.kept[0] = {static_cast<int32_t>(id), 0};
  }
  finish(d, slot, state, whole, id, has_penalties(s) ? d.logits[id] : value_of(key_of_ranked(first)));
}

/** What the cuts leave of the ranked. */
struct Survivors {
  int n;
  uint64_t total;  // weight at the draw's temperature
};

/**
 * Top-p, min-p and temperature over the n best, kEach a lane: a weight for each, 0 for those cut off. `log_min_p` is
 * -inf where min-p is off. One warp calls it.
 */
template <int kEach>
__device__ Survivors weigh(const kigo_sampling& s, double log_min_p, const uint64_t* best, int n, uint64_t* weights) {
  const int first = kEach * static_cast<int>(threadIdx.x % 32);
  const float max = value_of(key_of_ranked(best[0]));
  const double least = static_cast<double>(max) + log_min_p;
  float logit[kEach];
  uint64_t weight[kEach], mine = 0;
  for (int j = 0; j < kEach; ++j) {
    logit[j] = first + j < n ? value_of(key_of_ranked(best[first + j])) : -INFINITY;
    mine += weight[j] = weight_of(logit[j], max, 1);
  }
  const uint64_t upto = warp_scan(mine), total = __shfl_sync(~0u, upto, 31);
  const auto wanted = static_cast<uint64_t>(ceil(static_cast<double>(s.top_p) * static_cast<double>(total)));

  int kept = 0;
  uint64_t before = upto - mine, kept_weight = 0;
  for (int j = 0; j < kEach; ++j) {
    const bool in_nucleus = s.top_p >= 1 || before < wanted || first + j == 0;
    const bool stays = first + j < n && in_nucleus && static_cast<double>(logit[j]) >= least;
    before += weight[j];
    weight[j] = stays ? weight_of(logit[j], max, s.temperature) : 0;
    if (first + j < n) weights[first + j] = weight[j];
    kept += __popc(__ballot_sync(~0u, stays));
    kept_weight += weight[j];
  }
  return {kept, warp_sum(kept_weight)};
}

/** A top-k of at most max_ranked, then the other cuts, then the draw. */
__global__ __launch_bounds__(kLastThreads) void draw_ranked(Draw d) {
  __shared__ RankMemory memory;
  __shared__ uint64_t best[kMaxRanked], weights[kMaxRanked];
  __shared__ Whole whole;
  __shared__ Survivors survivors;
  __shared__ uint64_t random, drawn;
  __shared__ double log_min_p;
  __shared__ RecordSlot slot;
  release_consumer();
  wait_for_producer();

  Groups groups = load_groups(d, d.group_keys);
  const kigo_sampling s = *d.sampling;
  const StepState state = *d.state;
  clear(slot);
  merge_slices(d, whole);
  // Slow, and needed late: by warps that have time.
  if (threadIdx.x == kLastThreads - 64) random = random_bits(d, s, state.length);
  if (threadIdx.x == kLastThreads - 96) log_min_p = s.min_p > 0 ? log(static_cast<double>(s.min_p)) : -INFINITY;
  if (threadIdx.x == 0) drawn = 0;
  if (s.n_top > 0) {
    report_top(d, s, whole, memory, best, slot);
    __syncthreads();
    groups = load_groups(d, d.group_keys);
  }
  const int n = rank_best(d, values_of(d, s), groups, static_cast<int>(top_k(s, d.n_vocab)), memory, best);

  if (threadIdx.x < 32) {
    const Survivors left =
        n <= 64 ? weigh<2>(s, log_min_p, best, n, weights) : weigh<4>(s, log_min_p, best, n, weights);
    if (threadIdx.x == 0) survivors = left;
  }
  __syncthreads();
  if (whole.all.not_finite) return finish(d, slot, state, whole, 0, 0);

  // The one whose share, in order of id, the random number falls into: eight threads add up what is in front of each.
  const uint64_t target = scale(random, survivors.total);
  const int i = static_cast<int>(threadIdx.x / 8);
  if (threadIdx.x / 32 * 4 < survivors.n) {
    const uint32_t id = i < n ? id_of_ranked(best[i]) : 0;
    uint64_t before = 0;
#pragma unroll 4
    for (int j = static_cast<int>(threadIdx.x % 8); j < survivors.n; j += 8) {
      before += id_of_ranked(best[j]) < id ? weights[j] : 0;
    }
    for (int apart = 4; apart > 0; apart /= 2) before += __shfl_xor_sync(~0u, before, apart);
    const bool is_it = i < survivors.n && before <= target && target < before + weights[i];
    if (is_it && threadIdx.x % 8 == 0) drawn = best[i];
  }
  const int n_kept = min(s.n_top, survivors.n);
  if (threadIdx.x < n_kept) {
    const float max = value_of(key_of_ranked(best[0]));
    slot.record.kept[threadIdx.x] = kept(best[threadIdx.x], max, s.temperature, survivors.total);
  }
  if (threadIdx.x == 0) slot.record.n_kept = n_kept;
  __syncthreads();
  const uint32_t id = id_of_ranked(drawn);
  const bool has_raw = has_penalties(s) && id < d.n_vocab;
  finish(d, slot, state, whole, id, has_raw ? d.logits[id] : value_of(key_of_ranked(drawn)));
}

}  // namespace

void enqueue_greedy(const Context& ctx, const Draw& draw) {
  launch_early(ctx.device, ctx.stream, "taking the best token", take_best, 1, kLastThreads, 0, draw);
}

void enqueue_ranked(const Context& ctx, const Draw& draw) {
  launch_early(ctx.device, ctx.stream, "drawing a token", draw_ranked, 1, kLastThreads, 0, draw);
}

}  // namespace kigo::cuda::sampler
