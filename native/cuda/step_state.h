/**
 * What the steps of generation agree on in device memory, so that a CUDA graph is launched again and again and never
 * edited, and a step can be launched before the host has read the token of the one in front of it.
 *
 * A step takes the token that stands at tokens[length], computes it at that position, and adds 1 to length; the
 * sampler then draws the token of position `length` and writes it to tokens[length]. Both are ordered by the stream.
 * Whatever a step that was launched ahead has written at `length` or behind, the host may drop by setting length.
 */
#pragma once

#include <cstdint>

#include "kigo/abi.h"

namespace kigo::cuda {

struct StepState {
  int32_t length;      // tokens whose keys and values are in the cache
  int32_t n_drawn;     // draws since the host last set the state: which slot of the ring a record goes to
  int32_t not_finite;  // 1 once logits held a number that is not finite; draws after that mean nothing
  int32_t reserved;
};

/** Records that the sampler may have written before the host reads the oldest of them. */
inline constexpr int kRecordSlots = 4;

/** One draw as it reaches the host, in pinned memory. */
struct RecordSlot {
  kigo_token_record record;
  int32_t not_finite;
};

}  // namespace kigo::cuda
