#include "agent/exporter/github_api.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "agent/base/strings.h"
#include "agent/wire/json.h"

namespace agent::exporter {
namespace {

using wire::JsonNode;
using Kind = JsonNode::Kind;

constexpr std::size_t kMaxRepositories = 1'000;  // of an answer
constexpr std::size_t kMaxAssets = 10'000;
constexpr std::size_t kMaxText = 256;  // bytes of a name or a title
constexpr std::size_t kMaxMessage = 200;

std::string text_of(const JsonNode& object, std::string_view name) {
  const auto found = object.find(name);
  if (!found || found->kind() != Kind::kString) return {};
  return std::string(utf8_head(found->string(), kMaxText));
}

std::optional<double> number_of(const JsonNode& object, std::string_view name) {
  const auto found = object.find(name);
  if (!found || (found->kind() != Kind::kInt && found->kind() != Kind::kUint &&
                 found->kind() != Kind::kDouble))
    return std::nullopt;
  return found->number();
}

bool is_true(const JsonNode& object, std::string_view name) {
  const auto found = object.find(name);
  return found && found->kind() == Kind::kBool && found->boolean();
}

tl::unexpected<Error> not_what_it_should_be() {
  return fail(ErrorCode::kInvalid, "the answer is not what GitHub documents");
}

Result<GithubRepository> repository_of(const JsonNode& object) {
  if (object.kind() != Kind::kObject) return not_what_it_should_be();
  GithubRepository out;
  out.name = text_of(object, "name");
  if (const auto owner = object.find("owner"); owner && owner->kind() == Kind::kObject)
    out.owner = text_of(*owner, "login");
  if (!is_github_name(out.name) || !is_github_name(out.owner)) return not_what_it_should_be();
  if (const auto license = object.find("license"); license && license->kind() == Kind::kObject)
    out.license = text_of(*license, "key");
  out.language = text_of(object, "language");
  out.is_private = is_true(object, "private");
  out.fork = is_true(object, "fork");
  out.archived = is_true(object, "archived");
  out.stars = number_of(object, "stargazers_count").value_or(0);
  out.forks = number_of(object, "forks_count").value_or(0);
  out.size_kb = number_of(object, "size").value_or(0);
  out.open_issues = number_of(object, "open_issues_count").value_or(0);
  out.subscribers = number_of(object, "subscribers_count");
  return out;
}

}  // namespace

bool is_github_name(std::string_view name) {
  return !name.empty() && name.size() <= 100 && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

Result<std::vector<GithubRepository>> parse_github_repositories(std::string_view text) {
  wire::JsonDocument document;
  const auto root = document.parse(text);
  if (!root) return not_what_it_should_be();
  std::vector<GithubRepository> out;
  const std::vector<JsonNode> all =
      root->kind() == Kind::kArray ? root->elements() : std::vector<JsonNode>{*root};
  for (const JsonNode& one : all) {
    if (out.size() == kMaxRepositories) return not_what_it_should_be();
    auto repository = repository_of(one);
    if (!repository) return fail(std::move(repository.error()));
    out.push_back(std::move(*repository));
  }
  return out;
}

Result<std::vector<GithubAsset>> parse_github_releases(std::string_view text) {
  wire::JsonDocument document;
  const auto root = document.parse(text);
  if (!root || root->kind() != Kind::kArray) return not_what_it_should_be();
  std::vector<GithubAsset> out;
  for (const JsonNode& release : root->elements()) {
    if (release.kind() != Kind::kObject) return not_what_it_should_be();
    const auto assets = release.find("assets");
    if (!assets || assets->kind() != Kind::kArray) continue;
    for (const JsonNode& asset : assets->elements()) {
      if (asset.kind() != Kind::kObject || out.size() == kMaxAssets) return not_what_it_should_be();
      out.push_back({text_of(release, "name"), text_of(release, "tag_name"), text_of(asset, "name"),
                     text_of(asset, "created_at"), number_of(asset, "download_count").value_or(0)});
    }
  }
  return out;
}

Result<std::size_t> parse_github_length(std::string_view text) {
  wire::JsonDocument document;
  const auto root = document.parse(text);
  if (!root || root->kind() != Kind::kArray) return not_what_it_should_be();
  return root->elements().size();
}

std::string parse_github_message(std::string_view text) {
  wire::JsonDocument document;
  const auto root = document.parse(text);
  if (!root || root->kind() != Kind::kObject) return {};
  return std::string(utf8_head(text_of(*root, "message"), kMaxMessage));
}

GithubPages parse_github_pages(std::string_view link) {
  // <https://host/path?per_page=1&page=2>; rel="next", <...&page=7>; rel="last"
  GithubPages out;
  for (std::string_view part : split(link, ',')) {
    const std::size_t close = part.find('>');
    if (close == std::string_view::npos) continue;
    const std::string_view url = part.substr(0, close);
    const std::string_view rel = part.substr(close);
    if (rel.find("rel=\"next\"") != std::string_view::npos) out.next = true;
    if (rel.find("rel=\"last\"") == std::string_view::npos) continue;
    for (const std::string_view lead : {"?page=", "&page="}) {
      const std::size_t at = url.find(lead);
      if (at == std::string_view::npos) continue;
      const std::string_view digits = url.substr(at + lead.size());
      std::uint64_t page = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), page);
      if (error == std::errc() && page > 0) out.last = page;
    }
  }
  return out;
}

}  // namespace agent::exporter
