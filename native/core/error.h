/** The one exception of the engine, and its way across the C ABI. */
#pragma once

#include <exception>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kigo/abi.h"

namespace kigo {

/** One fact about an error; keys in use are listed at kigo_error. */
struct Detail {
  Detail(std::string_view k, std::string_view t) : key(k), text(t), is_text(true) {}
  Detail(std::string_view k, const char* t) : Detail(k, std::string_view(t)) {}
  Detail(std::string_view k, const std::string& t) : Detail(k, std::string_view(t)) {}
  template <class Number>
  Detail(std::string_view k, Number n) : key(k), number(static_cast<double>(n)) {}

  std::string key;
  std::string text;
  double number = 0;
  bool is_text = false;
};

class Error : public std::exception {
 public:
  Error(kigo_status status, std::string message, std::vector<Detail> details = {})
      : status_(status), message_(std::move(message)), details_(std::move(details)) {}

  kigo_status status() const noexcept { return status_; }
  const char* what() const noexcept override { return message_.c_str(); }
  const std::string& message() const noexcept { return message_; }
  const std::vector<Detail>& details() const noexcept { return details_; }

 private:
  kigo_status status_;
  std::string message_;
  std::vector<Detail> details_;
};

/** "CANCELLED" for KIGO_CANCELLED: the names of contract/errors.ts, and "OK". */
const char* status_name(kigo_status status) noexcept;
/** Number of statuses, KIGO_OK included. */
inline constexpr int kStatusCount = KIGO_INTERNAL + 1;

/** Keeps `error` as the calling thread's last one and returns its status. Never throws. */
kigo_status keep_last_error(const Error& error) noexcept;
/** In a handler: what was thrown, as an Error. bad_alloc is OUT_OF_MEMORY, strangers are INTERNAL. */
Error current_error();
/** current_error(), kept for this thread. */
kigo_status keep_current_exception() noexcept;
/** For kigo_backend_api::last_error. */
const kigo_error* last_error() noexcept;

/** Every entry of a backend: runs `body` and turns whatever it throws into a status. */
template <class Body>
kigo_status guarded(Body&& body) noexcept {
  try {
    body();
    return KIGO_OK;
  } catch (...) { return keep_current_exception(); }
}

/** A kigo_error (of whichever backend) as the exception it came from. */
Error to_exception(const kigo_error& error);

/** "1.25 GiB", "312 MiB": for messages, in the words of main/numbers.ts, beside whose they stand. */
std::string format_bytes(double bytes);

}  // namespace kigo
