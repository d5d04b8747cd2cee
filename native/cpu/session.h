/** A sequence on the CPU: its cache, its working memory, the forward over them, and its sampler. */
#pragma once

#include <vector>

#include "core/memory.h"
#include "core/requests.h"
#include "cpu/model.h"
#include "cpu/state_cache.h"

namespace kigo::cpu {

/** Where everything of a session lies: the one source of the memory plan and of the allocation. */
struct SessionLayout {
  uint64_t kv_bytes = 0;

  uint64_t x, normed, q, k_new, v_new, attn, gate, up, branch, logits;  // RunState, offsets into the workspace
  std::vector<uint64_t> rope;                                           // [rope groups][n_batch][n_rot/2][2]
  uint64_t scratch = 0, scratch_bytes = 0;                              // of the kernels
  uint64_t sampler = 0;
  uint64_t workspace_bytes = 0;
  int64_t n_slice = 0;  // rows of logits in flight
};

/** Throws INVALID_INPUT where the options are out of range. */
SessionLayout layout_session(const ModelConfig& config, LayerRange range, Precision precision, int n_threads,
                             const kigo_session_options* options);

class Session {
 public:
  Session(Model& model, const kigo_session_options* options);

  /** Tokens in the cache. Any thread. */
  int32_t length() const { return cache_.length(); }
  void truncate(int32_t length);

  // As in kigo_backend_api.
  void forward(const kigo_forward& request);
  void begin_sampling(const kigo_sampling& sampling);
  void sample(kigo_token_record& record);
  void decode_next(const kigo_cancel& cancel, kigo_token_record& record);
  void end_decode();

 private:
  struct Step;  // one forward in progress (forward.cpp)
  Context context();

  Model& model_;
  const int64_t n_batch_;
  SessionLayout layout_;
  StateCache cache_;
  Block workspace_;
  RunState run_;

  bool has_logits_ = false;  // run_.logits holds those of the next position
  KeptSampling sampling_;
  int32_t drawn_ = -1;  // what decode_next drew last and has not appended
};

}  // namespace kigo::cpu
