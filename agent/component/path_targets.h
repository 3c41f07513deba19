// Targets whose __path__ is a pattern of file names -> one target per file. Shared by
// local.file_match and loki.source.file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
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

  // What was seen of the folders when the files were looked for the last time. Of one who looks
  // again and again.
  struct Seen {
    struct Folder {
      std::string path;
      std::uint64_t device = 0;
      std::uint64_t inode = 0;  // 0: it is not there
      std::int64_t changed_ns = 0;
      bool operator==(const Folder&) const = default;
    };
    std::vector<Folder> folders;
    bool complete = false;
    int same = 0;     // searches in a row that saw these folders
    int skipped = 0;  // and looks without a search
  };

  // The targets of the files that are there now, with __path__ the file. Files that were not
  // modified for `ignore_older_than` are left out; zero leaves none out.
  std::vector<model::Target> find(Duration ignore_older_than, std::int64_t wall_ns) const;
  // None: they are those of the last time, for no folder changed.
  std::optional<std::vector<model::Target>> find_changed(Seen& seen, Duration ignore_older_than,
                                                         std::int64_t wall_ns) const;

 private:
  struct Pattern {
    model::Target target;
    io::Glob path;
    std::vector<io::Glob> exclude;  // one or none
  };
  std::vector<model::Target> find(Duration ignore_older_than, std::int64_t wall_ns,
                                  io::GlobTrace* trace) const;
  std::vector<Pattern> patterns_;
};

}  // namespace agent::component
