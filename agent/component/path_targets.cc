#include "agent/component/path_targets.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <utility>

namespace agent::component {
namespace {

bool is_older(const std::string& path, std::int64_t oldest_ns) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return true;
  return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec < oldest_ns;
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
  std::vector<model::Target> out;
  for (const Pattern& pattern : patterns_) {
    for (const std::string& path : pattern.path.find()) {
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
