/** What the layers remember: keys and values of every position, in device memory. */
#pragma once

#include <atomic>
#include <vector>

#include "core/kv_places.h"
#include "cuda/context.h"
#include "cuda/memory.h"

namespace kigo::cuda {

class StateCache {
 public:
  /** An empty one. Throws OUT_OF_MEMORY. */
  StateCache(const KvPlaces& places, Precision precision, int64_t n_ctx, Tally& tally);

  /** [held layers] */
  const std::vector<KvView>& layers() const { return layers_; }
  int64_t n_ctx() const { return n_ctx_; }
  /** Positions that every layer has stored. Any thread. */
  int32_t length() const { return length_.load(std::memory_order_acquire); }
  /** More or fewer positions are valid from now on; those behind are forgotten. */
  void set_length(int32_t length) { length_.store(length, std::memory_order_release); }

 private:
  int64_t n_ctx_;
  DeviceBlock memory_;
  std::vector<KvView> layers_;
  std::atomic<int32_t> length_{0};
};

}  // namespace kigo::cuda
