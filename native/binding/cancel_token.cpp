#include "binding/objects.h"

namespace kigo::binding {

Napi::Function CancelToken::define(Napi::Env env) {
  return DefineClass(
      env, "CancelToken",
      {InstanceMethod<&CancelToken::cancel>("cancel"), InstanceAccessor<&CancelToken::cancelled>("cancelled")});
}

CancelToken::CancelToken(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CancelToken>(info) {}

std::shared_ptr<std::atomic<bool>> CancelToken::flag_of(Napi::Env env, const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(AddonData::of(env).cancel_token_class.Value())) {
    throw Error(KIGO_INVALID_INPUT, "cancel must be made by createCancelToken().");
  }
  return Unwrap(value.As<Napi::Object>())->flag_;
}

Napi::Value CancelToken::cancel(const Napi::CallbackInfo& info) {
  flag_->store(true);
  return info.Env().Undefined();
}

Napi::Value CancelToken::cancelled(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), flag_->load());
}

}  // namespace kigo::binding
