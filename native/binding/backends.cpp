#include "binding/backends.h"

#include <dlfcn.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>

#include "binding/convert.h"
#include "cpu/backend.h"

namespace kigo::binding {

namespace {

struct Loaded {
  const kigo_backend_api* api;
  std::vector<kigo_device_info> devices;  // as they were then
};

/** Never destroyed: a model thread that outlives its environment may still call into a backend. */
struct Registry {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Loaded> loaded;
  int loading = 0;
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
  if (count == 0) {
    throw Error(KIGO_DEVICE_UNAVAILABLE,
                "There is no device here that the backend " + std::string(api->name) + " runs on.", {{"path", path}});
  }
  Loaded backend = {api, std::vector<kigo_device_info>(static_cast<size_t>(count))};
  for (int32_t i = 0; i < count; ++i) check(*api, api->device_info(i, &backend.devices[static_cast<size_t>(i)]));

  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  const auto known = std::find_if(r.loaded.begin(), r.loaded.end(),
                                  [&](const Loaded& l) { return std::string_view(l.api->name) == api->name; });
  if (known == r.loaded.end()) {
    r.loaded.push_back(std::move(backend));
  } else {
    *known = std::move(backend);
  }
}

void load_backend_later(std::string path, std::function<void()> done, std::function<void()> failed) {
  Registry& r = registry();
  const auto count = [&r](int change) {
    const std::lock_guard lock(r.mutex);
    r.loading += change;
    r.changed.notify_all();
  };
  count(1);
  try {
    std::thread([count, path = std::move(path), done = std::move(done), failed = std::move(failed)] {
      try {
        load_backend(path);
        done();
      } catch (...) { failed(); }
      count(-1);
    }).detach();
  } catch (...) {
    count(-1);
    throw;
  }
}

bool wait_loaded(std::chrono::steady_clock::time_point deadline) {
  Registry& r = registry();
  std::unique_lock lock(r.mutex);
  return r.changed.wait_until(lock, deadline, [&] { return r.loading == 0; });
}

std::vector<Device> list_devices() {
  std::vector<Loaded> backends;
  {
    Registry& r = registry();
    const std::lock_guard lock(r.mutex);
    backends = r.loaded;
  }
  backends.push_back({cpu::backend(), {{}}});

  std::vector<Device> devices;
  for (const auto& [api, known] : backends) {
    int32_t count = 0;
    const kigo_status counted = api->device_count(&count);
    for (int32_t i = 0; i < std::max(count, static_cast<int32_t>(known.size())); ++i) {
      Device& device = devices.emplace_back(Device{api, i, {}, {}});
      if (counted == KIGO_OK && api->device_info(i, &device.info) == KIGO_OK) continue;
      device.problem = to_exception(*api->last_error());
      if (i < static_cast<int32_t>(known.size())) device.info = known[static_cast<size_t>(i)];
      device.info.free_bytes = 0;
    }
  }
  return devices;
}

std::vector<Placement> placements_of(const Napi::Value& list, const std::vector<Device>& devices) {
  if (!list.IsArray()) throw Error(KIGO_INVALID_INPUT, "placements must be an array.");
  const Napi::Array array = list.As<Napi::Array>();
  std::vector<Placement> placements;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Object item = object_of(array.Get(i), "a placement");
    const std::string id = get_string(item, "device");
    const auto device = std::find_if(devices.begin(), devices.end(), [&](const Device& d) { return id == d.info.id; });
    if (device == devices.end()) {
      std::string known;
      for (const Device& d : devices) known += (known.empty() ? "" : ", ") + std::string(d.info.id);
      throw Error(KIGO_DEVICE_UNAVAILABLE, "There is no device \"" + id + "\" here. Available: " + known + ".",
                  {{"device", id}});
    }
    if (device->problem) throw *device->problem;
    placements.push_back({.api = device->api,
                          .device = device->index,
                          .id = id,
                          .layer_first = static_cast<int32_t>(get_integer(item, "layerFirst", 0, INT32_MAX)),
                          .layer_last = static_cast<int32_t>(get_integer(item, "layerLast", 0, INT32_MAX))});
  }
  return placements;
}

}  // namespace kigo::binding
