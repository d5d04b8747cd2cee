/** Models of a size that takes time and memory, whose weights nobody looks at. */
#pragma once

#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "core/types.h"
#include "kigo/abi.h"

namespace kigo::test {

/**
 * A Llama with layers like those of the 8B, in a temporary file, deleted at the end. In Q4_K (and Q6_K, as real models
 * mix them) its weights are noise, for loads only; in F16 they are small numbers, and it can be run.
 */
class NoiseModel {
 public:
  static constexpr int32_t kVocab = 32000;

  explicit NoiseModel(int32_t n_layer, uint32_t type = kQ4_K);
  ~NoiseModel();
  NoiseModel(const NoiseModel&) = delete;
  NoiseModel& operator=(const NoiseModel&) = delete;

  const kigo_model_desc* desc() const { return &desc_; }
  uint64_t bytes() const { return end_; }

 private:
  void add(const std::string& name, uint32_t type, uint64_t n_in, uint64_t n_out);
  void write_file(uint32_t type);

  std::filesystem::path path_;
  std::string name_;
  std::deque<std::string> names_;
  std::vector<kigo_layer_config> layers_;
  std::vector<kigo_tensor> tensors_;
  kigo_config config_ = {};
  kigo_file file_ = {};
  kigo_model_desc desc_ = {};
  uint64_t end_ = 0;
};

}  // namespace kigo::test
