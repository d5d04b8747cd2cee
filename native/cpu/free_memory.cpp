#include "cpu/free_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "core/error.h"

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

  // A container's limit; what it holds as file cache can be had back.
  const std::string v2 = std::string(root) + "/sys/fs/cgroup/";
  const std::string v1 = v2 + "memory/";
  uint64_t max = limit(v2 + "memory.max");
  uint64_t used = limit(v2 + "memory.current");
  uint64_t cache = field(v2 + "memory.stat", "inactive_file") + field(v2 + "memory.stat", "active_file");
  if (max == UINT64_MAX) {
    max = limit(v1 + "memory.limit_in_bytes");
    used = limit(v1 + "memory.usage_in_bytes");
    cache = field(v1 + "memory.stat", "total_inactive_file") + field(v1 + "memory.stat", "total_active_file");
  }
  if (max < memory.total && used != UINT64_MAX) {
    used -= std::min(used, cache);
    memory.total = max;
    memory.free = std::min(memory.free, max - std::min(max, used));
  }
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
