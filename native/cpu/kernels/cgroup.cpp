#include "cgroup.h"

#include <algorithm>
#include <fstream>

namespace kigo::cpu {

std::vector<CgroupLevel> cgroup_levels(const std::string& root, const std::string& controller) {
  const std::string mount_2 = root + "/sys/fs/cgroup", mount_1 = mount_2 + "/" + controller;
  std::vector<CgroupLevel> levels = {{2, mount_2}, {1, mount_1}};
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // "hierarchy:controllers:/path"; hierarchy 0 without controllers is version 2.
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::string controllers = line.substr(first, second - first + 1);  // ":cpu,cpuacct:"
    std::replace(controllers.begin(), controllers.end(), ':', ',');
    const int version = controllers == ",," ? 2 : 1;
    if (version == 1 && controllers.find("," + controller + ",") == std::string::npos) continue;
    std::string group = line.substr(second + 1);
    for (; group.size() > 1 && group.front() == '/'; group.resize(group.rfind('/'))) {
      levels.push_back({version, (version == 2 ? mount_2 : mount_1) + group});
    }
  }
  return levels;
}

}  // namespace kigo::cpu
