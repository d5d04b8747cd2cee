#include "test/noise_model.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "core/model_file.h"

namespace kigo::test {

NoiseModel::NoiseModel(int32_t n_layer, uint32_t type)
    : path_(std::filesystem::temp_directory_path() / ("kigo-noise-" + std::to_string(getpid()) + ".bin")) {
  kigo_layer_config layer = {};
  layer.n_head = 32;
  layer.n_head_kv = 8;
  layer.head_dim = layer.n_rot = 128;
  layer.n_ff = 14336;
  layer.rope_base = 500000;
  layer.rope_scale = layer.rope_mscale = 1;
  layer.attn_scale = 0.088;
  layers_.assign(static_cast<size_t>(n_layer), layer);
  config_ = {.struct_size = sizeof config_,
             .n_layer = n_layer,
             .n_embd = 4096,
             .n_vocab = kVocab,
             .n_ctx_train = 8192,
             .norm_eps = 1e-5,
             .embedding_scale = 1,
             .logit_softcap = 0,
             .layers = layers_.data()};
  const uint32_t better = type == kQ4_K ? uint32_t{kQ6_K} : type;
  add("token_embd.weight", type, 4096, kVocab);
  for (int32_t i = 0; i < n_layer; ++i) {
    const std::string b = "blk." + std::to_string(i) + ".";
    add(b + "attn_norm.weight", kF32, 4096, 1);
    add(b + "attn_q.weight", type, 4096, 4096);
    add(b + "attn_k.weight", type, 4096, 1024);
    add(b + "attn_v.weight", better, 4096, 1024);
    add(b + "attn_output.weight", type, 4096, 4096);
    add(b + "ffn_norm.weight", kF32, 4096, 1);
    add(b + "ffn_gate.weight", type, 4096, 14336);
    add(b + "ffn_up.weight", type, 4096, 14336);
    add(b + "ffn_down.weight", better, 14336, 4096);
  }
  add("output_norm.weight", kF32, 4096, 1);
  write_file(type);

  name_ = path_.string();
  file_ = {name_.c_str(), end_, identify(name_).mtime_ms};
  desc_ = {.struct_size = sizeof desc_,
           .config = &config_,
           .tensors = tensors_.data(),
           .n_tensors = static_cast<uint32_t>(tensors_.size()),
           .files = &file_,
           .n_files = 1};
}

NoiseModel::~NoiseModel() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

void NoiseModel::add(const std::string& name, uint32_t type, uint64_t n_in, uint64_t n_out) {
  const TypeTraits* traits = find_type(type);
  const uint64_t bytes = n_in / traits->block_values * traits->block_bytes * n_out;
  tensors_.push_back({.name = names_.emplace_back(name).c_str(),
                      .type = type,
                      .n_dims = n_out == 1 ? 1u : 2u,
                      .dims = {n_in, n_out, 1, 1},
                      .file = 0,
                      .offset = end_,
                      .bytes = bytes});
  end_ += (bytes + 31) / 32 * 32;
}

/** The same 8 MiB of noise in every tensor, and ones in the norms. */
void NoiseModel::write_file(uint32_t type) {
  std::mt19937_64 random(1);
  std::vector<uint64_t> noise(1 << 20);
  for (uint64_t& word : noise) word = random();
  if (type == kF16) {  // four halves of 2^-10 … 2^-9, of either sign
    for (uint64_t& word : noise) word = (word & 0x83ff83ff83ff83ff) | 0x1400140014001400;
  }
  const std::vector<float> ones(4096, 1.0f);
  std::ofstream out(path_, std::ios::binary);
  for (const kigo_tensor& t : tensors_) {
    out.seekp(static_cast<std::streamoff>(t.offset));
    const bool is_norm = t.type == kF32;
    const char* from =
        is_norm ? reinterpret_cast<const char*>(ones.data()) : reinterpret_cast<const char*>(noise.data());
    const uint64_t chunk = is_norm ? t.bytes : noise.size() * sizeof noise[0];
    for (uint64_t done = 0; done < t.bytes; done += chunk) {
      out.write(from, static_cast<std::streamsize>(std::min(chunk, t.bytes - done)));
    }
  }
  out.close();
  std::filesystem::resize_file(path_, end_);
}

}  // namespace kigo::test
