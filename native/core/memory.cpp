#include "core/memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <string>

namespace kigo {

namespace {

/**
 * From so many bytes on memory comes from the system and not from malloc. In Electron malloc is Chromium's, and that
 * ends the process where it is asked for much at once; aligned, somewhat more than 1 GiB was too much already, and a
 * KV cache may well be larger. Below, malloc serves, and under ASan it watches over the ends of what it gives.
 */
constexpr uint64_t kFromSystem = 1 << 20;

void* take(uint64_t bytes) {
  if (bytes < kFromSystem) return std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return data == MAP_FAILED ? nullptr : data;
}

void give_back(void* data, uint64_t bytes) {
  if (data == nullptr) return;
  if (bytes < kFromSystem) {
    std::free(data);
  } else {
    munmap(data, bytes);
  }
}

}  // namespace

Block::Block(std::atomic<uint64_t>& head, uint64_t bytes, const char* purpose) {
  if (bytes == 0) return;
  data_ = take(bytes);
  if (data_ == nullptr) {
    throw Error(KIGO_OUT_OF_MEMORY,
                "There is no memory for " + std::string(purpose) + ": the system refused " +
                    format_bytes(static_cast<double>(bytes)) + ".",
                {{"neededBytes", bytes}, {"missingBytes", bytes}});
  }
  counted_ = Counted(head, bytes);
}

Block::~Block() { give_back(data_, counted_.bytes()); }

}  // namespace kigo
