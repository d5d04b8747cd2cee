#include "cuda/memory.h"

namespace kigo::cuda {

namespace {

std::atomic<uint64_t> in_use{0};

uint64_t free_bytes() {
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for the GPU's free memory");
  return free;
}

[[noreturn]] void no_room(uint64_t bytes, uint64_t free, const char* purpose) {
  const uint64_t missing = bytes > free ? bytes - free : bytes;
  throw Error(KIGO_OUT_OF_MEMORY,
              "The GPU has no room for " + std::string(purpose) + ": " + format_bytes(static_cast<double>(bytes)) +
                  " are needed, " + format_bytes(static_cast<double>(free)) + " are free.",
              {{"neededBytes", bytes}, {"freeBytes", free}, {"missingBytes", missing}});
}

}  // namespace

DeviceBlock::DeviceBlock(std::atomic<uint64_t>& head, uint64_t bytes, const char* purpose) {
  if (bytes == 0) return;
  if (const uint64_t free = free_bytes(); free < bytes) no_room(bytes, free, purpose);
  const cudaError_t status = cudaMalloc(&data_, bytes);
  if (status == cudaErrorMemoryAllocation) {
    forget(status);
    no_room(bytes, free_bytes(), purpose);
  }
  check(status, purpose);
  counted_ = Counted(head, bytes);
  in_process_ = Counted(in_use, bytes);
}

uint64_t DeviceBlock::bytes_in_use() { return in_use; }

DeviceBlock::~DeviceBlock() {
  if (data_ != nullptr) forget(cudaFree(data_));
}

DeviceBlock::DeviceBlock(DeviceBlock&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      counted_(std::move(other.counted_)),
      in_process_(std::move(other.in_process_)) {}

DeviceBlock& DeviceBlock::operator=(DeviceBlock&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(counted_, other.counted_);
  std::swap(in_process_, other.in_process_);
  return *this;
}

PinnedBlock::PinnedBlock(uint64_t bytes) {
  if (bytes == 0) return;
  const cudaError_t status = cudaHostAlloc(&data_, bytes, cudaHostAllocPortable | cudaHostAllocMapped);
  if (status == cudaErrorMemoryAllocation) {
    forget(status);
    throw Error(
        KIGO_OUT_OF_MEMORY,
        "The system refused " + format_bytes(static_cast<double>(bytes)) + " of memory that the GPU can reach too.",
        {{"neededBytes", bytes}, {"missingBytes", bytes}});
  }
  check(status, "taking memory that the GPU can reach too");
}

PinnedBlock::~PinnedBlock() {
  if (data_ != nullptr) forget(cudaFreeHost(data_));
}

PinnedBlock::PinnedBlock(PinnedBlock&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}

PinnedBlock& PinnedBlock::operator=(PinnedBlock&& other) noexcept {
  std::swap(data_, other.data_);
  return *this;
}

}  // namespace kigo::cuda
