// The HTTP client options that loki.write, prometheus.remote_write, prometheus.scrape and
// discovery.docker share, as configurations write them. A struct with these as a member includes
// their fields in its schema and calls validate().
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/secret.h"
#include "agent/component/schema.h"
#include "agent/io/http_client.h"

namespace agent::component {

// Header name -> values, none of them shown.
struct SecretHeaders {
  std::vector<std::pair<std::string, std::vector<Secret>>> values;
};
template <>
struct Decoder<SecretHeaders> {
  static std::string type_name() { return "map(list(secret))"; }
  static std::string text(const SecretHeaders& value);
  static bool decode(const lang::Value& value, const lang::Span& span, SecretHeaders& out,
                     lang::Diagnostics& diagnostics);
};

struct TlsArgs {
  std::string ca_pem, ca_file, cert_pem, cert_file, key_file, server_name, min_version;
  Secret key_pem;
  bool insecure_skip_verify = false;
  static Schema<TlsArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
  io::TlsOptions options() const;
};

struct ProxyArgs {
  std::string proxy_url, no_proxy;
  bool proxy_from_environment = false;
  SecretHeaders proxy_connect_header;
  static Schema<ProxyArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
  io::ProxyOptions options() const;
};

struct BasicAuthArgs {
  std::string username, password_file;
  Secret password;
  static Schema<BasicAuthArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

struct AuthorizationArgs {
  std::string type, credentials_file;
  Secret credentials;
  static Schema<AuthorizationArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

struct OAuth2Args {
  std::string client_id, client_secret_file, token_url;
  Secret client_secret;
  std::vector<std::string> scopes;
  StringMap endpoint_params;
  ProxyArgs proxy;
  TlsArgs tls_config;
  static Schema<OAuth2Args> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

struct HttpClientArgs {
  std::optional<BasicAuthArgs> basic_auth;
  std::optional<AuthorizationArgs> authorization;
  std::optional<OAuth2Args> oauth2;
  TlsArgs tls_config;
  Secret bearer_token;
  std::string bearer_token_file;
  ProxyArgs proxy;
  bool follow_redirects = true;
  bool enable_http2 = true;
  SecretHeaders http_headers;
  static Schema<HttpClientArgs> schema();
  // `body` is where these fields stand, for places in messages.
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
  io::HttpOptions options() const;
};

// TLS10 to TLS13, or "". Reports at attribute `min_version`.
void validate_tls_version(const lang::Body& body, const std::string& min_version,
                          lang::Diagnostics& diagnostics);
// Two attributes that say the same thing, as text and as the name of a file: reports when both are
// given, and when neither is although `needed_by` ("TLS"; "" for nobody) needs one.
void validate_one_of(const lang::Body& body, std::string_view first, bool has_first,
                     std::string_view second, bool has_second, std::string_view needed_by,
                     lang::Diagnostics& diagnostics);

// "http://..." or "https://..." with a host: what can be requested. Reports at attribute `name`.
void validate_url(const lang::Body& body, std::string_view name, const std::string& url,
                  lang::Diagnostics& diagnostics);

}  // namespace agent::component
