#include "agent/component/path_targets.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <utility>

namespace agent::component {
namespace {

constexpr std::size_t kMostFiles = 100'000;  // of one pattern

bool is_older(const std::string& path, std::int64_t oldest_ns) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return true;
  return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec < oldest_ns;
}

PathTargets::Seen::Folder look_at(const std::string& path) {
  PathTargets::Seen::Folder out{path, 0, 0, 0};
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return out;
  out.device = info.st_dev;
  out.inode = info.st_ino;
  out.changed_ns = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  return out;
}

}  // namespace

Result<PathTargets> PathTargets::compile(std::vector<model::Target> targets) {
  PathTargets out;
  for (model::Target& target : targets) {
    const model::LabelBuilder labels(target);
    const std::string path(labels.get(kPathLabel));
    if (path.empty()) return fail(ErrorCode::kInvalid, "a target has no __path__");
    auto glob = io::Glob::compile(path);
    if (!glob) return fail(std::move(glob.error()).within("__path__ \"" + path + "\""));
    Pattern pattern{std::move(target), std::move(*glob), {}};
    if (const std::string exclude(labels.get(kPathExcludeLabel)); !exclude.empty()) {
      auto excluded = io::Glob::compile(exclude);
      if (!excluded)
        return fail(std::move(excluded.error()).within("__path_exclude__ \"" + exclude + "\""));
      pattern.exclude.push_back(std::move(*excluded));
    }
    out.patterns_.push_back(std::move(pattern));
  }
  return out;
}

std::vector<model::Target> PathTargets::find(Duration ignore_older_than,
                                             std::int64_t wall_ns) const {
  return find(ignore_older_than, wall_ns, nullptr);
}

std::optional<std::vector<model::Target>> PathTargets::find_changed(Seen& seen,
                                                                    Duration ignore_older_than,
                                                                    std::int64_t wall_ns) const {
  // A folder's time says that it changed, in steps of milliseconds: only a search that came a whole
  // period later has surely seen all that happened in the last step. And some file systems do not
  // keep that time, so now and then a search is made anyway.
  constexpr int kSure = 2;
  constexpr int kMostSkipped = 30;
  const auto same_folders = [&] {
    return std::all_of(seen.folders.begin(), seen.folders.end(),
                       [](const Seen::Folder& folder) { return look_at(folder.path) == folder; });
  };
  if (ignore_older_than == Duration::zero() && seen.complete && seen.same >= kSure &&
      seen.skipped < kMostSkipped && same_folders()) {
    ++seen.skipped;
    return std::nullopt;
  }
  io::GlobTrace trace;
  std::vector<Seen::Folder> folders;
  auto found = find(ignore_older_than, wall_ns, &trace);
  // Looked at after the search: what happens between is a change to the next one, or its time is
  // this one's and the next search is made for it.
  for (const std::string& folder : trace.folders) folders.push_back(look_at(folder));
  seen.same = folders == seen.folders ? std::min(seen.same + 1, kSure) : 1;
  seen.folders = std::move(folders);
  seen.complete = trace.complete;
  seen.skipped = 0;
  return found;
}

std::vector<model::Target> PathTargets::find(Duration ignore_older_than, std::int64_t wall_ns,
                                             io::GlobTrace* trace) const {
  std::vector<model::Target> out;
  for (const Pattern& pattern : patterns_) {
    for (const std::string& path : pattern.path.find(kMostFiles, trace)) {
      if (!pattern.exclude.empty() && pattern.exclude.front().matches(path)) continue;
      if (ignore_older_than > Duration::zero() &&
          is_older(path, wall_ns - ignore_older_than.count()))
        continue;
      model::LabelBuilder labels(pattern.target);
      labels.set(kPathLabel, path);
      out.push_back(std::move(labels).take());
    }
  }
  return out;
}

}  // namespace agent::component
