#include <algorithm>
#include <cstring>

#include "binding/objects.h"

namespace kigo::binding {

namespace {

struct MakeSession {
  std::shared_ptr<ModelHandle> handle;
  std::shared_ptr<SessionState> state;
  int32_t n_ctx;
};

/** What a generation has produced and JS has not seen yet: one closure is under way at most, whatever comes. */
struct Feed {
  struct Prefill {
    int64_t done, total, cached;
  };
  std::mutex mutex;
  std::vector<Prefill> prefill;
  std::vector<kigo_token_record> tokens;
  bool posted = false;
};

void deliver(const std::shared_ptr<JsQueue>& queue, const std::shared_ptr<Feed>& feed, uint64_t number) {
  queue->post([feed, number](Napi::Env env) {
    std::vector<Feed::Prefill> prefill;
    std::vector<kigo_token_record> tokens;
    {
      const std::lock_guard lock(feed->mutex);
      prefill.swap(feed->prefill);
      tokens.swap(feed->tokens);
      feed->posted = false;
    }
    AddonData& data = AddonData::of(env);
    for (const Feed::Prefill& p : prefill) {
      data.call_back(env, number, &Call::on_prefill, [&](Napi::Env e) -> std::vector<napi_value> {
        const auto js = [&](int64_t n) { return Napi::Number::New(e, static_cast<double>(n)); };
        return {js(p.done), js(p.total), js(p.cached)};
      });
    }
    if (tokens.empty()) return;
    data.call_back(env, number, &Call::on_tokens, [&](Napi::Env e) -> std::vector<napi_value> {
      Napi::Array records = Napi::Array::New(e, tokens.size());
      for (size_t i = 0; i < tokens.size(); ++i) records.Set(static_cast<uint32_t>(i), to_js(e, tokens[i]));
      return {records};
    });
  });
}

/** Adds to the feed and sees to its delivery. Engine thread; never waits for JS. */
template <class Add>
void feed_with(const std::shared_ptr<JsQueue>& queue, const std::shared_ptr<Feed>& feed, uint64_t number, Add&& add) {
  const std::lock_guard lock(feed->mutex);
  add(*feed);
  if (feed->posted) return;
  deliver(queue, feed, number);
  feed->posted = true;
}

/** Where the engine waits until JS has taken a slice of logits. */
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;

  void release() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  /** False: it was cancelled first. */
  bool wait(const JobCancel& cancel) {
    std::unique_lock lock(mutex);
    while (!open) {
      if (cancel.asked()) return false;
      changed.wait_for(lock, std::chrono::milliseconds(20));
    }
    return true;
  }
};

/** Opens the gate now, or when the promise that onRows returned is settled; a rejection fails the call. */
void open_when_taken(Napi::Env env, const std::shared_ptr<Gate>& gate, uint64_t number, const Napi::Value& result) {
  if (!result.IsPromise()) return gate->release();
  const auto taken = Napi::Function::New(env, [gate](const Napi::CallbackInfo&) { gate->release(); });
  const auto failed = Napi::Function::New(env, [gate, number](const Napi::CallbackInfo& info) {
    if (Call* call = AddonData::of(info.Env()).find(number); call != nullptr) {
      call->failure = Napi::Error(info.Env(), info[0]);
      call->token->store(true);
    }
    gate->release();
  });
  const Napi::Object promise = result.As<Napi::Object>();
  promise.Get("then").As<Napi::Function>().Call(promise, {taken, failed});
}

}  // namespace

Napi::Function SessionObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeSession",
      {InstanceAccessor<&SessionObject::n_ctx>("nCtx"), InstanceAccessor<&SessionObject::length>("length"),
       InstanceMethod<&SessionObject::generate>("generate"), InstanceMethod<&SessionObject::logits>("logits"),
       InstanceMethod<&SessionObject::score>("score"), InstanceMethod<&SessionObject::truncate>("truncate"),
       InstanceMethod<&SessionObject::close>("close")});
}

Napi::Value SessionObject::make(Napi::Env env, std::shared_ptr<ModelHandle> handle, std::shared_ptr<SessionState> state,
                                int32_t n_ctx) {
  MakeSession make = {std::move(handle), std::move(state), n_ctx};
  return AddonData::of(env).session_class.New({Napi::External<MakeSession>::New(env, &make)});
}

SessionObject::SessionObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SessionObject>(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "A session is made by createSession().");
  const MakeSession& make = *info[0].As<Napi::External<MakeSession>>().Data();
  handle_ = make.handle;
  state_ = make.state;
  n_ctx_ = make.n_ctx;
}

/** Collected unclosed: its memory goes back without anybody waiting. */
void SessionObject::Finalize(Napi::Env) {
  if (!state_) return;  // its constructor threw
  state_->closing.store(true);
  try {
    const auto release = [thread = handle_->thread.get(), state = state_] {
      state->session.reset();
      std::erase(thread->sessions, state);
    };
    handle_->thread->post({release, [] {}});
  } catch (...) {}  // no memory to ask for it: it goes back with the model's
}

Napi::Value SessionObject::n_ctx(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), n_ctx_); }

Napi::Value SessionObject::length(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), state_->length.load());
}

void SessionObject::expect_idle() const {
  if (state_->closing.load() || handle_->thread->stopping()) throw closed_error();
  if (state_->busy) throw Error(KIGO_SESSION_BUSY, "This session is busy with another request.");
}

Napi::Value SessionObject::run(Napi::Env env, std::unique_ptr<Call> call,
                               std::function<std::function<Napi::Value(Napi::Env)>(uint64_t)> job) {
  AddonData& data = AddonData::of(env);
  call->busy = state_;
  return data.start(env, std::move(call), [&](uint64_t number) {
    const auto work = [state = state_, queue = data.queue, number, job = std::move(job)] {
      try {
        if (!state->session) throw closed_error();
        try {
          auto value = job(number);
          state->length.store(state->session->length());
          post_resolve(queue, number, std::move(value));
        } catch (...) {
          state->length.store(state->session->length());
          throw;
        }
      } catch (...) { post_current_error(queue, number); }
    };
    handle_->thread->post({work, [queue = data.queue, number] { post_closed(queue, number); }});
  });
}

Napi::Value SessionObject::generate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return promised(env, [&]() -> Napi::Value {
    expect_idle();
    const Napi::Object r = object_of(info[0], "request");
    const auto request = std::make_shared<GenerateRequest>();
    request->tokens = tokens_of(r.Get("tokens"), "tokens");
    request->end_tokens = tokens_of(r.Get("endTokens"), "endTokens");
    std::sort(request->end_tokens.begin(), request->end_tokens.end());
    request->exempt_tokens = tokens_of(r.Get("exemptTokens"), "exemptTokens");
    std::sort(request->exempt_tokens.begin(), request->exempt_tokens.end());
    request->max_tokens = get_integer(r, "maxTokens", 0, INT32_MAX);
    request->sampling =
        sampling_of(get_object(r, "sampling"), static_cast<int32_t>(get_integer(r, "topLogprobs", 0, KIGO_MAX_TOP)));

    auto call = std::make_unique<Call>(env);
    call->owner = Napi::Persistent(info.This().As<Napi::Object>());
    call->token = CancelToken::flag_of(env, r.Get("cancel"));
    call->on_prefill = Napi::Persistent(get_function(r, "onPrefill"));
    call->on_tokens = Napi::Persistent(get_function(r, "onTokens"));
    const auto token = call->token;

    return run(env, std::move(call),
               [thread = handle_->thread.get(), state = state_, queue = AddonData::of(env).queue, request,
                token](uint64_t number) {
                 JobCancel cancel = {thread, state.get(), token};
                 const auto feed = std::make_shared<Feed>();
                 request->cancel = cancel.c();
                 request->on_prefill = [&](int64_t done, int64_t total, int64_t cached) {
                   state->length.store(static_cast<int32_t>(done));
                   feed_with(queue, feed, number, [&](Feed& f) { f.prefill.push_back({done, total, cached}); });
                 };
                 request->on_token = [&](const kigo_token_record& record) {
                   state->length.store(state->session->length());
                   feed_with(queue, feed, number, [&](Feed& f) { f.tokens.push_back(record); });
                 };
                 const GenerateResult result = state->session->generate(*request);
                 return [result](Napi::Env e) -> Napi::Value { return to_js(e, result); };
               });
  });
}

Napi::Value SessionObject::logits(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return promised(env, [&]() -> Napi::Value {
    expect_idle();
    const auto tokens = tokens_of(info[0], "tokens");
    const Napi::Object options = object_of(info[1], "options");
    auto call = std::make_unique<Call>(env);
    call->owner = Napi::Persistent(info.This().As<Napi::Object>());
    call->token = CancelToken::flag_of(env, options.Get("cancel"));
    call->on_rows = Napi::Persistent(get_function(options, "onRows"));
    const auto token = call->token;
    const auto n_vocab = handle_->n_vocab;

    return run(env, std::move(call),
               [thread = handle_->thread.get(), state = state_, queue = AddonData::of(env).queue, tokens, token,
                n_vocab](uint64_t number) {
                 JobCancel cancel = {thread, state.get(), token};
                 state->session->logits(tokens, cancel.c(), [&](int32_t first, int32_t n_rows, const float* values) {
                   const auto gate = std::make_shared<Gate>();
                   const auto rows =
                       std::make_shared<std::vector<float>>(values, values + static_cast<size_t>(n_rows) * n_vocab);
                   queue->post([gate, rows, first, number](Napi::Env e) {
                     AddonData& data = AddonData::of(e);
                     data.call_back(
                         e, number, &Call::on_rows,
                         [&](Napi::Env en) -> std::vector<napi_value> {
                           Napi::Float32Array array = Napi::Float32Array::New(en, rows->size());
                           std::memcpy(array.Data(), rows->data(), rows->size() * sizeof(float));
                           return {Napi::Number::New(en, first), array};
                         },
                         [&](const Napi::Value& result) { open_when_taken(e, gate, number, result); });
                   });
                   return gate->wait(cancel);
                 });
                 return [](Napi::Env e) -> Napi::Value { return e.Undefined(); };
               });
  });
}

Napi::Value SessionObject::score(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return promised(env, [&]() -> Napi::Value {
    expect_idle();
    const auto tokens = tokens_of(info[0], "tokens");
    auto call = std::make_unique<Call>(env);
    call->owner = Napi::Persistent(info.This().As<Napi::Object>());
    call->token = CancelToken::flag_of(env, object_of(info[1], "options").Get("cancel"));
    const auto token = call->token;
    return run(env, std::move(call), [thread = handle_->thread.get(), state = state_, tokens, token](uint64_t) {
      JobCancel cancel = {thread, state.get(), token};
      const auto logprobs = std::make_shared<std::vector<double>>(state->session->score(tokens, cancel.c()));
      return [logprobs](Napi::Env e) -> Napi::Value {
        Napi::Float64Array array = Napi::Float64Array::New(e, logprobs->size());
        std::memcpy(array.Data(), logprobs->data(), logprobs->size() * sizeof(double));
        return array;
      };
    });
  });
}

Napi::Value SessionObject::truncate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return promised(env, [&]() -> Napi::Value {
    expect_idle();
    // Int32Value() alone would take NaN and 2^32 for 0 and forget everything.
    const double asked = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
    const int32_t length = asked >= 0 && asked <= INT32_MAX ? static_cast<int32_t>(asked) : -1;
    if (length != asked || length < 0) throw Error(KIGO_INVALID_INPUT, "The length must be a whole number from 0 on.");
    auto call = std::make_unique<Call>(env);
    call->owner = Napi::Persistent(info.This().As<Napi::Object>());
    return run(env, std::move(call), [state = state_, length](uint64_t) {
      state->session->truncate(length);
      return [](Napi::Env e) -> Napi::Value { return e.Undefined(); };
    });
  });
}

Napi::Value SessionObject::close(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return promised(env, [&]() -> Napi::Value {
    AddonData& data = AddonData::of(env);
    auto call = std::make_unique<Call>(env);
    call->owner = Napi::Persistent(info.This().As<Napi::Object>());
    return data.start(env, std::move(call), [&](uint64_t number) {
      state_->closing.store(true);
      const auto done = [queue = data.queue, number] { post_done(queue, number); };
      const auto work = [thread = handle_->thread.get(), state = state_, done] {
        state->session.reset();
        state->length.store(0);
        std::erase(thread->sessions, state);
        done();
      };
      handle_->thread->post({work, done});
    });
  });
}

}  // namespace kigo::binding
