/** The backends of this process: the CPU twin, built in, and libraries loaded at run time. */
#pragma once

#include <napi.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/chain.h"
#include "kigo/abi.h"

namespace kigo::binding {

struct Device {
  const kigo_backend_api* api;
  int32_t index;                 // among its backend's devices
  kigo_device_info info;         // as it last was, where the device does not answer any more
  std::optional<Error> problem;  // why it cannot be used: it was lost, or its driver went away
};

/**
 * Loads a library, in place of an earlier one of the same name, and asks after its devices, so that they answer quickly
 * afterwards (the first question to a GPU's driver may take a second). Throws DEVICE_UNAVAILABLE: it cannot be loaded,
 * is of another ABI, cannot run here or has no device.
 */
void load_backend(const std::string& path);

/**
 * The same on a thread of its own, which ends with `done`, or with `failed` while the exception is being handled.
 * Throws where the system starts no thread.
 */
void load_backend_later(std::string path, std::function<void()> done, std::function<void()> failed);

/** Until no library is being loaded: a driver that is just starting must not see the process end. False: too late. */
bool wait_loaded(std::chrono::steady_clock::time_point deadline);

/** All devices of all backends; the CPU comes last, for it is the one that is always there. */
std::vector<Device> list_devices();

/**
 * The JS list [{device, layerFirst, layerLast}]. Throws INVALID_INPUT; DEVICE_UNAVAILABLE naming what is there; and a
 * device's own problem.
 */
std::vector<Placement> placements_of(const Napi::Value& list, const std::vector<Device>& devices);

}  // namespace kigo::binding
