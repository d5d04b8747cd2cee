/** Models of a few thousand random weights, written to a temporary file: whatever variant a test needs. */
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kigo/abi.h"

namespace kigo::test {

struct TinySpec {
  int32_t n_layer = 3;
  int32_t n_embd = 48;
  int32_t n_vocab = 97;
  int32_t n_head = 4;
  int32_t n_head_kv = 2;
  int32_t head_dim = 16;
  int32_t n_ff = 80;
  int32_t activation = KIGO_ACTIVATION_SILU;
  int32_t rope = KIGO_ROPE_NORM;
  int32_t n_rot = 16;
  int32_t window = 0;  // of every layer but the last
  int32_t yarn_original_ctx = 0;
  double rope_scale = 1;
  double rope_mscale = 1;
  double attn_softcap = 0;
  double logit_softcap = 0;
  double embedding_scale = 1;
  bool tied = false;
  bool biases = false;  // on every matrix, output included
  bool qk_norm = false;
  bool post_norms = false;
  bool fused_qkv = false;
  bool rope_freqs = false;
  uint32_t type = 0;                      // of the matrices
  std::map<std::string, uint32_t> types;  // of those that have another: "blk.1.ffn_down", or "ffn_down" for all layers
  uint32_t vector_type = 0;               // of norms and biases
  uint64_t seed = 1;
};

/** The file with its description; deleted at the end. Tests may bend the description before they use it. */
class TinyModel {
 public:
  explicit TinyModel(const TinySpec& spec = {});
  ~TinyModel();
  TinyModel(const TinyModel&) = delete;
  TinyModel& operator=(const TinyModel&) = delete;

  const kigo_model_desc* desc();
  kigo_tensor& tensor(const std::string& name);
  /** Values as the file holds them (rounded to its type), in file order: a matrix row by row. */
  const std::vector<float>& values(const std::string& name) const { return values_.at(name); }
  bool has(const std::string& name) const { return values_.count(name) != 0; }
  void remove(const std::string& name);
  void add(const std::string& name, uint32_t type, std::vector<uint64_t> dims);
  /** Rewrites a value in the file (of Q8_0, its block's scale), and brings the description's time up to date. */
  void overwrite(const std::string& name, size_t index, float value);

  TinySpec spec;
  kigo_config config = {};
  std::vector<kigo_layer_config> layers;
  std::vector<kigo_tensor> tensors;
  std::vector<kigo_file> files;
  std::filesystem::path path;

 private:
  void refresh_file();
  void write_bytes(uint64_t offset, const std::vector<uint8_t>& bytes);
  std::deque<std::string> strings_;
  std::map<std::string, std::vector<float>> values_;
  kigo_model_desc desc_ = {};
  uint64_t end_ = 0;
};

/** A whole model in float64, written for reading: logits [n][n_vocab] of `tokens` from an empty cache. */
std::vector<std::vector<double>> reference_logits(const TinyModel& model, const std::vector<int32_t>& tokens);

/** |a - b| / |b| */
double relative_error(const float* a, const std::vector<double>& b);

}  // namespace kigo::test
