/** Working memory of `sample`. */
#pragma once

#include <cstddef>
#include <cstdint>

namespace kigo::cpu {

/** Bytes for a vocabulary of n_vocab and up to n_history tokens that the penalties look at. */
size_t sample_scratch_bytes(int64_t n_vocab, int64_t n_history);

}  // namespace kigo::cpu
