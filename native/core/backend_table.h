/**
 * The C table of a backend, from its C++ classes: every entry checks its pointers, calls, and turns exceptions
 * into a status, in one place for all backends.
 *
 * A backend type B has: name; Model with Model(desc, options, load) and tally(); Session with
 * Session(Model&, options), length, truncate, forward, begin_sampling, sample, decode_next, end_decode as in
 * kigo_backend_api; and static device_count(), device_info(index, info), plan(desc, options, session). All throw
 * kigo::Error.
 */
#pragma once

#include <memory>

#include "core/error.h"
#include "kigo/abi.h"

namespace kigo {

template <class B>
struct BackendTable {
  using Model = typename B::Model;
  using Session = typename B::Session;

  static const kigo_backend_api* get() {
    static constexpr kigo_backend_api api = {
        .abi_version = KIGO_ABI_VERSION,
        .struct_size = sizeof(kigo_backend_api),
        .name = B::name,
        .last_error = last_error,
        .device_count = device_count,
        .device_info = device_info,
        .plan = plan,
        .model_open = model_open,
        .model_close = model_close,
        .model_tally = model_tally,
        .session_open = session_open,
        .session_close = session_close,
        .session_length = session_length,
        .session_truncate = session_truncate,
        .forward = forward,
        .sampling_begin = sampling_begin,
        .sample = sample,
        .decode_next = decode_next,
        .decode_end = decode_end,
    };
    return &api;
  }

 private:
  // The opaque handles of the ABI are these objects.
  static Model& object(kigo_model* handle) { return *reinterpret_cast<Model*>(handle); }
  static Session& object(kigo_session* handle) { return *reinterpret_cast<Session*>(handle); }

  /** Runs `body` where none of the pointers is NULL. */
  template <class Body, class... Pointers>
  static kigo_status enter(Body&& body, const Pointers*... pointers) noexcept {
    return guarded([&] {
      if (((pointers == nullptr) || ...)) throw Error(KIGO_INVALID_INPUT, "A pointer is missing.");
      body();
    });
  }

  static kigo_status device_count(int32_t* count) {
    return enter([&] { *count = B::device_count(); }, count);
  }
  static kigo_status device_info(int32_t index, kigo_device_info* info) {
    return enter([&] { *info = B::device_info(index); }, info);
  }
  static kigo_status plan(const kigo_model_desc* desc, const kigo_model_options* options,
                          const kigo_session_options* session, kigo_memory* plan) {
    return enter([&] { *plan = B::plan(desc, options, session); }, desc, options, session, plan);
  }
  static kigo_status model_open(const kigo_model_desc* desc, const kigo_model_options* options, const kigo_load* load,
                                kigo_model** model) {
    return enter(
        [&] {
          const kigo_load quiet = {};
          auto opened = std::make_unique<Model>(desc, options, load == nullptr ? &quiet : load);
          *model = reinterpret_cast<kigo_model*>(opened.release());
        },
        desc, options, model);
  }
  static void model_close(kigo_model* model) { delete reinterpret_cast<Model*>(model); }
  static kigo_status model_tally(kigo_model* model, kigo_memory* tally) {
    return enter([&] { *tally = object(model).tally().read(); }, model, tally);
  }
  static kigo_status session_open(kigo_model* model, const kigo_session_options* options, kigo_session** session) {
    return enter(
        [&] {
          auto opened = std::make_unique<Session>(object(model), options);
          *session = reinterpret_cast<kigo_session*>(opened.release());
        },
        model, options, session);
  }
  static void session_close(kigo_session* session) { delete reinterpret_cast<Session*>(session); }
  static kigo_status session_length(kigo_session* session, int32_t* length) {
    return enter([&] { *length = object(session).length(); }, session, length);
  }
  static kigo_status session_truncate(kigo_session* session, int32_t length) {
    return enter([&] { object(session).truncate(length); }, session);
  }
  static kigo_status forward(kigo_session* session, const kigo_forward* request) {
    return enter([&] { object(session).forward(*request); }, session, request);
  }
  static kigo_status sampling_begin(kigo_session* session, const kigo_sampling* sampling) {
    return enter([&] { object(session).begin_sampling(*sampling); }, session, sampling);
  }
  static kigo_status sample(kigo_session* session, kigo_token_record* record) {
    return enter([&] { object(session).sample(*record); }, session, record);
  }
  static kigo_status decode_next(kigo_session* session, const kigo_cancel* cancel, kigo_token_record* record) {
    return enter(
        [&] {
          const kigo_cancel never = {};
          object(session).decode_next(cancel == nullptr ? never : *cancel, *record);
        },
        session, record);
  }
  static kigo_status decode_end(kigo_session* session) {
    return enter([&] { object(session).end_decode(); }, session);
  }
};

}  // namespace kigo
