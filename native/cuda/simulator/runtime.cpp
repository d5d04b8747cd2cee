/**
 * The CUDA runtime's functions, as far as Kigo calls them, for GPUs that there are not.
 *
 * A stream is a queue, and nothing of it runs before somebody has to wait for it: the latest moment that CUDA allows.
 * What forgets to wait for another stream, or changes memory that a copy is still to read, so finds old or new bytes
 * where it hoped for the others. Copies out of pageable memory take the bytes at once, as the driver does, and put the
 * rest in the queue.
 */
#include <cuda_runtime_api.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "cuda/simulator/block.h"
#include "cuda/simulator/checks.h"
#include "cuda/simulator/queue.h"

using kigo::simulator::Fault;
using kigo::simulator::Launch;

namespace {

using Work = std::function<void()>;

struct Queue {
  int device = 0;
  std::deque<Work> work;
  uint64_t n_put = 0, n_done = 0;
  std::vector<Work>* captured = nullptr;  // while a graph is made
};

struct Mark {
  Queue* queue = nullptr;  // NULL: never recorded
  uint64_t n_put = 0;
  std::chrono::steady_clock::time_point reached;
};

struct Device {
  std::set<Queue*> streams;
  Queue default_stream;
  uint64_t used_bytes = 0;
  cudaError_t lost = cudaSuccess;
};

struct Block {
  size_t bytes;
  int device;  // -1: the host's
};

constexpr int kMostDevices = 8;
constexpr int kMultiprocessors = 4;
constexpr size_t kSharedPerBlock = KIGO_SIMULATOR_COMPUTE == 75   ? 64 << 10
                                   : KIGO_SIMULATOR_COMPUTE == 80 ? 163 << 10
                                   : KIGO_SIMULATOR_COMPUTE == 90 ? 227 << 10
                                                                  : 99 << 10;

/** Whoever calls the runtime has it, so that one kernel runs at a time. */
std::recursive_mutex mutex;
Device devices[kMostDevices];
std::vector<std::unique_ptr<Queue>> ended_streams;  // events may still speak of them
std::map<uintptr_t, Block> blocks;                  // by address
std::map<const void*, int> opted_in_shared;
uint64_t n_launched = 0;
thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

uint64_t setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

int n_devices() { return static_cast<int>(setting("KIGO_SIMULATOR_GPUS", 2)); }
uint64_t total_bytes() { return setting("KIGO_SIMULATOR_MEMORY", uint64_t{2} << 30); }

cudaError_t give(cudaError_t status) {
  if (status != cudaSuccess) last_error = status;
  return status;
}

/** Every function begins with it: the lock, and what a GPU says that has failed. */
struct Call {
  std::lock_guard<std::recursive_mutex> lock{mutex};
  Device& device = devices[current_device];
  bool lost() const { return device.lost != cudaSuccess; }
};

Queue& queue_of(cudaStream_t stream) {
  return stream == nullptr ? devices[current_device].default_stream : *reinterpret_cast<Queue*>(stream);
}

void run_until(Queue& queue, uint64_t n) {
  while (queue.n_done < n && devices[queue.device].lost == cudaSuccess) {
    const Work work = std::move(queue.work.front());
    queue.work.pop_front();
    ++queue.n_done;
    work();
  }
}

void run_all(Queue& queue) { run_until(queue, queue.n_put); }

void run_all(Device& device) {
  run_all(device.default_stream);
  for (Queue* queue : device.streams) run_all(*queue);
}

void put(Queue& queue, Work work) {
  if (queue.captured != nullptr) {
    queue.captured->push_back(std::move(work));
    return;
  }
  queue.work.push_back(std::move(work));
  ++queue.n_put;
}

/** The block that an address lies in, or NULL: memory that CUDA knows nothing of. */
const Block* block_of(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  auto found = blocks.upper_bound(at);
  if (found == blocks.begin()) return nullptr;
  --found;
  return at < found->first + found->second.bytes ? &found->second : nullptr;
}

bool on_device(const void* address) {
  const Block* block = block_of(address);
  return block != nullptr && block->device >= 0;
}
bool pageable(const void* address) { return block_of(address) == nullptr; }

cudaError_t take(void** to, size_t bytes, int device) {
  // Aligned as CUDA aligns, and full of what is no number.
  const size_t whole = (bytes + 255) / 256 * 256;
  void* memory = std::aligned_alloc(256, whole == 0 ? 256 : whole);
  if (memory == nullptr) return cudaErrorMemoryAllocation;
  std::memset(memory, 0xff, bytes);
  blocks[reinterpret_cast<uintptr_t>(memory)] = {bytes, device};
  if (device >= 0) kigo::simulator::checks::took(memory, bytes);
  *to = memory;
  return cudaSuccess;
}

void copy_rows(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height) {
  for (size_t row = 0; row < height; ++row) {
    std::memcpy(static_cast<std::byte*>(to) + row * to_pitch, static_cast<const std::byte*>(from) + row * from_pitch,
                width);
    kigo::simulator::checks::filled(static_cast<std::byte*>(to) + row * to_pitch, width);
  }
}

cudaError_t copy(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                 Queue& queue, bool may_return_early) {
  if (devices[queue.device].lost != cudaSuccess) return devices[queue.device].lost;
  if (width == 0 || height == 0) return cudaSuccess;
  if (on_device(to) && pageable(from)) {
    std::vector<std::byte> bytes(width * height);
    copy_rows(bytes.data(), width, from, from_pitch, width, height);
    put(queue, [=, staged = std::move(bytes)] { copy_rows(to, to_pitch, staged.data(), width, width, height); });
    return cudaSuccess;
  }
  put(queue, [=] { copy_rows(to, to_pitch, from, from_pitch, width, height); });
  if (!may_return_early || pageable(to)) run_all(queue);
  return devices[queue.device].lost;
}

cudaError_t error_of(Fault fault) {
  switch (fault) {
    case Fault::none: return cudaSuccess;
    case Fault::trap: return cudaErrorLaunchFailure;
    case Fault::misaligned_address: return cudaErrorMisalignedAddress;
    case Fault::stuck: return cudaErrorLaunchTimeout;
  }
  return cudaErrorUnknown;
}

}  // namespace

void kigo::simulator::enqueue(cudaStream_t stream, Launch launch) {
  const Call call;
  const uint64_t n_threads = uint64_t{launch.block.x} * launch.block.y * launch.block.z;
  const uint64_t n_blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  // Where it is known which kernel it is, it has to have asked for more than every kernel may have.
  size_t most_shared = kSharedPerBlock;
  if (launch.kernel != nullptr) {
    const auto opted_in = opted_in_shared.find(launch.kernel);
    most_shared = opted_in == opted_in_shared.end() ? 48 << 10 : static_cast<size_t>(opted_in->second);
    most_shared = std::max<size_t>(most_shared, 48 << 10);
  }
  if (call.lost()) {
    give(call.device.lost);
    return;
  }
  if (n_threads == 0 || n_threads > 1024 || n_blocks == 0 || launch.grid.y > 65535 || launch.grid.z > 65535 ||
      launch.shared_bytes > most_shared) {
    give(cudaErrorInvalidConfiguration);
    return;
  }
  Queue& queue = queue_of(stream);
  put(queue, [launch = std::move(launch), &device = devices[queue.device]] {
    const uint64_t seed = setting("KIGO_SIMULATOR_SEED", 0);
    const Fault fault = run(launch, seed == 0 ? 0 : seed + 0x9e3779b97f4a7c15 * ++n_launched);
    device.lost = error_of(fault);
    if (fault == Fault::stuck) std::fprintf(stderr, "simulated GPU: %s waits for ever\n", launch.name);
  });
}

extern "C" {

// ---- errors ----------------------------------------------------------------------------------------------------

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorMisalignedAddress: return "misaligned address";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    case cudaErrorLaunchTimeout: return "the launch timed out and was terminated";
    default: return "another error";
  }
}

// ---- devices ---------------------------------------------------------------------------------------------------

cudaError_t cudaGetDeviceCount(int* count) {
  *count = std::min(n_devices(), kMostDevices);
  return give(*count == 0 ? cudaErrorNoDevice : cudaSuccess);
}

cudaError_t cudaSetDevice(int device) {
  const Call call;
  if (device < 0 || device >= n_devices()) return give(cudaErrorInvalidDevice);
  current_device = device;
  return give(devices[device].lost);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor: *value = KIGO_SIMULATOR_COMPUTE / 10; break;
    case cudaDevAttrComputeCapabilityMinor: *value = KIGO_SIMULATOR_COMPUTE % 10; break;
    case cudaDevAttrMultiProcessorCount: *value = kMultiprocessors; break;
    case cudaDevAttrL2CacheSize: *value = 4 << 20; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = static_cast<int>(kSharedPerBlock); break;
    case cudaDevAttrMemoryClockRate: *value = 1'000'000; break;
    case cudaDevAttrGlobalMemoryBusWidth: *value = 64; break;
    default: return give(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "Simulated GPU %d", device);
  properties->totalGlobalMem = total_bytes();
  properties->major = KIGO_SIMULATOR_COMPUTE / 10;
  properties->minor = KIGO_SIMULATOR_COMPUTE % 10;
  properties->multiProcessorCount = kMultiprocessors;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int device) {
  std::snprintf(text, static_cast<size_t>(length), "0000:%02x:00.0", device);
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  const Call call;
  run_all(call.device);
  return give(call.device.lost);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const Call call;
  if (call.lost()) return give(call.device.lost);
  *total = total_bytes();
  *free = *total - call.device.used_bytes;
  return cudaSuccess;
}

// ---- memory ----------------------------------------------------------------------------------------------------

cudaError_t cudaMalloc(void** to, size_t bytes) {
  const Call call;
  if (call.lost()) return give(call.device.lost);
  if (bytes > total_bytes() - call.device.used_bytes) return give(cudaErrorMemoryAllocation);
  const cudaError_t status = take(to, bytes, current_device);
  if (status == cudaSuccess) call.device.used_bytes += bytes;
  return give(status);
}

cudaError_t cudaFree(void* memory) {
  const Call call;
  if (memory == nullptr) return cudaSuccess;
  const auto found = blocks.find(reinterpret_cast<uintptr_t>(memory));
  if (found == blocks.end()) return give(cudaErrorInvalidValue);
  Device& owner = devices[found->second.device];
  run_all(owner);
  owner.used_bytes -= found->second.bytes;
  blocks.erase(found);
  kigo::simulator::checks::gave_back(memory);
  std::free(memory);
  return give(owner.lost);
}

cudaError_t cudaHostAlloc(void** to, size_t bytes, unsigned) {
  const Call call;
  return give(take(to, bytes, -1));
}

cudaError_t cudaMallocHost(void** to, size_t bytes) { return cudaHostAlloc(to, bytes, 0); }

cudaError_t cudaFreeHost(void* memory) {
  const Call call;
  if (memory == nullptr) return cudaSuccess;
  if (blocks.erase(reinterpret_cast<uintptr_t>(memory)) == 0) return give(cudaErrorInvalidValue);
  for (Device& device : devices) run_all(device);
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  const Call call;
  return give(copy(to, bytes, from, bytes, bytes, 1, call.device.default_stream, on_device(from) && on_device(to)));
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  const Call call;
  return give(copy(to, bytes, from, bytes, bytes, 1, queue_of(stream), true));
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind, cudaStream_t stream) {
  const Call call;
  return give(copy(to, to_pitch, from, from_pitch, width, height, queue_of(stream), true));
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  const Call call;
  if (call.lost()) return give(call.device.lost);
  put(queue_of(stream), [=] {
    std::memset(to, value, bytes);
    kigo::simulator::checks::filled(to, bytes);
  });
  return cudaSuccess;
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) { return cudaMemsetAsync(to, value, bytes, nullptr); }

// ---- streams, events, graphs -----------------------------------------------------------------------------------

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const Call call;
  if (call.lost()) return give(call.device.lost);
  auto* queue = new Queue;
  queue->device = current_device;
  call.device.streams.insert(queue);
  *stream = reinterpret_cast<cudaStream_t>(queue);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Call call;
  if (stream == nullptr) return cudaSuccess;
  auto* queue = reinterpret_cast<Queue*>(stream);
  run_all(*queue);
  devices[queue->device].streams.erase(queue);
  ended_streams.emplace_back(queue);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Call call;
  Queue& queue = queue_of(stream);
  run_all(queue);
  return give(devices[queue.device].lost);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(new Mark);
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Call call;
  auto* mark = reinterpret_cast<Mark*>(event);
  if (mark != nullptr && mark->queue != nullptr) run_until(*mark->queue, mark->n_put);
  delete mark;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Call call;
  auto* mark = reinterpret_cast<Mark*>(event);
  Queue& queue = queue_of(stream);
  put(queue, [mark] { mark->reached = std::chrono::steady_clock::now(); });
  mark->queue = &queue;
  mark->n_put = queue.n_put;
  return give(devices[queue.device].lost);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Call call;
  const Mark mark = *reinterpret_cast<Mark*>(event);
  if (mark.queue != nullptr) put(queue_of(stream), [mark] { run_until(*mark.queue, mark.n_put); });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Call call;
  auto* mark = reinterpret_cast<Mark*>(event);
  if (mark->queue == nullptr) return cudaSuccess;
  run_until(*mark->queue, mark->n_put);
  return give(devices[mark->queue->device].lost);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  const Call call;
  const auto apart = reinterpret_cast<Mark*>(to)->reached - reinterpret_cast<Mark*>(from)->reached;
  *milliseconds = std::chrono::duration<float, std::milli>(apart).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const Call call;
  Queue& queue = queue_of(stream);
  if (call.lost()) return give(call.device.lost);
  if (queue.captured != nullptr) return give(cudaErrorIllegalState);
  queue.captured = new std::vector<Work>;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Call call;
  *graph = reinterpret_cast<cudaGraph_t>(std::exchange(queue_of(stream).captured, nullptr));
  return give(*graph == nullptr ? cudaErrorIllegalState : cudaSuccess);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = reinterpret_cast<cudaGraphExec_t>(new std::vector<Work>(*reinterpret_cast<std::vector<Work>*>(graph)));
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<std::vector<Work>*>(graph);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete reinterpret_cast<std::vector<Work>*>(exec);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  const Call call;
  Queue& queue = queue_of(stream);
  if (devices[queue.device].lost != cudaSuccess) return give(devices[queue.device].lost);
  for (const Work& work : *reinterpret_cast<std::vector<Work>*>(exec)) put(queue, work);
  return cudaSuccess;
}

// ---- functions ---------------------------------------------------------------------------------------------------

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const Call call;
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value > static_cast<int>(kSharedPerBlock)) {
    return give(cudaErrorInvalidValue);
  }
  opted_in_shared[kernel] = value;
  return cudaSuccess;
}

}  // extern "C"
