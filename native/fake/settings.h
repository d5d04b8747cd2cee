/**
 * What the fake backend does wrong, by the environment variable KIGO_FAKE: `key` or `key=value`, separated by
 * commas. It is read whenever the devices are counted, that is at each opening, plan and listing: the thread that
 * may change the environment is the one that reads it.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kigo::fake {

struct Settings {
  bool no_driver = false;          // no_driver: there is no device, in words
  uint64_t total = 8ull << 30;     // total=BYTES of the device
  uint64_t oom_at = UINT64_MAX;    // oom_at=BYTES: allocations fail beyond, though they should fit
  int64_t load_ms = 0;             // load_ms=N: loading takes so long
  int64_t prompt_ms = 0;           // prompt_ms=N for each token of a batch
  int64_t token_ms = 0;            // token_ms=N for each token of a reply
  int64_t lost_at = INT64_MAX;     // lost_at=POSITION: the device is lost from then on
  int64_t nan_at = INT64_MAX;      // nan_at=POSITION: logits that are not finite
  int64_t changed_at = INT64_MAX;  // changed_at=POSITION: the model's file has changed
  std::vector<int32_t> tokens;     // tokens=1.2.3: what a reply begins with
};

/** Throws INVALID_INPUT for a key that does not exist, so that no test passes by a typing error. */
Settings read_settings(const std::string& text);

}  // namespace kigo::fake
