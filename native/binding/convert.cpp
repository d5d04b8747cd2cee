#include "binding/convert.h"

#include <cmath>

#include "core/limits.h"

namespace kigo::binding {

namespace {

constexpr int64_t kMaxSafe = (int64_t{1} << 53) - 1;

[[noreturn]] void bad(const std::string& what) { throw Error(KIGO_INVALID_INPUT, what); }

/** Index into `names`. */
int32_t get_choice(const Napi::Object& from, const char* key, std::initializer_list<const char*> names) {
  const std::string value = get_string(from, key);
  int32_t i = 0;
  for (const char* name : names) {
    if (value == name) return i;
    ++i;
  }
  bad(std::string(key) + " is \"" + value + "\", which is not known here.");
}

int32_t get_int32(const Napi::Object& from, const char* key, int64_t low = 0) {
  return static_cast<int32_t>(get_integer(from, key, low, INT32_MAX));
}

Napi::Array get_array(const Napi::Object& from, const char* key, uint32_t limit) {
  const Napi::Value value = from.Get(key);
  if (!value.IsArray()) bad(std::string(key) + " must be an array.");
  const Napi::Array array = value.As<Napi::Array>();
  if (array.Length() > limit) bad(std::string(key) + " is too long.");
  return array;
}

kigo_layer_config layer_of(const Napi::Object& l) {
  kigo_layer_config c = {};
  c.mixer = get_choice(l, "mixer", {"attention"});
  c.ffn = get_choice(l, "ffn", {"dense"});
  c.n_head = get_int32(l, "nHead");
  c.n_head_kv = get_int32(l, "nHeadKv");
  c.head_dim = get_int32(l, "headDim");
  c.n_ff = get_int32(l, "nFf");
  c.activation = get_choice(l, "activation", {"silu", "gelu"});
  c.rope = get_choice(l, "rope", {"norm", "neox"});
  c.n_rot = get_int32(l, "nRot");
  c.yarn_original_ctx = get_int32(l, "yarnOriginalCtx");
  c.rope_freqs = get_bool(l, "ropeFreqs") ? 1 : 0;
  c.window = get_int32(l, "window");
  c.rope_base = get_number(l, "ropeBase");
  c.rope_scale = get_number(l, "ropeScale");
  c.rope_mscale = get_number(l, "ropeMscale");
  c.attn_scale = get_number(l, "attnScale");
  c.attn_softcap = get_number(l, "attnSoftcap");
  return c;
}

Napi::Array candidates(Napi::Env env, const kigo_candidate* list, int32_t n) {
  Napi::Array array = Napi::Array::New(env, static_cast<size_t>(n));
  for (int32_t i = 0; i < n; ++i) {
    Napi::Object item = Napi::Object::New(env);
    item.Set("id", list[i].id);
    item.Set("logprob", list[i].logprob);
    array.Set(static_cast<uint32_t>(i), item);
  }
  return array;
}

}  // namespace

Napi::Error to_js(Napi::Env env, const Error& error) {
  Napi::Error js = Napi::Error::New(env, error.message());
  Napi::Object data = Napi::Object::New(env);
  for (const Detail& d : error.details()) {
    if (d.is_text) {
      data.Set(d.key, d.text);
    } else {
      data.Set(d.key, d.number);
    }
  }
  js.Value().Set("code", status_name(error.status()));
  js.Value().Set("data", data);
  return js;
}

Napi::Object object_of(const Napi::Value& value, const char* what) {
  if (!value.IsObject()) bad(std::string(what) + " must be an object.");
  return value.As<Napi::Object>();
}

Napi::Object get_object(const Napi::Object& from, const char* key) { return object_of(from.Get(key), key); }

Napi::Function get_function(const Napi::Object& from, const char* key) {
  const Napi::Value value = from.Get(key);
  if (!value.IsFunction()) bad(std::string(key) + " must be a function.");
  return value.As<Napi::Function>();
}

std::string get_string(const Napi::Object& from, const char* key) {
  const Napi::Value value = from.Get(key);
  if (!value.IsString()) bad(std::string(key) + " must be a string.");
  std::string text = value.As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) bad(std::string(key) + " must not hold a zero byte.");
  return text;
}

bool get_bool(const Napi::Object& from, const char* key) {
  const Napi::Value value = from.Get(key);
  if (!value.IsBoolean()) bad(std::string(key) + " must be true or false.");
  return value.As<Napi::Boolean>().Value();
}

bool get_bool(const Napi::Object& from, const char* key, bool otherwise) {
  return from.Get(key).IsUndefined() ? otherwise : get_bool(from, key);
}

double get_number(const Napi::Object& from, const char* key) {
  const Napi::Value value = from.Get(key);
  if (!value.IsNumber()) bad(std::string(key) + " must be a number.");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!std::isfinite(number)) bad(std::string(key) + " must be a finite number.");
  return number;
}

int64_t get_integer(const Napi::Object& from, const char* key, int64_t low, int64_t high) {
  const double number = get_number(from, key);
  if (number != std::floor(number) || number < static_cast<double>(low) || number > static_cast<double>(high)) {
    bad(std::string(key) + " must be a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ".");
  }
  return static_cast<int64_t>(number);
}

std::vector<int32_t> tokens_of(const Napi::Value& value, const char* what) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    bad(std::string(what) + " must be an Int32Array.");
  }
  const Napi::Int32Array array = value.As<Napi::Int32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

ModelDescription::ModelDescription(const Napi::Object& model) {
  const auto keep = [&](std::string text) { return strings.emplace_back(std::move(text)).c_str(); };

  const Napi::Object c = get_object(model, "config");
  const Napi::Array layer_array = get_array(c, "layers", kMaxLayers);
  for (uint32_t i = 0; i < layer_array.Length(); ++i) {
    layers.push_back(layer_of(object_of(layer_array.Get(i), "a layer")));
  }
  config.struct_size = sizeof config;
  config.n_layer = get_int32(c, "nLayer");
  config.n_embd = get_int32(c, "nEmbd");
  config.n_vocab = get_int32(c, "nVocab");
  config.n_ctx_train = get_int32(c, "nCtxTrain");
  config.norm_eps = get_number(c, "normEps");
  config.embedding_scale = get_number(c, "embeddingScale");
  config.logit_softcap = get_number(c, "logitSoftcap");
  config.layers = layers.data();
  if (config.n_layer != static_cast<int32_t>(layers.size())) bad("nLayer must be the number of layers.");

  const Napi::Array file_array = get_array(model, "files", kMaxFiles);
  for (uint32_t i = 0; i < file_array.Length(); ++i) {
    const Napi::Object f = object_of(file_array.Get(i), "a file");
    files.push_back({.path = keep(get_string(f, "path")),
                     .bytes = static_cast<uint64_t>(get_integer(f, "bytes", 0, kMaxSafe)),
                     .mtime_ms = get_number(f, "mtimeMs")});
  }

  const Napi::Array tensor_array = get_array(model, "tensors", kMaxTensors);
  for (uint32_t i = 0; i < tensor_array.Length(); ++i) {
    const Napi::Object t = object_of(tensor_array.Get(i), "a tensor");
    kigo_tensor tensor = {};
    tensor.name = keep(get_string(t, "name"));
    tensor.type = static_cast<uint32_t>(get_integer(t, "type", 0, UINT32_MAX));
    const Napi::Array dims = get_array(t, "dims", 4);
    tensor.n_dims = dims.Length();
    for (uint32_t d = 0; d < 4; ++d) {
      if (d >= dims.Length()) {
        tensor.dims[d] = 1;
        continue;
      }
      const Napi::Value dim = dims.Get(d);
      const double size = dim.IsNumber() ? dim.As<Napi::Number>().DoubleValue() : 0;
      if (!(size >= 1) || size > static_cast<double>(kMaxSafe) || size != std::floor(size)) {
        bad("A dimension of \"" + std::string(tensor.name) + "\" is not a whole number above 0.");
      }
      tensor.dims[d] = static_cast<uint64_t>(size);
    }
    tensor.file = static_cast<uint32_t>(get_integer(t, "file", 0, UINT32_MAX));
    tensor.offset = static_cast<uint64_t>(get_integer(t, "offset", 0, kMaxSafe));
    tensor.bytes = static_cast<uint64_t>(get_integer(t, "bytes", 0, kMaxSafe));
    tensors.push_back(tensor);
  }

  desc.struct_size = sizeof desc;
  desc.config = &config;
  desc.tensors = tensors.data();
  desc.n_tensors = static_cast<uint32_t>(tensors.size());
  desc.files = files.data();
  desc.n_files = static_cast<uint32_t>(files.size());
}

kigo_sampling sampling_of(const Napi::Object& s, int32_t n_top) {
  kigo_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.temperature = static_cast<float>(get_number(s, "temperature"));
  sampling.top_k = get_int32(s, "topK");
  sampling.top_p = static_cast<float>(get_number(s, "topP"));
  sampling.min_p = static_cast<float>(get_number(s, "minP"));
  sampling.repeat_penalty = static_cast<float>(get_number(s, "repeatPenalty"));
  sampling.repeat_last_n = get_int32(s, "repeatLastN");
  sampling.presence_penalty = static_cast<float>(get_number(s, "presencePenalty"));
  sampling.frequency_penalty = static_cast<float>(get_number(s, "frequencyPenalty"));
  sampling.seed = static_cast<uint64_t>(get_integer(s, "seed", 0, UINT32_MAX));
  sampling.n_top = n_top;
  return sampling;
}

namespace {

Napi::Object part_to_js(Napi::Env env, const kigo_memory& memory) {
  const auto number = [](uint64_t bytes) { return static_cast<double>(bytes); };
  Napi::Object object = Napi::Object::New(env);
  object.Set("weights", number(memory.weights));
  object.Set("kv", number(memory.kv));
  object.Set("workspace", number(memory.workspace));
  object.Set("total", number(memory.weights + memory.kv + memory.workspace));
  return object;
}

}  // namespace

Napi::Object to_js(Napi::Env env, const ChainMemory& memory) {
  Napi::Object object = part_to_js(env, memory.total());
  Napi::Array parts = Napi::Array::New(env, memory.parts.size());
  for (size_t i = 0; i < memory.parts.size(); ++i) {
    parts.Set(static_cast<uint32_t>(i), part_to_js(env, memory.parts[i]));
  }
  object.Set("parts", parts);
  return object;
}

Napi::Object to_js(Napi::Env env, const kigo_token_record& record) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", record.id);
  object.Set("logprob", record.logprob);
  if (record.n_top > 0) object.Set("top", candidates(env, record.top, record.n_top));
  if (record.n_kept > 0) object.Set("kept", candidates(env, record.kept, record.n_kept));
  return object;
}

Napi::Object to_js(Napi::Env env, const GenerateResult& result) {
  constexpr const char* kReasons[] = {"end", "length", "context", "cancelled"};
  Napi::Object object = Napi::Object::New(env);
  object.Set("reason", kReasons[static_cast<int>(result.reason)]);
  object.Set("promptTokens", static_cast<double>(result.prompt_tokens));
  object.Set("cachedTokens", static_cast<double>(result.cached_tokens));
  object.Set("promptMs", result.prompt_ms);
  object.Set("firstTokenMs", result.first_token_ms);
  object.Set("tokens", static_cast<double>(result.tokens));
  object.Set("decodeMs", result.decode_ms);
  return object;
}

}  // namespace kigo::binding
