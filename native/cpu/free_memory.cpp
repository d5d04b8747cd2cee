#include "cpu/free_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "core/error.h"
#include "cpu/kernels/cgroup.h"

namespace kigo::cpu {

namespace {

/** The number behind `key` in a file of "key value" lines; 0 where there is none. */
uint64_t field(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    if (word == key) {
      uint64_t value = 0;
      file >> value;
      return value;
    }
  }
  return 0;
}

/** A file of one number; UINT64_MAX where it is missing or says "max". */
uint64_t limit(const std::string& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  return file >> value ? value : UINT64_MAX;
}

/** What a group may hold is what is left of its limit; what it holds as file cache can be had back. */
void limit_to(const CgroupLevel& level, HostMemory& memory) {
  const std::string at = level.folder + "/memory.";
  const bool v2 = level.version == 2;
  // Above memory.high a group is slowed down until it gives memory back, which for a model comes to the same.
  const uint64_t max = v2 ? std::min(limit(at + "max"), limit(at + "high")) : limit(at + "limit_in_bytes");
  const uint64_t used = limit(at + (v2 ? "current" : "usage_in_bytes"));
  if (max == UINT64_MAX) return;
  memory.total = std::min(memory.total, max);
  if (used == UINT64_MAX) return;
  const std::string of_group = v2 ? "" : "total_";
  const uint64_t cache = field(at + "stat", of_group + "inactive_file") + field(at + "stat", of_group + "active_file");
  memory.free = std::min(memory.free, max - std::min(max, used - std::min(used, cache)));
}

}  // namespace

HostMemory host_memory(const char* root) {
  const std::string meminfo = std::string(root) + "/proc/meminfo";
  HostMemory memory;
  memory.total = field(meminfo, "MemTotal:") * 1024;
  memory.free = field(meminfo, "MemAvailable:") * 1024;
  if (memory.total == 0) {  // no /proc: what sysconf knows
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    memory.total = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * page;
    memory.free = memory.total;
  }

  for (const CgroupLevel& level : cgroup_levels(root, "memory")) limit_to(level, memory);
  return memory;
}

void expect_free_memory(uint64_t bytes, const char* purpose) {
  const uint64_t free = host_memory().free;
  if (bytes <= free) return;
  throw Error(KIGO_OUT_OF_MEMORY,
              "There is not enough memory for " + std::string(purpose) + ": " +
                  format_bytes(static_cast<double>(bytes)) + " are needed, " + format_bytes(static_cast<double>(free)) +
                  " are free.",
              {{"neededBytes", bytes}, {"freeBytes", free}, {"missingBytes", bytes - free}});
}

}  // namespace kigo::cpu
