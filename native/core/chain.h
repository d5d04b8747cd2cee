/**
 * A model laid over devices: its layers in runs, each held by a backend's model of its own, in order. One run on one
 * device is the common case and nothing special. Hidden states pass from run to run through the host's memory.
 */
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "kigo/abi.h"

namespace kigo {

/** Throws what a backend's call left as its last error. */
void check(const kigo_backend_api& api, kigo_status status);

/** Throws DEVICE_UNAVAILABLE, in words, where a library's table is not of this ABI. */
void expect_abi(const kigo_backend_api* api, const char* path);

/** Layers [layer_first, layer_last) on a device. Of a list the first embeds, the last has the head. */
struct Placement {
  const kigo_backend_api* api = nullptr;
  int32_t device = 0;  // index among the backend's devices
  std::string id;      // "cuda:0"
  int32_t layer_first = 0;
  int32_t layer_last = 0;

  /** As check() above; where memory is short or the device fails, the error says which device it is. */
  void check(kigo_status status) const;
};

/** Bytes of each part; `hand_over` is host memory of the chain itself, for the states between its parts. */
struct ChainMemory {
  std::vector<kigo_memory> parts;
  uint64_t hand_over = 0;

  /** All of it; the hand-over is workspace. */
  kigo_memory total() const;
};

/** Bytes of a session's hand-over buffers: none with one part, one between two, and two that take turns from three. */
uint64_t hand_over_bytes(size_t n_parts, int64_t n_embd, int64_t n_batch);

/**
 * What these parts take with one session; of a whole model it is exactly the chain's tally() then. Parts of a model
 * may be planned alone. Throws what a backend says of the description; reads no file.
 */
ChainMemory plan_chain(const kigo_model_desc& desc, const kigo_model_options& options,
                       const std::vector<Placement>& placements, int32_t n_ctx, int32_t n_batch);

class Chain {
 public:
  /**
   * Opens the parts one after the other; the layers of `options` and its device are those of the placements.
   * Progress counts the weights of all of them. Throws INVALID_INPUT where the placements do not hold every layer
   * once and in order, and what a backend throws: nothing is left open then.
   */
  Chain(const kigo_model_desc& desc, const kigo_model_options& options, std::vector<Placement> placements,
        const kigo_load& load = {});
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  const std::vector<Placement>& placements() const { return placements_; }
  kigo_model* model(size_t part) const { return models_[part].get(); }
  int32_t n_embd() const { return n_embd_; }
  /** Bytes in use now by the parts and all sessions. Any thread. */
  ChainMemory tally() const;
  /** Where sessions count their hand-over buffers. */
  std::atomic<uint64_t>& hand_over() { return hand_over_; }

 private:
  using ModelHandle = std::unique_ptr<kigo_model, void (*)(kigo_model*)>;

  const std::vector<Placement> placements_;
  const int32_t n_embd_;
  std::atomic<uint64_t> hand_over_{0};
  std::vector<ModelHandle> models_;  // one a placement
};

}  // namespace kigo
