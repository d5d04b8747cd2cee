#include "fake/settings.h"

#include <charconv>
#include <sstream>

#include "core/error.h"

namespace kigo::fake {

namespace {

int64_t number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    throw Error(KIGO_INVALID_INPUT, "KIGO_FAKE: \"" + text + "\" is no number.");
  }
  return value;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream items(text);
  for (std::string part; std::getline(items, part, '.');) parts.push_back(part);
  return parts;
}

template <class T>
std::vector<T> numbers(const std::string& text) {
  std::vector<T> values;
  for (const std::string& part : split(text)) values.push_back(static_cast<T>(number(part)));
  return values;
}

/** "" is no list: a device without a value is a typing error too. */
template <class T>
PerDevice<T> list(const std::string& text) {
  number(split(text).empty() ? "" : split(text).front());
  return {numbers<T>(text)};
}

}  // namespace

Settings read_settings(const std::string& text) {
  Settings s;
  std::istringstream items(text);
  for (std::string item; std::getline(items, item, ',');) {
    const size_t equals = item.find('=');
    const std::string key = item.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : item.substr(equals + 1);
    if (key == "no_driver")
      s.no_driver = true;
    else if (key == "old_driver")
      s.old_driver = true;
    else if (key == "compute")
      s.compute = true;
    else if (key == "devices")
      s.devices = static_cast<int32_t>(number(value));
    else if (key == "name")
      s.name.values = split(value);
    else if (key == "total")
      s.total = list<uint64_t>(value);
    else if (key == "oom_at")
      s.oom_at = list<uint64_t>(value);
    else if (key == "driver")
      s.driver = list<uint64_t>(value);
    else if (key == "bandwidth")
      s.bandwidth = list<int64_t>(value);
    else if (key == "refuses")
      s.refuses = list<int>(value);
    else if (key == "load_ms")
      s.load_ms = number(value);
    else if (key == "prompt_ms")
      s.prompt_ms = number(value);
    else if (key == "token_ms")
      s.token_ms = number(value);
    else if (key == "lost_at")
      s.lost_at = list<int64_t>(value);
    else if (key == "nan_at")
      s.nan_at = number(value);
    else if (key == "changed_at")
      s.changed_at = number(value);
    else if (key == "tokens")
      s.tokens = numbers<int32_t>(value);
    else
      throw Error(KIGO_INVALID_INPUT, "KIGO_FAKE: there is no setting \"" + key + "\".");
  }
  if (s.devices < 1 || s.devices > kMaxDevices) {
    throw Error(KIGO_INVALID_INPUT, "KIGO_FAKE: 1 to " + std::to_string(kMaxDevices) + " devices.");
  }
  if (s.name.values.empty()) s.name.values = {""};
  return s;
}

}  // namespace kigo::fake
