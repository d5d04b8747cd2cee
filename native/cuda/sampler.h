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

/** Offsets of the sampler's buffers. Nothing in them outlives a draw but the settings. */
struct SamplerLayout {
  uint64_t sampling = 0;        // kigo_sampling
  uint64_t exempt = 0;          // [n_vocab / 32] a bit a token: no penalty touches it; written where those are on
  uint64_t penalised = 0;       // [n_vocab] logits after the penalties; written where those are on
  uint64_t group_keys = 0;      // [n_groups] the best of each group of neighbouring logits, after the penalties
  uint64_t raw_group_keys = 0;  // [n_groups] and before; written where candidates are asked for
  uint64_t slices = 0;          // [n_slices] Slice of cuda/sampler_kernels.h
  uint64_t search = 0;          // Search of cuda/sampler_kernels.h
};
/** Adds the buffers to `work`: the one source of the plan and of the pointers. Throws where n_vocab is too large. */
SamplerLayout layout_sampler(int64_t n_vocab, Layout& work);

struct SampleStep {
  const SamplerLayout& layout;
  std::byte* workspace;
  const float* logits;  // [n_vocab], aligned to 16 bytes; not changed
  int64_t n_vocab;
  int32_t* tokens;  // [n_ctx + 1]; those before state->length are the history; the drawn one is written behind
  StepState* state;
  RecordSlot* slots;  // [kRecordSlots], pinned memory as the device sees it
  /** Added to the position that the random number is for: 0, but where the history is not all there was. */
  int64_t position_offset = 0;
};

/** Which kernels draw. A captured graph is for one kind; everything else of the settings is read from the device. */
enum class SampleKind {
  greedy,    // temperature 0
  ranked,    // top-k leaves so few that one block ranks them
  searched,  // any settings: each cut's threshold is searched for over the whole vocabulary
};
SampleKind sample_kind(const kigo_sampling& sampling, int64_t n_vocab);

/** Copies the settings and the tokens that they point to to the device, in stream order. */
void set_sampling(Context&, const SampleStep&, const kigo_sampling& sampling);

/**
 * Enqueues one draw, for position state->length, on the context's stream, which may be capturing: the record goes to
 * slots[n_drawn % kRecordSlots], the id to tokens[length], and n_drawn counts up. Logits that are not finite set
 * not_finite in state and slot, and the id is 0. `kind` must be that of the settings on the device.
 */
void enqueue_sample(Context&, const SampleStep&, SampleKind kind);

/** Device memory that `sample` of core/ops.h takes. */
size_t sample_scratch_bytes(int64_t n_vocab, int64_t n_history);

}  // namespace kigo::cuda
