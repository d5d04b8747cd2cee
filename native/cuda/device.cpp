#include "cuda/device.h"

#include <atomic>
#include <cstdio>
#include <fstream>
#include <vector>

#include "cuda/gemm.h"
#include "cuda/nvml.h"
#include "cuda/status.h"

namespace kigo::cuda {

namespace {

// What cuda.cmake compiled for, as compute capability times ten.
constexpr int kMachineCode[] = {KIGO_MACHINE_CODE};
constexpr int kPtx[] = {KIGO_PTX 1000};  // the last one stands for none
constexpr int kOldest = 75;

// What the driver takes of a GPU for a process. Its context grows with the multiprocessors: 523 MiB for the 132 of an
// H200. The rest comes bit by bit, when kernels are first called and graphs are made: 79 MiB were measured there after
// a short reply, 136 after 6,000 tokens (13 without cuBLAS), and how much of it is there already nobody tells.
constexpr uint64_t kContextBytesPerSm = 4 << 20;
constexpr uint64_t kRunningBytes = 144 << 20;

/** Bit n: this process has a context on CUDA's device n. */
std::atomic<uint64_t> with_context{0};

/** Machine code runs on its own generation, on the same or a newer member of it; PTX on everything newer. */
bool has_code_for(int compute) {
  for (const int code : kMachineCode) {
    if (code / 10 == compute / 10 && code <= compute) return true;
  }
  for (const int code : kPtx) {
    if (code <= compute) return true;
  }
  return false;
}

/** "7.5" for 75. */
std::string version(int compute) { return std::to_string(compute / 10) + "." + std::to_string(compute % 10); }

int attribute(cudaDeviceAttr what, int index) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, what, index), "asking for a property of the GPU");
  return value;
}

int compute_of(int index) {
  return 10 * attribute(cudaDevAttrComputeCapabilityMajor, index) + attribute(cudaDevAttrComputeCapabilityMinor, index);
}

/** Makes no context on the GPU, nor does an attribute. */
cudaDeviceProp properties_of(int index) {
  cudaDeviceProp properties = {};
  check(cudaGetDeviceProperties(&properties, index), "asking for the GPU's properties");
  return properties;
}

std::string name_of(int index) { return properties_of(index).name; }

std::string why_unusable(int index) {
  const int compute = compute_of(index);
  const std::string gpu = name_of(index) + " (compute capability " + version(compute) + ")";
  if (compute < kOldest) {
    return "The GPU " + gpu + " is too old: Kigo needs compute capability " + version(kOldest) + " or newer.";
  }
  std::string built_for;
  for (const int code : kMachineCode) built_for += (built_for.empty() ? "" : ", ") + version(code);
  return "This build of Kigo has no machine code for the GPU " + gpu + ": it was made for " + built_for +
         ". Start Kigo from its sources on this computer, which compiles for the GPU that is there.";
}

/** CUDA's numbers of the GPUs that this library has code for. */
std::vector<int> usable_devices() {
  int n = 0;
  check(cudaGetDeviceCount(&n), "counting the GPUs");
  std::vector<int> usable;
  std::string problem = "The NVIDIA driver finds no GPU.";
  for (int i = 0; i < n; ++i) {
    const int compute = compute_of(i);
    if (compute >= kOldest && has_code_for(compute)) {
      usable.push_back(i);
    } else {
      problem = why_unusable(i);
    }
  }
  if (usable.empty()) throw Error(KIGO_DEVICE_UNAVAILABLE, problem);
  return usable;
}

/** Throws `otherwise` where there is no such index. */
int cuda_number(int32_t index, kigo_status otherwise) {
  const std::vector<int> usable = usable_devices();
  if (index < 0 || index >= static_cast<int32_t>(usable.size())) {
    throw Error(otherwise, "There is no GPU number " + std::to_string(index) + "; there are " +
                               std::to_string(usable.size()) + ", counted from 0.");
  }
  return usable[static_cast<size_t>(index)];
}

/** "driver 580.65.06", or by CUDA's number where the kernel module does not tell. */
std::string driver() {
  std::string release;
  if (std::ifstream("/sys/module/nvidia/version") >> release) return "driver " + release;
  int number = 0;
  check(cudaDriverGetVersion(&number), "asking for the driver's version");
  return "driver for CUDA " + std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

bool has_context(const DeviceTraits& device) { return (with_context & (uint64_t{1} << device.index)) != 0; }

/**
 * A context costs a tenth of a second and the memory above, so a GPU that is only looked at gets none: NVML tells what
 * is free. Where this process has one, and where there is no NVML, the CUDA runtime is asked: only through its context
 * does a lost GPU say that it is lost.
 */
uint64_t free_bytes_of(const DeviceTraits& device) {
  if (!has_context(device)) {
    if (const std::optional<uint64_t> free = free_bytes_by_nvml(device.index)) return *free;
  }
  make_current(device);
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for the GPU's free memory");
  return free;
}

}  // namespace

std::string driver_problem() {
  int installed = 0;
  forget(cudaDriverGetVersion(&installed));
  const std::string needed = CUDART_VERSION >= 13000 ? "580" : "525";
  if (installed == 0) {
    return "There is no NVIDIA driver on this computer. Where it has an NVIDIA GPU, install driver " + needed +
           " or newer.";
  }
  return "The NVIDIA driver is too old: it knows CUDA " + std::to_string(installed / 1000) + "." +
         std::to_string(installed % 1000 / 10) + ". Update it to " + needed + " or newer.";
}

int32_t device_count() { return static_cast<int32_t>(usable_devices().size()); }

kigo_device_info device_info(int32_t index) {
  const int number = cuda_number(index, KIGO_INVALID_INPUT);
  const DeviceTraits traits = device_traits(index);
  const cudaDeviceProp properties = properties_of(number);
  kigo_device_info info = {};
  std::snprintf(info.id, sizeof info.id, "cuda:%d", index);
  std::snprintf(info.name, sizeof info.name, "%.127s", properties.name);
  std::snprintf(info.detail, sizeof info.detail, "compute capability %s, %s, %s", version(traits.compute).c_str(),
                driver().c_str(), Gemm::description().c_str());
  info.total_bytes = properties.totalGlobalMem;
  info.free_bytes = free_bytes_of(traits);
  info.driver_bytes = driver_bytes(traits);  // behind the question that may make a context
  // Two transfers a clock of the memory, over the whole width of its bus.
  int kilohertz = 0, bits = 0;
  check(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrMemoryClockRate, number), "asking for the memory's clock");
  check(cudaDeviceGetAttribute(&bits, cudaDevAttrGlobalMemoryBusWidth, number), "asking for the memory's width");
  info.bytes_per_second = 2e3 * kilohertz * bits / 8;
  return info;
}

DeviceTraits device_traits(int32_t index) {
  const int number = cuda_number(index, KIGO_DEVICE_UNAVAILABLE);
  return {.index = number,
          .compute = compute_of(number),
          .n_sm = attribute(cudaDevAttrMultiProcessorCount, number),
          .l2_bytes = static_cast<size_t>(attribute(cudaDevAttrL2CacheSize, number)),
          .shared_per_block = static_cast<size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, number))};
}

uint64_t driver_bytes(const DeviceTraits& device) {
  return kRunningBytes + (has_context(device) ? 0 : kContextBytesPerSm * static_cast<uint64_t>(device.n_sm));
}

void make_current(const DeviceTraits& device) {
  check(cudaSetDevice(device.index), "choosing the GPU");
  with_context |= uint64_t{1} << device.index;
}

}  // namespace kigo::cuda
