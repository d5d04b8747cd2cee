/** A sequence on a GPU: its cache, its working memory, the forward over them, and its sampler. */
#pragma once

#include <array>
#include <map>
#include <tuple>
#include <vector>

#include "core/requests.h"
#include "cuda/ahead.h"
#include "cuda/decode.h"
#include "cuda/event.h"
#include "cuda/memory.h"
#include "cuda/model.h"
#include "cuda/sampler.h"
#include "cuda/state_cache.h"

namespace kigo::cuda {

/** Where everything of a session lies: the one source of the memory plan and of the allocation. */
struct SessionLayout {
  KvPlaces cache;
  uint64_t kv_bytes = 0;

  // Offsets into the workspace. Activations are RunState's of core/model.h; in the exact mode all are float32.
  uint64_t x = 0;        // [n_batch][n_embd] float32
  uint64_t normed = 0;   // [n_batch][n_embd] what a product reads
  uint64_t qkv = 0;      // [n_batch][n_q + 2·n_kv] float32: side by side; in the exact mode one behind another
  uint64_t q = 0;        // [n_batch][n_q] float16; fast
  uint64_t attn = 0;     // [n_batch][n_q] what a product reads
  uint64_t gate_up = 0;  // [n_batch][2·n_ff] float32 or float16: side by side, or one behind another
  uint64_t hidden = 0;   // [n_batch][n_ff] halves; fast
  uint64_t branch = 0;   // [n_batch][n_embd] float32
  uint64_t logits = 0;   // [n_slice][n_vocab] float32
  RopeGroups ropes;
  std::vector<uint64_t> rope_tables;  // [rope groups] -> [n_ctx][n_rot/2] {cos, sin}
  uint64_t tokens = 0;                // [n_ctx + 1]
  uint64_t state = 0;                 // StepState
  uint64_t scratch = 0, scratch_bytes = 0;
  uint64_t gemm = 0;  // [Gemm::kWorkspaceBytes]
  DecodeLayout decode;
  SamplerLayout sampler;
  uint64_t workspace_bytes = 0;
  int64_t n_slice = 0;  // rows of logits in flight; 0: no head
};

/** Throws INVALID_INPUT where the options are out of range. */
SessionLayout layout_session(const ModelConfig& config, LayerRange range, Precision precision,
                             const DeviceTraits& device, const kigo_session_options* options);

class Session {
 public:
  Session(Model& model, const kigo_session_options* options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

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
  struct Step;  // one forward in progress (forward.cu)

  /** A run of decode_next whose next step is launched before the token in front of it is read. */
  struct Run {
    bool active = false;
    int32_t start = 0;       // tokens in the cache as it began
    int32_t n_launched = 0;  // draws on their way or read
    int32_t n_read = 0;
  };

  /** What a captured step is for; steps with equal ones are the same graph. */
  struct GraphKey {
    int64_t max_length;
    bool logits;  // are computed
    bool draws;
    SampleKind kind;
    auto order() const { return std::tuple(max_length, logits, draws, kind); }
    bool operator<(const GraphKey& other) const { return order() < other.order(); }
  };

  Context context();
  int32_t* tokens() const { return workspace_.at<int32_t>(layout_.tokens); }
  StepState* state() const { return workspace_.at<StepState>(layout_.state); }
  float* logits() const { return workspace_.at<float>(layout_.logits); }
  bool is_fast() const { return model_.precision() == Precision::fast; }
  bool has_head() const { return model_.range().has_head(model_.config()); }
  DecodeStep decode_step(int64_t max_length, bool logits) const;
  SampleStep sample_step() const;
  void make_rope_tables();
  /** [n_slice][n_vocab] in pinned memory. */
  float* host_rows();

  /** The forward over the request's tokens; false: a number was not finite. The length stays as it is. */
  bool compute(const kigo_forward& request, bool careful);
  /** The same, looking at every operation's result: throws NUMERIC_ERROR with the first place where one is not finite.
   */
  void compute_with_care(const kigo_forward& request);
  /** The request's tokens, computed, become part of the sequence. */
  void append(const kigo_forward& request);

  /** Lets the device know the length, with no draws made. */
  void set_state();
  void launch_step(const GraphKey& key);
  /** Behind set_state: draw `n` of the run is enqueued. */
  void enqueue_draw(int32_t n);
  const RecordSlot& wait_for_draw(int32_t n);
  void decode_ahead(const kigo_cancel& cancel, kigo_token_record& record);

  Model& model_;
  const int64_t n_batch_;
  SessionLayout layout_;
  StateCache cache_;
  DeviceBlock workspace_;
  std::vector<const float2*> rope_;  // [held layers] -> table

  PinnedBlock pinned_;
  RecordSlot* slots_ = nullptr;    // [kRecordSlots]
  int32_t* not_finite_ = nullptr;  // set by the device
  int32_t* new_tokens_ = nullptr;  // [n_batch]
  int32_t* targets_ = nullptr;     // [n_batch]
  double* logprobs_ = nullptr;     // [n_batch]
  PinnedBlock host_rows_;          // [n_slice][n_vocab] float32, once somebody asks for rows
  Ahead ahead_;
  std::array<Event, 2> pace_;  // how far a forward has come
  std::array<Event, kRecordSlots> drawn_events_;
  std::map<GraphKey, Graph> graphs_;

  bool has_logits_ = false;  // logits()' first row holds those of the next position
  bool half_gates_ = true;   // gate and up fit float16, as far as was seen
  int64_t n_delivered_ = 0;  // rows of logits that the caller of the present forward has
  KeptSampling sampling_;
  bool sampling_sent_ = false;  // the device knows sampling_
  int32_t drawn_ = -1;          // what decode_next drew last and has not appended
  Run run_;
};

}  // namespace kigo::cuda
