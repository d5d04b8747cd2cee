/** Memory that is counted: what is in use is known at any time, to the byte. */
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "core/error.h"
#include "kigo/abi.h"

namespace kigo {

/** Bytes in use by a model and its sessions. Any thread. */
struct Tally {
  std::atomic<uint64_t> weights{0};
  std::atomic<uint64_t> kv{0};
  std::atomic<uint64_t> workspace{0};

  kigo_memory read() const { return {weights.load(), kv.load(), workspace.load()}; }
};

/** Bytes under one of a tally's heads for as long as this lives; no memory behind it (mapped files). */
class Counted {
 public:
  Counted() = default;
  Counted(std::atomic<uint64_t>& head, uint64_t bytes) : head_(&head), bytes_(bytes) { head += bytes; }
  ~Counted() {
    if (head_ != nullptr) *head_ -= bytes_;
  }
  Counted(Counted&& other) noexcept : head_(std::exchange(other.head_, nullptr)), bytes_(other.bytes_) {}
  Counted& operator=(Counted&& other) noexcept {
    std::swap(head_, other.head_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  uint64_t bytes() const { return bytes_; }

 private:
  std::atomic<uint64_t>* head_ = nullptr;
  uint64_t bytes_ = 0;
};

/** Host memory aligned to 64 bytes, counted as asked for; its content is undefined. */
class Block {
 public:
  Block() = default;

  /** Throws OUT_OF_MEMORY naming `purpose` where the system refuses. */
  Block(std::atomic<uint64_t>& head, uint64_t bytes, const char* purpose);
  ~Block();
  Block(Block&& other) noexcept : data_(std::exchange(other.data_, nullptr)), counted_(std::move(other.counted_)) {}
  Block& operator=(Block&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(counted_, other.counted_);
    return *this;
  }

  template <class T>
  T* at(uint64_t offset) const {
    return reinterpret_cast<T*>(static_cast<char*>(data_) + offset);
  }
  uint64_t bytes() const { return counted_.bytes(); }

 private:
  void* data_ = nullptr;
  Counted counted_;
};

/** Lays pieces out one behind the other, each aligned to 64 bytes: the same code plans and allocates. */
class Layout {
 public:
  /** Offset of the piece. Throws OUT_OF_MEMORY where the sum leaves 64 bits. */
  template <class T>
  uint64_t add(uint64_t count) {
    uint64_t bytes = 0;
    const uint64_t offset = total_;
    if (__builtin_mul_overflow(count, uint64_t{sizeof(T)}, &bytes) || bytes > UINT64_MAX / 2 - total_) {
      throw Error(KIGO_OUT_OF_MEMORY, "The memory asked for has no number.");
    }
    total_ += (bytes + 63) / 64 * 64;
    return offset;
  }
  uint64_t total() const { return total_; }

 private:
  uint64_t total_ = 0;
};

}  // namespace kigo
