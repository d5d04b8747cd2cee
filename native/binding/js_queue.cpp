#include "binding/js_queue.h"

namespace kigo::binding {

namespace {

void expect_ok(Napi::Env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

}  // namespace

JsQueue::JsQueue(Napi::Env env) {
  const Napi::String name = Napi::String::New(env, "kigo");
  // Queue size 0 is unlimited: what is posted is coalesced by its posters, so the queue stays short by itself.
  expect_ok(env, napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, run,
                                                 &function_));
  expect_ok(env, napi_unref_threadsafe_function(env, function_));
}

void JsQueue::post(std::function<void(Napi::Env)> closure) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  auto* boxed = new std::function<void(Napi::Env)>(std::move(closure));
  if (napi_call_threadsafe_function(function_, boxed, napi_tsfn_nonblocking) != napi_ok) delete boxed;
}

void JsQueue::run(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<std::function<void(Napi::Env)>> closure(static_cast<std::function<void(Napi::Env)>*>(data));
  if (env == nullptr) return;  // the environment is going down
  const Napi::HandleScope scope(env);
  try {
    (*closure)(Napi::Env(env));
  } catch (const Napi::Error& error) { napi_fatal_exception(env, error.Value()); }
}

void JsQueue::ref(Napi::Env env) {
  if (refs_++ == 0) expect_ok(env, napi_ref_threadsafe_function(env, function_));
}

void JsQueue::unref(Napi::Env env) {
  if (--refs_ == 0) expect_ok(env, napi_unref_threadsafe_function(env, function_));
}

void JsQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

}  // namespace kigo::binding
