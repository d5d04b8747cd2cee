#include "binding/addon_data.h"

namespace kigo::binding {

AddonData::AddonData(Napi::Env env)
    : queue(std::make_shared<JsQueue>(env, [this](Napi::Env e, uint64_t number) {
        if (const std::unique_ptr<Call> call = end(e, number)) call->deferred.Reject(no_memory_.Value());
      })) {
  const Error error(KIGO_OUT_OF_MEMORY, "There was not enough memory to go on.");
  no_memory_ = Napi::Persistent(to_js(env, error).Value().As<Napi::Object>());
}

uint64_t AddonData::begin(Napi::Env env, std::unique_ptr<Call> call) {
  queue->make_room(calls_.size() + 1);
  const auto [at, _] = calls_.emplace(next_, std::move(call));
  try {
    queue->ref(env);
  } catch (...) {
    calls_.erase(at);
    throw;
  }
  if (at->second->busy) at->second->busy->busy = true;
  return next_++;
}

Call* AddonData::find(uint64_t number) {
  const auto found = calls_.find(number);
  return found == calls_.end() ? nullptr : found->second.get();
}

std::unique_ptr<Call> AddonData::end(Napi::Env env, uint64_t number) {
  auto node = calls_.extract(number);
  if (node.empty()) return nullptr;
  if (node.mapped()->busy) node.mapped()->busy->busy = false;
  queue->unref(env);
  return std::move(node.mapped());
}

Napi::Error AddonData::error_now(Napi::Env env) {
  try {
    try {
      throw;
    } catch (const Napi::Error&) { throw; } catch (...) {
      return to_js(env, current_error());
    }
  } catch (const Napi::Error& error) { return error; } catch (...) {
    return Napi::Error(env, no_memory_.Value());
  }
}

void AddonData::resolve(Napi::Env env, uint64_t number, const std::function<Napi::Value(Napi::Env)>& value) {
  const std::unique_ptr<Call> call = end(env, number);
  if (!call) return;
  if (call->failure) return call->deferred.Reject(call->failure->Value());
  Napi::Value result;
  try {
    result = value(env);
  } catch (...) { return call->deferred.Reject(error_now(env).Value()); }
  call->deferred.Resolve(result);
}

void AddonData::reject(Napi::Env env, uint64_t number, const Error& error) {
  try {
    throw error;
  } catch (...) { reject_now(env, number); }
}

void AddonData::reject_now(Napi::Env env, uint64_t number) {
  const std::unique_ptr<Call> call = end(env, number);
  if (call) call->deferred.Reject(call->failure ? call->failure->Value() : error_now(env).Value());
}

void AddonData::call_back(Napi::Env env, uint64_t number, Napi::FunctionReference Call::*callback,
                          const std::function<std::vector<napi_value>(Napi::Env)>& arguments,
                          const std::function<void(Napi::Value)>& then) {
  Call* call = find(number);
  if (call == nullptr || call->failure) return;
  try {
    const Napi::Value result = (call->*callback).Call(arguments(env));
    if (then) then(result);
  } catch (...) {
    call->failure = error_now(env);
    if (call->token) call->token->store(true);
  }
}

namespace {

/** Has what `make` returns run on the JS thread; gives the call up where that cannot be. */
template <class Make>
void post_or_give_up(const std::shared_ptr<JsQueue>& queue, uint64_t number, Make&& make) noexcept {
  try {
    queue->post(make());
  } catch (...) { queue->give_up(number); }
}

}  // namespace

void post_resolve(const std::shared_ptr<JsQueue>& queue, uint64_t number,
                  std::function<Napi::Value(Napi::Env)> value) noexcept {
  post_or_give_up(queue, number, [&] {
    return [number, value = std::move(value)](Napi::Env env) { AddonData::of(env).resolve(env, number, value); };
  });
}

void post_done(const std::shared_ptr<JsQueue>& queue, uint64_t number) noexcept {
  post_resolve(queue, number, [](Napi::Env env) { return env.Undefined(); });
}

void post_current_error(const std::shared_ptr<JsQueue>& queue, uint64_t number) noexcept {
  post_or_give_up(queue, number, [&] {
    return [number, error = current_error()](Napi::Env env) { AddonData::of(env).reject(env, number, error); };
  });
}

void post_closed(const std::shared_ptr<JsQueue>& queue, uint64_t number) noexcept {
  post_or_give_up(queue, number, [&] {
    return [number, error = closed_error()](Napi::Env env) { AddonData::of(env).reject(env, number, error); };
  });
}

Napi::Value rejected(Napi::Env env, const Error& error) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(to_js(env, error).Value());
  return deferred.Promise();
}

}  // namespace kigo::binding
