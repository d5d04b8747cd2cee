/// usable_physical_cores(): what the affinity mask, the cores' SMT siblings and the cgroup's quota leave.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>

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

/// The smallest quota of a cgroup folder and those above it, up to the mount.
template <class Read>
double smallest_quota(const std::string& mount, std::string group, Read read) {
  double smallest = read(mount);
  while (group.size() > 1) {
    smallest = std::min(smallest, read(mount + group));
    group.resize(group.rfind('/'));
  }
  return smallest;
}

double cgroup_quota(const std::string& root) {
  double smallest = INFINITY;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // "hierarchy:controllers:/path"; hierarchy 0 without controllers is version 2.
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::string controllers = line.substr(first, second - first + 1);  // ":cpu,cpuacct:"
    std::replace(controllers.begin(), controllers.end(), ':', ',');
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") {
      const auto read = [](const std::string& folder) {
        std::istringstream max(first_line(folder + "/cpu.max"));  // "max 100000" or "150000 100000"
        std::string microseconds, period;
        max >> microseconds >> period;
        return quota(microseconds, period);
      };
      smallest = std::min(smallest, smallest_quota(root + "/sys/fs/cgroup", group, read));
    } else if (controllers.find(",cpu,") != std::string::npos) {
      const auto read = [](const std::string& folder) {
        return quota(first_line(folder + "/cpu.cfs_quota_us"), first_line(folder + "/cpu.cfs_period_us"));
      };
      smallest = std::min(smallest, smallest_quota(root + "/sys/fs/cgroup/cpu", group, read));
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
