#include "agent/exporter/github_app.h"

#include <algorithm>
#include <utility>

#include "agent/wire/json.h"
#include "agent/wire/jwt.h"
#include "agent/wire/time_layout.h"

namespace agent::exporter {
namespace {

constexpr std::int64_t kBack = 60;       // seconds that GitHub's clock may be behind ours
constexpr std::int64_t kGood = 9 * 60;   // of at most ten minutes
constexpr std::size_t kMaxToken = 1024;  // bytes

}  // namespace

Result<Secret> github_app_jwt(std::string_view pem, std::int64_t app_id, std::int64_t now_s) {
  auto token = wire::rs256_jwt(pem, R"({"alg":"RS256","typ":"JWT"})",
                               "{\"iat\":" + std::to_string(now_s - kBack) +
                                   ",\"exp\":" + std::to_string(now_s + kGood) + ",\"iss\":\"" +
                                   std::to_string(app_id) + "\"}");
  if (!token) return fail(token.error().code, "the app's " + token.error().message);
  return token;
}

Result<GithubToken> parse_github_token(std::string_view text) {
  using Kind = wire::JsonNode::Kind;
  const auto wrong = [] {
    return fail(ErrorCode::kInvalid, "the answer is not the token that GitHub documents");
  };
  wire::JsonDocument document;
  const auto root = document.parse(text);
  if (!root || root->kind() != Kind::kObject) return wrong();
  const auto token = root->find("token");
  const auto expires = root->find("expires_at");
  if (!token || token->kind() != Kind::kString || !expires || expires->kind() != Kind::kString)
    return wrong();
  // It becomes a header.
  const std::string_view letters = token->string();
  if (letters.empty() || letters.size() > kMaxToken ||
      !std::all_of(letters.begin(), letters.end(), [](char c) { return c > ' ' && c < '\x7f'; }))
    return wrong();
  const auto zone = wire::find_time_zone("UTC");
  if (!zone) return fail(zone.error());
  const auto layout = wire::TimeLayout::compile("RFC3339", *zone);
  if (!layout) return fail(layout.error());
  const auto when = layout->parse(expires->string());
  if (!when) return wrong();
  return GithubToken{Secret(std::string(letters)), when->ns};
}

}  // namespace agent::exporter
