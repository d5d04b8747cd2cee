/** The failures that the fake backend can be told to have. */

#include "core/error.h"
#include "core/generate.h"
#include "test/backend_under_test.h"

using namespace kigo;
using namespace kigo::test;

namespace {

const BackendUnderTest& fake() { return backends().back(); }

kigo_status open_status(TinyModel& tiny) {
  const kigo_model_options options = model_options(false);
  kigo_model* model = nullptr;
  const kigo_status status = fake().api->model_open(tiny.desc(), &options, nullptr, &model);
  fake().api->model_close(model);
  return status;
}

kigo_status forward_status(OpenSession& session, const std::vector<int32_t>& tokens) {
  const kigo_forward request = forward_of(tokens.data(), static_cast<int32_t>(tokens.size()), KIGO_LOGITS_LAST);
  return session.api->forward(session.handle, &request);
}

}  // namespace

TEST_CASE("fake: out of memory at a byte of choice, for weights, KV and workspace, with nothing kept") {
  TinyModel tiny;
  const kigo_model_options options = model_options(false);
  const kigo_session_options session_options = {sizeof session_options, 64, 16};
  kigo_memory plan = {};
  KIGO_REQUIRE_OK(fake().api, fake().api->plan(tiny.desc(), &options, &session_options, &plan));
  kigo_device_info before = {}, after = {};
  KIGO_REQUIRE_OK(fake().api, fake().api->device_info(0, &before));
  for (const uint64_t limit : {plan.weights - 1, plan.weights + plan.kv - 1,
                               plan.weights + plan.kv + plan.workspace - 1, plan.weights + plan.kv + plan.workspace}) {
    {
      const FakeSettings settings("oom_at=" + std::to_string(limit));
      kigo_model* model = nullptr;
      kigo_session* session = nullptr;
      kigo_status status = fake().api->model_open(tiny.desc(), &options, nullptr, &model);
      if (status == KIGO_OK) status = fake().api->session_open(model, &session_options, &session);
      CHECK(status == (limit < plan.weights + plan.kv + plan.workspace ? KIGO_OUT_OF_MEMORY : KIGO_OK));
      fake().api->session_close(session);
      fake().api->model_close(model);
    }
    KIGO_REQUIRE_OK(fake().api, fake().api->device_info(0, &after));
    CHECK(after.free_bytes == before.free_bytes);
  }
}

TEST_CASE("fake: no driver, and one that is too old") {
  for (const char* setting : {"no_driver", "old_driver"}) {
    const FakeSettings settings(setting);
    int32_t count = 0;
    CHECK(fake().api->device_count(&count) == KIGO_DEVICE_UNAVAILABLE);
    CHECK(std::string(fake().api->last_error()->message).find("driver") != std::string::npos);
  }
}

TEST_CASE("fake: a setting that does not exist, or has no value, is an error") {
  for (const char* setting : {"slow_lode=1", "total=", "devices=0", "devices=9", "oom_at=1.x"}) {
    const FakeSettings settings(setting);
    int32_t count = 0;
    CHECK_MESSAGE(fake().api->device_count(&count) == KIGO_INVALID_INPUT, setting);
  }
}

TEST_CASE("fake: several devices, each with its name, memory and speed") {
  const FakeSettings settings("devices=3,name=Big.Small,total=1000000.50000,bandwidth=9000");
  int32_t count = 0;
  KIGO_REQUIRE_OK(fake().api, fake().api->device_count(&count));
  REQUIRE(count == 3);
  kigo_device_info info[3] = {};
  for (int32_t i = 0; i < 3; ++i) KIGO_REQUIRE_OK(fake().api, fake().api->device_info(i, &info[i]));
  CHECK(std::string(info[0].id) == "fake:0");
  CHECK(std::string(info[2].id) == "fake:2");
  CHECK(std::string(info[0].name) == "Big");
  CHECK(std::string(info[2].name) == "Small");
  CHECK(info[0].total_bytes == 1000000);
  CHECK(info[1].total_bytes == 50000);
  CHECK(info[2].free_bytes == 50000);
  CHECK(info[1].bytes_per_second == 9000);
  CHECK(fake().api->device_info(3, info) == KIGO_INVALID_INPUT);

  TinyModel tiny;
  kigo_model_options options = model_options(false);
  kigo_model* model = nullptr;
  for (const int32_t device : {1, 3}) {
    options.device = device;
    CHECK(fake().api->model_open(tiny.desc(), &options, nullptr, &model) ==
          (device == 1 ? KIGO_OUT_OF_MEMORY : KIGO_DEVICE_UNAVAILABLE));
  }
  options.device = 0;
  KIGO_REQUIRE_OK(fake().api, fake().api->model_open(tiny.desc(), &options, nullptr, &model));
  KIGO_REQUIRE_OK(fake().api, fake().api->device_info(0, &info[0]));
  KIGO_REQUIRE_OK(fake().api, fake().api->device_info(1, &info[1]));
  CHECK(info[0].free_bytes < info[0].total_bytes);
  CHECK(info[1].free_bytes == info[1].total_bytes);
  fake().api->model_close(model);
}

TEST_CASE("fake: what its driver takes is beside the plan, comes with the first prompt and stays") {
  TinyModel tiny;
  const kigo_model_options options = model_options(false);
  const kigo_session_options session_options = {sizeof session_options, 32, 16};
  kigo_memory plan = {};
  KIGO_REQUIRE_OK(fake().api, fake().api->plan(tiny.desc(), &options, &session_options, &plan));
  const uint64_t planned = plan.weights + plan.kv + plan.workspace;
  constexpr uint64_t kDriver = 5000;
  const auto info = [] {
    int32_t count = 0;
    KIGO_REQUIRE_OK(fake().api, fake().api->device_count(&count));
    kigo_device_info now = {};
    KIGO_REQUIRE_OK(fake().api, fake().api->device_info(0, &now));
    return now;
  };
  for (const uint64_t left : {kDriver - 1, kDriver}) {
    const FakeSettings settings("driver=5000,total=" + std::to_string(planned + left));
    CHECK(info().free_bytes == planned + left);
    CHECK(info().driver_bytes == kDriver);
    {
      OpenModel model(fake(), tiny);
      OpenSession session(model, 32, 16);
      CHECK(forward_status(session, {1, 2}) == (left < kDriver ? KIGO_OUT_OF_MEMORY : KIGO_OK));
      CHECK(forward_status(session, {3}) == (left < kDriver ? KIGO_OUT_OF_MEMORY : KIGO_OK));
      const kigo_memory tally = model.tally();
      CHECK(tally.weights + tally.kv + tally.workspace == planned);
    }
    CHECK(info().free_bytes == planned + (left < kDriver ? left : 0));
  }
  CHECK(info().free_bytes == info().total_bytes);
}

TEST_CASE("fake: a device that is lost stays lost") {
  TinyModel tiny;
  const FakeSettings settings("lost_at=6");
  {
    OpenModel model(fake(), tiny);
    OpenSession session(model, 32, 16);
    CHECK(forward_status(session, {1, 2, 3}) == KIGO_OK);
    CHECK(forward_status(session, {1, 2, 3, 4}) == KIGO_DEVICE_LOST);
    CHECK(forward_status(session, {1}) == KIGO_DEVICE_LOST);
    CHECK(session.length() == 3);
  }
  CHECK(open_status(tiny) == KIGO_DEVICE_LOST);
}

TEST_CASE("fake: numbers that are not finite, and a file that changed") {
  TinyModel tiny;
  {
    const FakeSettings settings("nan_at=4");
    OpenModel model(fake(), tiny);
    OpenSession session(model, 32, 16);
    CHECK(forward_status(session, {1, 2, 3, 4}) == KIGO_OK);
    CHECK(forward_status(session, {5}) == KIGO_NUMERIC_ERROR);
  }
  const FakeSettings settings("changed_at=1");
  OpenModel model(fake(), tiny);
  OpenSession session(model, 32, 16);
  CHECK(forward_status(session, {1, 2}) == KIGO_MODEL_FILE_CHANGED);
}

TEST_CASE("fake: a slow load is cancelled at once") {
  TinyModel tiny;
  const FakeSettings settings("load_ms=20000");
  const kigo_model_options options = model_options(false);
  int polls = 0;
  kigo_load load = {};
  load.cancel = {[](void* n) { return ++*static_cast<int*>(n) > 3 ? 1 : 0; }, &polls};
  kigo_model* model = nullptr;
  CHECK(fake().api->model_open(tiny.desc(), &options, &load, &model) == KIGO_CANCELLED);
  CHECK(polls == 4);
}

TEST_CASE("fake: a reply can be scripted") {
  TinyModel tiny;
  const FakeSettings settings("tokens=7.8.9.3");
  Chain model = open_chain(fake(), tiny);
  Session session(model, 64, 16);
  GenerateRequest request;
  request.tokens = {1, 2, 3};
  request.sampling = greedy();
  request.end_tokens = {3};
  std::vector<int32_t> reply;
  request.on_token = [&](const kigo_token_record& r) { reply.push_back(r.id); };
  const GenerateResult result = session.generate(request);
  CHECK(reply == std::vector<int32_t>{7, 8, 9});
  CHECK(result.reason == GenerateResult::Reason::end);
}
