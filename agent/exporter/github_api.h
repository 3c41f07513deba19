// What prometheus.exporter.github reads of GitHub's REST answers
// (docs.github.com/en/rest: repositories, releases, "Using pagination", "Rate limits"). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace agent::exporter {

struct GithubRepository {
  std::string owner, name, license, language;
  bool is_private = false, fork = false, archived = false;
  double stars = 0, forks = 0, size_kb = 0;
  double open_issues = 0;             // with pull requests
  std::optional<double> subscribers;  // told only of a repository that is asked for alone
};

struct GithubAsset {
  std::string release, tag, name, created_at;
  double downloads = 0;
};

// One repository or a list of them.
Result<std::vector<GithubRepository>> parse_github_repositories(std::string_view text);
// The assets of a list of releases.
Result<std::vector<GithubAsset>> parse_github_releases(std::string_view text);
// The length of a list.
Result<std::size_t> parse_github_length(std::string_view text);
// The field `message` of an answer that is an error; "" when there is none. Valid UTF-8, short.
std::string parse_github_message(std::string_view text);

// Of the header Link.
struct GithubPages {
  bool next = false;
  std::optional<std::uint64_t> last;  // number of the last page
};
GithubPages parse_github_pages(std::string_view link);

// The letters that GitHub has in names: what may stand in a path.
bool is_github_name(std::string_view name);

}  // namespace agent::exporter
