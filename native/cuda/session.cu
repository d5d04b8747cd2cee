#include <algorithm>

#include "core/requests.h"
#include "cuda/matmul.h"
#include "cuda/rope.h"
#include "cuda/session.h"

namespace kigo::cuda {

namespace {

uint64_t count(int64_t a, int64_t b) { return static_cast<uint64_t>(a) * static_cast<uint64_t>(b); }

// Logits of a whole prompt leave in slices of about this many bytes: enough rows for a product to be worth its
// weights' way, and no memory to speak of.
constexpr int64_t kLogitsSliceBytes = 32 << 20;

/** The request for the logits behind one more token. */
kigo_forward appending(const int32_t& token, const kigo_cancel& cancel) {
  kigo_forward request = {};
  request.struct_size = sizeof request;
  request.tokens = &token;
  request.n_tokens = 1;
  request.logits = KIGO_LOGITS_LAST;
  request.cancel = cancel;
  return request;
}

__global__ void set_state_kernel(StepState* state, int32_t length) { *state = {.length = length}; }

}  // namespace

SessionLayout layout_session(const ModelConfig& config, LayerRange range, Precision precision,
                             const DeviceTraits& device, const kigo_session_options* options) {
  check_session_options(options);
  const int64_t n_ctx = options->n_ctx, n_batch = options->n_batch, n_embd = config.n_embd;
  const bool fast = precision == Precision::fast;

  SessionLayout at;
  at.cache = kv_places(config, range, n_ctx, !fast);
  at.kv_bytes = at.cache.bytes;
  int64_t n_q = 0, n_qkv = 0, n_ff = 0;
  const auto slab_for = [&](int64_t n_in, int64_t n_out) {
    at.scratch_bytes = std::max<uint64_t>(at.scratch_bytes, slab_bytes(device, precision, n_in, n_out));
  };
  for (int64_t i = range.first; i < range.last; ++i) {
    const LayerConfig& l = config.layers[static_cast<size_t>(i)];
    n_q = std::max(n_q, l.n_q());
    n_qkv = std::max(n_qkv, l.n_q() + 2 * l.n_kv());
    n_ff = std::max(n_ff, l.n_ff);
    slab_for(n_embd, l.n_q() + 2 * l.n_kv());
    slab_for(l.n_q(), n_embd);
    slab_for(n_embd, 2 * l.n_ff);
    slab_for(l.n_ff, n_embd);
  }
  if (range.has_head(config)) slab_for(n_embd, config.n_vocab);

  Layout work;
  at.gemm = work.add<std::byte>(Gemm::kWorkspaceBytes);  // first, because cuBLAS wants it aligned to 256 bytes
  const auto read_by_products = [&](int64_t n) {
    return fast ? work.add<uint16_t>(count(n_batch, n)) : work.add<float>(count(n_batch, n));
  };
  at.x = work.add<float>(count(n_batch, n_embd));
  at.normed = read_by_products(n_embd);
  at.qkv = work.add<float>(count(n_batch, n_qkv));
  at.attn = read_by_products(n_q);
  at.gate_up = work.add<float>(count(n_batch, 2 * n_ff));
  at.branch = work.add<float>(count(n_batch, n_embd));
  if (fast) {
    at.q = work.add<uint16_t>(count(n_batch, n_q));
    at.hidden = work.add<uint16_t>(count(n_batch, n_ff));
    at.decode = layout_decode(config, range, device, n_ctx, work);
  }
  at.ropes = rope_groups(config, range);
  for (const int64_t layer : at.ropes.representative) {
    at.rope_tables.push_back(work.add<float>(count(n_ctx, config.layers[static_cast<size_t>(layer)].n_rot)));
  }
  at.tokens = work.add<int32_t>(static_cast<uint64_t>(n_ctx) + 1);
  at.state = work.add<StepState>(1);
  if (range.has_head(config)) {
    const int64_t row_bytes = config.n_vocab * static_cast<int64_t>(sizeof(float));
    at.n_slice = std::clamp<int64_t>(kLogitsSliceBytes / row_bytes, 1, n_batch);
    at.logits = work.add<float>(count(at.n_slice, config.n_vocab));
    at.sampler = layout_sampler(config.n_vocab, work);
  }
  if (fast) at.scratch_bytes = Ahead::kSlabs * ((at.scratch_bytes + 255) / 256 * 256);
  at.scratch = work.add<std::byte>(at.scratch_bytes);
  at.workspace_bytes = work.total();
  return at;
}

Session::Session(Model& model, const kigo_session_options* options)
    : model_(model),
      n_batch_(options->n_batch),
      layout_((model.make_current(),
               layout_session(model.config(), model.range(), model.precision(), model.device(), options))),
      cache_(layout_.cache, model.precision(), options->n_ctx, model.tally()),
      workspace_(model.tally().workspace, layout_.workspace_bytes, "the engine's working memory") {
  Layout pinned;
  const uint64_t slots = pinned.add<RecordSlot>(kRecordSlots);
  const uint64_t not_finite = pinned.add<int32_t>(1);
  const uint64_t new_tokens = pinned.add<int32_t>(static_cast<uint64_t>(n_batch_));
  const uint64_t targets = pinned.add<int32_t>(static_cast<uint64_t>(n_batch_));
  const uint64_t logprobs = pinned.add<double>(static_cast<uint64_t>(n_batch_));
  pinned_ = PinnedBlock(pinned.total());
  slots_ = pinned_.at<RecordSlot>(slots);
  not_finite_ = pinned_.at<int32_t>(not_finite);
  new_tokens_ = pinned_.at<int32_t>(new_tokens);
  targets_ = pinned_.at<int32_t>(targets);
  logprobs_ = pinned_.at<double>(logprobs);

  make_rope_tables();
  Context ctx = context();
  if (is_fast()) prepare_decode(ctx, decode_step(cache_.n_ctx(), has_head()));
  check(cudaStreamSynchronize(model_.stream()), "opening a session");
}

Session::~Session() { forget(cudaStreamSynchronize(model_.stream())); }

void Session::make_rope_tables() {
  const std::vector<int64_t>& of_layer = layout_.ropes.of_layer;
  for (size_t group = 0; group < layout_.rope_tables.size(); ++group) {
    const int64_t held = layout_.ropes.representative[group] - model_.range().first;
    const RopeFrequencies& rope = model_.rope(held);
    const auto n_pairs = static_cast<int64_t>(rope.per_position.size());
    double* per_position = workspace_.at<double>(layout_.gemm);  // for the moment
    // In the stream's own order: a plain copy from pageable memory may still be on its way when it returns, and this
    // stream does not wait for the default one.
    check(cudaMemcpyAsync(per_position, rope.per_position.data(), rope.per_position.size() * sizeof(double),
                          cudaMemcpyHostToDevice, model_.stream()),
          "copying the rope's frequencies");
    rope_table(model_.stream(), workspace_.at<float2>(layout_.rope_tables[group]), per_position, n_pairs, rope.mscale,
               cache_.n_ctx());
    check(cudaStreamSynchronize(model_.stream()), "making the rope table");
  }
  for (const int64_t group : of_layer) {
    rope_.push_back(workspace_.at<float2>(layout_.rope_tables[static_cast<size_t>(group)]));
  }
}

float* Session::host_rows() {
  if (host_rows_.at<float>(0) == nullptr) {
    host_rows_ = PinnedBlock(count(layout_.n_slice, model_.config().n_vocab) * sizeof(float));
  }
  return host_rows_.at<float>(0);
}

Context Session::context() {
  model_.gemm().bind(model_.stream(), workspace_.at<void>(layout_.gemm));
  return {.device = model_.device(),
          .stream = model_.stream(),
          .gemm = model_.gemm(),
          .scratch = workspace_.at<std::byte>(layout_.scratch),
          .scratch_bytes = layout_.scratch_bytes,
          .ahead = is_fast() ? &ahead_ : nullptr,
          .precision = model_.precision()};
}

DecodeStep Session::decode_step(int64_t max_length, bool logits) const {
  const LayerRange range = model_.range();
  float* x = workspace_.at<float>(layout_.x);
  return {.config = model_.config(),
          .weights = model_.weights(),
          .range = model_.range(),
          .kv = cache_.layers(),
          .rope = rope_,
          .layout = layout_.decode,
          .workspace = workspace_.at<std::byte>(0),
          .tokens = tokens(),
          .state = state(),
          .hidden_in = range.embeds() ? nullptr : x,
          .hidden_out = has_head() ? nullptr : x,
          .logits = logits ? this->logits() : nullptr,
          .max_length = max_length};
}

SampleStep Session::sample_step() const {
  return {.layout = layout_.sampler,
          .workspace = workspace_.at<std::byte>(0),
          .logits = logits(),
          .n_vocab = model_.config().n_vocab,
          .tokens = tokens(),
          .state = state(),
          .slots = slots_};
}

void Session::truncate(int32_t length) {
  check_truncate(length, this->length());
  if (length == this->length()) return;
  end_decode();
  cache_.set_length(length);
  has_logits_ = false;
}

void Session::begin_sampling(const kigo_sampling& sampling) {
  sampling_.keep(sampling);
  end_decode();
  sampling_sent_ = false;
}

void Session::sample(kigo_token_record& record) {
  if (!sampling_.is_set()) bad_call("sampling_begin was not called.");
  if (!has_logits_) bad_call("No logits are kept to draw from.");  // as while steps run ahead
  model_.make_current();
  set_state();
  enqueue_draw(0);
  record = wait_for_draw(0).record;
}

void Session::decode_next(const kigo_cancel& cancel, kigo_token_record& record) {
  if (!model_.range().embeds() || !has_head()) bad_call("decode_next needs a model that holds all layers.");
  if (!sampling_.is_set()) bad_call("sampling_begin was not called.");
  model_.make_current();
  if (is_fast()) {
    decode_ahead(cancel, record);
  } else {
    const int32_t token = drawn_;
    if (token >= 0) forward(appending(token, cancel));
    sample(record);
  }
  drawn_ = record.id;
}

/**
 * Draw n of a run is for position start + n; step n, which draws it, first appends the token of draw n-1. Step n+1 is
 * launched before draw n is waited for, so that the GPU has work while the host looks at a token.
 */
void Session::decode_ahead(const kigo_cancel& cancel, kigo_token_record& record) {
  const int32_t n_ctx = static_cast<int32_t>(cache_.n_ctx());
  const auto launch_next = [&] {
    const int32_t appends_at = run_.start + run_.n_launched - 1;
    if (appends_at >= n_ctx) return;  // the token drawn last has no room
    launch_step({.max_length = decode_bucket(appends_at + 1, n_ctx),
                 .logits = true,
                 .draws = true,
                 .kind = sample_kind(sampling_.settings(), model_.config().n_vocab)});
    drawn_events_[static_cast<size_t>(run_.n_launched % kRecordSlots)].record(model_.stream());
    ++run_.n_launched;
  };

  if (!run_.active) {
    if (const int32_t token = drawn_; token >= 0) forward(appending(token, cancel));  // drawn by the careful way below
    if (!has_logits_) bad_call("No logits are kept to draw from.");
    set_state();
    enqueue_draw(0);
    run_ = {.active = true, .start = length(), .n_launched = 1, .n_read = 0};
    has_logits_ = false;  // the step that runs ahead overwrites them
  } else {
    if (run_.n_read > 0) {  // else the call that began the run failed, and nothing was drawn
      check_forward(appending(drawn_, cancel), model_.config(), model_.range(), length(), n_ctx, n_batch_);
    }
    poll_cancel(cancel);
  }
  if (run_.n_launched == run_.n_read + 1) launch_next();
  const RecordSlot& slot = wait_for_draw(run_.n_read);
  if (slot.not_finite != 0) {
    const int32_t token = drawn_;
    end_decode();
    if (token < 0) throw Error(KIGO_NUMERIC_ERROR, "The kept logits hold a number that is not finite.");
    const kigo_forward request = appending(token, cancel);
    compute_with_care(request);
    append(request);
    return sample(record);
  }
  record = slot.record;
  cache_.set_length(run_.start + run_.n_read);
  ++run_.n_read;
}

void Session::end_decode() {
  // A step that is still on its way writes behind the length only, and whatever is launched next waits for it.
  run_ = {};
  drawn_ = -1;
}

void Session::set_state() {
  set_state_kernel<<<1, 1, 0, model_.stream()>>>(state(), length());
  check_launch("setting the length");
}

void Session::launch_step(const GraphKey& key) {
  auto found = graphs_.find(key);
  if (found == graphs_.end()) {
    Context ctx = context();
    const auto enqueue = [&] {
      enqueue_decode(ctx, decode_step(key.max_length, key.logits));
      if (key.draws) enqueue_sample(ctx, sample_step(), key.kind);
    };
    found = graphs_.try_emplace(key, model_.stream(), enqueue).first;
  }
  found->second.launch(model_.stream());
}

void Session::enqueue_draw(int32_t n) {
  Context ctx = context();
  if (!sampling_sent_) set_sampling(ctx, sample_step(), sampling_.settings());
  sampling_sent_ = true;
  enqueue_sample(ctx, sample_step(), sample_kind(sampling_.settings(), model_.config().n_vocab));
  drawn_events_[static_cast<size_t>(n % kRecordSlots)].record(model_.stream());
}

const RecordSlot& Session::wait_for_draw(int32_t n) {
  const auto slot = static_cast<size_t>(n % kRecordSlots);
  drawn_events_[slot].wait();
  return slots_[slot];
}

}  // namespace kigo::cuda
