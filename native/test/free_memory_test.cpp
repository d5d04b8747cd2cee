#include "cpu/free_memory.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "core/error.h"

using namespace kigo;
using namespace kigo::cpu;

namespace {

using Files = std::map<std::string, std::string>;

/** A /proc and /sys of our own; deleted at the end. */
class FakeRoot {
 public:
  explicit FakeRoot(const Files& files) {
    for (const auto& [name, text] : files) {
      std::filesystem::create_directories((root_ / name).parent_path());
      std::ofstream(root_ / name) << text;
    }
  }
  FakeRoot(const FakeRoot&) = delete;
  FakeRoot& operator=(const FakeRoot&) = delete;
  ~FakeRoot() { std::filesystem::remove_all(root_); }
  HostMemory memory() const { return host_memory(root_.c_str()); }

 private:
  std::filesystem::path root_ = std::filesystem::temp_directory_path() / ("kigo-memory-" + std::to_string(getpid()));
};

const char* const kMeminfo = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\n";

}  // namespace

TEST_CASE("free memory: what is available on the machine, page cache included") {
  const HostMemory m = FakeRoot(Files{{"proc/meminfo", kMeminfo}}).memory();
  CHECK(m.total == 1'024'000);
  CHECK(m.free == 614'400);
}

TEST_CASE("free memory: a container's limit, its file cache not counted as used") {
  SUBCASE("cgroup v2") {
    const HostMemory m =
        FakeRoot(Files{{"proc/meminfo", kMeminfo},
                       {"sys/fs/cgroup/memory.max", "500000\n"},
                       {"sys/fs/cgroup/memory.current", "300000\n"},
                       {"sys/fs/cgroup/memory.stat", "anon 200000\ninactive_file 80000\nactive_file 20000\n"}})
            .memory();
    CHECK(m.total == 500'000);
    CHECK(m.free == 300'000);
  }
  SUBCASE("cgroup v2 without a limit") {
    const HostMemory m = FakeRoot(Files{{"proc/meminfo", kMeminfo},
                                        {"sys/fs/cgroup/memory.max", "max\n"},
                                        {"sys/fs/cgroup/memory.current", "300000\n"}})
                             .memory();
    CHECK(m.total == 1'024'000);
    CHECK(m.free == 614'400);
  }
  SUBCASE("cgroup v1") {
    const HostMemory m =
        FakeRoot(Files{{"proc/meminfo", kMeminfo},
                       {"sys/fs/cgroup/memory/memory.limit_in_bytes", "400000\n"},
                       {"sys/fs/cgroup/memory/memory.usage_in_bytes", "350000\n"},
                       {"sys/fs/cgroup/memory/memory.stat", "total_inactive_file 50000\ntotal_active_file 0\n"}})
            .memory();
    CHECK(m.total == 400'000);
    CHECK(m.free == 100'000);
  }
}

TEST_CASE("free memory: the limits of the process's own group and of all above it, of either version") {
  const std::string v2 = "sys/fs/cgroup/", v1 = "sys/fs/cgroup/memory/";
  SUBCASE("version 2: the nested group's") {
    const HostMemory m = FakeRoot(Files{{"proc/meminfo", kMeminfo},
                                        {"proc/self/cgroup", "0::/user/app\n"},
                                        {v2 + "user/memory.max", "max\n"},
                                        {v2 + "user/memory.current", "900000\n"},
                                        {v2 + "user/app/memory.max", "200000\n"},
                                        {v2 + "user/app/memory.current", "150000\n"},
                                        {v2 + "user/app/memory.stat", "inactive_file 1000\nactive_file 2000\n"}})
                             .memory();
    CHECK(m.total == 200'000);
    CHECK(m.free == 53'000);
  }
  SUBCASE("version 2: less is left of a larger limit above it") {
    const HostMemory m = FakeRoot(Files{{"proc/meminfo", kMeminfo},
                                        {"proc/self/cgroup", "0::/user/app\n"},
                                        {v2 + "user/memory.max", "500000\n"},
                                        {v2 + "user/memory.current", "490000\n"},
                                        {v2 + "user/app/memory.max", "200000\n"},
                                        {v2 + "user/app/memory.current", "100000\n"}})
                             .memory();
    CHECK(m.total == 200'000);
    CHECK(m.free == 10'000);
  }
  SUBCASE("version 2: where it is slowed down") {
    const HostMemory m = FakeRoot(Files{{"proc/meminfo", kMeminfo},
                                        {"proc/self/cgroup", "0::/app\n"},
                                        {v2 + "app/memory.max", "max\n"},
                                        {v2 + "app/memory.high", "300000\n"},
                                        {v2 + "app/memory.current", "100000\n"}})
                             .memory();
    CHECK(m.total == 300'000);
    CHECK(m.free == 200'000);
  }
  SUBCASE("version 1, beside other hierarchies, under a mount without a limit") {
    const HostMemory m =
        FakeRoot(Files{{"proc/meminfo", kMeminfo},
                       {"proc/self/cgroup", "4:memory:/jobs/one\n2:cpu,cpuacct:/jobs\n0::/\n"},
                       {v1 + "memory.limit_in_bytes", "9223372036854771712\n"},
                       {v1 + "memory.usage_in_bytes", "800000\n"},
                       {v1 + "jobs/one/memory.limit_in_bytes", "200000\n"},
                       {v1 + "jobs/one/memory.usage_in_bytes", "120000\n"},
                       {v1 + "jobs/one/memory.stat", "total_inactive_file 30000\ntotal_active_file 10000\n"}})
            .memory();
    CHECK(m.total == 200'000);
    CHECK(m.free == 120'000);
  }
  SUBCASE("a container, whose path is the host's and whose mount is its own group") {
    const HostMemory m = FakeRoot(Files{{"proc/meminfo", kMeminfo},
                                        {"proc/self/cgroup", "4:memory:/docker/0123\n"},
                                        {v1 + "memory.limit_in_bytes", "400000\n"},
                                        {v1 + "memory.usage_in_bytes", "500000\n"}})
                             .memory();
    CHECK(m.total == 400'000);
    CHECK(m.free == 0);
  }
}

TEST_CASE("free memory: more than there is, is out of memory with what is missing") {
  try {
    expect_free_memory(uint64_t{1} << 60, "a test");
    FAIL("an exabyte was free");
  } catch (const Error& error) {
    CHECK(error.status() == KIGO_OUT_OF_MEMORY);
    double needed = 0, missing = 0, free = 0;
    for (const Detail& d : error.details()) {
      if (d.key == "neededBytes") needed = d.number;
      if (d.key == "missingBytes") missing = d.number;
      if (d.key == "freeBytes") free = d.number;
    }
    CHECK(needed == 0x1p60);
    CHECK(missing == needed - free);
  }
}
