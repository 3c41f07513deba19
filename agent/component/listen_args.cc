#include "agent/component/listen_args.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "agent/component/http_args.h"

namespace agent::component {
namespace {

constexpr unsigned kThreads = 4;
constexpr std::size_t kBodies = 128U << 20;

using ClientAuth = io::HttpServerTls::ClientAuth;
constexpr std::pair<std::string_view, ClientAuth> kClientAuth[] = {
    {"", ClientAuth::kNone},
    {"NoClientCert", ClientAuth::kNone},
    {"RequestClientCert", ClientAuth::kRequest},
    {"RequireAnyClientCert", ClientAuth::kRequireAny},
    {"VerifyClientCertIfGiven", ClientAuth::kVerifyIfGiven},
    {"RequireAndVerifyClientCert", ClientAuth::kRequireAndVerify}};
constexpr std::pair<std::string_view, std::string_view> kVersions[] = {
    {"", ":-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3"},
    {"TLS10", ":-VERS-ALL:+VERS-TLS1.0:+VERS-TLS1.1:+VERS-TLS1.2:+VERS-TLS1.3"},
    {"TLS11", ":-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.2:+VERS-TLS1.3"},
    {"TLS12", ":-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3"},
    {"TLS13", ":-VERS-ALL:+VERS-TLS1.3"}};

template <class Table>
auto* look_up(const Table& table, std::string_view name) {
  const auto it = std::find_if(std::begin(table), std::end(table),
                               [&](const auto& row) { return row.first == name; });
  return it == std::end(table) ? nullptr : &*it;
}

}  // namespace

Schema<ListenTlsArgs> ListenTlsArgs::schema() {
  using A = ListenTlsArgs;
  return component::Schema<A>()
      .optional("cert_pem", &A::cert_pem, "The server's certificate and chain, as PEM text.")
      .optional("cert_file", &A::cert_file, "File with the certificate and its chain.")
      .optional("key_pem", &A::key_pem, "The certificate's key, as PEM text.")
      .optional("key_file", &A::key_file, "File with the key.")
      .optional("client_auth_type", &A::client_auth_type,
                "NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven "
                "or RequireAndVerifyClientCert; empty is the first.")
      .optional("client_ca", &A::client_ca, "Authorities of clients, as PEM text.")
      .optional("client_ca_file", &A::client_ca_file, "File with the authorities of clients.")
      .optional("min_version", &A::min_version,
                "Lowest version to speak: TLS10, TLS11, TLS12 or TLS13; TLS12 when empty.");
}

void ListenTlsArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  const auto one = [&](std::string_view text, bool has_text, std::string_view file, bool has_file,
                       bool needed) {
    validate_one_of(body, text, has_text, file, has_file, needed ? "TLS" : "", diagnostics);
  };
  one("cert_pem", !cert_pem.empty(), "cert_file", !cert_file.empty(), true);
  one("key_pem", !key_pem.empty(), "key_file", !key_file.empty(), true);
  const auto* auth = look_up(kClientAuth, client_auth_type);
  if (auth == nullptr) {
    diagnostics.error(body.span_of("client_auth_type"), "unknown client_auth_type",
                      "known: NoClientCert, RequestClientCert, RequireAnyClientCert, "
                      "VerifyClientCertIfGiven, RequireAndVerifyClientCert");
  }
  const bool verifies = auth != nullptr && (auth->second == ClientAuth::kVerifyIfGiven ||
                                            auth->second == ClientAuth::kRequireAndVerify);
  one("client_ca", !client_ca.empty(), "client_ca_file", !client_ca_file.empty(), verifies);
  validate_tls_version(body, min_version, diagnostics);
}

io::HttpServerTls ListenTlsArgs::options() const {
  io::HttpServerTls out;
  out.cert_pem = cert_pem;
  out.cert_file = cert_file;
  out.key_pem = key_pem;
  out.key_file = key_file;
  out.client_ca_pem = client_ca;
  out.client_ca_file = client_ca_file;
  out.client_auth = look_up(kClientAuth, client_auth_type)->second;
  out.priorities = "NORMAL" + std::string(look_up(kVersions, min_version)->second);
  return out;
}

Schema<ListenArgs> ListenArgs::schema() {
  return Schema<ListenArgs>()
      .optional("listen_address", &ListenArgs::listen_address,
                "Address to listen on; empty is every address.")
      .optional("listen_port", &ListenArgs::listen_port, "Port to listen on; 0 picks one.")
      .optional("conn_limit", &ListenArgs::conn_limit, "Most connections at a time; 0 is 256.")
      .optional("server_read_timeout", &ListenArgs::server_read_timeout,
                "Longest time for the body of a request.")
      .optional("server_write_timeout", &ListenArgs::server_write_timeout,
                "Longest time until a request is answered; then 503 is.")
      .optional("server_idle_timeout", &ListenArgs::server_idle_timeout,
                "Time after which a quiet connection is closed.")
      .block("tls", &ListenArgs::tls, "Speaks HTTPS.")
      .ignored_block("http2", "Accepted; HTTP/1.1 is spoken.");
}

void ListenArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (listen_port < 0 || listen_port > 65535)
    diagnostics.error(body.span_of("listen_port"), "a port is a number from 0 to 65535");
  if (conn_limit < 0 || conn_limit > 65536)
    diagnostics.error(body.span_of("conn_limit"), "conn_limit must be from 0 to 65536");
  const auto positive = [&](std::string_view name, Duration value) {
    if (value < std::chrono::seconds(1))
      diagnostics.error(body.span_of(name), std::string(name) + " must be at least 1s");
  };
  positive("server_read_timeout", server_read_timeout);
  positive("server_write_timeout", server_write_timeout);
  positive("server_idle_timeout", server_idle_timeout);
}

io::HttpServer::Options ListenArgs::options(std::size_t max_body) const {
  io::HttpServer::Options out;
  const bool six = listen_address.find(':') != std::string::npos && listen_address[0] != '[';
  out.address =
      (six ? "[" + listen_address + "]" : listen_address) + ":" + std::to_string(listen_port);
  out.max_body = max_body;
  out.max_bodies = std::max(kBodies, max_body);
  out.threads = kThreads;
  out.max_connections = conn_limit > 0 ? static_cast<unsigned>(conn_limit) : 256;
  out.read_timeout = server_read_timeout;
  out.idle_timeout = server_idle_timeout;
  if (tls) out.tls = tls->options();
  return out;
}

}  // namespace agent::component
