/** Device memory and pinned host memory, counted to the byte as asked for. */
#pragma once

#include <cstddef>

#include "core/memory.h"
#include "cuda/status.h"

namespace kigo::cuda {

/** Device memory of the current device, aligned to 256 bytes; its content is undefined. */
class DeviceBlock {
 public:
  DeviceBlock() = default;
  /**
   * Throws OUT_OF_MEMORY naming `purpose`, with neededBytes, freeBytes and missingBytes: before asking the driver
   * where too little is free, and after it refused where another process was faster.
   */
  DeviceBlock(std::atomic<uint64_t>& head, uint64_t bytes, const char* purpose);
  ~DeviceBlock();
  DeviceBlock(DeviceBlock&& other) noexcept;
  DeviceBlock& operator=(DeviceBlock&& other) noexcept;

  template <class T>
  T* at(uint64_t offset) const {
    return reinterpret_cast<T*>(static_cast<std::byte*>(data_) + offset);
  }
  uint64_t bytes() const { return counted_.bytes(); }

  /** Of all blocks of the process. */
  static uint64_t bytes_in_use();

 private:
  void* data_ = nullptr;
  Counted counted_;
  Counted in_process_;
};

/** Pinned host memory that the device can read and write too (mapped). Not counted: it is the host's. */
class PinnedBlock {
 public:
  PinnedBlock() = default;
  /** Throws OUT_OF_MEMORY. */
  explicit PinnedBlock(uint64_t bytes);
  ~PinnedBlock();
  PinnedBlock(PinnedBlock&& other) noexcept;
  PinnedBlock& operator=(PinnedBlock&& other) noexcept;

  template <class T>
  T* at(uint64_t offset) const {
    return reinterpret_cast<T*>(static_cast<std::byte*>(data_) + offset);
  }

 private:
  void* data_ = nullptr;
};

}  // namespace kigo::cuda
