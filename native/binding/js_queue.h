/** From any thread to the JS thread: closures that run there in order. The poster never waits. */
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace kigo::binding {

class JsQueue {
 public:
  /** `given_up` runs on the JS thread for each number that give_up was called with. */
  JsQueue(Napi::Env env, std::function<void(Napi::Env, uint64_t)> given_up);
  JsQueue(const JsQueue&) = delete;
  JsQueue& operator=(const JsQueue&) = delete;

  /** Any thread. After close() the closure is dropped: there is no JS left to run it. Throws std::bad_alloc. */
  void post(std::function<void(Napi::Env)> closure);
  /** Any thread: in place of a closure for which there is no memory. It needs none itself, see make_room. */
  void give_up(uint64_t number) noexcept;

  // JS thread only.
  /** So many numbers may be given up at once from now on. */
  void make_room(size_t numbers);
  /** While something is awaited, the process stays alive. */
  void ref(Napi::Env env);
  void unref(Napi::Env env) noexcept;
  /** Nothing is posted any more from the moment this returns. */
  void close();

 private:
  static void run(napi_env env, napi_value, void* self, void* closure);

  std::mutex mutex_;
  bool closed_ = false;
  std::vector<uint64_t> given_up_;
  const std::function<void(Napi::Env, uint64_t)> on_given_up_;
  napi_threadsafe_function function_ = nullptr;
  int refs_ = 0;
};

}  // namespace kigo::binding
