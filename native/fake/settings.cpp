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
    else if (key == "total")
      s.total = static_cast<uint64_t>(number(value));
    else if (key == "oom_at")
      s.oom_at = static_cast<uint64_t>(number(value));
    else if (key == "load_ms")
      s.load_ms = number(value);
    else if (key == "prompt_ms")
      s.prompt_ms = number(value);
    else if (key == "token_ms")
      s.token_ms = number(value);
    else if (key == "lost_at")
      s.lost_at = number(value);
    else if (key == "nan_at")
      s.nan_at = number(value);
    else if (key == "changed_at")
      s.changed_at = number(value);
    else if (key == "tokens") {
      std::istringstream ids(value);
      for (std::string id; std::getline(ids, id, '.');) s.tokens.push_back(static_cast<int32_t>(number(id)));
    } else {
      throw Error(KIGO_INVALID_INPUT, "KIGO_FAKE: there is no setting \"" + key + "\".");
    }
  }
  return s;
}

}  // namespace kigo::fake
