/**
 * What is the same on every backend: a session that knows its tokens, reuses what a new prompt shares with them,
 * and generates.
 */
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/chain.h"
#include "core/memory.h"

namespace kigo {

struct GenerateRequest {
  std::vector<int32_t> tokens;         // the whole prompt
  kigo_sampling sampling = {};         // n_top is the number of candidates reported with each token
  int64_t max_tokens = 0;              // 0: until the context is full
  std::vector<int32_t> end_tokens;     // sorted; any of them ends the reply and is not reported
  std::vector<int32_t> exempt_tokens;  // sorted; no penalty touches them
  kigo_cancel cancel = {};
  // Of the prompt's tokens, before the first batch and after each; `done` and `total` count the cached ones too.
  std::function<void(int64_t done, int64_t total, int64_t cached)> on_prefill;
  std::function<void(const kigo_token_record&)> on_token;
};

struct GenerateResult {
  enum class Reason { end, length, context, cancelled };
  Reason reason = Reason::end;
  int64_t prompt_tokens = 0;  // computed
  int64_t cached_tokens = 0;  // reused
  double prompt_ms = 0;
  double first_token_ms = 0;  // from the call
  int64_t tokens = 0;         // reported
  double decode_ms = 0;       // first token to last
};

class Session {
 public:
  /** A session on each part, all or none. Throws INVALID_INPUT, OUT_OF_MEMORY, DEVICE_LOST. The chain outlives it. */
  Session(Chain& chain, int32_t n_ctx, int32_t n_batch);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  int32_t n_ctx() const { return n_ctx_; }
  /** Tokens in the cache. Any thread. */
  int32_t length() const;

  /**
   * Keeps the longest common prefix of the cache and the prompt, computes the rest in batches, then draws tokens.
   * Cancelling is a result, not an error; the cache stays valid up to the last finished batch or token.
   * Throws PROMPT_TOO_LONG where the prompt leaves no room for one token, and what the backends throw.
   */
  GenerateResult generate(const GenerateRequest& request);

  /** Logits of every position from an empty cache: rows [n_rows][n_vocab], in order; false cancels. Throws CANCELLED.
   */
  void logits(const std::vector<int32_t>& tokens, const kigo_cancel& cancel,
              const std::function<bool(int32_t first, int32_t n_rows, const float* rows)>& on_rows);

  /** Natural log-probability of tokens[i+1] after tokens[0..i], i = 0 … n-2, from an empty cache. */
  std::vector<double> score(const std::vector<int32_t>& tokens, const kigo_cancel& cancel);

  void truncate(int32_t length);

 private:
  struct Part {
    const Placement* placement;
    std::unique_ptr<kigo_session, void (*)(kigo_session*)> session;

    const kigo_backend_api& api() const { return *placement->api; }
    void check(kigo_status status) const { placement->check(status); }
  };

  void forward(const kigo_forward& request);
  void decode(int32_t previous, bool only, const kigo_cancel& cancel, kigo_token_record& record);
  void expect_room(size_t n_tokens, size_t n_reply) const;
  const Part& last() const { return parts_.back(); }

  const int32_t n_ctx_;
  const int32_t n_batch_;
  std::vector<Part> parts_;
  Block hidden_[2];              // [n_batch][n_embd] float32, from one part to the next, in turns
  std::vector<int32_t> tokens_;  // what the cache holds
};

}  // namespace kigo
