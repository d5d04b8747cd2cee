#include "binding/backends.h"

#include <dlfcn.h>

#include <algorithm>
#include <mutex>

#include "core/error.h"
#include "core/generate.h"
#include "cpu/backend.h"

namespace kigo::binding {

namespace {

/** Never destroyed: a model thread that outlives its environment may still call into a backend. */
struct Registry {
  std::mutex mutex;
  std::vector<const kigo_backend_api*> loaded;
};

Registry& registry() {
  static Registry* const r = new Registry;
  return *r;
}

}  // namespace

void load_backend(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    throw Error(KIGO_DEVICE_UNAVAILABLE,
                "The backend library cannot be loaded: " + std::string(why == nullptr ? path.c_str() : why),
                {{"path", path}});
  }
  const auto entry = reinterpret_cast<kigo_backend_fn>(dlsym(library, KIGO_BACKEND_SYMBOL));
  const kigo_backend_api* api = entry == nullptr ? nullptr : entry();
  expect_abi(api, path.c_str());
  int32_t count = 0;
  check(*api, api->device_count(&count));

  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  if (std::find(r.loaded.begin(), r.loaded.end(), api) == r.loaded.end()) r.loaded.push_back(api);
}

std::vector<Device> list_devices() {
  std::vector<const kigo_backend_api*> backends;
  {
    Registry& r = registry();
    const std::lock_guard lock(r.mutex);
    backends = r.loaded;
  }
  backends.push_back(cpu::backend());

  std::vector<Device> devices;
  for (const kigo_backend_api* api : backends) {
    int32_t count = 0;
    if (api->device_count(&count) != KIGO_OK) continue;  // it ran when it was loaded; its device is gone since
    for (int32_t i = 0; i < count; ++i) {
      Device device = {api, i, {}};
      check(*api, api->device_info(i, &device.info));
      devices.push_back(device);
    }
  }
  return devices;
}

Device find_device(const std::string& id) {
  std::string known;
  for (const Device& device : list_devices()) {
    if (id == device.info.id) return device;
    known += (known.empty() ? "" : ", ") + std::string(device.info.id);
  }
  throw Error(KIGO_DEVICE_UNAVAILABLE, "There is no device \"" + id + "\" here. Available: " + known + ".",
              {{"device", id}});
}

}  // namespace kigo::binding
