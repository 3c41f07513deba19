// Targets whose __path__ is a pattern of file names -> one target per file. Shared by
// local.file_match and loki.source.file.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/io/glob.h"
#include "agent/model/labels.h"

namespace agent::component {

inline constexpr std::string_view kPathLabel = "__path__";
inline constexpr std::string_view kPathExcludeLabel = "__path_exclude__";

// Patterns, compiled. Immutable; any thread.
class PathTargets {
 public:
  // Fails for a target without __path__ or with a pattern that cannot be one.
  static Result<PathTargets> compile(std::vector<model::Target> targets);

  // The targets of the files that are there now, with __path__ the file. Files that were not
  // modified for `ignore_older_than` are left out; zero leaves none out.
  std::vector<model::Target> find(Duration ignore_older_than, std::int64_t wall_ns) const;

 private:
  struct Pattern {
    model::Target target;
    io::Glob path;
    std::vector<io::Glob> exclude;  // one or none
  };
  std::vector<Pattern> patterns_;
};

}  // namespace agent::component
