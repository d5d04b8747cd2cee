/** What an environment (a JS thread with its own world) has of this addon. */
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "binding/convert.h"
#include "binding/js_queue.h"
#include "binding/model_thread.h"

namespace kigo::binding {

/** A promise that was given out, with what its job calls back. Lives on the JS thread alone; jobs know its number. */
struct Call {
  explicit Call(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise::Deferred deferred;
  Napi::ObjectReference owner;  // keeps the model or session from being collected meanwhile
  Napi::FunctionReference on_progress, on_prefill, on_tokens, on_rows;
  std::shared_ptr<std::atomic<bool>> token;  // cancels the job, where it has one
  std::shared_ptr<SessionState> busy;        // session that this call occupies
  std::optional<Napi::Error> failure;        // what a callback threw: the promise rejects with it
};

struct AddonData {
  explicit AddonData(Napi::Env env);

  static AddonData& of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }

  /**
   * Gives out the call's promise, with `job(number)` on its way, which will end the call with resolve or reject. Where
   * `job` throws instead, nothing is on its way: the promise rejects with that.
   */
  template <class Job>
  Napi::Value start(Napi::Env env, std::unique_ptr<Call> call, Job&& job) {
    const Napi::Value promise = call->deferred.Promise();
    const uint64_t number = begin(env, std::move(call));
    try {
      job(number);
    } catch (...) { reject_now(env, number); }
    return promise;
  }
  Call* find(uint64_t number);
  void resolve(Napi::Env env, uint64_t number, const std::function<Napi::Value(Napi::Env)>& value);
  void reject(Napi::Env env, uint64_t number, const Error& error);
  /** With the exception that is being handled. */
  void reject_now(Napi::Env env, uint64_t number);
  /** Runs a callback of the call; what it throws cancels the job and becomes its failure. */
  void call_back(Napi::Env env, uint64_t number, Napi::FunctionReference Call::*callback,
                 const std::function<std::vector<napi_value>(Napi::Env)>& arguments,
                 const std::function<void(Napi::Value)>& then = {});

  std::shared_ptr<JsQueue> queue;
  std::vector<std::weak_ptr<ModelThread>> models;  // for the cleanup hook
  Napi::FunctionReference cancel_token_class, model_class, session_class;

 private:
  uint64_t begin(Napi::Env env, std::unique_ptr<Call> call);
  std::unique_ptr<Call> end(Napi::Env env, uint64_t number);

  /** Of the exception that is being handled. Where there is no memory to make one, the one that was made beforehand. */
  Napi::Error error_now(Napi::Env env);

  Napi::ObjectReference no_memory_;
  std::unordered_map<uint64_t, std::unique_ptr<Call>> calls_;
  uint64_t next_ = 1;
};

// For the model's thread: these end call `number` on the JS thread. Where there is no memory left for that, it rejects
// with OUT_OF_MEMORY.
void post_resolve(const std::shared_ptr<JsQueue>& queue, uint64_t number,
                  std::function<Napi::Value(Napi::Env)> value) noexcept;
/** With undefined. */
void post_done(const std::shared_ptr<JsQueue>& queue, uint64_t number) noexcept;
/** With the exception that is being handled. */
void post_current_error(const std::shared_ptr<JsQueue>& queue, uint64_t number) noexcept;
/** With MODEL_CLOSED. */
void post_closed(const std::shared_ptr<JsQueue>& queue, uint64_t number) noexcept;

/** A promise that is rejected already. */
Napi::Value rejected(Napi::Env env, const Error& error);

/** Body of a method that returns a promise: what it throws rejects. */
template <class Body>
Napi::Value promised(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const Napi::Error&) { throw; } catch (...) {
    return rejected(env, current_error());
  }
}

inline Error closed_error() { return Error(KIGO_MODEL_CLOSED, "The model was unloaded."); }

}  // namespace kigo::binding
