/** JS values to the ABI's structs, nothing believed, and back. */
#pragma once

#include <napi.h>

#include <deque>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/generate.h"
#include "kigo/abi.h"

namespace kigo::binding {

/** An Error with code, message and data, as main/engine/addon.ts promises. */
Napi::Error to_js(Napi::Env env, const Error& error);

/** Runs `body` on the JS thread; what it throws becomes a JS exception. */
template <class Body>
auto with_js_errors(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const Napi::Error&) { throw; } catch (...) {
    throw to_js(env, current_error());
  }
}

// Properties of an object; `what` in messages is the property's name. All throw INVALID_INPUT.
Napi::Object object_of(const Napi::Value& value, const char* what);
Napi::Object get_object(const Napi::Object& from, const char* key);
Napi::Function get_function(const Napi::Object& from, const char* key);
std::string get_string(const Napi::Object& from, const char* key);
bool get_bool(const Napi::Object& from, const char* key);
/** `otherwise` where the property is undefined. */
bool get_bool(const Napi::Object& from, const char* key, bool otherwise);
double get_number(const Napi::Object& from, const char* key);
/** A whole number in [low, high]. */
int64_t get_integer(const Napi::Object& from, const char* key, int64_t low, int64_t high);
std::vector<int32_t> tokens_of(const Napi::Value& value, const char* what);

/** A model's description with the memory that the C structs point into. */
struct ModelDescription {
  explicit ModelDescription(const Napi::Object& model);
  ModelDescription(const ModelDescription&) = delete;
  ModelDescription& operator=(const ModelDescription&) = delete;

  std::deque<std::string> strings;
  std::vector<kigo_layer_config> layers;
  std::vector<kigo_tensor> tensors;
  std::vector<kigo_file> files;
  kigo_config config = {};
  kigo_model_desc desc = {};
};

kigo_sampling sampling_of(const Napi::Object& sampling, int32_t n_top);
/** The whole, with `parts` in the order of the placements. */
Napi::Object to_js(Napi::Env env, const ChainMemory& memory);
Napi::Object to_js(Napi::Env env, const kigo_token_record& record);
Napi::Object to_js(Napi::Env env, const GenerateResult& result);

}  // namespace kigo::binding
