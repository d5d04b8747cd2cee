#include "fake/fake.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

#include "core/ops.h"
#include "core/requests.h"
#include "cpu/backend.h"
#include "cpu/sample_scratch.h"

namespace kigo::fake {

namespace {

/** splitmix64: a hash whose every bit depends on every bit. */
uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

/** Sleeps in short pieces, so that cancelling is answered at once. */
void wait(int64_t ms, const kigo_cancel& cancel) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  while (std::chrono::steady_clock::now() < end) {
    poll_cancel(cancel);
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min<int64_t>(ms, 5)));
  }
}

/** The twin's failures are this device's own. */
void check_twin(kigo_status status) {
  if (status != KIGO_OK) throw to_exception(*cpu::backend()->last_error());
}

}  // namespace

Device& device(int32_t index) {
  static Device* const all = new Device[kMaxDevices]{Device(0), Device(1), Device(2), Device(3)};  // outlive sessions
  return all[index];
}

void expect_device(int32_t index, kigo_status status) {
  const int32_t count = device(0).settings().devices;
  if (index < 0 || index >= count) {
    throw Error(status, "There is no fake device " + std::to_string(index) + " of " + std::to_string(count) + ".");
  }
}

void Device::configure(Settings settings) {
  // A new start: the device came back, its driver has nothing yet.
  if (settings.lost_at.of(index_) == INT64_MAX) lost_ = false;
  if (settings.driver.of(index_) == 0) {
    const std::lock_guard lock(driver_mutex_);
    driver_ = {};
  }
  const std::lock_guard lock(mutex_);
  settings_ = std::move(settings);
}

Settings Device::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}

uint64_t Device::free_bytes() const {
  const uint64_t total = settings().total.of(index_);
  const uint64_t used = used_.load();
  return total > used ? total - used : 0;
}

DeviceMemory Device::allocate(std::atomic<uint64_t>& head, uint64_t bytes, const char* purpose) {
  const Settings s = settings();
  const uint64_t limit = std::min(s.total.of(index_), s.oom_at.of(index_));
  const uint64_t used = used_.load();
  if (bytes > limit || used > limit - bytes) {
    const uint64_t missing = used + bytes - limit;
    throw Error(KIGO_OUT_OF_MEMORY,
                "The fake device has no memory for " + std::string(purpose) + ": " +
                    format_bytes(static_cast<double>(missing)) + " are missing.",
                {{"neededBytes", bytes}, {"missingBytes", missing}, {"freeBytes", limit - std::min(limit, used)}});
  }
  return {Counted(used_, bytes), Counted(head, bytes)};
}

void Device::take_driver_bytes() {
  const uint64_t bytes = settings().driver.of(index_);
  const std::lock_guard lock(driver_mutex_);
  if (bytes > 0 && driver_bytes_ == 0) driver_ = allocate(driver_bytes_, bytes, "its driver");
}

void Device::expect_alive() const {
  if (lost_) throw Error(KIGO_DEVICE_LOST, "The fake device is lost.", {{"device", id()}});
}

void Device::expect_able() const {
  if (settings().refuses.of(index_) == 0) return;
  throw Error(KIGO_UNSUPPORTED_QUANTIZATION, "A matrix of this model has rows too long for the fake device.");
}

void Device::expect_alive_at(int64_t position) {
  if (position >= settings().lost_at.of(index_)) lost_ = true;
  expect_alive();
}

Sizes sizes_of(const Description& d, const kigo_session_options* options) {
  check_session_options(options);
  uint64_t kv_values = 0;
  for (int64_t i = d.range.first; i < d.range.last; ++i) {
    kv_values += 2 * static_cast<uint64_t>(d.config.layers[static_cast<size_t>(i)].n_kv());
  }
  const auto n_ctx = static_cast<uint64_t>(options->n_ctx), n_batch = static_cast<uint64_t>(options->n_batch);
  return {.weights = d.weight_bytes(),
          .kv = n_ctx * kv_values * sizeof(uint16_t),
          .workspace = (n_batch * static_cast<uint64_t>(d.config.n_embd) + static_cast<uint64_t>(d.config.n_vocab)) *
                       sizeof(float)};
}

Model::Model(const kigo_model_desc* desc, const kigo_model_options* options, const kigo_load* load)
    : description(read_description(desc, options)),
      device((expect_device(options->device, KIGO_DEVICE_UNAVAILABLE), fake::device(options->device))),
      twin_(nullptr, cpu::backend()->model_close) {
  device.expect_alive();
  device.expect_able();
  const uint64_t total = description.weight_bytes();
  weights_ = device.allocate(tally_.weights, total, "the weights");
  constexpr int kSteps = 20;
  const int64_t ms = device.settings().load_ms;
  for (int i = 0; i <= kSteps; ++i) {
    if (load->progress != nullptr)
      load->progress(load->progress_context, total * static_cast<uint64_t>(i) / kSteps, total);
    poll_cancel(load->cancel);
    if (i < kSteps) wait(ms / kSteps, load->cancel);
  }
  if (!device.settings().compute) return;
  kigo_model_options of_twin = *options;
  of_twin.device = 0;
  const kigo_load quiet = {load->cancel, nullptr, nullptr};
  kigo_model* twin = nullptr;
  check_twin(cpu::backend()->model_open(desc, &of_twin, &quiet, &twin));
  twin_.reset(twin);
}

Session::Session(Model& model, const kigo_session_options* options)
    : model_(model), twin_(nullptr, cpu::backend()->session_close), n_ctx_(options->n_ctx), n_batch_(options->n_batch) {
  const Sizes sizes = sizes_of(model.description, options);
  model.device.expect_alive();
  kv_ = model.device.allocate(model.tally().kv, sizes.kv, "the KV cache");
  workspace_ = model.device.allocate(model.tally().workspace, sizes.workspace, "working memory");
  if (model.twin() != nullptr) {
    kigo_session* twin = nullptr;
    check_twin(cpu::backend()->session_open(model.twin(), options, &twin));
    twin_.reset(twin);
    return;
  }
  states_.push_back(Hashes(static_cast<size_t>(model.description.range.count()), 1));
  logits_.resize(static_cast<size_t>(model.description.config.n_vocab));
  sampler_.resize(cpu::sample_scratch_bytes(model.description.config.n_vocab, n_ctx_) + 64);
}

Session::Hashes Session::step(const Hashes& before, uint64_t input) const {
  Hashes after = before;
  for (size_t i = 0; i < after.size(); ++i) {
    after[i] = mix(before[i] ^ mix(input + static_cast<uint64_t>(model_.description.range.first) + i));
    input = after[i];
  }
  return after;
}

void Session::fail_at(int64_t position) const {
  model_.device.expect_alive_at(position);
  const Settings s = model_.device.settings();
  if (position >= s.nan_at) {
    throw Error(KIGO_NUMERIC_ERROR, "The fake device was told to compute a number that is not finite, in layer 0.",
                {{"layer", 0}, {"tensor", "blk.0.ffn_down.weight"}, {"type", "F32"}});
  }
  if (position >= s.changed_at) {
    throw Error(KIGO_MODEL_FILE_CHANGED, "The fake device was told that the model's file has changed.");
  }
}

void Session::fill_logits(uint64_t hash, int64_t position) {
  for (size_t v = 0; v < logits_.size(); ++v) {
    logits_[v] = static_cast<float>(static_cast<double>(mix(hash + v) >> 11) * 0x1p-53 * 8 - 4);
  }
  // A scripted reply: its token is certain.
  const std::vector<int32_t> script = model_.device.settings().tokens;
  const int64_t at = position - reply_start_;
  if (at >= 0 && at < static_cast<int64_t>(script.size()) &&
      script[static_cast<size_t>(at)] < model_.description.config.n_vocab) {
    logits_[static_cast<size_t>(script[static_cast<size_t>(at)])] = 40;
  }
}

void Session::truncate(int32_t length) {
  check_truncate(length, length_);
  if (length == length_) return;
  if (twin_) {
    check_twin(cpu::backend()->session_truncate(twin_.get(), length));
    length_ = length;
    return;
  }
  end_decode();
  states_.resize(static_cast<size_t>(length) + 1);
  tokens_.resize(static_cast<size_t>(length));
  length_ = length;
  has_logits_ = false;
}

void Session::forward(const kigo_forward& request) {
  const ModelConfig& config = model_.description.config;
  const LayerRange range = model_.description.range;
  check_forward(request, config, range, length_, n_ctx_, n_batch_);
  model_.device.take_driver_bytes();
  if (twin_) {
    for (int32_t t = 0; t < request.n_tokens; ++t) {
      wait(model_.device.settings().prompt_ms, request.cancel);
      fail_at(length_ + t);
    }
    check_twin(cpu::backend()->forward(twin_.get(), &request));
    length_ += request.n_tokens;
    return;
  }
  if (config.n_embd < 2 && !(range.embeds() && range.has_head(config)))
    bad_call("A hash needs two values to travel in.");

  end_decode();
  has_logits_ = false;
  std::vector<Hashes> added;
  for (int32_t t = 0; t < request.n_tokens; ++t) {
    wait(model_.device.settings().prompt_ms, request.cancel);
    fail_at(length_ + t);
    uint64_t input = static_cast<uint64_t>(request.tokens[t]);
    if (!range.embeds()) std::memcpy(&input, request.hidden_in + t * config.n_embd, sizeof input);
    added.push_back(step(added.empty() ? states_.back() : added.back(), input));
    const uint64_t hash = added.back().back();
    if (request.hidden_out != nullptr) {
      std::memset(request.hidden_out + t * config.n_embd, 0, static_cast<size_t>(config.n_embd) * sizeof(float));
      std::memcpy(request.hidden_out + t * config.n_embd, &hash, sizeof hash);
    }
    if (request.logits == KIGO_LOGITS_NONE || (request.logits == KIGO_LOGITS_LAST && t + 1 < request.n_tokens))
      continue;
    fill_logits(hash, length_ + t + 1);
    if (request.logits != KIGO_LOGITS_ALL) continue;
    if (request.targets != nullptr) {
      double sum = 0;
      for (const float logit : logits_) sum += std::exp(static_cast<double>(logit));
      const int32_t target = request.targets[t];
      request.logprobs_out[t] =
          target < 0 ? 0 : static_cast<double>(logits_[static_cast<size_t>(target)]) - std::log(sum);
    }
    if (request.on_rows != nullptr && request.on_rows(request.rows_context, t, 1, logits_.data()) != 0) {
      throw Error(KIGO_CANCELLED, "Cancelled.");
    }
  }
  poll_cancel(request.cancel);
  states_.insert(states_.end(), added.begin(), added.end());
  tokens_.insert(tokens_.end(), request.tokens, request.tokens + request.n_tokens);
  length_ = static_cast<int32_t>(tokens_.size());
  has_logits_ = request.logits != KIGO_LOGITS_NONE;
  if (has_logits_ && request.logits_out != nullptr) {
    std::memcpy(request.logits_out, logits_.data(), logits_.size() * sizeof(float));
  }
}

void Session::begin_sampling(const kigo_sampling& sampling) {
  if (twin_) return check_twin(cpu::backend()->sampling_begin(twin_.get(), &sampling));
  sampling_.keep(sampling);
  end_decode();
  reply_start_ = length_;
  if (has_logits_) fill_logits(states_.back().back(), length_);  // now that a scripted reply begins here
}

void Session::sample(kigo_token_record& record) {
  if (twin_) return check_twin(cpu::backend()->sample(twin_.get(), &record));
  if (!sampling_.is_set()) bad_call("sampling_begin was not called.");
  if (!has_logits_ || ahead_) bad_call("No logits are kept to draw from.");  // those there are a step ahead
  cpu::Context ctx = {pool_, {}, cpu::Precision::exact};
  void* scratch = sampler_.data();
  size_t space = sampler_.size();
  std::align(64, space - 64, scratch, space);
  const auto n = static_cast<int64_t>(tokens_.size());
  cpu::sample(ctx, &record, logits_.data(), model_.description.config.n_vocab, tokens_.data(), n, n,
              sampling_.settings(), scratch);
}

void Session::decode_next(const kigo_cancel& cancel, kigo_token_record& record) {
  const LayerRange range = model_.description.range;
  if (!range.embeds() || !range.has_head(model_.description.config)) bad_call("decode_next needs all layers.");
  wait(model_.device.settings().token_ms, cancel);
  if (twin_) {
    fail_at(length_);
    check_twin(cpu::backend()->decode_next(twin_.get(), &cancel, &record));
    int32_t length = 0;
    check_twin(cpu::backend()->session_length(twin_.get(), &length));
    length_ = length;
    return;
  }
  if (ahead_) {  // what ran ahead becomes visible
    fail_at(length_);
    if (length_ == n_ctx_) {
      throw Error(KIGO_PROMPT_TOO_LONG, "The context of " + std::to_string(n_ctx_) + " tokens is full.",
                  {{"tokens", n_ctx_ + 1}, {"nCtx", n_ctx_}});
    }
    tokens_.push_back(drawn_);
    length_ = static_cast<int32_t>(tokens_.size());
    ahead_ = false;
  }
  sample(record);
  drawn_ = record.id;
  states_.push_back(step(states_.back(), static_cast<uint64_t>(drawn_)));
  fill_logits(states_.back().back(), length_ + 1);
  ahead_ = true;
}

void Session::end_decode() {
  if (twin_) return check_twin(cpu::backend()->decode_end(twin_.get()));
  if (!ahead_) return;
  states_.pop_back();
  ahead_ = false;
  has_logits_ = false;  // they were those of the step that is dropped
}

}  // namespace kigo::fake
