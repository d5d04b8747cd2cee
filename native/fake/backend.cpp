/** The fake backend behind the C ABI: libkigo_fake.so. */
#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/backend_table.h"
#include "fake/fake.h"

namespace kigo::fake {

namespace {

struct FakeBackend {
  static constexpr const char* name = "fake";
  using Model = fake::Model;
  using Session = fake::Session;

  static int32_t device_count() {
    const char* text = std::getenv("KIGO_FAKE");
    const Settings settings = read_settings(text == nullptr ? "" : text);
    for (int32_t i = 0; i < kMaxDevices; ++i) device(i).configure(settings);
    if (settings.no_driver) throw Error(KIGO_DEVICE_UNAVAILABLE, "There is no driver for the fake device.");
    if (settings.old_driver) {
      throw Error(KIGO_DEVICE_UNAVAILABLE, "The driver of the fake device is too old: it is 1, 2 is needed.");
    }
    return settings.devices;
  }

  static kigo_device_info device_info(int32_t index) {
    expect_device(index, KIGO_INVALID_INPUT);
    const Device& d = device(index);
    d.expect_alive();
    const Settings settings = d.settings();
    std::string name = settings.name.of(index);
    if (name.empty()) name = index == 0 ? "Fake device" : "Fake device " + std::to_string(index + 1);
    kigo_device_info info = {};
    std::snprintf(info.id, sizeof info.id, "%s", d.id().c_str());
    std::snprintf(info.name, sizeof info.name, "%s", name.c_str());
    std::snprintf(info.detail, sizeof info.detail, "for tests");
    info.total_bytes = settings.total.of(index);
    info.free_bytes = d.free_bytes();
    info.driver_bytes = settings.driver.of(index);
    info.bytes_per_second = static_cast<double>(settings.bandwidth.of(index));
    return info;
  }

  static kigo_memory plan(const kigo_model_desc* desc, const kigo_model_options* options,
                          const kigo_session_options* session) {
    if (options->device >= 0 && options->device < kMaxDevices) device(options->device).expect_able();
    const Sizes sizes = sizes_of(read_description(desc, options), session);
    return {sizes.weights, sizes.kv, sizes.workspace};
  }
};

}  // namespace

}  // namespace kigo::fake

extern "C" __attribute__((visibility("default"))) const kigo_backend_api* kigo_backend() {
  return kigo::BackendTable<kigo::fake::FakeBackend>::get();
}
