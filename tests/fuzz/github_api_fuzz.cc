// Any bytes as GitHub's answers and headers: names that are understood are fit for a path, and
// nothing is longer than it may be.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/exporter/github_api.h"
#include "agent/exporter/github_app.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent::exporter;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto found = parse_github_repositories(text))
    for (const auto& one : *found)
      if (!is_github_name(one.owner) || !is_github_name(one.name) || one.license.size() > 256)
        std::abort();
  if (const auto found = parse_github_releases(text))
    for (const auto& one : *found)
      if (one.name.size() > 256 || one.tag.size() > 256) std::abort();
  if (const auto found = parse_github_token(text))
    if (found->token.empty() || found->token.reveal().find_first_of(" \r\n") != std::string::npos)
      std::abort();
  (void)parse_github_length(text);
  if (parse_github_message(text).size() > 256) std::abort();
  if (parse_github_pages(text).last == 0U) std::abort();
  return 0;
}
