/** The backends of this process: the CPU twin, built in, and libraries loaded at run time. */
#pragma once

#include <string>
#include <vector>

#include "kigo/abi.h"

namespace kigo::binding {

struct Device {
  const kigo_backend_api* api;
  int32_t index;  // among its backend's devices
  kigo_device_info info;
};

/** Loads a library, once. Throws DEVICE_UNAVAILABLE: it cannot be loaded, is of another ABI, or cannot run here. */
void load_backend(const std::string& path);

/** All devices of all backends; the CPU comes last, for it is the one that is always there. */
std::vector<Device> list_devices();

/** By id ("cpu", "cuda:0"). Throws DEVICE_UNAVAILABLE naming those that are there. */
Device find_device(const std::string& id);

}  // namespace kigo::binding
