#include "cuda/nvml.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include "cuda/status.h"

namespace kigo::cuda {

namespace {

// NVML's C interface as far as it is used here: building needs no header of it, and it is no part of the toolkit of
// PyPI. These functions have been the same since driver 470.
using Handle = void*;
struct Memory {
  unsigned long long total, free, used;
};
constexpr int kSuccess = 0;
constexpr unsigned kMigOn = 1;

struct Library {
  int (*init)() = nullptr;
  int (*by_pci_bus_id)(const char*, Handle*) = nullptr;
  int (*memory)(Handle, Memory*) = nullptr;
  int (*mig_mode)(Handle, unsigned* now, unsigned* after_reset) = nullptr;
  bool usable = false;
};

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

/** Once a process, and never closed: starting it takes longer than a question. */
const Library& library() {
  static const Library loaded = [] {
    Library l;
    void* const library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    l.usable = library != nullptr && find(library, "nvmlInit_v2", l.init) &&
               find(library, "nvmlDeviceGetHandleByPciBusId_v2", l.by_pci_bus_id) &&
               find(library, "nvmlDeviceGetMemoryInfo", l.memory) &&
               find(library, "nvmlDeviceGetMigMode", l.mig_mode) && l.init() == kSuccess;
    return l;
  }();
  return loaded;
}

}  // namespace

std::optional<uint64_t> free_bytes_by_nvml(int cuda_number) {
  // By its place on the bus: CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER give other numbers than NVML's.
  char bus_id[32];
  check(cudaDeviceGetPCIBusId(bus_id, sizeof bus_id, cuda_number), "asking for the GPU's place on the bus");
  const Library& nvml = library();
  Handle gpu = nullptr;
  if (!nvml.usable || nvml.by_pci_bus_id(bus_id, &gpu) != kSuccess) return std::nullopt;
  unsigned mig = 0, after_reset = 0;
  // Most GPUs do not know MIG and refuse the question.
  if (nvml.mig_mode(gpu, &mig, &after_reset) == kSuccess && mig == kMigOn) return std::nullopt;
  Memory memory = {};
  if (nvml.memory(gpu, &memory) != kSuccess) return std::nullopt;
  return memory.free;
}

}  // namespace kigo::cuda
