#include "test/tiny_model.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <random>
#include <stdexcept>

#include "core/model_file.h"
#include "core/types.h"
#include "cpu/kernels/vector.h"
#include "test/kernels_testing.h"

namespace kigo::test {

namespace {

/** d·q with d = max/127 for each 32 values. */
std::vector<uint8_t> encode_q8_0(std::vector<float>& values) {
  std::vector<uint8_t> bytes;
  for (size_t b = 0; b < values.size(); b += 32) {
    float largest = 0;
    for (size_t i = 0; i < 32; ++i) largest = std::max(largest, std::abs(values[b + i]));
    const uint16_t d = cpu::f32_to_f16(largest / 127);
    const float scale = cpu::f16_to_f32(d);
    bytes.push_back(static_cast<uint8_t>(d));
    bytes.push_back(static_cast<uint8_t>(d >> 8));
    for (size_t i = 0; i < 32; ++i) {
      const auto q = static_cast<int8_t>(std::clamp(std::round(values[b + i] / scale), -127.0f, 127.0f));
      bytes.push_back(static_cast<uint8_t>(q));
      values[b + i] = scale * static_cast<float>(q);
    }
  }
  return bytes;
}

/** Blocks of random quants for types that nothing here rounds to, of about the values' spread; they become `values`. */
std::vector<uint8_t> random_blocks(std::vector<float>& values, uint32_t type, float spread, uint64_t seed) {
  cpu::testing::Random random(seed);
  const float scale = spread / (find_type(type)->block_values == 256 ? 400 : 8);
  const std::vector<uint8_t> bytes =
      cpu::testing::random_weights(type, static_cast<int64_t>(values.size()), random, scale);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(cpu::testing::weight(type, bytes.data(), static_cast<int64_t>(i)));
  }
  return bytes;
}

/** The values as a file holds them; `values` is rounded to the same. */
std::vector<uint8_t> encode(std::vector<float>& values, uint32_t type) {
  if (type == kQ8_0) return encode_q8_0(values);
  std::vector<uint8_t> bytes;
  for (float& value : values) {
    if (type == kF32) {
      const auto* raw = reinterpret_cast<const uint8_t*>(&value);
      bytes.insert(bytes.end(), raw, raw + 4);
      continue;
    }
    uint16_t half;
    if (type == kF16) {
      half = cpu::f32_to_f16(value);
      value = cpu::f16_to_f32(half);
    } else {  // BF16: the upper half of a float32
      uint32_t bits;
      std::memcpy(&bits, &value, 4);
      half = static_cast<uint16_t>(bits >> 16);
      bits = uint32_t{half} << 16;
      std::memcpy(&value, &bits, 4);
    }
    bytes.push_back(static_cast<uint8_t>(half));
    bytes.push_back(static_cast<uint8_t>(half >> 8));
  }
  return bytes;
}

}  // namespace

TinyModel::TinyModel(const TinySpec& s) : spec(s) {
  static int count = 0;
  path = std::filesystem::temp_directory_path() /
         ("kigo-tiny-" + std::to_string(getpid()) + "-" + std::to_string(count++) + ".bin");
  std::ofstream file(path, std::ios::binary);
  std::mt19937_64 random(s.seed);

  const auto write = [&](const std::string& name, uint32_t type, std::vector<uint64_t> dims, float mean, float spread) {
    size_t n = 1;
    for (const uint64_t d : dims) n *= d;
    std::normal_distribution<float> normal(mean, spread);
    std::vector<float> values(n);
    for (float& v : values) v = normal(random);
    const bool rounds = type == kQ8_0 || find_type(type)->block_values == 1;
    const std::vector<uint8_t> bytes = rounds ? encode(values, type) : random_blocks(values, type, spread, random());
    end_ = (end_ + 31) / 32 * 32;
    file.seekp(static_cast<std::streamoff>(end_));
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    kigo_tensor t = {};
    t.name = strings_.emplace_back(name).c_str();
    t.type = type;
    t.n_dims = static_cast<uint32_t>(dims.size());
    for (size_t d = 0; d < 4; ++d) t.dims[d] = d < dims.size() ? dims[d] : 1;
    t.offset = end_;
    t.bytes = bytes.size();
    tensors.push_back(t);
    values_[name] = std::move(values);
    end_ += bytes.size();
  };
  const auto n = [](int32_t v) { return static_cast<uint64_t>(v); };
  const auto type_of = [&](const std::string& stem) {
    for (const std::string& name : {stem, stem.substr(stem.rfind('.') + 1)}) {
      if (const auto found = s.types.find(name); found != s.types.end()) return found->second;
    }
    return s.type;
  };
  const auto matrix = [&](const std::string& stem, int32_t in, int32_t out) {
    write(stem + ".weight", type_of(stem), {n(in), n(out)}, 0, 1.0f / std::sqrt(static_cast<float>(in)));
    if (s.biases) write(stem + ".bias", s.vector_type, {n(out)}, 0, 0.2f);
  };
  const auto norm = [&](const std::string& name, int32_t size) {
    write(name + ".weight", s.vector_type, {n(size)}, 1, 0.2f);
  };

  write("token_embd.weight", type_of("token_embd"), {n(s.n_embd), n(s.n_vocab)}, 0, 1);
  for (int32_t i = 0; i < s.n_layer; ++i) {
    const std::string b = "blk." + std::to_string(i) + ".";
    const int32_t n_q = s.n_head * s.head_dim, n_kv = s.n_head_kv * s.head_dim;
    norm(b + "attn_norm", s.n_embd);
    if (s.fused_qkv) {
      matrix(b + "attn_qkv", s.n_embd, n_q + 2 * n_kv);
    } else {
      matrix(b + "attn_q", s.n_embd, n_q);
      matrix(b + "attn_k", s.n_embd, n_kv);
      matrix(b + "attn_v", s.n_embd, n_kv);
    }
    if (s.qk_norm) {
      norm(b + "attn_q_norm", s.head_dim);
      norm(b + "attn_k_norm", s.head_dim);
    }
    matrix(b + "attn_output", n_q, s.n_embd);
    if (s.post_norms) norm(b + "post_attention_norm", s.n_embd);
    norm(b + "ffn_norm", s.n_embd);
    matrix(b + "ffn_gate", s.n_embd, s.n_ff);
    matrix(b + "ffn_up", s.n_embd, s.n_ff);
    matrix(b + "ffn_down", s.n_ff, s.n_embd);
    if (s.post_norms) norm(b + "post_ffw_norm", s.n_embd);

    kigo_layer_config l = {};
    l.n_head = s.n_head;
    l.n_head_kv = s.n_head_kv;
    l.head_dim = s.head_dim;
    l.n_ff = s.n_ff;
    l.activation = s.activation;
    l.rope = s.rope;
    l.n_rot = s.n_rot;
    l.yarn_original_ctx = s.yarn_original_ctx;
    l.rope_freqs = s.rope_freqs ? 1 : 0;
    l.window = i + 1 < s.n_layer ? s.window : 0;
    // Two kinds of rope in one model, as Gemma 3 has them.
    l.rope_base = s.window > 0 && l.window == 0 ? 100000 : 10000;
    l.rope_scale = s.rope_scale;
    l.rope_mscale = s.rope_mscale;
    l.attn_scale = 1 / std::sqrt(static_cast<double>(s.head_dim));
    l.attn_softcap = s.attn_softcap;
    layers.push_back(l);
  }
  if (s.rope_freqs) write("rope_freqs.weight", kF32, {n(s.n_rot / 2)}, 3, 0.5f);
  norm("output_norm", s.n_embd);
  if (!s.tied) {
    matrix("output", s.n_embd, s.n_vocab);
  } else if (s.biases) {
    write("output.bias", s.vector_type, {n(s.n_vocab)}, 0, 0.2f);
  }
  file.close();
  refresh_file();

  config.struct_size = sizeof config;
  config.n_layer = s.n_layer;
  config.n_embd = s.n_embd;
  config.n_vocab = s.n_vocab;
  config.n_ctx_train = 4096;
  config.norm_eps = 1e-5;
  config.embedding_scale = s.embedding_scale;
  config.logit_softcap = s.logit_softcap;
}

TinyModel::~TinyModel() {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
}

void TinyModel::refresh_file() {
  const FileIdentity now = identify(path.string());
  files.clear();
  files.push_back({strings_.emplace_back(now.path).c_str(), now.bytes, now.mtime_ms});
}

const kigo_model_desc* TinyModel::desc() {
  config.layers = layers.data();
  desc_ = {sizeof desc_,   &config,
           tensors.data(), static_cast<uint32_t>(tensors.size()),
           files.data(),   static_cast<uint32_t>(files.size())};
  return &desc_;
}

kigo_tensor& TinyModel::tensor(const std::string& name) {
  for (kigo_tensor& t : tensors) {
    if (name == t.name) return t;
  }
  throw std::runtime_error("no tensor " + name);
}

void TinyModel::remove(const std::string& name) {
  std::erase_if(tensors, [&](const kigo_tensor& t) { return name == t.name; });
}

void TinyModel::add(const std::string& name, uint32_t type, std::vector<uint64_t> dims) {
  kigo_tensor t = {};
  t.name = strings_.emplace_back(name).c_str();
  t.type = type;
  t.n_dims = static_cast<uint32_t>(dims.size());
  uint64_t n = 1;
  for (size_t d = 0; d < 4; ++d) {
    t.dims[d] = d < dims.size() ? dims[d] : 1;
    n *= t.dims[d];
  }
  t.bytes = n * 4;
  tensors.push_back(t);
}

void TinyModel::overwrite(const std::string& name, size_t index, float value) {
  const kigo_tensor& t = tensor(name);
  if (t.type == kQ8_0) {  // the scale of the value's block
    const uint16_t d = cpu::f32_to_f16(value);
    write_bytes(t.offset + index / 32 * 34, {static_cast<uint8_t>(d), static_cast<uint8_t>(d >> 8)});
    return;
  }
  std::vector<float> one = {value};
  const std::vector<uint8_t> bytes = encode(one, t.type);
  write_bytes(t.offset + index * bytes.size(), bytes);
  values_[name][index] = one[0];
}

void TinyModel::write_bytes(uint64_t offset, const std::vector<uint8_t>& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  refresh_file();
}

double relative_error(const float* a, const std::vector<double>& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / size);
}

}  // namespace kigo::test
