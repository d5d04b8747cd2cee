/// The control groups that limit this process.
#pragma once
#include <string>
#include <vector>

namespace kigo::cpu {

/// One level of a hierarchy: its folder below /sys/fs/cgroup, whose files are those of version 1 or 2.
struct CgroupLevel {
  int version = 2;
  std::string folder;
};

/// The levels whose limits for `controller` ("cpu", "memory") hold for this process: its own group's and those above
/// it, up to the mount, of both versions. A folder need not be there: in a container the group's path may be the
/// host's, while the mount begins at the container's own group. `root` is put before /sys and /proc (tests).
std::vector<CgroupLevel> cgroup_levels(const std::string& root, const std::string& controller);

}  // namespace kigo::cpu
