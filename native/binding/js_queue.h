/** From any thread to the JS thread: closures that run there in order. The poster never waits. */
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>

namespace kigo::binding {

class JsQueue {
 public:
  explicit JsQueue(Napi::Env env);
  JsQueue(const JsQueue&) = delete;
  JsQueue& operator=(const JsQueue&) = delete;

  /** Any thread. After close() the closure is dropped: there is no JS left to run it. */
  void post(std::function<void(Napi::Env)> closure);

  // JS thread only: while something is awaited, the process stays alive.
  void ref(Napi::Env env);
  void unref(Napi::Env env);
  /** Nothing is posted any more from the moment this returns. */
  void close();

 private:
  static void run(napi_env env, napi_value, void*, void* closure);

  std::mutex mutex_;
  bool closed_ = false;
  napi_threadsafe_function function_ = nullptr;
  int refs_ = 0;
};

}  // namespace kigo::binding
