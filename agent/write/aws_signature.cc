#include "agent/write/aws_signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/io/http_fetch.h"

namespace agent::write {
namespace {

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  return {reinterpret_cast<const char*>(out.data()), size};
}

struct Target {
  std::string host;  // as the Host header says it
  std::string path;  // canonical
  std::string query;
};

// What is encoded on the wire is encoded once more: only S3 differs.
std::string canonical_path(std::string_view path) {
  std::vector<std::string_view> parts;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  std::string out = "/";
  for (const std::string_view part : parts) {
    if (out.size() > 1) out += '/';
    out += io::percent_encode(part);
  }
  if (out.size() > 1 && path.ends_with('/')) out += '/';
  return out;
}

std::string canonical_query(std::string_view query) {
  if (query.empty()) return {};
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  for (const std::string_view pair : split(query, '&')) {
    const std::size_t end = std::min(pair.find('='), pair.size());
    pairs.emplace_back(pair.substr(0, end), pair.substr(std::min(end + 1, pair.size())));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    out.append(name).append("=").append(value);
  }
  return out;
}

Target target_of(std::string_view url) {
  url = url.substr(0, url.find('#'));
  const std::size_t scheme = url.find("://");
  const bool tls = url.starts_with("https");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  const std::size_t query = std::min(url.find('?'), url.size());
  const std::size_t path = std::min(url.find('/'), query);
  std::string_view host = url.substr(0, path);
  if (const std::size_t at = host.rfind('@'); at != std::string_view::npos)
    host.remove_prefix(at + 1);
  const std::string_view usual = tls ? ":443" : ":80";
  if (host.ends_with(usual)) host.remove_suffix(usual.size());
  return {std::string(host), canonical_path(url.substr(path, query - path)),
          canonical_query(url.substr(std::min(query + 1, url.size())))};
}

std::string utc(const char* format, std::int64_t wall_ns) {
  const auto seconds = static_cast<std::time_t>(wall_ns / 1'000'000'000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

// Its ends trimmed, and one space for each run of them.
std::string canonical_value(std::string_view value) {
  std::string out;
  for (const char c : trim(value)) {
    if (c != ' ' || !out.ends_with(' ')) out += c;
  }
  return out;
}

}  // namespace

void sign_for_aws(io::HttpRequest& request, const AwsKeys& keys, std::string_view region,
                  std::string_view service, std::int64_t wall_ns) {
  const Target target = target_of(request.url);
  const std::string time = utc("%Y%m%dT%H%M%SZ", wall_ns);
  const std::string body_hash = sha256_hex(request.body);
  request.headers.emplace_back("Host", target.host);
  request.headers.emplace_back("X-Amz-Date", time);
  request.headers.emplace_back("X-Amz-Content-Sha256", body_hash);
  if (!keys.session_token.empty())
    request.headers.emplace_back("X-Amz-Security-Token", keys.session_token.reveal());

  std::map<std::string, std::string> said;
  for (const auto& [name, value] : request.headers) {
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (lower != "host" && lower != "content-type" && !lower.starts_with("x-amz-")) continue;
    const auto [at, fresh] = said.emplace(std::move(lower), canonical_value(value));
    if (!fresh) at->second += "," + canonical_value(value);
  }
  std::string headers;
  std::string names;
  for (const auto& [name, value] : said) {
    headers.append(name).append(":").append(value).append("\n");
    if (!names.empty()) names += ';';
    names += name;
  }
  const std::string canonical = request.method + "\n" + target.path + "\n" + target.query + "\n" +
                                headers + "\n" + names + "\n" + body_hash;
  const std::string date = time.substr(0, 8);
  std::string scope = date;
  scope.append("/").append(region).append("/").append(service).append("/aws4_request");
  std::string key = hmac("AWS4" + keys.secret_key.reveal(), date);
  for (const std::string_view part : {region, service, std::string_view("aws4_request")})
    key = hmac(key, part);
  const std::string signature =
      to_hex(hmac(key, "AWS4-HMAC-SHA256\n" + time + "\n" + scope + "\n" + sha256_hex(canonical)));
  request.headers.emplace_back("Authorization", "AWS4-HMAC-SHA256 Credential=" + keys.access_key +
                                                    "/" + scope + ", SignedHeaders=" + names +
                                                    ", Signature=" + signature);
}

}  // namespace agent::write
