/** What goes wrong on a real GPU: it fails, or another process has its memory. Each in a process of its own. */
#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "core/error.h"
#include "test/alone.h"
#include "test/backend_under_test.h"
#include "test/cuda_library.h"
#include "test/noise_model.h"

using namespace kigo;
using namespace kigo::test;

namespace {

constexpr uint64_t kMiB = 1 << 20;

/** The details of an error that are numbers. */
std::map<std::string, double> numbers(const kigo_error& error) {
  std::map<std::string, double> found;
  for (int32_t i = 0; i < error.n_details; ++i) {
    if (error.details[i].text == nullptr) found[error.details[i].key] = error.details[i].number;
  }
  return found;
}

kigo_device_info first_device() {
  kigo_device_info info = {};
  KIGO_REQUIRE_OK(cuda_backend(), cuda_backend()->device_info(0, &info));
  return info;
}

/** Whether the GPU's free memory is again what it was, to 2 MiB; it may take the driver a moment. */
bool is_given_back(uint64_t before) {
  for (int i = 0; i < 100; ++i) {
    const uint64_t now = cuda_free_memory();
    if (std::max(now, before) - std::min(now, before) <= 2 * kMiB) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

BackendUnderTest fast_cuda() { return {"cuda fast", cuda_backend(), false, 1e-2, true}; }

/** Everything that is asked of a GPU behind its failure, by models that it holds and by new ones. */
void check_lost(bool writes_nowhere, bool in_reply) {
  const auto break_gpu = cuda_function<kigo_status(int32_t)>("cuda_break");
  const kigo_backend_api* api = cuda_backend();
  REQUIRE((api != nullptr));
  TinyModel tiny;
  const std::vector<int32_t> prompt = some_tokens(9, 97);
  OpenModel on_cpu(backends()[0], tiny);
  const std::vector<float> expected = OpenSession(on_cpu, 64, 16).prefill(prompt, 16, 97);

  OpenModel model(fast_cuda(), tiny);
  {
    OpenSession replying(model, 64, 16), other(model, 64, 16);
    CHECK(relative_error(replying.prefill(prompt, 16, 97), expected) < 1e-2);
    other.prefill(prompt, 16, 97);
    const kigo_sampling sampling = greedy();
    kigo_token_record record = {};
    for (const OpenSession* s : {&replying, &other}) KIGO_REQUIRE_OK(api, api->sampling_begin(s->handle, &sampling));
    for (int i = 0; i < 3; ++i) KIGO_REQUIRE_OK(api, api->decode_next(replying.handle, nullptr, &record));
    kigo_device_info info = {};
    KIGO_REQUIRE_OK(api, api->device_info(0, &info));

    const auto is_lost = [&](kigo_status status) {
      const std::string words = status == KIGO_OK ? "it succeeded" : api->last_error()->message;
      INFO(words);
      CHECK(status == KIGO_DEVICE_LOST);
      CHECK(words.find("Restart Kigo") != std::string::npos);
    };
    const kigo_forward batch = forward_of(prompt.data(), 9, KIGO_LOGITS_LAST);
    const kigo_forward single = forward_of(prompt.data(), 1, KIGO_LOGITS_LAST);
    KIGO_REQUIRE_CUDA(break_gpu(writes_nowhere ? 1 : 0));
    if (in_reply) {
      // The step that was launched ahead may have been done already.
      kigo_status status = api->decode_next(replying.handle, nullptr, &record);
      if (status == KIGO_OK) status = api->decode_next(replying.handle, nullptr, &record);
      is_lost(status);
    } else {
      is_lost(api->forward(other.handle, &batch));
    }
    for (int i = 0; i < 2; ++i) {
      CAPTURE(i);
      is_lost(api->decode_next(replying.handle, nullptr, &record));
      is_lost(api->forward(other.handle, &batch));
      is_lost(api->forward(other.handle, &single));
      is_lost(api->device_info(0, &info));
      kigo_session* session = nullptr;
      const kigo_session_options options = {sizeof options, 64, 16};
      is_lost(api->session_open(model.handle, &options, &session));
      CHECK(session == nullptr);
      kigo_model* another = nullptr;
      const kigo_model_options model_settings = model_options(false);
      is_lost(api->model_open(tiny.desc(), &model_settings, nullptr, &another));
      CHECK(another == nullptr);
    }
    // What asks nothing of the GPU still answers.
    CHECK(other.length() == 9);
    KIGO_REQUIRE_OK(api, api->decode_end(replying.handle));
    KIGO_REQUIRE_OK(api, api->session_truncate(other.handle, 4));
    int32_t count = 0;
    KIGO_REQUIRE_OK(api, api->device_count(&count));
    CHECK(count > 0);
  }
  CHECK(model.tally().kv == 0);
  CHECK(model.tally().workspace == 0);
  CHECK(OpenSession(on_cpu, 64, 16).prefill(prompt, 16, 97) == expected);
}

}  // namespace

TEST_CASE("cuda by itself: a GPU that fails under a prompt is lost and the CPU goes on") {
  if (!has_cuda() || runs_elsewhere()) return;
  check_lost(false, false);
}

TEST_CASE("cuda by itself: a GPU that fails under a reply is lost and the CPU goes on") {
  if (!has_cuda() || runs_elsewhere()) return;
  check_lost(false, true);
}

TEST_CASE("cuda by itself: a GPU on which a kernel wrote where nothing is is lost and the CPU goes on") {
  if (!has_cuda() || runs_elsewhere()) return;
  check_lost(true, true);
}

TEST_CASE("cuda by itself: weights that another process leaves no room for are refused and nothing stays behind") {
  if (!has_cuda() || runs_elsewhere()) return;
  const auto load = cuda_function<kigo_status(const kigo_model_desc*, const kigo_load*, uint64_t*)>("cuda_load_round");
  const auto last_error = cuda_function<const kigo_error*()>("cuda_last_error");
  const NoiseModel model(1, kF16);
  const kigo_load quiet = {};
  const kigo_model_options options = model_options(false);
  const kigo_session_options session = {sizeof session, 16, 16};
  kigo_memory plan = {};
  KIGO_REQUIRE_OK(cuda_backend(), cuda_backend()->plan(model.desc(), &options, &session, &plan));
  uint64_t ours = 1;
  OtherProcess other;
  KIGO_REQUIRE_CUDA(load(model.desc(), &quiet, &ours));  // what the first one leaves with the driver

  // Too little for the weights; then enough for them, and too little for what loads them.
  for (const uint64_t left : {plan.weights - 100 * kMiB, plan.weights + 20 * kMiB}) {
    CAPTURE(left);
    other.leave(left);
    const uint64_t before = cuda_free_memory();
    REQUIRE(load(model.desc(), &quiet, &ours) == KIGO_OUT_OF_MEMORY);
    std::map<std::string, double> said = numbers(*last_error());
    CHECK(said["missingBytes"] > 0);
    CHECK(said["neededBytes"] == said["missingBytes"] + said["freeBytes"]);
    if (left < plan.weights) CHECK(said["neededBytes"] == static_cast<double>(plan.weights));
    CHECK(ours == 0);
    CHECK(is_given_back(before));
  }
  other.let_go();
  KIGO_REQUIRE_CUDA(load(model.desc(), &quiet, &ours));
  CHECK(ours == 0);
}

namespace {

/** A model that runs, a prompt for it, and what its sessions take. */
struct Runnable {
  NoiseModel noise{1, kF16};
  OpenModel model{fast_cuda(), noise.desc(), model_options(false)};
  const kigo_backend_api* api = model.api;
  std::vector<int32_t> prompt = some_tokens(512, NoiseModel::kVocab);

  uint64_t session_bytes(int32_t n_ctx) const {
    const kigo_model_options options = model_options(false);
    const kigo_session_options session = {sizeof session, n_ctx, 512};
    kigo_memory plan = {};
    KIGO_REQUIRE_OK(api, api->plan(noise.desc(), &options, &session, &plan));
    return plan.kv + plan.workspace;
  }

  kigo_status open(int32_t n_ctx, kigo_session** session) const {
    const kigo_session_options options = {sizeof options, n_ctx, 512};
    return api->session_open(model.handle, &options, session);
  }

  /** A prompt and a few steps of a reply; the prompt's logits. */
  kigo_status use(kigo_session* session, std::vector<float>& logits) const {
    logits.assign(NoiseModel::kVocab, 0);
    kigo_forward request = forward_of(prompt.data(), 512, KIGO_LOGITS_LAST);
    request.logits_out = logits.data();
    kigo_status status = api->session_truncate(session, 0);
    if (status == KIGO_OK) status = api->forward(session, &request);
    const kigo_sampling sampling = greedy();
    if (status == KIGO_OK) status = api->sampling_begin(session, &sampling);
    kigo_token_record record = {};
    for (int i = 0; i < 4 && status == KIGO_OK; ++i) status = api->decode_next(session, nullptr, &record);
    return status;
  }

  bool is_empty() const { return model.tally().kv == 0 && model.tally().workspace == 0; }
};

}  // namespace

TEST_CASE("cuda by itself: beside another process a session gets the context that was named and not a hundredth more") {
  if (!has_cuda() || runs_elsewhere()) return;
  Runnable r;
  kigo_session* session = nullptr;
  std::vector<float> logits, expected;
  KIGO_REQUIRE_OK(r.api, r.open(1024, &session));
  KIGO_REQUIRE_OK(r.api, r.use(session, expected));
  r.api->session_close(session);

  OtherProcess other;
  const uint64_t left = std::min<uint64_t>(12'000 * kMiB, cuda_free_memory() / 2);
  other.leave(left);
  const uint64_t per_token = (r.session_bytes(100'000) - r.session_bytes(50'000)) / 50'000;
  const auto wanted = static_cast<int32_t>(2 * left / per_token);
  const uint64_t before = cuda_free_memory();
  session = nullptr;
  REQUIRE(r.open(wanted, &session) == KIGO_OUT_OF_MEMORY);
  CHECK(session == nullptr);
  std::map<std::string, double> said = numbers(*r.api->last_error());
  const std::string words = r.api->last_error()->message;
  const uint64_t driver = first_device().driver_bytes;
  CHECK(said["neededBytes"] == static_cast<double>(r.session_bytes(wanted) + driver));
  CHECK(said["missingBytes"] == said["neededBytes"] - said["freeBytes"]);
  CHECK(r.is_empty());
  CHECK(is_given_back(before));

  const auto fits = static_cast<int32_t>(said["largestContext"]);
  REQUIRE(fits > 512);
  CHECK(words.find("room for a context of " + std::to_string(fits)) != std::string::npos);
  KIGO_REQUIRE_OK(r.api, r.open(fits, &session));
  KIGO_REQUIRE_OK(r.api, r.use(session, logits));
  CHECK(logits == expected);
  r.api->session_close(session);
  CHECK(r.is_empty());

  // A hundredth more, or what is left to the driver where that is more.
  const auto too_many = fits + std::max(fits / 100, static_cast<int32_t>((driver + 16 * kMiB) / per_token));
  session = nullptr;
  REQUIRE(r.open(too_many, &session) == KIGO_OUT_OF_MEMORY);
  CHECK(r.is_empty());
  other.let_go();
  KIGO_REQUIRE_OK(r.api, r.open(too_many, &session));
  KIGO_REQUIRE_OK(r.api, r.use(session, logits));
  CHECK(logits == expected);
  r.api->session_close(session);
}

TEST_CASE("cuda by itself: beside another process a model runs in what was planned and what the driver takes itself") {
  if (!has_cuda() || runs_elsewhere()) return;
  constexpr int32_t kContext = 8192, kBatches = 12;
  OtherProcess other;
  {
    const NoiseModel noise(1, kF16);
    const kigo_model_options options = model_options(false);
    const kigo_session_options session = {sizeof session, kContext, 512};
    kigo_memory plan = {};
    KIGO_REQUIRE_OK(cuda_backend(), cuda_backend()->plan(noise.desc(), &options, &session, &plan));
    other.leave(plan.weights + plan.kv + plan.workspace + first_device().driver_bytes);  // with the context to come
  }
  Runnable r;
  kigo_session* session = nullptr;
  KIGO_REQUIRE_OK(r.api, r.open(kContext, &session));
  std::vector<float> logits;
  KIGO_REQUIRE_OK(r.api, r.use(session, logits));
  KIGO_REQUIRE_OK(r.api, r.api->decode_end(session));
  const kigo_forward batch = forward_of(r.prompt.data(), 512, KIGO_LOGITS_LAST);
  kigo_token_record record = {};
  for (int i = 1; i < kBatches; ++i) {
    CAPTURE(i);
    KIGO_REQUIRE_OK(r.api, r.api->forward(session, &batch));
    for (int token = 0; token < 4; ++token) KIGO_REQUIRE_OK(r.api, r.api->decode_next(session, nullptr, &record));
    KIGO_REQUIRE_OK(r.api, r.api->decode_end(session));
  }
  MESSAGE("free MiB with " << kBatches * 512 << " tokens: " << (cuda_free_memory() >> 20));
  r.api->session_close(session);
}

TEST_CASE("cuda by itself: memory that is gone when a session first needs it fails that request and not the next") {
  if (!has_cuda() || runs_elsewhere()) return;
  Runnable r;
  kigo_session* session = nullptr;
  KIGO_REQUIRE_OK(r.api, r.open(1024, &session));
  OtherProcess other;
  other.leave(0);  // nothing for kernels that are loaded when they are first called, nor for graphs
  std::vector<float> logits, expected;
  const kigo_status status = r.use(session, logits);
  const std::string words = status == KIGO_OK ? "" : r.api->last_error()->message;
  MESSAGE("without memory: " << words);
  CHECK((status == KIGO_OK || status == KIGO_OUT_OF_MEMORY));
  int32_t length = -1;
  KIGO_REQUIRE_OK(r.api, r.api->session_length(session, &length));
  if (status != KIGO_OK) CHECK((length == 0 || length >= 512));
  other.let_go();
  KIGO_REQUIRE_OK(r.api, r.use(session, logits));
  r.api->session_close(session);
  KIGO_REQUIRE_OK(r.api, r.open(1024, &session));
  KIGO_REQUIRE_OK(r.api, r.use(session, expected));
  CHECK(logits == expected);
  r.api->session_close(session);
  CHECK(r.is_empty());
}

TEST_CASE("cuda by itself: a GPU whose memory is all taken refuses a model and takes it later") {
  if (!has_cuda() || runs_elsewhere()) return;
  const NoiseModel noise(1, kF16);
  const kigo_backend_api* api = cuda_backend();
  const kigo_model_options options = model_options(false);
  OtherProcess other;
  for (const char* what : {"not even a context is there", "a context is there"}) {
    CAPTURE(what);
    other.leave(0);
    kigo_model* model = nullptr;
    const kigo_status status = api->model_open(noise.desc(), &options, nullptr, &model);
    const std::string words = status == KIGO_OK ? "it succeeded" : api->last_error()->message;
    MESSAGE(std::string(what) << ": " << words);
    CHECK(status == KIGO_OUT_OF_MEMORY);
    CHECK(model == nullptr);
    other.let_go();
    KIGO_REQUIRE_OK(api, api->model_open(noise.desc(), &options, nullptr, &model));
    api->model_close(model);
  }
}

TEST_CASE("cuda by itself: sessions open or are refused while another process takes memory and gives it back") {
  if (!has_cuda() || runs_elsewhere()) return;
  Runnable r;
  const int32_t n_ctx = 16'384;
  const uint64_t needed = r.session_bytes(n_ctx);
  kigo_session* session = nullptr;
  std::vector<float> logits, expected;
  KIGO_REQUIRE_OK(r.api, r.open(n_ctx, &session));
  KIGO_REQUIRE_OK(r.api, r.use(session, expected));
  r.api->session_close(session);
  int opened = 0, refused = 0;
  {
    OtherProcess other;
    other.waver(needed * 3 / 4);
    for (int i = 0; i < 15; ++i) {
      session = nullptr;
      const kigo_status status = r.open(n_ctx, &session);
      if (status == KIGO_OK) {
        ++opened;
        r.api->session_close(session);
      } else {
        ++refused;
        const std::string words = r.api->last_error()->message;
        INFO(words);
        REQUIRE(status == KIGO_OUT_OF_MEMORY);
        CHECK(session == nullptr);
        CHECK(numbers(*r.api->last_error())["missingBytes"] > 0);
      }
      CHECK(r.is_empty());
    }
    other.let_go();
  }
  MESSAGE(opened << " sessions opened, " << refused << " were refused");
  CHECK(opened > 0);
  CHECK(refused > 0);
  KIGO_REQUIRE_OK(r.api, r.open(n_ctx, &session));
  KIGO_REQUIRE_OK(r.api, r.use(session, logits));
  CHECK(logits == expected);
  r.api->session_close(session);
}
