/** How much memory this process may still take. */
#pragma once

#include <cstdint>

namespace kigo::cpu {

struct HostMemory {
  uint64_t total = 0;  // bytes; of the machine, or of a cgroup that this process is in where that is less
  uint64_t free = 0;   // what can be had without swapping; the page cache counts as free
};

/** `root` is put before /proc and /sys (tests). */
HostMemory host_memory(const char* root = "");

/** Throws OUT_OF_MEMORY, with what is missing, where `bytes` for `purpose` are more than is free. */
void expect_free_memory(uint64_t bytes, const char* purpose);

}  // namespace kigo::cpu
