// The control groups of a host: where their hierarchies are mounted, and which groups there are.
//
// Version 1 has a hierarchy for each controller or for several (cgroup-v1/cgroups.rst of the
// kernel's documentation), version 2 one for all (cgroup-v2.rst); a hybrid host has both, with
// controllers in version 1. A group is known by its path below the mount point: "/docker/<id>",
// "/system.slice/docker-<id>.scope".
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/file.h"

namespace agent::exporter::cadvisor {

struct Hierarchies {
  std::map<std::string, std::filesystem::path, std::less<>> v1;  // controller -> mount point
  std::filesystem::path v2;                                      // empty: none
  bool empty() const { return v1.empty() && v2.empty(); }
};

// From the text of /proc/self/mounts. What is mounted below /sys is looked for below `sys`.
Hierarchies parse_hierarchies(std::string_view mounts, const std::filesystem::path& sys);

struct Cgroup {
  std::string path;  // "/" for the root
  // The number of its folder: another one when a group of the same path is made anew.
  std::uint64_t instance = 0;
  std::int64_t made_ns = 0;  // wall time when it was made or last changed; 0: unknown
};

struct FoundCgroups {
  std::vector<Cgroup> groups;  // by path
  bool complete = true;        // false: there are more than the limits allow
};
inline constexpr std::size_t kMaxCgroups = 10'000;
inline constexpr std::size_t kMaxCgroupDepth = 32;
FoundCgroups find_cgroups(const Hierarchies& hierarchies);

// The id of the container that Docker names a group by: 64 hexadecimal digits in the last part of
// its path. "" when it has none.
std::string_view docker_id(std::string_view cgroup_path);

// An open folder of a hierarchy. Not there: none of its files is.
class Folder {
 public:
  Folder() = default;
  Folder(const std::filesystem::path& mount, const std::string& cgroup_path);
  int fd() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }

 private:
  FileDescriptor fd_;
};

// Calls `use` with "2MB" for each file hugetlb.2MB<suffix> of the group.
void for_each_page_size(const Folder& folder, std::string_view suffix,
                        const std::function<void(const std::string& size)>& use);

}  // namespace agent::exporter::cadvisor
