/**
 * Devices that do not exist and a model that means nothing: every byte is accounted for, every failure can be
 * had on demand, and logits are a hash of the tokens so far, so that caches, batches and splits can be checked
 * exactly. Like a GPU it runs ahead: the step after a drawn token is done before anyone asks for it.
 *
 * With the setting `compute` the numbers are the CPU twin's, computed by it out of sight: then a chain of fake and
 * real devices says something.
 */
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/description.h"
#include "core/memory.h"
#include "core/requests.h"
#include "cpu/context.h"
#include "fake/settings.h"

namespace kigo::fake {

/** A piece of the device's memory, counted by the device and by its owner's tally. */
struct DeviceMemory {
  Counted of_device;
  Counted of_owner;
};

/** A device: its settings, its memory, whether it lives. */
class Device {
 public:
  explicit Device(int32_t index) : index_(index) {}

  std::string id() const { return "fake:" + std::to_string(index_); }
  void configure(Settings settings);
  Settings settings() const;
  uint64_t free_bytes() const;
  /** Throws OUT_OF_MEMORY as the settings say. */
  DeviceMemory allocate(std::atomic<uint64_t>& head, uint64_t bytes, const char* purpose);
  /** The first time, what the settings say that the driver takes; it stays. Throws OUT_OF_MEMORY. */
  void take_driver_bytes();
  void expect_alive() const;
  /** Throws UNSUPPORTED_QUANTIZATION as the settings say. */
  void expect_able() const;
  /** Throws DEVICE_LOST from the position on that the settings name. */
  void expect_alive_at(int64_t position);

 private:
  const int32_t index_;
  mutable std::mutex mutex_;
  Settings settings_;
  std::atomic<uint64_t> used_{0};
  std::mutex driver_mutex_;
  std::atomic<uint64_t> driver_bytes_{0};
  DeviceMemory driver_;
  std::atomic<bool> lost_{false};
};

/** Number 0 to kMaxDevices - 1. */
Device& device(int32_t index);
/** Throws `status` where the settings have no such device. */
void expect_device(int32_t index, kigo_status status);

struct Sizes {
  uint64_t weights, kv, workspace;
};
Sizes sizes_of(const Description& description, const kigo_session_options* options);

class Model {
 public:
  Model(const kigo_model_desc* desc, const kigo_model_options* options, const kigo_load* load);

  const Description description;
  Device& device;
  Tally& tally() { return tally_; }
  /** The CPU twin's model where the settings say `compute`, else NULL. */
  kigo_model* twin() const { return twin_.get(); }

 private:
  Tally tally_;
  DeviceMemory weights_;
  std::unique_ptr<kigo_model, void (*)(kigo_model*)> twin_;
};

class Session {
 public:
  Session(Model& model, const kigo_session_options* options);

  int32_t length() const { return length_.load(); }
  void truncate(int32_t length);
  void forward(const kigo_forward& request);
  void begin_sampling(const kigo_sampling& sampling);
  void sample(kigo_token_record& record);
  void decode_next(const kigo_cancel& cancel, kigo_token_record& record);
  void end_decode();

 private:
  using Hashes = std::vector<uint64_t>;  // [held layers]

  /** The layers' memory after one more input; throws the failures that are set for this position. */
  Hashes step(const Hashes& before, uint64_t input) const;
  void fill_logits(uint64_t hash, int64_t position);
  void fail_at(int64_t position) const;

  Model& model_;
  std::unique_ptr<kigo_session, void (*)(kigo_session*)> twin_;  // computes instead of the hashes, or NULL
  const int32_t n_ctx_;
  const int32_t n_batch_;
  DeviceMemory kv_;
  DeviceMemory workspace_;
  std::vector<Hashes> states_;  // [length + 1], the first for no token; one more while a step runs ahead
  std::vector<int32_t> tokens_;
  std::atomic<int32_t> length_{0};
  std::vector<float> logits_;  // of position length_; while ahead, of the one after it
  bool has_logits_ = false;
  bool ahead_ = false;  // the step of `drawn_` is done but nobody may see it
  int32_t drawn_ = -1;
  int32_t reply_start_ = 0;
  KeptSampling sampling_;
  cpu::ThreadPool pool_{1};
  std::vector<std::byte> sampler_;
};

}  // namespace kigo::fake
