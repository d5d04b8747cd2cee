/**
 * Draws under any settings: each cut is a threshold, and the whole vocabulary is searched for it a digit of the key at
 * a time. A pass adds up a histogram of the digit, by count for top-k and by weight for top-p; the pass behind it finds
 * the bin that holds the threshold and looks at the next digit of the keys in that bin. Two more kernels weigh the
 * survivors slice by slice and walk to the one that is drawn.
 */
#include "cuda/sampler_rank.cuh"

namespace kigo::cuda::sampler {

namespace {

enum Cut { kTopK = 0, kTopP = 1 };

/** Bits behind a digit. */
__device__ constexpr int shift_of(int digit) { return digit == 0 ? 21 : digit == 1 ? 10 : 0; }

constexpr int kTopKDone = kDigits - 1;  // the pass with a cut's last digit
constexpr int kTopPDone = 2 * kDigits - 1;

__device__ bool is_on(Cut cut, const Draw& d, const kigo_sampling& s) {
  return cut == kTopK ? top_k(s, d.n_vocab) < d.n_vocab : s.top_p < 1;
}

__device__ int digit_of(uint32_t key, int digit) {
  return static_cast<int>(key >> shift_of(digit)) & (digit == kDigits - 1 ? (1 << shift_of(digit - 1)) - 1 : kBins - 1);
}

/** The largest logit after the penalties. Blocks of kSliceThreads call it. */
__device__ float max_of(const Draw& d) {
  uint64_t best = 0;
  for (int i = threadIdx.x; i < d.n_slices; i += kSliceThreads) best = max(best, d.slices[i].best);
  best = block_reduce<uint64_t>(best, 0, [](uint64_t v) { return warp_max(v); });
  return value_of(key_of_ranked(best));
}

/** The weight that the nucleus must have. `sum`: of all keys that reach top-k's threshold. */
__device__ uint64_t nucleus(const Draw& d, const kigo_sampling& s, uint64_t sum, float max) {
  if (is_on(kTopK, d, s)) {  // those equal to the threshold were all weighed, and not all of them survive
    const Progress& top_k = d.search->progress[kTopKDone];
    sum -= (top_k.there - top_k.wanted) * weight_of(value_of(top_k.prefix), max, 1);
  }
  const auto wanted = static_cast<uint64_t>(ceil(static_cast<double>(s.top_p) * static_cast<double>(sum)));
  return wanted > 0 ? wanted : 1;
}

/**
 * Where the search stands behind pass `pass`, from its histogram and from where it stood before. Every block finds out
 * for itself, the first one leaves it for later passes. Blocks of kSliceThreads call it, which look at 8 bins a thread.
 */
__device__ Progress advance(const Draw& d, const kigo_sampling& s, int pass, float max) {
  __shared__ Progress found;
  const int cut = pass / kDigits, digit = pass % kDigits;
  constexpr int kEach = kBins / kSliceThreads;
  const int highest = kBins - 1 - kEach * static_cast<int>(threadIdx.x);
  uint64_t bins[kEach], sum = 0;
  for (int j = 0; j < kEach; ++j) sum += bins[j] = d.search->histograms[pass][highest - j];
  if (threadIdx.x == 0) found = {};  // nobody finds anything among logits that are not finite
  const Scanned<uint64_t> scan = block_scan(sum);

  Progress at = {0, static_cast<uint64_t>(top_k(s, d.n_vocab)), 0};
  if (digit > 0) {
    at = d.search->progress[pass - 1];
  } else if (cut == kTopP) {
    at.wanted = nucleus(d, s, scan.total, max);
  }
  uint64_t above = scan.before;
  for (int j = 0; j < kEach; ++j) {
    if (above < at.wanted && above + bins[j] >= at.wanted) {
      const uint32_t bin = static_cast<uint32_t>(highest - j);
      found = {at.prefix | bin << shift_of(digit), at.wanted - above, bins[j]};
    }
    above += bins[j];
  }
  __syncthreads();
  const Progress result = found;
  if (blockIdx.x == 0 && threadIdx.x == 0) d.search->progress[pass] = result;
  return result;
}

/** A histogram of one digit over the keys that agree with the digits found. */
__global__ __launch_bounds__(kSliceThreads) void count_digit(Draw d, int pass) {
  // A block's sum of weights takes two words: 1024 of 21 bits each.
  constexpr int kLowBits = 21;
  static_assert((uint64_t{kSlice} << kLowBits) < (uint64_t{1} << 32));
  __shared__ uint32_t low[kBins], high[kBins];
  release_consumer();
  wait_for_producer();

  const Cut cut = static_cast<Cut>(pass / kDigits);
  const int digit = pass % kDigits;
  const kigo_sampling s = *d.sampling;
  if (!is_on(cut, d, s)) return;
  const int first = static_cast<int>(blockIdx.x) * kSlice + 4 * static_cast<int>(threadIdx.x);
  const float4 four = load_four(values_of(d, s), first, d.n_vocab);
  const float value[4] = {four.x, four.y, four.z, four.w};
  for (int i = threadIdx.x; i < kBins; i += kSliceThreads) low[i] = high[i] = 0;

  const float max = max_of(d);
  const uint32_t prefix = digit > 0 ? advance(d, s, pass - 1, max).prefix : 0;
  // The first sum of weights must not hold what top-k has cut off; later it lies below the threshold looked for.
  const bool follows_top_k = cut == kTopP && digit == 0 && is_on(kTopK, d, s);
  const uint32_t least = follows_top_k ? advance(d, s, kTopKDone, max).prefix : 0;
  __syncthreads();
  for (int j = 0; j < 4; ++j) {
    const uint32_t key = key_of(value[j]);
    const bool agrees = digit == 0 || key >> shift_of(digit - 1) == prefix >> shift_of(digit - 1);
    if (first + j >= d.n_vocab || !agrees || key < least) continue;
    const int bin = digit_of(key, digit);
    if (cut == kTopK) {
      atomicAdd(&low[bin], 1);
    } else if (const uint64_t weight = weight_of(value[j], max, 1); weight > 0) {
      atomicAdd(&low[bin], static_cast<uint32_t>(weight) & ((1u << kLowBits) - 1));
      atomicAdd(&high[bin], static_cast<uint32_t>(weight >> kLowBits));
    }
  }
  __syncthreads();
  auto* sums = reinterpret_cast<unsigned long long*>(d.search->histograms[pass]);
  for (int i = threadIdx.x; i < kBins; i += kSliceThreads) {
    const uint64_t sum = low[i] + (uint64_t{high[i]} << kLowBits);
    if (sum > 0) atomicAdd(&sums[i], sum);
  }
}

/** All three cuts in one. Blocks of kSliceThreads call it. */
__device__ Threshold find_threshold(const Draw& d, const kigo_sampling& s, float max) {
  Threshold at = {0, UINT32_MAX};
  if (is_on(kTopK, d, s)) {
    const Progress p = is_on(kTopP, d, s) ? d.search->progress[kTopKDone] : advance(d, s, kTopKDone, max);
    at = {p.prefix, static_cast<uint32_t>(p.wanted)};
  }
  if (is_on(kTopP, d, s)) {
    const Progress p = advance(d, s, kTopPDone, max);
    const uint64_t each = weight_of(value_of(p.prefix), max, 1);
    // Only logits that are not finite have a threshold without weight; what they lead to is never looked at.
    const uint32_t ties = each > 0 ? static_cast<uint32_t>((p.wanted + each - 1) / each) : 0;
    at = {p.prefix, p.prefix == at.key ? min(ties, at.ties) : ties};
  }
  if (s.min_p > 0) {
    const double least = static_cast<double>(max) + log(static_cast<double>(s.min_p));
    const uint32_t key = key_of(__double2float_ru(least));
    if (key > at.key) at = {key, UINT32_MAX};
  }
  return at;
}

/** The survivors' weight at the draw's temperature, slice by slice. */
__global__ __launch_bounds__(kSliceThreads) void weigh_slice(Draw d) {
  release_consumer();
  wait_for_producer();

  const kigo_sampling s = *d.sampling;
  const int first = static_cast<int>(blockIdx.x) * kSlice + 4 * static_cast<int>(threadIdx.x);
  const float4 four = load_four(values_of(d, s), first, d.n_vocab);
  const float value[4] = {four.x, four.y, four.z, four.w};
  const float max = max_of(d);
  const Threshold threshold = find_threshold(d, s, max);
  uint64_t weight = 0;
  uint32_t ties = 0;
  for (int j = 0; j < 4; ++j) {
    const uint32_t key = key_of(value[j]);
    if (first + j >= d.n_vocab) continue;
    if (key > threshold.key) weight += weight_of(value[j], max, s.temperature);
    ties += key == threshold.key;
  }
  weight = block_sum(weight);
  ties = block_sum(ties);
  if (threadIdx.x == 0) {
    d.search->weight[blockIdx.x] = weight;
    d.search->ties[blockIdx.x] = ties;
    if (blockIdx.x == 0) d.search->threshold = threshold;
  }
}

/** How many of `here`, with `before` in front of them, are among the first `limit`. */
__device__ uint32_t among_first(uint32_t limit, uint32_t before, uint32_t here) {
  return before >= limit ? 0 : min(limit - before, here);
}

/** The walk: to the slice, then to the one in it. */
__global__ __launch_bounds__(kLastThreads) void draw_searched(Draw d) {
  __shared__ RankMemory memory;
  __shared__ uint64_t best[KIGO_MAX_TOP];
  __shared__ struct {
    int slice;
    uint64_t target;
    uint32_t ties;  // those equal to the threshold that survive here
  } walk;
  __shared__ Whole whole;
  __shared__ uint64_t random, drawn;
  __shared__ RecordSlot slot;
  release_consumer();
  wait_for_producer();

  const kigo_sampling s = *d.sampling;
  const StepState state = *d.state;
  clear(slot);
  merge_slices(d, whole);
  if (threadIdx.x == 0) {
    random = random_bits(d, s, state.length);
    drawn = 0;
  }
  __syncthreads();
  if (whole.all.not_finite) return finish(d, slot, state, whole, 0, 0);
  const float max = value_of(key_of_ranked(whole.all.best));
  const Threshold threshold = d.search->threshold;
  const uint64_t each = weight_of(value_of(threshold.key), max, s.temperature);

  const bool has_slice = threadIdx.x < d.n_slices;
  const uint32_t ties_here = has_slice ? d.search->ties[threadIdx.x] : 0;
  const uint32_t ties = among_first(threshold.ties, block_scan(ties_here).before, ties_here);
  const uint64_t weight = has_slice ? d.search->weight[threadIdx.x] + ties * each : 0;
  const Scanned<uint64_t> slices = block_scan(weight);
  const uint64_t target = scale(random, slices.total);
  if (slices.before <= target && target < slices.before + weight) {
    walk = {static_cast<int>(threadIdx.x), target - slices.before, ties};
  }
  __syncthreads();

  static_assert(kSlice == kLastThreads);
  const int id = walk.slice * kSlice + static_cast<int>(threadIdx.x);
  const float value = id < d.n_vocab ? values_of(d, s)[id] : -INFINITY;
  const uint32_t key = key_of(value), is_tie = key == threshold.key;
  const uint32_t ties_before = block_scan(is_tie).before;
  const bool survives = key > threshold.key || among_first(walk.ties, ties_before, is_tie) > 0;
  const uint64_t share = id < d.n_vocab && survives ? weight_of(value, max, s.temperature) : 0;
  const uint64_t before = block_scan(share).before;
  if (before <= walk.target && walk.target < before + share) drawn = ranked(key, static_cast<uint32_t>(id));

  if (s.n_top > 0) {
    report_top(d, s, whole, memory, best, slot);
    __syncthreads();
    const Groups groups = load_groups(d, d.group_keys);
    const int n = rank_best(d, values_of(d, s), groups, s.n_top, memory, best);
    if (threadIdx.x == 0) {
      // The ties among the best are the first by id.
      uint32_t n_ties = 0;
      for (int i = 0; i < n; ++i) {
        const uint32_t of = key_of_ranked(best[i]);
        if (of < threshold.key || (of == threshold.key && ++n_ties > threshold.ties)) break;
        slot.record.kept[i] = kept(best[i], max, s.temperature, slices.total);
        slot.record.n_kept = i + 1;
      }
    }
  }
  __syncthreads();
  const uint32_t token = id_of_ranked(drawn);
  finish(d, slot, state, whole, token, has_penalties(s) ? d.logits[token] : value_of(key_of_ranked(drawn)));
}

}  // namespace

void enqueue_searched(const Context& ctx, const Draw& draw) {
  for (int pass = 0; pass < 2 * kDigits; ++pass) {
    launch_early(ctx.device, ctx.stream, "searching a cut", count_digit, static_cast<unsigned>(draw.n_slices),
                 kSliceThreads, 0, draw, pass);
  }
  launch_early(ctx.device, ctx.stream, "weighing the survivors", weigh_slice, static_cast<unsigned>(draw.n_slices),
               kSliceThreads, 0, draw);
  launch_early(ctx.device, ctx.stream, "drawing a token", draw_searched, 1, kLastThreads, 0, draw);
}

}  // namespace kigo::cuda::sampler
