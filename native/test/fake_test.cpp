/** The failures that the fake backend can be told to have. */
#include <chrono>

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

TEST_CASE("fake: no driver") {
  const FakeSettings settings("no_driver");
  int32_t count = 0;
  CHECK(fake().api->device_count(&count) == KIGO_DEVICE_UNAVAILABLE);
}

TEST_CASE("fake: a setting that does not exist is an error") {
  const FakeSettings settings("slow_lode=1");
  int32_t count = 0;
  CHECK(fake().api->device_count(&count) == KIGO_INVALID_INPUT);
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
  const auto start = std::chrono::steady_clock::now();
  CHECK(fake().api->model_open(tiny.desc(), &options, &load, &model) == KIGO_CANCELLED);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}

TEST_CASE("fake: a reply can be scripted") {
  TinyModel tiny;
  const FakeSettings settings("tokens=7.8.9.3");
  OpenModel model(fake(), tiny);
  Session session(*fake().api, model.handle, 64, 16);
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
