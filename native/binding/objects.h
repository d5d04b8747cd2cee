/** The addon's JS classes: CancelToken, NativeModel, NativeSession of main/engine/addon.ts. */
#pragma once

#include <napi.h>

#include <memory>

#include "binding/addon_data.h"

namespace kigo::binding {

class CancelToken : public Napi::ObjectWrap<CancelToken> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit CancelToken(const Napi::CallbackInfo& info);

  /** The flag behind a token that JS handed over. Throws INVALID_INPUT where it is something else. */
  static std::shared_ptr<std::atomic<bool>> flag_of(Napi::Env env, const Napi::Value& value);

 private:
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value cancelled(const Napi::CallbackInfo& info);

  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

/** Shared by a model's JS objects: when the last of them is collected unclosed, the model is closed. */
struct ModelHandle {
  ModelHandle(std::shared_ptr<ModelThread> t, size_t vocab) : thread(std::move(t)), n_vocab(vocab) {}
  ~ModelHandle() { thread->stop(); }
  ModelHandle(const ModelHandle&) = delete;
  ModelHandle& operator=(const ModelHandle&) = delete;
  const std::shared_ptr<ModelThread> thread;
  const size_t n_vocab;
};

class ModelObject : public Napi::ObjectWrap<ModelObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /** JS thread. */
  static Napi::Value make(Napi::Env env, std::shared_ptr<ModelHandle> handle);
  explicit ModelObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value tally(const Napi::CallbackInfo& info);
  Napi::Value create_session(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  std::shared_ptr<ModelHandle> handle_;
};

class SessionObject : public Napi::ObjectWrap<SessionObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /** JS thread. */
  static Napi::Value make(Napi::Env env, std::shared_ptr<ModelHandle> handle, std::shared_ptr<SessionState> state,
                          int32_t n_ctx);
  explicit SessionObject(const Napi::CallbackInfo& info);
  void Finalize(Napi::Env env) override;

 private:
  Napi::Value n_ctx(const Napi::CallbackInfo& info);
  Napi::Value length(const Napi::CallbackInfo& info);
  Napi::Value generate(const Napi::CallbackInfo& info);
  Napi::Value logits(const Napi::CallbackInfo& info);
  Napi::Value score(const Napi::CallbackInfo& info);
  Napi::Value truncate(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  /** Throws SESSION_BUSY or MODEL_CLOSED. */
  void expect_idle() const;
  /** Runs `job` on the model's thread and ends the call with what it returns or throws. */
  Napi::Value run(Napi::Env env, std::unique_ptr<Call> call,
                  std::function<std::function<Napi::Value(Napi::Env)>(uint64_t number)> job);

  std::shared_ptr<ModelHandle> handle_;
  std::shared_ptr<SessionState> state_;
  int32_t n_ctx_ = 0;
};

/** Starts a model's thread and returns the promise of its ModelObject. */
Napi::Value open_model(const Napi::CallbackInfo& info);

}  // namespace kigo::binding
