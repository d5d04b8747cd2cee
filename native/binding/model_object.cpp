#include <algorithm>

#include "binding/backends.h"
#include "binding/objects.h"

namespace kigo::binding {

namespace {

/** Progress of a load: the latest numbers, and whether the JS thread knows of them already. */
struct Progress {
  std::mutex mutex;
  uint64_t done = 0, total = 0;
  bool posted = false;
};

}  // namespace

Napi::Function ModelObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeModel",
      {InstanceMethod<&ModelObject::tally>("tally"), InstanceMethod<&ModelObject::create_session>("createSession"),
       InstanceMethod<&ModelObject::close>("close")});
}

Napi::Value ModelObject::make(Napi::Env env, std::shared_ptr<ModelHandle> handle) {
  using Handle = std::shared_ptr<ModelHandle>;
  return AddonData::of(env).model_class.New({Napi::External<Handle>::New(env, &handle)});
}

ModelObject::ModelObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelObject>(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "A model is made by openModel().");
  handle_ = *info[0].As<Napi::External<std::shared_ptr<ModelHandle>>>().Data();
}

Napi::Value ModelObject::tally(const Napi::CallbackInfo& info) {
  return with_js_errors(info.Env(), [&] { return to_js(info.Env(), handle_->thread->tally()); });
}

Napi::Value ModelObject::create_session(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return promised(env, [&]() -> Napi::Value {
    const Napi::Object options = object_of(info[0], "options");
    const auto n_ctx = static_cast<int32_t>(get_integer(options, "nCtx", 1, INT32_MAX));
    const auto n_batch = static_cast<int32_t>(get_integer(options, "nBatch", 1, INT32_MAX));

    AddonData& data = AddonData::of(env);
    auto call = std::make_unique<Call>(env);
    call->owner = Napi::Persistent(info.This().As<Napi::Object>());

    return data.start(env, std::move(call), [&](uint64_t number) {
      // The job holds the thread, not the handle: a handle's end closes the model, which is JS's to decide.
      const auto work = [thread = handle_->thread.get(), weak = std::weak_ptr(handle_), queue = data.queue, number,
                         n_ctx, n_batch] {
        try {
          auto state = std::make_shared<SessionState>();
          state->session = std::make_unique<Session>(thread->model(), n_ctx, std::min(n_batch, n_ctx));
          thread->sessions.push_back(state);
          post_resolve(queue, number, [weak, state, n_ctx](Napi::Env e) -> Napi::Value {
            return SessionObject::make(e, weak.lock(), state, n_ctx);
          });
        } catch (...) { post_current_error(queue, number); }
      };
      handle_->thread->post({work, [queue = data.queue, number] { post_closed(queue, number); }});
    });
  });
}

Napi::Value ModelObject::close(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return promised(env, [&]() -> Napi::Value {
    AddonData& data = AddonData::of(env);
    return data.start(env, std::make_unique<Call>(env), [&](uint64_t number) {
      handle_->thread->stop();
      handle_->thread->when_finished([queue = data.queue, number] { post_done(queue, number); });
    });
  });
}

Napi::Value open_model(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return promised(env, [&]() -> Napi::Value {
    const auto description = std::make_shared<ModelDescription>(object_of(info[0], "model"));
    const Napi::Object o = object_of(info[1], "options");
    const std::vector<Placement> placements = placements_of(o.Get("placements"), list_devices());
    kigo_model_options options = {};
    options.struct_size = sizeof options;
    options.exact = get_bool(o, "exact") ? 1 : 0;
    options.threads = static_cast<int32_t>(get_integer(o, "threads", 0, 1024));
    options.low_priority = get_bool(o, "lowPriority", false) ? 1 : 0;

    AddonData& data = AddonData::of(env);
    auto call = std::make_unique<Call>(env);
    call->token = CancelToken::flag_of(env, o.Get("cancel"));
    call->on_progress = Napi::Persistent(get_function(o, "onProgress"));
    const auto token = call->token;

    const auto thread = std::make_shared<ModelThread>();
    data.models.erase(std::remove_if(data.models.begin(), data.models.end(), [](const auto& m) { return m.expired(); }),
                      data.models.end());
    data.models.push_back(thread);

    return data.start(env, std::move(call), [&](uint64_t number) {
      const auto report = [queue = data.queue, number, progress = std::make_shared<Progress>()](uint64_t done,
                                                                                                uint64_t total) {
        const std::lock_guard lock(progress->mutex);
        progress->done = done;
        progress->total = total;
        if (progress->posted) return;
        queue->post([progress, number](Napi::Env e) {
          uint64_t done_now, total_now;
          {
            const std::lock_guard inner(progress->mutex);
            progress->posted = false;
            done_now = progress->done;
            total_now = progress->total;
          }
          AddonData::of(e).call_back(e, number, &Call::on_progress, [&](Napi::Env en) -> std::vector<napi_value> {
            return {Napi::Number::New(en, static_cast<double>(done_now)),
                    Napi::Number::New(en, static_cast<double>(total_now))};
          });
        });
        progress->posted = true;
      };
      const auto open = [thread = thread.get(), description, options, placements, token, report] {
        JobCancel cancel = {thread, nullptr, token};
        using Report = decltype(report);
        kigo_load load = {};
        load.cancel = cancel.c();
        // No exception crosses the ABI; a report for which there is no memory is left out.
        load.progress = [](void* context, uint64_t done, uint64_t total) {
          try {
            (*static_cast<const Report*>(context))(done, total);
          } catch (...) {}
        };
        load.progress_context = const_cast<void*>(static_cast<const void*>(&report));
        return std::make_unique<Chain>(description->desc, options, placements, load);
      };
      const auto opened = [weak = std::weak_ptr(thread), queue = data.queue, number,
                           n_vocab = static_cast<size_t>(description->config.n_vocab)] {
        // Made here, so that a model nobody receives (its world has ended) is closed again.
        const auto handle = std::make_shared<ModelHandle>(weak.lock(), n_vocab);
        post_resolve(queue, number, [handle](Napi::Env e) -> Napi::Value { return ModelObject::make(e, handle); });
      };
      const auto failed = [queue = data.queue, number] { post_current_error(queue, number); };
      thread->start(open, opened, failed);
    });
  });
}

}  // namespace kigo::binding
