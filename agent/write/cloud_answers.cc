#include "agent/write/cloud_answers.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <utility>

#include "agent/base/strings.h"

namespace agent::write {
namespace {

using wire::JsonNode;

constexpr std::string_view kEcs = "169.254.170.2";
constexpr std::string_view kEks = "169.254.170.23";
constexpr std::string_view kEksSix = "fd00:ec2::23";

// What stands in <name>...</name>, where it comes first: the answers of STS hold no entities there.
std::string element(std::string_view xml, const std::string& name) {
  const std::size_t at = xml.find("<" + name + ">");
  if (at == std::string_view::npos) return {};
  const std::size_t from = at + name.size() + 2;
  const std::size_t end = xml.find("</" + name + ">", from);
  return end == std::string_view::npos ? "" : std::string(trim(xml.substr(from, end - from)));
}

// Addresses only: a name would be looked up again when the request is made.
bool is_trusted(const std::string& host) {
  in_addr four{};
  if (::inet_pton(AF_INET, host.c_str(), &four) == 1)
    return ntohl(four.s_addr) >> 24 == 127 || host == kEcs || host == kEks;
  in6_addr six{};
  in6_addr eks{};
  if (host.size() < 2 || host.front() != '[' || host.back() != ']' ||
      ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &six) != 1 ||
      ::inet_pton(AF_INET6, std::string(kEksSix).c_str(), &eks) != 1)
    return host == "localhost";
  return IN6_IS_ADDR_LOOPBACK(&six) || std::memcmp(&six, &eks, sizeof six) == 0;
}

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string text_of(const std::optional<JsonNode>& object, std::string_view name) {
  if (!object || object->kind() != JsonNode::Kind::kObject) return {};
  const auto member = object->find(name);
  return member && member->kind() == JsonNode::Kind::kString ? std::string(member->string()) : "";
}

std::optional<AwsKeys> keys_of_profile(std::string_view file, std::string_view profile) {
  AwsKeys out;
  bool inside = false;
  while (!file.empty()) {
    const std::size_t end = std::min(file.find('\n'), file.size());
    const std::string_view line = trim(file.substr(0, end));
    file.remove_prefix(std::min(end + 1, file.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      inside = line.ends_with(']') && trim(line.substr(1, line.size() - 2)) == profile;
      continue;
    }
    const std::size_t equals = line.find('=');
    if (!inside || equals == std::string_view::npos) continue;
    const std::string_view name = trim(line.substr(0, equals));
    const std::string value(trim(line.substr(equals + 1)));
    if (name == "aws_access_key_id") out.access_key = value;
    if (name == "aws_secret_access_key") out.secret_key = Secret(value);
    if (name == "aws_session_token") out.session_token = Secret(value);
  }
  if (out.access_key.empty() || out.secret_key.empty()) return std::nullopt;
  return out;
}

std::optional<AwsKeys> keys_of_sts(std::string_view answer) {
  AwsKeys out{element(answer, "AccessKeyId"), Secret(element(answer, "SecretAccessKey")),
              Secret(element(answer, "SessionToken"))};
  if (out.access_key.empty() || out.secret_key.empty() || out.session_token.empty())
    return std::nullopt;
  return out;
}

std::optional<AwsKeys> keys_of_metadata(std::string_view answer) {
  wire::JsonDocument document;
  const auto root = document.parse(answer);
  AwsKeys out{text_of(root, "AccessKeyId"), Secret(text_of(root, "SecretAccessKey")),
              Secret(text_of(root, "Token"))};
  if (out.access_key.empty() || out.secret_key.empty()) return std::nullopt;
  return out;
}

std::optional<CloudToken> token_of(std::string_view answer) {
  wire::JsonDocument document;
  const auto root = document.parse(answer);
  std::string token = text_of(root, "access_token");
  if (token.empty()) return std::nullopt;
  std::int64_t seconds = 300;
  if (const auto life = root->find("expires_in")) {
    // Azure's machines say it as a text.
    const std::string text =
        life->kind() == JsonNode::Kind::kString ? std::string(life->string()) : life->text();
    std::from_chars(text.data(), text.data() + text.size(), seconds);
  }
  seconds = std::clamp<std::int64_t>(seconds, 0, 86400);
  return CloudToken{Secret(std::move(token)), std::chrono::seconds(seconds)};
}

std::string reason_of(std::string_view answer) {
  std::string reason = element(answer, "Code");
  if (reason.empty()) {
    wire::JsonDocument document;
    const auto root = document.parse(answer);
    reason = text_of(root, "error");
    if (reason.empty()) reason = text_of(root, "code");
  }
  const bool plain = reason.size() <= 40 && std::all_of(reason.begin(), reason.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
                     });
  return plain ? reason : std::string();
}

Result<std::string> container_keys_url(std::string_view relative, std::string_view full) {
  const auto plain = [](std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return c > ' ' && c < '\x7f' && c != '\\'; });
  };
  if (!relative.empty()) {
    if (relative.front() != '/' || !plain(relative))
      return fail(ErrorCode::kInvalid, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path");
    return "http://" + std::string(kEcs) + std::string(relative);
  }
  constexpr std::string_view kPlainHttp = "http://";
  if (full.starts_with("https://") && plain(full)) return std::string(full);
  if (!full.starts_with(kPlainHttp) || !plain(full))
    return fail(ErrorCode::kInvalid, "AWS_CONTAINER_CREDENTIALS_FULL_URI is no http or https URL");
  std::string_view host = full.substr(kPlainHttp.size());
  host = host.substr(0, host.find_first_of("/?#"));
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && !host.ends_with(']') && is_port(host.substr(colon + 1)))
    host = host.substr(0, colon);
  if (!is_trusted(std::string(host)))
    return fail(ErrorCode::kInvalid,
                "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http at the loopback, " +
                    std::string(kEcs) + ", " + std::string(kEks) + " or [" + std::string(kEksSix) +
                    "]");
  return std::string(full);
}

}  // namespace agent::write
