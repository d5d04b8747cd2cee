/**
 * The sampler on the device: as kigo_sampling says, and as the CPU twin draws. Tokens drawn with one seed are the same
 * whenever the logits are.
 */
#pragma once

#include "core/memory.h"
#include "cuda/context.h"
#include "cuda/step_state.h"
#include "kigo/abi.h"

namespace kigo::cuda {

struct SamplerLayout {
  uint64_t sampling = 0;  // kigo_sampling, on the device
  uint64_t scratch = 0;
};
/** Adds the buffers to `work`: the one source of the plan and of the pointers. */
SamplerLayout layout_sampler(int64_t n_vocab, int64_t n_ctx, const DeviceTraits& device, Layout& work);

struct SampleStep {
  const SamplerLayout& layout;
  std::byte* workspace;
  const float* logits;  // [n_vocab], not changed
  int64_t n_vocab;
  int32_t* tokens;  // [n_ctx + 1]; those before state->length are the history; the drawn one is written behind
  StepState* state;
  RecordSlot* slots;  // [kRecordSlots], pinned memory as the device sees it
};

/** Kernels differ by what is asked for, so a captured graph is for one kind: equal kinds may share it. */
struct SampleKind {
  bool greedy = false;      // temperature 0
  bool candidates = false;  // n_top > 0
  bool operator==(const SampleKind&) const = default;
};
SampleKind sample_kind(const kigo_sampling& sampling);

/** Zeroes what must be zero before the first draw. */
void prepare_sampler(Context&, const SampleStep&);
/** Copies the settings to the device, in stream order. */
void set_sampling(Context&, const SampleStep&, const kigo_sampling& sampling);

/**
 * Enqueues one draw, for position state->length, on the context's stream, which may be capturing: the record goes to
 * slots[n_drawn % kRecordSlots], the id to tokens[length], and n_drawn counts up. Logits that are not finite set
 * not_finite in state and slot.
 */
void enqueue_sample(Context&, const SampleStep&, SampleKind kind);

}  // namespace kigo::cuda
