#include "core/description.h"

#include <cmath>
#include <cstring>
#include <unordered_set>

#include "core/error.h"
#include "core/limits.h"
#include "core/types.h"

namespace kigo {

namespace {

[[noreturn]] void bad_call(const std::string& what) { throw Error(KIGO_INVALID_INPUT, what); }

[[noreturn]] void bad_config(const std::string& what) { throw Error(KIGO_MODEL_INVALID, what); }

[[noreturn]] void bad_tensor(const Tensor& tensor, const std::string& what) {
  throw Error(KIGO_MODEL_INVALID, "Tensor \"" + tensor.name + "\" " + what, {{"tensor", tensor.name}});
}

int64_t in_range(const char* what, int64_t value, int64_t low, int64_t high) {
  if (value < low || value > high) {
    bad_config(std::string(what) + " is " + std::to_string(value) + "; it must be " + std::to_string(low) + " to " +
               std::to_string(high) + ".");
  }
  return value;
}

double finite_in(const char* what, double value, double low, double high) {
  if (!std::isfinite(value) || value < low || value > high) {
    bad_config(std::string(what) + " is " + std::to_string(value) + ", outside of its range.");
  }
  return value;
}

LayerConfig read_layer(const kigo_layer_config& c) {
  if (c.mixer != KIGO_MIXER_ATTENTION || c.ffn != KIGO_FFN_DENSE) {
    throw Error(KIGO_UNSUPPORTED_ARCHITECTURE, "A layer has a mixer or FFN kind that this engine does not run.");
  }
  LayerConfig l;
  l.n_head = in_range("The number of heads", c.n_head, 1, kMaxHeads);
  l.n_head_kv = in_range("The number of key/value heads", c.n_head_kv, 1, l.n_head);
  if (l.n_head % l.n_head_kv != 0) {
    bad_config(std::to_string(l.n_head) + " heads cannot share " + std::to_string(l.n_head_kv) +
               " key/value heads evenly.");
  }
  l.head_dim = in_range("The size of a head", c.head_dim, 1, kMaxHeadDim);
  l.n_ff = in_range("The width of the FFN", c.n_ff, 1, kMaxFf);
  l.activation =
      in_range("The activation", c.activation, KIGO_ACTIVATION_SILU, KIGO_ACTIVATION_GELU) == KIGO_ACTIVATION_SILU
          ? Activation::silu
          : Activation::gelu;
  l.rope =
      in_range("The rope kind", c.rope, KIGO_ROPE_NORM, KIGO_ROPE_NEOX) == KIGO_ROPE_NORM ? Rope::norm : Rope::neox;
  l.n_rot = in_range("The number of rotated dimensions", c.n_rot, 0, l.head_dim);
  if (l.n_rot % 2 != 0) bad_config("The number of rotated dimensions is odd.");
  l.rope_base = finite_in("The rope base", c.rope_base, kMinRopeBase, kMaxRopeBase);
  l.rope_scale = finite_in("The rope scale", c.rope_scale, kMinRopeScale, kMaxRopeScale);
  l.rope_mscale = finite_in("The rope magnitude scale", c.rope_mscale, -kMaxRopeMscale, kMaxRopeMscale);
  l.yarn_original_ctx = in_range("YaRN's original context", c.yarn_original_ctx, 0, kMaxContext);
  l.rope_freqs = c.rope_freqs != 0;
  l.attn_scale = finite_in("The score scale", c.attn_scale, -1e6, 1e6);
  l.attn_softcap = finite_in("The score cap", c.attn_softcap, 0, kMaxSoftcap);
  l.window = in_range("The attention window", c.window, 0, kMaxContext);
  return l;
}

ModelConfig read_config(const kigo_config* c) {
  if (c == nullptr || c->struct_size != sizeof(kigo_config)) bad_call("kigo_config has the wrong size.");
  ModelConfig config;
  const int64_t n_layer = in_range("The number of layers", c->n_layer, 1, kMaxLayers);
  config.n_embd = in_range("The embedding length", c->n_embd, 1, kMaxEmbd);
  config.n_vocab = in_range("The vocabulary size", c->n_vocab, 1, kMaxVocab);
  config.n_ctx_train = in_range("The trained context", c->n_ctx_train, 1, kMaxContext);
  config.norm_eps = finite_in("The norm's epsilon", c->norm_eps, 0, kMaxNormEps);
  config.embedding_scale = finite_in("The embedding scale", c->embedding_scale, -1e9, 1e9);
  config.logit_softcap = finite_in("The logit cap", c->logit_softcap, 0, kMaxSoftcap);
  if (c->layers == nullptr) bad_call("kigo_config has no layers.");
  for (int64_t i = 0; i < n_layer; ++i) config.layers.push_back(read_layer(c->layers[i]));
  return config;
}

LayerRange read_range(const kigo_model_options* options, const ModelConfig& config) {
  LayerRange range{options->layer_first, options->layer_last};
  if (range.first == 0 && range.last == 0) range.last = config.n_layer();
  if (range.first < 0 || range.last <= range.first || range.last > config.n_layer()) {
    bad_call("There is no layer range " + std::to_string(range.first) + " to " + std::to_string(range.last) +
             " in a model of " + std::to_string(config.n_layer()) + " layers.");
  }
  return range;
}

Tensor read_tensor(const kigo_tensor& t, const std::vector<FileIdentity>& files) {
  if (t.name == nullptr) bad_call("A tensor has no name.");
  Tensor tensor;
  tensor.name = t.name;
  tensor.type = t.type;
  tensor.file = t.file;
  tensor.offset = t.offset;
  tensor.bytes = t.bytes;

  const TypeTraits* type = find_type(t.type);
  if (type == nullptr) {
    throw Error(
        KIGO_UNSUPPORTED_QUANTIZATION,
        "Tensor \"" + tensor.name + "\" has the type " + std::to_string(t.type) + ", which this engine does not run.",
        {{"tensor", tensor.name}, {"type", t.type}});
  }
  if (t.n_dims < 1 || t.n_dims > 4) bad_tensor(tensor, "has " + std::to_string(t.n_dims) + " dimensions.");
  uint64_t values = 1;
  for (uint32_t d = 0; d < 4; ++d) {
    tensor.dims[d] = d < t.n_dims ? t.dims[d] : 1;
    if (tensor.dims[d] == 0 || __builtin_mul_overflow(values, tensor.dims[d], &values)) {
      bad_tensor(tensor, "has an impossible shape.");
    }
  }
  if (tensor.dims[0] % type->block_values != 0) {
    bad_tensor(tensor, "has rows of " + std::to_string(tensor.dims[0]) + " values, no multiple of " + type->name +
                           "'s block of " + std::to_string(type->block_values) + ".");
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(values / type->block_values, uint64_t{type->block_bytes}, &bytes) ||
      bytes != tensor.bytes) {
    bad_tensor(tensor, "is said to have " + std::to_string(tensor.bytes) + " bytes, which its shape contradicts.");
  }
  if (t.file >= files.size()) bad_tensor(tensor, "lies in a file that is not there.");
  const uint64_t available = files[t.file].bytes;
  if (tensor.offset > available || bytes > available - tensor.offset) {
    throw Error(KIGO_MODEL_TRUNCATED,
                "Tensor \"" + tensor.name + "\" ends behind the end of the file; the file is cut short.",
                {{"tensor", tensor.name}, {"path", files[t.file].path}});
  }
  // The format asks for a multiple of 8; four is what the kernels' loads of float32 need.
  if (tensor.offset % 4 != 0) bad_tensor(tensor, "is not aligned to four bytes.");
  return tensor;
}

/** Finds tensors by name, checks their shapes, and remembers which were asked for. */
class Binder {
 public:
  explicit Binder(const std::vector<Tensor>& tensors) {
    for (const Tensor& t : tensors) {
      if (!by_name_.emplace(t.name, &t).second) bad_tensor(t, "is there twice.");
    }
  }

  bool has(const std::string& name) const { return by_name_.count(name) != 0; }

  BoundVector vector(const std::string& name, int64_t n) { return vector_at(required(name), 0, n, n); }
  BoundVector vector_if_any(const std::string& name, int64_t n) { return has(name) ? vector(name, n) : BoundVector{}; }

  /** `name` as [n_out][n_in], of which rows are looked up: nothing is added to them. */
  BoundMatrix table(const std::string& name, int64_t n_in, int64_t n_out) {
    const Tensor* t = required(name);
    expect_shape(*t, n_in, n_out);
    return {t, 0, n_out, n_in, {}};
  }

  /** `stem`.weight as [n_out][n_in] with `stem`.bias [n_out], if there is one. */
  BoundMatrix matrix(const std::string& stem, int64_t n_in, int64_t n_out) {
    return matrix_at(stem, n_in, 0, n_out, n_out);
  }

  /** Rows [first, first + n_out) of `stem`, which has n_rows of them, and the same part of its bias. */
  BoundMatrix matrix_at(const std::string& stem, int64_t n_in, int64_t first, int64_t n_out, int64_t n_rows) {
    const Tensor* t = required(stem + ".weight");
    expect_shape(*t, n_in, n_rows);
    BoundMatrix m{t, first, n_out, n_in, {}};
    if (has(stem + ".bias")) m.bias = vector_at(required(stem + ".bias"), first, n_out, n_rows);
    return m;
  }

  /** A tensor that no function asked for is one that the forward would leave out: the text would be wrong. */
  void expect_all_used() const {
    for (const auto& [name, tensor] : by_name_) {
      if (used_.count(name) == 0) {
        throw Error(KIGO_UNSUPPORTED_ARCHITECTURE,
                    "Tensor \"" + name + "\" has no place in this architecture as Kigo knows it.", {{"tensor", name}});
      }
    }
  }

 private:
  const Tensor* required(const std::string& name) {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) {
      throw Error(KIGO_MODEL_INVALID, "Tensor \"" + name + "\" is missing.", {{"tensor", name}});
    }
    used_.insert(name);
    return found->second;
  }

  static BoundVector vector_at(const Tensor* t, int64_t first, int64_t n, int64_t n_all) {
    expect_shape(*t, n_all, 1);
    // Vectors are read value by value, so a block type could not start in the middle of a block.
    const TypeTraits* type = find_type(t->type);
    if (type->block_values != 1) {
      throw Error(KIGO_UNSUPPORTED_QUANTIZATION,
                  "Tensor \"" + t->name + "\" is a vector of type " + type->name + "; F32, F16 or BF16 is expected.",
                  {{"tensor", t->name}, {"type", type->name}});
    }
    return {t, first, n};
  }

  static void expect_shape(const Tensor& t, int64_t n_in, int64_t n_out) {
    if (t.dims[0] != static_cast<uint64_t>(n_in) || t.dims[1] != static_cast<uint64_t>(n_out) || t.dims[2] != 1 ||
        t.dims[3] != 1) {
      bad_tensor(t, "has the shape [" + std::to_string(t.dims[0]) + ", " + std::to_string(t.dims[1]) + ", " +
                        std::to_string(t.dims[2]) + ", " + std::to_string(t.dims[3]) +
                        "]; the hyperparameters ask for [" + std::to_string(n_in) + ", " + std::to_string(n_out) +
                        "].");
    }
  }

  std::unordered_map<std::string, const Tensor*> by_name_;
  std::unordered_set<std::string> used_;
};

LayerWeights<BoundMatrix, BoundVector> bind_layer(Binder& bind, const ModelConfig& config, int64_t index) {
  const LayerConfig& l = config.layers[static_cast<size_t>(index)];
  const std::string b = "blk." + std::to_string(index) + ".";
  const int64_t n_embd = config.n_embd, n_q = l.n_q(), n_kv = l.n_kv();

  LayerWeights<BoundMatrix, BoundVector> w;
  w.attn_norm = bind.vector(b + "attn_norm.weight", n_embd);
  if (bind.has(b + "attn_qkv.weight")) {  // fused, rows in the order q, k, v
    const int64_t rows = n_q + 2 * n_kv;
    w.attn_q = bind.matrix_at(b + "attn_qkv", n_embd, 0, n_q, rows);
    w.attn_k = bind.matrix_at(b + "attn_qkv", n_embd, n_q, n_kv, rows);
    w.attn_v = bind.matrix_at(b + "attn_qkv", n_embd, n_q + n_kv, n_kv, rows);
  } else {
    w.attn_q = bind.matrix(b + "attn_q", n_embd, n_q);
    w.attn_k = bind.matrix(b + "attn_k", n_embd, n_kv);
    w.attn_v = bind.matrix(b + "attn_v", n_embd, n_kv);
  }
  w.attn_q_norm = bind.vector_if_any(b + "attn_q_norm.weight", l.head_dim);
  w.attn_k_norm = bind.vector_if_any(b + "attn_k_norm.weight", l.head_dim);
  w.attn_output = bind.matrix(b + "attn_output", n_q, n_embd);
  w.post_attention_norm = bind.vector_if_any(b + "post_attention_norm.weight", n_embd);
  w.ffn_norm = bind.vector(b + "ffn_norm.weight", n_embd);
  w.ffn_gate = bind.matrix(b + "ffn_gate", n_embd, l.n_ff);
  w.ffn_up = bind.matrix(b + "ffn_up", n_embd, l.n_ff);
  w.ffn_down = bind.matrix(b + "ffn_down", l.n_ff, n_embd);
  w.post_ffw_norm = bind.vector_if_any(b + "post_ffw_norm.weight", n_embd);
  return w;
}

BoundWeights bind_weights(const std::vector<Tensor>& tensors, const ModelConfig& config, LayerRange range) {
  Binder bind(tensors);
  BoundWeights all;
  all.token_embd = bind.table("token_embd.weight", config.n_embd, config.n_vocab);
  for (int64_t i = 0; i < config.n_layer(); ++i) all.layers.push_back(bind_layer(bind, config, i));
  if (bind.has("rope_freqs.weight")) {
    const LayerConfig* user = nullptr;
    for (const LayerConfig& l : config.layers) {
      if (!l.rope_freqs) continue;
      if (user != nullptr && user->n_rot != l.n_rot) bad_config("Layers disagree about the size of rope_freqs.");
      user = &l;
    }
    if (user != nullptr) all.rope_freqs = bind.vector("rope_freqs.weight", user->n_rot / 2);
  }
  all.output_norm = bind.vector("output_norm.weight", config.n_embd);
  if (bind.has("output.weight")) {
    all.output = bind.matrix("output", config.n_embd, config.n_vocab);
  } else {
    all.output = all.token_embd;
    all.output.bias = bind.vector_if_any("output.bias", config.n_vocab);
  }
  bind.expect_all_used();

  // The whole model was checked; what this object does not hold is let go.
  BoundWeights held;
  held.layers.assign(all.layers.begin() + range.first, all.layers.begin() + range.last);
  held.rope_freqs = all.rope_freqs;
  if (range.embeds()) held.token_embd = all.token_embd;
  if (range.has_head(config)) {
    held.output_norm = all.output_norm;
    held.output = all.output;
  }
  return held;
}

}  // namespace

uint64_t BoundMatrix::row_bytes() const {
  const TypeTraits* type = find_type(tensor->type);
  return static_cast<uint64_t>(n_in) / type->block_values * type->block_bytes;
}

uint64_t Description::weight_bytes() const {
  uint64_t total = 0;
  const auto vector = [&](const BoundVector& v) {
    total += static_cast<uint64_t>(v.n) * sizeof(float);
    return 0;
  };
  const auto matrix = [&](const BoundMatrix& m) {
    if (m) total += m.bytes() + static_cast<uint64_t>(m.bias.n) * sizeof(float);
    return 0;
  };
  convert<int, int>(weights, matrix, vector);
  if (weights.output && weights.output.tensor == weights.token_embd.tensor) total -= weights.output.bytes();
  return total;
}

Description read_description(const kigo_model_desc* desc, const kigo_model_options* options) {
  if (desc == nullptr || desc->struct_size != sizeof(kigo_model_desc)) bad_call("kigo_model_desc has the wrong size.");
  if (options == nullptr || options->struct_size != sizeof(kigo_model_options)) {
    bad_call("kigo_model_options has the wrong size.");
  }
  if (desc->n_files < 1 || desc->files == nullptr) bad_call("A model needs a file.");
  if (desc->n_files > kMaxFiles) bad_call("There are too many files.");
  if (desc->n_tensors > kMaxTensors || (desc->n_tensors > 0 && desc->tensors == nullptr)) {
    bad_call("There are too many tensors.");
  }

  Description d;
  d.config = read_config(desc->config);
  d.range = read_range(options, d.config);
  for (uint32_t i = 0; i < desc->n_files; ++i) {
    const kigo_file& f = desc->files[i];
    if (f.path == nullptr) bad_call("A file has no path.");
    d.files.push_back({f.path, f.bytes, f.mtime_ms});
  }
  d.tensors.reserve(desc->n_tensors);
  for (uint32_t i = 0; i < desc->n_tensors; ++i) d.tensors.push_back(read_tensor(desc->tensors[i], d.files));
  d.weights = bind_weights(d.tensors, d.config, d.range);
  return d;
}

}  // namespace kigo
