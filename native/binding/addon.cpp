/** The module: what main/engine/addon.ts calls Addon. */
#include <napi.h>

#include <chrono>

#include "binding/backends.h"
#include "binding/objects.h"

namespace kigo::binding {

namespace {

// How long the end of an environment waits for model threads. Cancel is answered within 250 ms; a thread that
// hangs in a driver is left behind rather than hanging the whole program.
constexpr auto kJoinLimit = std::chrono::seconds(3);

/** The environment ends: nothing is posted to it any more, every model stops, and is waited for. */
void clean_up(AddonData* data) {
  data->queue->close();
  const auto deadline = std::chrono::steady_clock::now() + kJoinLimit;
  std::vector<std::shared_ptr<ModelThread>> running;
  for (const auto& model : data->models) {
    if (auto thread = model.lock()) running.push_back(std::move(thread));
  }
  for (const auto& thread : running) thread->stop();
  for (const auto& thread : running) thread->wait_finished(deadline);
  wait_loaded(deadline);
}

Napi::Value create_cancel_token(const Napi::CallbackInfo& info) {
  return AddonData::of(info.Env()).cancel_token_class.New({});
}

Napi::Value load_backend_file(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return promised(env, [&]() -> Napi::Value {
    if (!info[0].IsString()) throw Error(KIGO_INVALID_INPUT, "The path must be a string.");
    AddonData& data = AddonData::of(env);
    auto call = std::make_unique<Call>(env);
    std::string path = info[0].As<Napi::String>().Utf8Value();
    return data.start(env, std::move(call), [&](uint64_t number) {
      const auto done = [queue = data.queue, number] { post_done(queue, number); };
      const auto failed = [queue = data.queue, number] { post_current_error(queue, number); };
      load_backend_later(std::move(path), done, failed);
    });
  });
}

Napi::Value devices(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return with_js_errors(env, [&] {
    const std::vector<Device> list = list_devices();
    Napi::Array array = Napi::Array::New(env, list.size());
    for (size_t i = 0; i < list.size(); ++i) {
      const kigo_device_info& d = list[i].info;
      Napi::Object item = Napi::Object::New(env);
      item.Set("id", d.id);
      item.Set("name", d.name);
      item.Set("totalBytes", static_cast<double>(d.total_bytes));
      item.Set("freeBytes", static_cast<double>(d.free_bytes));
      item.Set("driverBytes", static_cast<double>(d.driver_bytes));
      item.Set("detail", d.detail);
      item.Set("threads", d.threads);
      item.Set("bytesPerSecond", d.bytes_per_second);
      item.Set("problem", list[i].problem ? to_js(env, *list[i].problem).Value() : env.Null());
      array.Set(static_cast<uint32_t>(i), item);
    }
    return array;
  });
}

/** Keeps the description, which takes longer to read than a plan: whoever looks for a layout asks for many. */
Napi::Value planner(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return with_js_errors(env, [&]() -> Napi::Value {
    const auto description = std::make_shared<ModelDescription>(object_of(info[0], "model"));
    const Napi::Object o = object_of(info[1], "options");
    kigo_model_options options = {};
    options.struct_size = sizeof options;
    options.exact = get_bool(o, "exact") ? 1 : 0;
    options.threads = static_cast<int32_t>(get_integer(o, "threads", 0, 1024));
    return Napi::Function::New(env, [description, options, devices = list_devices()](const Napi::CallbackInfo& asked) {
      Napi::Env e = asked.Env();
      return with_js_errors(e, [&]() -> Napi::Value {
        const std::vector<Placement> placements = placements_of(asked[0], devices);
        const Napi::Object session = object_of(asked[1], "session");
        const auto n_ctx = static_cast<int32_t>(get_integer(session, "nCtx", 1, INT32_MAX));
        const auto n_batch = std::min(n_ctx, static_cast<int32_t>(get_integer(session, "nBatch", 1, INT32_MAX)));
        return to_js(e, plan_chain(description->desc, options, placements, n_ctx, n_batch));
      });
    });
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  AddonData* const data = new AddonData(env);
  env.SetInstanceData(data);
  // After the queue's own hook, so that this one runs before it (hooks run last in, first out).
  env.AddCleanupHook(clean_up, data);

  data->cancel_token_class = Napi::Persistent(CancelToken::define(env));
  data->model_class = Napi::Persistent(ModelObject::define(env));
  data->session_class = Napi::Persistent(SessionObject::define(env));

  Napi::Array names = Napi::Array::New(env);
  for (int i = 0; i < kStatusCount; ++i) {
    names.Set(static_cast<uint32_t>(i), status_name(static_cast<kigo_status>(i)));
  }
  exports.Set("abiVersion", KIGO_ABI_VERSION);
  exports.Set("statusNames", names);
  exports.Set("createCancelToken", Napi::Function::New(env, create_cancel_token));
  exports.Set("loadBackend", Napi::Function::New(env, load_backend_file));
  exports.Set("devices", Napi::Function::New(env, devices));
  exports.Set("planner", Napi::Function::New(env, planner));
  exports.Set("openModel", Napi::Function::New(env, open_model));
  return exports;
}

}  // namespace

NODE_API_MODULE(kigo, init)

}  // namespace kigo::binding
