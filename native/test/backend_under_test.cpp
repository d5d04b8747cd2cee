#include "test/backend_under_test.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>

#include "cpu/backend.h"
#include "test/cuda_library.h"

namespace kigo::test {

namespace {

const kigo_backend_api* open_library(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE_MESSAGE(library != nullptr, dlerror());
  const auto entry = reinterpret_cast<kigo_backend_fn>(dlsym(library, KIGO_BACKEND_SYMBOL));
  REQUIRE((entry != nullptr));
  return entry();
}

/** NULL: it was not built, or it finds no GPU. */
const kigo_backend_api* open_cuda() {
  const std::string path = beside_tests("libkigo_cuda.so");
  if (access(path.c_str(), R_OK) != 0) return nullptr;
  const kigo_backend_api* api = open_library(path);
  int32_t count = 0;
  return api->device_count(&count) == KIGO_OK ? api : nullptr;
}

}  // namespace

const kigo_backend_api* cuda_backend() {
  static const kigo_backend_api* const api = open_cuda();
  return api;
}

const std::vector<BackendUnderTest>& backends() {
  static const std::vector<BackendUnderTest> all = [] {
    // Keys and values are float16 in the fast mode; on a GPU activations are too.
    std::vector<BackendUnderTest> list = {{"cpu exact", cpu::backend(), true, 2e-5},
                                          {"cpu fast", cpu::backend(), false, 2e-3}};
    if (const kigo_backend_api* cuda = cuda_backend(); cuda != nullptr) {
      list.push_back({"cuda exact", cuda, true, 2e-5, true});
      list.push_back({"cuda fast", cuda, false, 1e-2, true});
    }
    list.push_back({"fake", open_library(beside_tests("libkigo_fake.so")), false, 0});
    return list;
  }();
  return all;
}

std::vector<BackendUnderTest> cuda_twins() {
  std::vector<BackendUnderTest> twins;
  for (const BackendUnderTest& backend : backends()) {
    if (backend.api == cuda_backend()) twins.push_back(backend);
  }
  if (twins.empty()) MESSAGE("skipped: no NVIDIA GPU");
  return twins;
}

FakeSettings::FakeSettings(const std::string& text) {
  setenv("KIGO_FAKE", text.c_str(), 1);
  int32_t count = 0;
  backends().back().api->device_count(&count);
}

FakeSettings::~FakeSettings() {
  unsetenv("KIGO_FAKE");
  int32_t count = 0;
  backends().back().api->device_count(&count);
}

kigo_model_options model_options(bool exact, int32_t threads) {
  kigo_model_options options = {};
  options.struct_size = sizeof options;
  options.exact = exact ? 1 : 0;
  options.threads = threads;
  return options;
}

kigo_sampling greedy() {
  kigo_sampling sampling = {};
  sampling.struct_size = sizeof sampling;
  sampling.top_p = 1;
  sampling.repeat_penalty = 1;
  return sampling;
}

OpenModel::OpenModel(const BackendUnderTest& backend, const kigo_model_desc* desc, const kigo_model_options& options)
    : api(backend.api) {
  KIGO_REQUIRE_OK(api, api->model_open(desc, &options, nullptr, &handle));
}

kigo_memory OpenModel::tally() const {
  kigo_memory memory = {};
  KIGO_REQUIRE_OK(api, api->model_tally(handle, &memory));
  return memory;
}

OpenSession::OpenSession(const OpenModel& model, int32_t n_ctx, int32_t n_batch) : api(model.api) {
  const kigo_session_options options = {sizeof options, n_ctx, n_batch};
  KIGO_REQUIRE_OK(api, api->session_open(model.handle, &options, &handle));
}

int32_t OpenSession::length() const {
  int32_t length = -1;
  KIGO_REQUIRE_OK(api, api->session_length(handle, &length));
  return length;
}

std::vector<float> OpenSession::prefill(const std::vector<int32_t>& tokens, int32_t piece, int32_t n_vocab) {
  std::vector<float> logits(static_cast<size_t>(n_vocab));
  const auto total = static_cast<int32_t>(tokens.size());
  for (int32_t at = 0; at < total; at += piece) {
    const int32_t n = std::min(piece, total - at);
    const bool last = at + n == total;
    kigo_forward request = forward_of(&tokens[static_cast<size_t>(at)], n, last ? KIGO_LOGITS_LAST : KIGO_LOGITS_NONE);
    if (last) request.logits_out = logits.data();
    KIGO_REQUIRE_OK(api, api->forward(handle, &request));
  }
  return logits;
}

Placement placed(const BackendUnderTest& backend, int32_t first, int32_t last, int32_t device) {
  return {backend.api, device, std::string(backend.api->name) + ":" + std::to_string(device), first, last};
}

Chain open_chain(const BackendUnderTest& backend, TinyModel& model) {
  return open_chain(backend, model, {placed(backend, 0, model.spec.n_layer)});
}

Chain open_chain(const BackendUnderTest& backend, TinyModel& model, std::vector<Placement> placements) {
  return Chain(*model.desc(), model_options(backend.exact), std::move(placements));
}

kigo_forward forward_of(const int32_t* tokens, int32_t n, int32_t logits) {
  kigo_forward request = {};
  request.struct_size = sizeof request;
  request.tokens = tokens;
  request.n_tokens = n;
  request.logits = logits;
  return request;
}

std::vector<int32_t> some_tokens(int32_t n, int32_t n_vocab) {
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < n; ++i) tokens.push_back((37 * i + 11) % n_vocab);
  return tokens;
}

double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  return relative_error(a.data(), std::vector<double>(b.begin(), b.end()));
}

}  // namespace kigo::test
