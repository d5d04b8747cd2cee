#include "binding/addon_data.h"

namespace kigo::binding {

uint64_t AddonData::begin(Napi::Env env, std::unique_ptr<Call> call) {
  if (call->busy) call->busy->busy = true;
  queue->ref(env);
  calls_[next_] = std::move(call);
  return next_++;
}

Call* AddonData::find(uint64_t number) {
  const auto found = calls_.find(number);
  return found == calls_.end() ? nullptr : found->second.get();
}

std::unique_ptr<Call> AddonData::end(Napi::Env env, uint64_t number) {
  auto node = calls_.extract(number);
  if (node.empty()) return nullptr;
  queue->unref(env);
  if (node.mapped()->busy) node.mapped()->busy->busy = false;
  return std::move(node.mapped());
}

void AddonData::resolve(Napi::Env env, uint64_t number, const std::function<Napi::Value(Napi::Env)>& value) {
  const std::unique_ptr<Call> call = end(env, number);
  if (!call) return;
  if (call->failure) {
    call->deferred.Reject(call->failure->Value());
  } else {
    call->deferred.Resolve(value(env));
  }
}

void AddonData::reject(Napi::Env env, uint64_t number, const Error& error) {
  const std::unique_ptr<Call> call = end(env, number);
  if (!call) return;
  call->deferred.Reject(call->failure ? call->failure->Value() : to_js(env, error).Value());
}

void AddonData::call_back(Napi::Env env, uint64_t number, Napi::FunctionReference Call::*callback,
                          const std::function<std::vector<napi_value>(Napi::Env)>& arguments,
                          const std::function<void(Napi::Value)>& then) {
  Call* call = find(number);
  if (call == nullptr || call->failure) return;
  try {
    const Napi::Value result = (call->*callback).Call(arguments(env));
    if (then) then(result);
  } catch (const Napi::Error& error) {
    call->failure = error;
    if (call->token) call->token->store(true);
  }
}

void post_resolve(const std::shared_ptr<JsQueue>& queue, uint64_t number, std::function<Napi::Value(Napi::Env)> value) {
  queue->post([number, value = std::move(value)](Napi::Env env) { AddonData::of(env).resolve(env, number, value); });
}

void post_reject(const std::shared_ptr<JsQueue>& queue, uint64_t number, Error error) {
  queue->post([number, error = std::move(error)](Napi::Env env) { AddonData::of(env).reject(env, number, error); });
}

Napi::Value rejected(Napi::Env env, const Error& error) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(to_js(env, error).Value());
  return deferred.Promise();
}

}  // namespace kigo::binding
