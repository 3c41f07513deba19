// Patterns of file names, as doublestar writes them, and the files that match.
//
//   *       any text within one folder level        [a-c] [!a] [^a]  one character of a set, or not
//   ?       one character within a level            {a,b*}           any of some patterns
//   **      as a whole level: any number of levels, none included    \x  x itself
//
// Immutable; any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace agent::io {

// What a search depended on: as long as none of these folders gains, loses or renames an entry, it
// finds the same.
struct GlobTrace {
  std::set<std::string> folders;  // also those that were looked for and are not there
  bool complete = true;           // nothing else mattered
};

class Glob {
 public:
  static Result<Glob> compile(std::string_view pattern);

  // The whole path, compared as text.
  bool matches(std::string_view path) const;
  // Files that match, sorted, each once, at most `limit`; folders are not files. Folders that
  // cannot be read count as empty. ** does not follow symbolic links.
  std::vector<std::string> find(std::size_t limit = 100'000, GlobTrace* trace = nullptr) const;

 private:
  using Levels = std::vector<std::string>;
  std::vector<Levels> alternatives_;  // without braces, split at '/'
};

}  // namespace agent::io
