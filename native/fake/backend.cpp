/** The fake backend behind the C ABI: libkigo_fake.so. */
#include <cstdio>
#include <cstdlib>

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
    device().configure(read_settings(text == nullptr ? "" : text));
    if (device().settings().no_driver) {
      throw Error(KIGO_DEVICE_UNAVAILABLE, "There is no driver for the fake device.", {{"device", "fake:0"}});
    }
    return 1;
  }

  static kigo_device_info device_info(int32_t index) {
    if (index != 0) throw Error(KIGO_INVALID_INPUT, "There is one fake device, number 0.");
    kigo_device_info info = {};
    std::snprintf(info.id, sizeof info.id, "fake:0");
    std::snprintf(info.name, sizeof info.name, "Fake device");
    std::snprintf(info.detail, sizeof info.detail, "for tests");
    info.total_bytes = device().settings().total;
    info.free_bytes = device().free_bytes();
    return info;
  }

  static kigo_memory plan(const kigo_model_desc* desc, const kigo_model_options* options,
                          const kigo_session_options* session) {
    const Sizes sizes = sizes_of(read_description(desc, options), session);
    return {sizes.weights, sizes.kv, sizes.workspace};
  }
};

}  // namespace

}  // namespace kigo::fake

extern "C" __attribute__((visibility("default"))) const kigo_backend_api* kigo_backend() {
  return kigo::BackendTable<kigo::fake::FakeBackend>::get();
}
