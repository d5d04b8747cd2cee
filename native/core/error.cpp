#include "core/error.h"

#include <cstdio>
#include <new>
#include <system_error>

namespace kigo {

namespace {

/** The last error with its C view. Strings are filled by hand-over; an allocation that fails here leaves a
 *  fixed text, for an error path must not raise. */
struct LastError {
  kigo_status status = KIGO_OK;
  std::string message;
  std::vector<Detail> details;
  std::vector<kigo_detail> view;
  kigo_error c = {KIGO_OK, "", nullptr, 0};
};

LastError& slot() noexcept {
  thread_local LastError last;
  return last;
}

kigo_status keep(kigo_status status, const char* fixed) noexcept {
  slot().c = {status, fixed, nullptr, 0};
  return status;
}

}  // namespace

const char* status_name(kigo_status status) noexcept {
  switch (status) {
    case KIGO_OK: return "OK";
    case KIGO_MODEL_NOT_FOUND: return "MODEL_NOT_FOUND";
    case KIGO_MODEL_UNREADABLE: return "MODEL_UNREADABLE";
    case KIGO_MODEL_NOT_GGUF: return "MODEL_NOT_GGUF";
    case KIGO_MODEL_TRUNCATED: return "MODEL_TRUNCATED";
    case KIGO_MODEL_INVALID: return "MODEL_INVALID";
    case KIGO_MODEL_FILE_CHANGED: return "MODEL_FILE_CHANGED";
    case KIGO_UNSUPPORTED_ARCHITECTURE: return "UNSUPPORTED_ARCHITECTURE";
    case KIGO_UNSUPPORTED_QUANTIZATION: return "UNSUPPORTED_QUANTIZATION";
    case KIGO_UNSUPPORTED_TOKENIZER: return "UNSUPPORTED_TOKENIZER";
    case KIGO_OUT_OF_MEMORY: return "OUT_OF_MEMORY";
    case KIGO_DEVICE_UNAVAILABLE: return "DEVICE_UNAVAILABLE";
    case KIGO_DEVICE_LOST: return "DEVICE_LOST";
    case KIGO_NO_MODEL: return "NO_MODEL";
    case KIGO_MODEL_BUSY: return "MODEL_BUSY";
    case KIGO_MODEL_CLOSED: return "MODEL_CLOSED";
    case KIGO_SESSION_BUSY: return "SESSION_BUSY";
    case KIGO_PROMPT_TOO_LONG: return "PROMPT_TOO_LONG";
    case KIGO_NUMERIC_ERROR: return "NUMERIC_ERROR";
    case KIGO_TEMPLATE_ERROR: return "TEMPLATE_ERROR";
    case KIGO_CANCELLED: return "CANCELLED";
    case KIGO_INVALID_INPUT: return "INVALID_INPUT";
    case KIGO_FORBIDDEN: return "FORBIDDEN";
    case KIGO_STREAM_NOT_FOUND: return "STREAM_NOT_FOUND";
    case KIGO_DOWNLOAD_FAILED: return "DOWNLOAD_FAILED";
    case KIGO_HAIKU_FAILED: return "HAIKU_FAILED";
    case KIGO_STORE_DAMAGED: return "STORE_DAMAGED";
    case KIGO_STORE_NEWER: return "STORE_NEWER";
    case KIGO_STORE_UNWRITABLE: return "STORE_UNWRITABLE";
    case KIGO_INTERNAL: return "INTERNAL";
  }
  return "INTERNAL";
}

kigo_status keep_last_error(const Error& error) noexcept {
  LastError& last = slot();
  try {
    last.message = error.message();
    last.details = error.details();
    last.view.clear();
    for (const Detail& d : last.details) {
      last.view.push_back({d.key.c_str(), d.is_text ? d.text.c_str() : nullptr, d.number});
    }
    last.c = {error.status(), last.message.c_str(), last.view.data(), static_cast<int32_t>(last.view.size())};
    return error.status();
  } catch (...) { return keep(error.status(), "The error could not be described: no memory is left."); }
}

Error current_error() {
  try {
    throw;
  } catch (const Error& error) { return error; } catch (const std::bad_alloc&) {
    return Error(KIGO_OUT_OF_MEMORY, "The system gave no more memory.");
  } catch (const std::system_error& refused) {
    if (refused.code() != std::errc::resource_unavailable_try_again) return Error(KIGO_INTERNAL, refused.what());
    return Error(
        KIGO_OUT_OF_MEMORY,
        "The system lets Kigo start no more threads: a limit of processes (ulimit -u) or of memory is reached.");
  } catch (const std::exception& stranger) { return Error(KIGO_INTERNAL, stranger.what()); } catch (...) {
    return Error(KIGO_INTERNAL, "An unexpected error of unknown type.");
  }
}

kigo_status keep_current_exception() noexcept {
  try {
    return keep_last_error(current_error());
  } catch (...) { return keep(KIGO_OUT_OF_MEMORY, "The error could not be described: no memory is left."); }
}

const kigo_error* last_error() noexcept { return &slot().c; }

Error to_exception(const kigo_error& error) {
  std::vector<Detail> details;
  for (int32_t i = 0; i < error.n_details; ++i) {
    const kigo_detail& d = error.details[i];
    if (d.text != nullptr) {
      details.emplace_back(d.key, d.text);
    } else {
      details.emplace_back(d.key, d.number);
    }
  }
  return Error(error.status, error.message, std::move(details));
}

std::string format_bytes(double bytes) {
  char text[48];
  if (bytes >= 0x1p30) {
    std::snprintf(text, sizeof text, "%.2f GiB", bytes / 0x1p30);
  } else if (bytes >= 0x1p20) {
    std::snprintf(text, sizeof text, "%.0f MiB", bytes / 0x1p20);
  } else if (bytes >= 0x1p10) {
    std::snprintf(text, sizeof text, "%.0f KiB", bytes / 0x1p10);
  } else {
    std::snprintf(text, sizeof text, "%.0f byte%s", bytes, bytes == 1 ? "" : "s");
  }
  return text;
}

}  // namespace kigo
