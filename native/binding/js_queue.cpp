#include "binding/js_queue.h"

namespace kigo::binding {

namespace {

void expect_ok(Napi::Env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

}  // namespace

JsQueue::JsQueue(Napi::Env env, std::function<void(Napi::Env, uint64_t)> given_up) : on_given_up_(std::move(given_up)) {
  const Napi::String name = Napi::String::New(env, "kigo");
  // Queue size 0 is unlimited: what is posted is coalesced by its posters, so the queue stays short by itself.
  expect_ok(
      env, napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, run, &function_));
  expect_ok(env, napi_unref_threadsafe_function(env, function_));
}

void JsQueue::post(std::function<void(Napi::Env)> closure) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  auto boxed = std::make_unique<std::function<void(Napi::Env)>>(std::move(closure));
  if (napi_call_threadsafe_function(function_, boxed.get(), napi_tsfn_nonblocking) == napi_ok) boxed.release();
}

void JsQueue::give_up(uint64_t number) noexcept {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  given_up_.push_back(number);
  napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void JsQueue::make_room(size_t numbers) {
  const std::lock_guard lock(mutex_);
  given_up_.reserve(numbers);
}

void JsQueue::run(napi_env env, napi_value, void* context, void* data) {
  const std::unique_ptr<std::function<void(Napi::Env)>> closure(static_cast<std::function<void(Napi::Env)>*>(data));
  if (env == nullptr) return;  // the environment is going down
  const Napi::HandleScope scope(env);
  try {
    if (closure) return (*closure)(Napi::Env(env));
    JsQueue& self = *static_cast<JsQueue*>(context);
    for (;;) {
      uint64_t number;
      {
        const std::lock_guard lock(self.mutex_);
        if (self.given_up_.empty()) return;
        number = self.given_up_.back();
        self.given_up_.pop_back();
      }
      self.on_given_up_(Napi::Env(env), number);
    }
  } catch (const Napi::Error& error) { napi_fatal_exception(env, error.Value()); }
}

void JsQueue::ref(Napi::Env env) {
  if (refs_ == 0) expect_ok(env, napi_ref_threadsafe_function(env, function_));
  ++refs_;
}

void JsQueue::unref(Napi::Env env) noexcept {
  if (--refs_ == 0) napi_unref_threadsafe_function(env, function_);  // else the process merely waits for its end
}

void JsQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

}  // namespace kigo::binding
