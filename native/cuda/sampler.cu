#include <algorithm>
#include <string>
#include <vector>

#include "core/ops.h"
#include "cuda/sampler.h"
#include "cuda/sampler_kernels.cuh"

namespace kigo::cuda {

using namespace sampler;

namespace {

int64_t divide_up(int64_t n, int64_t by) { return (n + by - 1) / by; }

size_t exempt_words(int64_t n_vocab) { return static_cast<size_t>(divide_up(n_vocab, 32)); }

Draw draw_of(const SampleStep& step) {
  const auto at = [&](uint64_t offset) { return step.workspace + offset; };
  const int size = group_size(step.n_vocab);
  return {.sampling = reinterpret_cast<const kigo_sampling*>(at(step.layout.sampling)),
          .exempt = reinterpret_cast<const uint32_t*>(at(step.layout.exempt)),
          .logits = step.logits,
          .penalised = reinterpret_cast<float*>(at(step.layout.penalised)),
          .group_keys = reinterpret_cast<uint32_t*>(at(step.layout.group_keys)),
          .raw_group_keys = reinterpret_cast<uint32_t*>(at(step.layout.raw_group_keys)),
          .slices = reinterpret_cast<Slice*>(at(step.layout.slices)),
          .search = reinterpret_cast<Search*>(at(step.layout.search)),
          .tokens = step.tokens,
          .state = step.state,
          .slots = step.slots,
          .position_offset = step.position_offset,
          .n_vocab = static_cast<int32_t>(step.n_vocab),
          .n_slices = static_cast<int32_t>(divide_up(step.n_vocab, kSlice)),
          .n_groups = static_cast<int32_t>(divide_up(step.n_vocab, size)),
          .group_size = size};
}

/** Where `sample` of core/ops.h keeps what a session keeps. */
struct OperationLayout {
  SamplerLayout sampler;
  uint64_t tokens, state, slots, bytes;

  OperationLayout(int64_t n_vocab, int64_t n_history) {
    Layout work;
    sampler = layout_sampler(n_vocab, work);
    tokens = work.add<int32_t>(static_cast<uint64_t>(n_history) + 1);
    state = work.add<StepState>(1);
    slots = work.add<RecordSlot>(kRecordSlots);
    bytes = work.total();
  }
};

__global__ void start_at(StepState* state, int32_t length) { *state = {.length = length}; }

}  // namespace

SamplerLayout layout_sampler(int64_t n_vocab, Layout& work) {
  constexpr int64_t kMaxVocab = int64_t{kMaxSlices} * kSlice;
  if (n_vocab > kMaxVocab) {
    throw Error(KIGO_UNSUPPORTED_ARCHITECTURE, "The GPU draws from up to " + std::to_string(kMaxVocab) +
                                                   " tokens; this model's vocabulary has " + std::to_string(n_vocab) +
                                                   ".");
  }
  const auto n = static_cast<uint64_t>(n_vocab);
  const auto n_groups = static_cast<uint64_t>(divide_up(n_vocab, group_size(n_vocab)));
  SamplerLayout at;
  at.sampling = work.add<kigo_sampling>(1);
  at.exempt = work.add<uint32_t>(exempt_words(n_vocab));
  at.penalised = work.add<float>((n + 3) / 4 * 4);
  at.group_keys = work.add<uint32_t>(n_groups);
  at.raw_group_keys = work.add<uint32_t>(n_groups);
  at.slices = work.add<Slice>(static_cast<uint64_t>(divide_up(n_vocab, kSlice)));
  at.search = work.add<Search>(1);
  return at;
}

SampleKind sample_kind(const kigo_sampling& sampling, int64_t n_vocab) {
  if (sampling.temperature == 0) return SampleKind::greedy;
  const bool few = top_k(sampling, n_vocab) <= max_ranked(group_size(n_vocab));
  return few ? SampleKind::ranked : SampleKind::searched;
}

void set_sampling(Context& ctx, const SampleStep& step, const kigo_sampling& sampling) {
  check(cudaMemcpyAsync(step.workspace + step.layout.sampling, &sampling, sizeof sampling, cudaMemcpyHostToDevice,
                        ctx.stream),
        "setting the sampler");
  if (!has_penalties(sampling)) return;
  std::vector<uint32_t> exempt(exempt_words(step.n_vocab));
  for (int32_t i = 0; i < sampling.n_exempt; ++i) {
    const int32_t id = sampling.exempt[i];
    if (id >= 0 && id < step.n_vocab) exempt[static_cast<size_t>(id / 32)] |= 1u << id % 32;
  }
  check(cudaMemcpyAsync(step.workspace + step.layout.exempt, exempt.data(), exempt.size() * sizeof(uint32_t),
                        cudaMemcpyHostToDevice, ctx.stream),
        "setting the tokens that no penalty touches");
}

void enqueue_sample(Context& ctx, const SampleStep& step, SampleKind kind) {
  const Draw draw = draw_of(step);
  enqueue_scan(ctx, draw, kind == SampleKind::searched);
  switch (kind) {
    case SampleKind::greedy: return enqueue_greedy(ctx, draw);
    case SampleKind::ranked: return enqueue_ranked(ctx, draw);
    case SampleKind::searched: return enqueue_searched(ctx, draw);
  }
}

size_t sample_scratch_bytes(int64_t n_vocab, int64_t n_history) { return OperationLayout(n_vocab, n_history).bytes; }

void sample(Context& ctx, kigo_token_record* record, float* logits, int64_t n_vocab, const int32_t* history,
            int64_t n_history, int64_t position, const kigo_sampling& sampling, void* scratch) {
  const OperationLayout at(n_vocab, n_history);
  auto* workspace = static_cast<std::byte*>(scratch);
  auto* slots = reinterpret_cast<RecordSlot*>(workspace + at.slots);
  const SampleStep step = {.layout = at.sampler,
                           .workspace = workspace,
                           .logits = logits,
                           .n_vocab = n_vocab,
                           .tokens = reinterpret_cast<int32_t*>(workspace + at.tokens),
                           .state = reinterpret_cast<StepState*>(workspace + at.state),
                           .slots = slots,
                           .position_offset = position - n_history};
  check(cudaMemcpyAsync(step.tokens, history, static_cast<size_t>(n_history) * sizeof(int32_t),
                        cudaMemcpyDeviceToDevice, ctx.stream),
        "copying the history");
  start_at<<<1, 1, 0, ctx.stream>>>(step.state, static_cast<int32_t>(n_history));
  check_launch("starting a draw");
  set_sampling(ctx, step, sampling);
  enqueue_sample(ctx, step, sample_kind(sampling, n_vocab));
  check(cudaMemcpyAsync(record, &slots[0].record, sizeof *record, cudaMemcpyDeviceToDevice, ctx.stream),
        "copying a record");
}

}  // namespace kigo::cuda
