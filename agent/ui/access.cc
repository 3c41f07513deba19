#include "agent/ui/access.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <strings.h>

#include <algorithm>
#include <utility>

#include "agent/base/base64.h"
#include "agent/base/file.h"
#include "agent/base/strings.h"
#include "agent/ui/support_bundle.h"

namespace agent::ui {
namespace {

using io::ServerReply;
using io::ServerRequest;

// Without port and brackets; "" of what is none.
std::string host_of(std::string_view address) {
  if (address.starts_with('[')) {
    const auto end = address.find(']');
    return end == std::string_view::npos ? std::string() : std::string(address.substr(1, end - 1));
  }
  const auto colon = address.rfind(':');
  const bool six = colon != std::string_view::npos && address.find(':') != colon;
  return std::string(six ? address : address.substr(0, colon));
}

bool is_number(const std::string& host) {
  in6_addr six{};
  in_addr four{};
  return ::inet_pton(AF_INET, host.c_str(), &four) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &six) == 1;
}

// A browser that was led here by another site's name sends that name. Numbers need no resolver.
bool names_this_host(std::string_view header) {
  constexpr std::string_view kBelow = ".localhost";
  const std::string host = host_of(header);
  const bool local = ::strcasecmp(host.c_str(), "localhost") == 0 ||
                     (host.size() > kBelow.size() &&
                      ::strcasecmp(host.c_str() + host.size() - kBelow.size(), kBelow.data()) == 0);
  return header.empty() || is_number(host) || local;
}

bool is_foreign(const ServerRequest& request) {
  const std::string_view site = request.header("sec-fetch-site");
  if (!site.empty() && site != "same-origin" && site != "none") return true;
  const std::string_view origin = request.header("origin");
  if (origin.empty()) return false;
  const std::string host(request.header("host"));
  return origin != "http://" + host && origin != "https://" + host;
}

bool changes_something(const ServerRequest& request) {
  return (request.method != "GET" && request.method != "HEAD") || request.path == "/-/reload";
}

ServerReply refused(int status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text), {}};
}

}  // namespace

bool is_loopback(std::string_view address) {
  const std::string host = host_of(address);
  in_addr four{};
  if (::inet_pton(AF_INET, host.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  return host == "::1" || host == "localhost";
}

Access::Access(const std::optional<runtime::HttpAuthArgs>& auth, std::string_view address)
    : loopback_(is_loopback(address)) {
  if (!auth || !auth->basic) return;
  expected_ = sha256_hex(to_base64(auth->basic->username + ":" + auth->basic->password.reveal()));
  filter_ = auth->filter;
}

bool Access::asks_for_password() const {
  return !expected_.empty() &&
         (!filter_ || !filter_->authenticate_matching_paths || !filter_->paths.empty());
}

bool Access::needs_password(std::string_view path, std::string_view asked) const {
  if (expected_.empty()) return false;
  if (!filter_) return true;
  const bool matches =
      std::any_of(filter_->paths.begin(), filter_->paths.end(), [&](const std::string& beginning) {
        return path.starts_with(beginning) || asked.starts_with(beginning);
      });
  return matches == filter_->authenticate_matching_paths;
}

std::optional<ServerReply> Access::refusal(const ServerRequest& request,
                                           std::string_view asked) const {
  if (asked.empty()) asked = request.path;
  const bool password = needs_password(request.path, asked);
  if (password) {
    std::string_view given = request.header("authorization");
    const bool basic = given.size() > 6 && ::strncasecmp(given.data(), "basic ", 6) == 0;
    given = basic ? trim(given.substr(6)) : std::string_view();
    // Digests, so that the time taken tells nothing of the password or its length.
    const std::string digest = sha256_hex(given);
    if (CRYPTO_memcmp(digest.data(), expected_.data(), digest.size()) != 0) {
      ServerReply reply = refused(401, "a name and a password are needed\n");
      reply.headers.emplace_back("WWW-Authenticate",
                                 "Basic realm=\"fleet-agent\", charset=\"UTF-8\"");
      return reply;
    }
  }
  if (loopback_ && !password && !names_this_host(request.header("host")))
    return refused(403,
                   "this server is asked under another host's name; ask for localhost, or give it "
                   "a password\n");
  if (!loopback_ && !password && request.path == kSupportPath)
    return refused(403,
                   "give the http block an auth block, or make the bundle on the agent's host: "
                   "fleet-agent support-bundle\n");
  const bool navigates = request.header("sec-fetch-mode") == "navigate";
  if (is_foreign(request) && (changes_something(request) || !navigates))
    return refused(403, "a page of another site may not ask for this\n");
  return std::nullopt;
}

}  // namespace agent::ui
