// HTTP requests, one at a time, over TCP, TLS or a unix socket.
//
// A request ends with an answer of any status, or with an Error when there is none:
// kUnavailable (refused, reset, timed out, unknown host, TLS), kExhausted (answer too large),
// kCancelled (stop), kInvalid (the URL or an option), kPermission (the peer's certificate is not
// trusted, a credentials file cannot be read). Time limits are real time, not the Clock's.
// Whoever builds a process on this ignores SIGPIPE.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/secret.h"

namespace agent::io {

struct TlsOptions {
  std::string ca_pem, ca_file;  // empty: the system's authorities
  std::string cert_pem, cert_file;
  Secret key_pem;
  std::string key_file;
  std::string server_name;  // checked and sent instead of the URL's host
  bool insecure_skip_verify = false;
  std::string min_version;  // "TLS10" .. "TLS13"; empty: TLS12
  bool operator==(const TlsOptions&) const = default;
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;
// The first of this name in any case, or "".
std::string_view header_of(const HttpHeaders& headers, std::string_view name);
using SecretHeaders = std::vector<std::pair<std::string, Secret>>;

struct ProxyOptions {
  std::string url;  // empty: none, unless from_environment
  std::string no_proxy;
  bool from_environment = false;
  SecretHeaders connect_headers;
  bool operator==(const ProxyOptions&) const = default;
};

// Client credentials grant (RFC 6749, 4.4).
struct OAuth2Options {
  std::string token_url;  // empty: no OAuth
  std::string client_id;
  Secret client_secret;
  std::string client_secret_file;
  std::vector<std::string> scopes;
  std::vector<std::pair<std::string, std::string>> endpoint_params;
  TlsOptions tls;
  ProxyOptions proxy;
  bool operator==(const OAuth2Options&) const = default;
};

// What holds for every request of a client. Files are read again for each request, so that rotated
// credentials take effect.
struct HttpOptions {
  std::string unix_socket;  // path; the URL's host is then only a name
  TlsOptions tls;
  ProxyOptions proxy;
  OAuth2Options oauth2;
  std::string basic_user;
  Secret basic_password;
  std::string basic_password_file;
  std::string authorization_type = "Bearer";
  Secret credentials;  // "Authorization: <type> <credentials>"
  std::string credentials_file;
  SecretHeaders headers;  // sent with each request
  // Followed for all methods with the method kept, except that 303 to anything but GET is not
  // followed. Credentials and `headers` do not go to another scheme, host or port.
  bool follow_redirects = true;
  bool http2 = true;
  bool shuffle_addresses = false;          // of a host with several: any of them, not the first
  std::string user_agent = "fleet-agent";  // the version is put behind it
  Duration connect_timeout = std::chrono::seconds(10);
  bool operator==(const HttpOptions&) const = default;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  HttpHeaders headers;
  std::string_view body;                        // outlives the request
  Duration timeout = std::chrono::seconds(10);  // of the whole request; 0: none
  std::size_t max_body = 1U << 20;              // of the answer, decoded
  bool accept_compressed = false;               // offers and decodes gzip and deflate
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;  // in order, at most 64 KiB
  std::string body;
  std::string_view header(std::string_view name) const { return header_of(headers, name); }
};

// One thread at a time. Keeps connections open between requests.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Ends within a second of a stop.
  Result<HttpResponse> send(const HttpRequest& request, const std::stop_token& stop);

  // The OAuth token that requests carry, asked for when there is none or it is about to expire;
  // none without OAuth. send() does this by itself.
  Result<std::optional<Secret>> token(const std::stop_token& stop);
  // The token was refused: the next one is a new one.
  void forget_token();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Where a daemon listens: "unix:///run/docker.sock", "tcp://host:2375", "http://...",
// "https://...".
struct HttpOrigin {
  std::string base_url;     // "http://localhost", "https://host:2376"; no slash at the end
  std::string unix_socket;  // "" for TCP
};
Result<HttpOrigin> parse_origin(std::string_view text);

// The URL without its user name and password, for messages.
std::string url_for_people(std::string_view url);

}  // namespace agent::io
