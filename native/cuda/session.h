/** A sequence on a GPU: its cache, its working memory, the forward over them, and its sampler. */
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "cuda/decode.h"
#include "cuda/memory.h"
#include "cuda/model.h"
#include "cuda/sampler.h"

namespace kigo::cuda {

/** Where everything of a session lies: the one source of the memory plan and of the allocation. */
struct SessionLayout {
  uint64_t kv_bytes = 0;
  uint64_t workspace_bytes = 0;
  // … offsets into both, as forward.cu needs them
};
SessionLayout layout_session(const ModelConfig& config, LayerRange range, Precision precision,
                             const DeviceTraits& device, const kigo_session_options* options);

class Session {
 public:
  Session(Model& model, const kigo_session_options* options);
  ~Session();

  /** Tokens in the cache. Any thread. */
  int32_t length() const { return length_.load(std::memory_order_acquire); }
  void truncate(int32_t length);

  // As in kigo_backend_api.
  void forward(const kigo_forward& request);
  void begin_sampling(const kigo_sampling& sampling);
  void sample(kigo_token_record& record);
  void decode_next(const kigo_cancel& cancel, kigo_token_record& record);
  void end_decode();

 private:
  Model& model_;
  std::atomic<int32_t> length_{0};
};

}  // namespace kigo::cuda
