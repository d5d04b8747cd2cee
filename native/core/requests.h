/** What every backend checks of a caller's requests, in one place and in the same words. */
#pragma once

#include <string>
#include <vector>

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

/** A sampler's settings as a session keeps them: with the tokens that they point to. */
class KeptSampling {
 public:
  KeptSampling() = default;
  KeptSampling(const KeptSampling&) = delete;
  KeptSampling& operator=(const KeptSampling&) = delete;

  /** Throws INVALID_INPUT, and keeps what there was. */
  void keep(const kigo_sampling& sampling);
  bool is_set() const { return settings_.struct_size != 0; }
  const kigo_sampling& settings() const { return settings_; }

 private:
  kigo_sampling settings_ = {};
  std::vector<int32_t> exempt_;
};

/** Throws INVALID_INPUT where `length` is none that a cache of `now` tokens can be cut to. */
void check_truncate(int32_t length, int32_t now);

/** Throws CANCELLED where the caller asked for it. */
void poll_cancel(const kigo_cancel& cancel);

}  // namespace kigo
