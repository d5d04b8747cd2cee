/** What every backend checks of a caller's requests, in one place and in the same words. */
#pragma once

#include <string>

#include "core/model.h"
#include "kigo/abi.h"

namespace kigo {

/** Throws INVALID_INPUT: the caller broke the ABI's rules. */
[[noreturn]] void bad_call(const std::string& what);

/** Throws INVALID_INPUT. */
void check_session_options(const kigo_session_options* options);

/** Throws INVALID_INPUT, or PROMPT_TOO_LONG where the cache of n_ctx, `length` of it full, has no room. */
void check_forward(const kigo_forward& request, const ModelConfig& config, LayerRange range, int64_t length,
                   int64_t n_ctx, int64_t n_batch);

/** Throws INVALID_INPUT. */
void check_sampling(const kigo_sampling& sampling);

/** Throws INVALID_INPUT where `length` is none that a cache of `now` tokens can be cut to. */
void check_truncate(int32_t length, int32_t now);

/** Throws CANCELLED where the caller asked for it. */
void poll_cancel(const kigo_cancel& cancel);

}  // namespace kigo
