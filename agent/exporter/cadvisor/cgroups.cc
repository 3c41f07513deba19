#include "agent/exporter/cadvisor/cgroups.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "agent/base/strings.h"
#include "agent/exporter/unix/parsers.h"

namespace agent::exporter::cadvisor {
namespace fs = std::filesystem;
namespace {

// Those that this agent reads.
constexpr std::array<std::string_view, 8> kControllers = {
    "blkio", "cpu", "cpuacct", "cpuset", "hugetlb", "memory", "pids", "name=systemd"};

// Walks the folders of one hierarchy.
class Walk {
 public:
  Walk(std::map<std::string, Cgroup, std::less<>>& found, bool& complete)
      : found_(found), complete_(complete) {}

  void folder(int parent, const char* name, const std::string& path, std::size_t depth) {
    FileDescriptor fd(
        ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (depth > 0 ? O_NOFOLLOW : 0)));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) return;
    if (found_.size() >= kMaxCgroups && found_.find(path) == found_.end()) {
      complete_ = false;
      return;
    }
    Cgroup& group = found_[path];
    if (group.path.empty()) {
      group.path = path;
      group.instance = static_cast<std::uint64_t>(status.st_ino);
    }
    const std::int64_t made =
        static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
    if (group.made_ns == 0 || made < group.made_ns) group.made_ns = made;
    // A folder of these file systems has two links and one for each folder in it; that saves
    // reading the names of some 60 files. Others say 1, or count in the same way.
    if (status.st_nlink == 2) return;
    if (depth >= kMaxCgroupDepth) {
      complete_ = false;
      return;
    }
    DIR* const stream = ::fdopendir(fd.get());
    if (stream == nullptr) return;
    const int here = fd.release();  // the stream's now
    while (const dirent* const entry = ::readdir(stream)) {
      const std::string_view child = entry->d_name;
      if (child == "." || child == ".." || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
        continue;
      folder(here, entry->d_name, (path == "/" ? path : path + "/") + std::string(child),
             depth + 1);
    }
    ::closedir(stream);
  }

 private:
  std::map<std::string, Cgroup, std::less<>>& found_;
  bool& complete_;
};

}  // namespace

Hierarchies parse_hierarchies(std::string_view mounts, const fs::path& sys) {
  Hierarchies out;
  for (const unix_host::Mount& mount : unix_host::parse_mounts(mounts)) {
    if (mount.type != "cgroup" && mount.type != "cgroup2") continue;
    fs::path place = mount.mount_point;
    if (mount.mount_point.starts_with("/sys/")) place = sys / mount.mount_point.substr(5);
    if (mount.type == "cgroup2") {
      if (out.v2.empty()) out.v2 = place;
      continue;
    }
    for (const std::string_view option : split(mount.options, ',')) {
      if (std::find(kControllers.begin(), kControllers.end(), option) != kControllers.end())
        out.v1.emplace(option, place);
    }
  }
  return out;
}

FoundCgroups find_cgroups(const Hierarchies& hierarchies) {
  FoundCgroups out;
  std::map<std::string, Cgroup, std::less<>> found;
  Walk walk(found, out.complete);
  std::vector<fs::path> mounts;
  for (const auto& [controller, mount] : hierarchies.v1) mounts.push_back(mount);
  if (!hierarchies.v2.empty()) mounts.push_back(hierarchies.v2);
  std::sort(mounts.begin(), mounts.end());
  mounts.erase(std::unique(mounts.begin(), mounts.end()), mounts.end());
  for (const fs::path& mount : mounts) walk.folder(AT_FDCWD, mount.c_str(), "/", 0);
  for (auto& [path, group] : found) out.groups.push_back(std::move(group));
  return out;
}

std::string_view docker_id(std::string_view cgroup_path) {
  std::string_view base = cgroup_path.substr(cgroup_path.rfind('/') + 1);
  if (base.ends_with(".mount")) return {};
  if (base.ends_with(".scope")) base.remove_suffix(std::strlen(".scope"));
  if (base.size() < 64) return {};
  const std::string_view id = base.substr(base.size() - 64);
  if (base.size() > 64 && base[base.size() - 65] != '-') return {};
  const bool fine = std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  return fine ? id : std::string_view();
}

Folder::Folder(const fs::path& mount, const std::string& cgroup_path) {
  if (mount.empty()) return;
  const std::string full = mount.string() + cgroup_path;
  fd_.reset(::open(full.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

void for_each_page_size(const Folder& folder, std::string_view suffix,
                        const std::function<void(const std::string& size)>& use) {
  FileDescriptor fd(::openat(folder.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* const stream = fd ? ::fdopendir(fd.get()) : nullptr;
  if (stream == nullptr) return;
  [[maybe_unused]] const int owned = fd.release();  // the stream's now
  while (const dirent* const entry = ::readdir(stream)) {
    std::string_view name = entry->d_name;
    constexpr std::string_view kStart = "hugetlb.";
    if (!name.starts_with(kStart)) continue;
    name.remove_prefix(kStart.size());
    if (!name.ends_with(suffix)) continue;
    name.remove_suffix(suffix.size());
    if (name.find('.') != std::string_view::npos) continue;  // rsvd
    use(std::string(name));
  }
  ::closedir(stream);
}

}  // namespace agent::exporter::cadvisor
