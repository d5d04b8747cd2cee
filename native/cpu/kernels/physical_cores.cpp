/// usable_physical_cores(): what the affinity mask, the cores' SMT siblings and the cgroup's quota leave.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "cgroup.h"
#include "thread_pool.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace kigo::cpu {

#if defined(__linux__)
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// CPUs of the affinity mask whose siblings have not been counted yet.
int cores_in_mask(const std::string& root) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return static_cast<int>(std::thread::hardware_concurrency());
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    const std::string topology = root + "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    std::string siblings = first_line(topology + "core_cpus_list");
    if (siblings.empty()) siblings = first_line(topology + "thread_siblings_list");  // before Linux 5.3
    cores.insert(siblings.empty() ? "cpu" + std::to_string(cpu) : siblings);
  }
  return static_cast<int>(cores.size());
}

/// CPUs that a quota in microseconds a period allows; infinity where it is no quota.
double quota(const std::string& microseconds, const std::string& period) {
  char* end = nullptr;
  const double allowed = std::strtod(microseconds.c_str(), &end);
  const double every = std::strtod(period.c_str(), nullptr);
  if (end == microseconds.c_str() || allowed <= 0 || every <= 0) return INFINITY;
  return allowed / every;
}

double cgroup_quota(const std::string& root) {
  double smallest = INFINITY;
  for (const CgroupLevel& level : cgroup_levels(root, "cpu")) {
    if (level.version == 2) {
      std::istringstream max(first_line(level.folder + "/cpu.max"));  // "max 100000" or "150000 100000"
      std::string microseconds, period;
      max >> microseconds >> period;
      smallest = std::min(smallest, quota(microseconds, period));
    } else {
      smallest = std::min(smallest, quota(first_line(level.folder + "/cpu.cfs_quota_us"),
                                          first_line(level.folder + "/cpu.cfs_period_us")));
    }
  }
  return smallest;
}

}  // namespace

int usable_physical_cores(const char* root) {
  const int cores = std::max(1, cores_in_mask(root));
  const double allowed = cgroup_quota(root);
  // A fraction of a core would be stalled for the rest of each period, and all others would wait for it.
  return std::isinf(allowed) ? cores : std::clamp(static_cast<int>(allowed), 1, cores);
}

#else

int usable_physical_cores(const char*) {
  // Logical processors: neither SMT siblings nor quotas are known in a portable way.
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

#endif

}  // namespace kigo::cpu
