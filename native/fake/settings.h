/**
 * What the fake backend is and what it does wrong, by the environment variable KIGO_FAKE: `key` or `key=value`,
 * separated by commas. It is read whenever the devices are counted, that is at each opening, plan and listing: the
 * thread that may change the environment is the one that reads it.
 *
 * Values written LIST are one a device, separated by dots; the last one is that of all further devices.
 */
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kigo::fake {

/** One a device; the last one counts for those behind it. */
template <class T>
struct PerDevice {
  std::vector<T> values;
  const T& of(int32_t device) const {
    const auto i = static_cast<size_t>(device);
    return i < values.size() ? values[i] : values.back();
  }
};

inline constexpr int32_t kMaxDevices = 4;

struct Settings {
  bool no_driver = false;                       // no_driver: there is no device, in words
  bool old_driver = false;                      // old_driver: nor here, in other words
  bool compute = false;                         // compute: the CPU twin's numbers, not hashes
  int32_t devices = 1;                          // devices=N, 1 to kMaxDevices
  PerDevice<std::string> name = {{""}};         // name=LIST; else "Fake device", with its number from the second on
  PerDevice<uint64_t> total = {{8ull << 30}};   // total=LIST: bytes
  PerDevice<uint64_t> oom_at = {{UINT64_MAX}};  // oom_at=LIST: allocations fail beyond, though they should fit
  PerDevice<uint64_t> driver = {{0}};           // driver=LIST: bytes that it takes itself with its first prompt
  PerDevice<int64_t> bandwidth = {{0}};         // bandwidth=LIST: bytes a second, as the device says; 0: not known
  PerDevice<int> refuses = {{0}};               // refuses=LIST: 1: its kernels take no model, as a plan says
  int64_t load_ms = 0;                          // load_ms=N: loading takes so long
  int64_t prompt_ms = 0;                        // prompt_ms=N for each token of a batch
  int64_t token_ms = 0;                         // token_ms=N for each token of a reply
  PerDevice<int64_t> lost_at = {{INT64_MAX}};   // lost_at=LIST: positions; the device is lost from there on
  int64_t nan_at = INT64_MAX;                   // nan_at=POSITION: logits that are not finite
  int64_t changed_at = INT64_MAX;               // changed_at=POSITION: the model's file has changed
  std::vector<int32_t> tokens;                  // tokens=1.2.3: what a reply begins with
};

/** Throws INVALID_INPUT for a key that does not exist, so that no test passes by a typing error. */
Settings read_settings(const std::string& text);

}  // namespace kigo::fake
