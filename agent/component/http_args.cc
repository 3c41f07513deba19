#include "agent/component/http_args.h"

#include <algorithm>

namespace agent::component {

using lang::Body;
using lang::Diagnostics;
using lang::Span;
using lang::Value;

namespace {

// At most one of the named ones may be given.
void exclusive(const Body& body, std::vector<std::pair<std::string_view, bool>> given,
               Diagnostics& diagnostics) {
  given.erase(std::remove_if(given.begin(), given.end(), [](const auto& g) { return !g.second; }),
              given.end());
  if (given.size() < 2) return;
  std::string names;
  for (const auto& [name, is] : given) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  diagnostics.error(body.span_of(given[1].first), "at most one of " + names + " may be given");
}

io::SecretHeaders flat(const SecretHeaders& headers) {
  io::SecretHeaders out;
  for (const auto& [name, values] : headers.values) {
    for (const Secret& value : values) out.emplace_back(name, value);
  }
  return out;
}

}  // namespace

std::string Decoder<SecretHeaders>::text(const SecretHeaders& value) {
  std::string out = "{";
  for (const auto& [name, values] : value.values) {
    if (out.size() > 1) out += ", ";
    out += name + " = " + Decoder<std::vector<Secret>>::text(values);
  }
  return out + "}";
}

bool Decoder<SecretHeaders>::decode(const Value& value, const Span& span, SecretHeaders& out,
                                    Diagnostics& diagnostics) {
  if (value.is_placeholder()) {
    accept_placeholder(value, type_name(), span, diagnostics);
    return false;
  }
  if (value.kind() != Value::Kind::kObject) {
    report_mismatch(type_name(), value, span, diagnostics);
    return false;
  }
  SecretHeaders headers;
  bool good = true;
  for (const auto& [name, member] : value.object()) {
    std::vector<Secret> values;
    good = Decoder<std::vector<Secret>>::decode(member, span, values, diagnostics) && good;
    headers.values.emplace_back(name, std::move(values));
  }
  out = std::move(headers);
  return good;
}

Schema<TlsArgs> TlsArgs::schema() {
  return Schema<TlsArgs>()
      .optional("ca_pem", &TlsArgs::ca_pem, "Authorities to trust, as PEM text.")
      .optional("ca_file", &TlsArgs::ca_file, "File with the authorities to trust.")
      .optional("cert_pem", &TlsArgs::cert_pem, "The client's certificate, as PEM text.")
      .optional("cert_file", &TlsArgs::cert_file, "File with the client's certificate.")
      .optional("key_pem", &TlsArgs::key_pem, "The client's key, as PEM text.")
      .optional("key_file", &TlsArgs::key_file, "File with the client's key.")
      .optional("server_name", &TlsArgs::server_name,
                "Name that the server's certificate must have, if it is not the URL's host.")
      .optional("insecure_skip_verify", &TlsArgs::insecure_skip_verify,
                "Accepts any certificate: whoever is in the way can read and change everything.")
      .optional("min_version", &TlsArgs::min_version,
                "Lowest version to speak: TLS10, TLS11, TLS12 or TLS13; TLS12 when empty.");
}

void TlsArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  exclusive(body, {{"ca_pem", !ca_pem.empty()}, {"ca_file", !ca_file.empty()}}, diagnostics);
  exclusive(body, {{"cert_pem", !cert_pem.empty()}, {"cert_file", !cert_file.empty()}},
            diagnostics);
  exclusive(body, {{"key_pem", !key_pem.empty()}, {"key_file", !key_file.empty()}}, diagnostics);
  const bool cert = !cert_pem.empty() || !cert_file.empty();
  const bool key = !key_pem.empty() || !key_file.empty();
  if (cert != key) {
    diagnostics.error(body.span, cert ? "a client certificate needs its key_pem or key_file"
                                      : "a client key needs its cert_pem or cert_file");
  }
  validate_tls_version(body, min_version, diagnostics);
}

io::TlsOptions TlsArgs::options() const {
  io::TlsOptions out;
  out.ca_pem = ca_pem;
  out.ca_file = ca_file;
  out.cert_pem = cert_pem;
  out.cert_file = cert_file;
  out.key_pem = key_pem;
  out.key_file = key_file;
  out.server_name = server_name;
  out.insecure_skip_verify = insecure_skip_verify;
  out.min_version = min_version;
  return out;
}

Schema<ProxyArgs> ProxyArgs::schema() {
  return Schema<ProxyArgs>()
      .optional("proxy_url", &ProxyArgs::proxy_url, "Proxy to send requests through.")
      .optional("no_proxy", &ProxyArgs::no_proxy,
                "Hosts, separated by commas, that are reached without the proxy.")
      .optional("proxy_from_environment", &ProxyArgs::proxy_from_environment,
                "Takes the proxy from HTTP_PROXY, HTTPS_PROXY and NO_PROXY.")
      .optional("proxy_connect_header", &ProxyArgs::proxy_connect_header,
                "Headers for the proxy alone.");
}

void ProxyArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  exclusive(body,
            {{"proxy_url", !proxy_url.empty()}, {"proxy_from_environment", proxy_from_environment}},
            diagnostics);
  exclusive(body,
            {{"no_proxy", !no_proxy.empty()}, {"proxy_from_environment", proxy_from_environment}},
            diagnostics);
  if (!no_proxy.empty() && proxy_url.empty() && !proxy_from_environment)
    diagnostics.error(body.span_of("no_proxy"), "no_proxy without proxy_url has no meaning");
}

io::ProxyOptions ProxyArgs::options() const {
  io::ProxyOptions out;
  out.url = proxy_url;
  out.no_proxy = no_proxy;
  out.from_environment = proxy_from_environment;
  out.connect_headers = flat(proxy_connect_header);
  return out;
}

Schema<BasicAuthArgs> BasicAuthArgs::schema() {
  return Schema<BasicAuthArgs>()
      .optional("username", &BasicAuthArgs::username, "User name.")
      .optional("password", &BasicAuthArgs::password, "Password.")
      .optional("password_file", &BasicAuthArgs::password_file,
                "File with the password, read again for each request.");
}

void BasicAuthArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  exclusive(body, {{"password", !password.empty()}, {"password_file", !password_file.empty()}},
            diagnostics);
}

Schema<AuthorizationArgs> AuthorizationArgs::schema() {
  return Schema<AuthorizationArgs>()
      .optional("type", &AuthorizationArgs::type, "Kind of credentials; Bearer when empty.")
      .optional("credentials", &AuthorizationArgs::credentials, "The credentials.")
      .optional("credentials_file", &AuthorizationArgs::credentials_file,
                "File with the credentials, read again for each request.");
}

void AuthorizationArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  exclusive(
      body,
      {{"credentials", !credentials.empty()}, {"credentials_file", !credentials_file.empty()}},
      diagnostics);
  if (type == "Basic" || type == "basic") {
    diagnostics.error(body.span_of("type"), "basic authentication has a block of its own",
                      "use basic_auth { ... }");
  }
}

Schema<OAuth2Args> OAuth2Args::schema() {
  return Schema<OAuth2Args>()
      .optional("client_id", &OAuth2Args::client_id, "The client's name.")
      .optional("client_secret", &OAuth2Args::client_secret, "The client's secret.")
      .optional("client_secret_file", &OAuth2Args::client_secret_file, "File with the secret.")
      .optional("scopes", &OAuth2Args::scopes, "Scopes to ask for.")
      .optional("token_url", &OAuth2Args::token_url, "Where tokens are got.")
      .optional("endpoint_params", &OAuth2Args::endpoint_params,
                "Further parameters of the token request.")
      .include(&OAuth2Args::proxy)
      .block("tls_config", &OAuth2Args::tls_config, "TLS of the token request.");
}

void OAuth2Args::validate(const Body& body, Diagnostics& diagnostics) const {
  exclusive(body,
            {{"client_secret", !client_secret.empty()},
             {"client_secret_file", !client_secret_file.empty()}},
            diagnostics);
  if (client_id.empty()) diagnostics.error(body.span, "oauth2 needs a client_id");
  validate_url(body, "token_url", token_url, diagnostics);
  proxy.validate(body, diagnostics);
}

Schema<HttpClientArgs> HttpClientArgs::schema() {
  return Schema<HttpClientArgs>()
      .optional("bearer_token", &HttpClientArgs::bearer_token, "Bearer token to authenticate with.")
      .optional("bearer_token_file", &HttpClientArgs::bearer_token_file,
                "File with the bearer token, read again for each request.")
      .include(&HttpClientArgs::proxy)
      .optional("follow_redirects", &HttpClientArgs::follow_redirects,
                "Follows redirects; credentials never go to another host.")
      .optional("enable_http2", &HttpClientArgs::enable_http2, "Offers HTTP/2 over TLS.")
      .optional("http_headers", &HttpClientArgs::http_headers,
                "Headers of each request, with values that are not shown.")
      .block("basic_auth", &HttpClientArgs::basic_auth, "User name and password.")
      .block("authorization", &HttpClientArgs::authorization, "An Authorization header.")
      .block("oauth2", &HttpClientArgs::oauth2, "OAuth 2.0 with client credentials.")
      .block("tls_config", &HttpClientArgs::tls_config, "TLS of the connection.");
}

void HttpClientArgs::validate(const Body& body, Diagnostics& diagnostics) const {
  exclusive(body,
            {{"basic_auth", basic_auth.has_value()},
             {"authorization", authorization.has_value()},
             {"oauth2", oauth2.has_value()},
             {"bearer_token", !bearer_token.empty()},
             {"bearer_token_file", !bearer_token_file.empty()}},
            diagnostics);
  proxy.validate(body, diagnostics);
}

io::HttpOptions HttpClientArgs::options() const {
  io::HttpOptions out;
  out.tls = tls_config.options();
  out.proxy = proxy.options();
  out.follow_redirects = follow_redirects;
  out.http2 = enable_http2;
  out.headers = flat(http_headers);
  if (basic_auth) {
    out.basic_user = basic_auth->username;
    out.basic_password = basic_auth->password;
    out.basic_password_file = basic_auth->password_file;
  }
  out.credentials = bearer_token;
  out.credentials_file = bearer_token_file;
  if (authorization) {
    if (!authorization->type.empty()) out.authorization_type = authorization->type;
    out.credentials = authorization->credentials;
    out.credentials_file = authorization->credentials_file;
  }
  if (oauth2) {
    out.oauth2.token_url = oauth2->token_url;
    out.oauth2.client_id = oauth2->client_id;
    out.oauth2.client_secret = oauth2->client_secret;
    out.oauth2.client_secret_file = oauth2->client_secret_file;
    out.oauth2.scopes = oauth2->scopes;
    out.oauth2.endpoint_params = oauth2->endpoint_params;
    out.oauth2.tls = oauth2->tls_config.options();
    out.oauth2.proxy = oauth2->proxy.options();
  }
  return out;
}

void validate_tls_version(const lang::Body& body, const std::string& min_version,
                          lang::Diagnostics& diagnostics) {
  if (!min_version.empty() && min_version != "TLS10" && min_version != "TLS11" &&
      min_version != "TLS12" && min_version != "TLS13") {
    diagnostics.error(body.span_of("min_version"), "unknown TLS version",
                      "known: TLS10, TLS11, TLS12, TLS13");
  }
}

void validate_one_of(const lang::Body& body, std::string_view first, bool has_first,
                     std::string_view second, bool has_second, std::string_view needed_by,
                     lang::Diagnostics& diagnostics) {
  const std::string names = std::string(first) + " and " + std::string(second);
  if (has_first && has_second)
    diagnostics.error(body.span_of(second), "only one of " + names + " may be given");
  if (!needed_by.empty() && !has_first && !has_second)
    diagnostics.error(body.span, std::string(needed_by) + " needs one of " + names);
}

void validate_url(const Body& body, std::string_view name, const std::string& url,
                  Diagnostics& diagnostics) {
  const auto starts = [&](std::string_view prefix) {
    return url.size() > prefix.size() && url.compare(0, prefix.size(), prefix) == 0 &&
           url[prefix.size()] != '/';
  };
  const bool plain = std::none_of(url.begin(), url.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7F;
  });
  if ((starts("http://") || starts("https://")) && plain && io::parse_origin(url)) return;
  diagnostics.error(body.span_of(name), std::string(name) + " is not a URL that can be requested",
                    "expected http://host... or https://host...");
}

}  // namespace agent::component
