/**
 * What the layers remember of a sequence: keys and values of every position so far, and the tokens that stand there.
 * Attention layers keep all positions, windowed ones too, so that any prefix can be gone back to.
 */
#pragma once

#include <atomic>
#include <vector>

#include "core/kv_places.h"
#include "core/memory.h"
#include "core/model.h"
#include "cpu/context.h"

namespace kigo::cpu {

class StateCache {
 public:
  /** An empty one. `config` must outlive it. Throws OUT_OF_MEMORY. */
  StateCache(const ModelConfig& config, LayerRange range, Precision precision, int64_t n_ctx, Tally& tally);

  /** The cache of a held layer, counted from the first one held. */
  KvView layer(int64_t held) const;

  int64_t n_ctx() const { return n_ctx_; }
  /** Any thread. */
  int32_t length() const { return length_.load(std::memory_order_acquire); }
  const std::vector<int32_t>& tokens() const { return tokens_; }

  /** The next positions, whose keys and values every layer has stored, become part of the sequence. */
  void append(const int32_t* tokens, int32_t n);
  /** Forgets what stands at `length` and behind. */
  void truncate(int32_t length);

 private:
  const ModelConfig& config_;
  const LayerRange range_;
  const Precision precision_;
  const int64_t n_ctx_;
  KvPlaces places_;
  Block memory_;
  std::vector<int32_t> tokens_;     // reserved for n_ctx
  std::atomic<int32_t> length_{0};  // tokens_.size(), for other threads
};

}  // namespace kigo::cpu
