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
      .optional("client_ca_pem", &A::client_ca_pem, "The same as client_ca.")
      .optional("client_ca_file", &A::client_ca_file, "File with the authorities of clients.")
      .optional("cipher_suites", &A::cipher_suites,
                "Cipher suites below TLS 1.3, by Go's names; all good ones when empty.")
      .optional("curve_preferences", &A::curve_preferences,
                "CurveP256, CurveP384, CurveP521 and X25519, the best first; all when empty.")
      .optional("min_version", &A::min_version,
                "Lowest version to speak: TLS10, TLS11, TLS12 or TLS13; TLS12 when empty.")
      .optional("max_version", &A::max_version, "Highest version to speak; TLS13 when empty.")
      .refused_block("windows_certificate_filter", "it is for Windows.");
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
  // Without authorities the library does not ask clients for certificates at all.
  const bool needs_authorities =
      auth != nullptr && auth->second != ClientAuth::kNone && auth->second != ClientAuth::kRequest;
  const bool as_text = client_ca_pem.empty();
  if (!client_ca.empty() && !client_ca_pem.empty())
    diagnostics.error(body.span_of("client_ca_pem"), "client_ca and client_ca_pem are the same");
  one(as_text ? "client_ca" : "client_ca_pem", !client_ca.empty() || !client_ca_pem.empty(),
      "client_ca_file", !client_ca_file.empty(), needs_authorities);
  // The first one that does not go with those before it.
  io::TlsChoice choice;
  const auto add = [&](const char* name, auto io::TlsChoice::*member, const auto& value) {
    choice.*member = value;
    const auto found = io::tls_priorities(choice);
    if (!found) diagnostics.error(body.span_of(name), found.error().message);
    return found.has_value();
  };
  (void)(add("min_version", &io::TlsChoice::min_version, min_version) &&
         add("max_version", &io::TlsChoice::max_version, max_version) &&
         add("curve_preferences", &io::TlsChoice::curves, curve_preferences) &&
         add("cipher_suites", &io::TlsChoice::cipher_suites, cipher_suites));
}

io::HttpServerTls ListenTlsArgs::options() const {
  io::HttpServerTls out;
  out.cert_pem = cert_pem;
  out.cert_file = cert_file;
  out.key_pem = key_pem;
  out.key_file = key_file;
  out.client_ca_pem = client_ca.empty() ? client_ca_pem : client_ca;
  out.client_ca_file = client_ca_file;
  out.client_auth = look_up(kClientAuth, client_auth_type)->second;
  out.priorities =
      *io::tls_priorities({min_version, max_version, cipher_suites, curve_preferences});
  return out;
}

Schema<Http2Args> Http2Args::schema() {
  Schema<Http2Args> out;
  out.optional("enabled", &Http2Args::enabled, "Without effect; true is warned of.");
  for (const char* name :
       {"max_handlers", "max_concurrent_streams", "max_decoder_header_table_size",
        "max_encoder_header_table_size", "max_read_frame_size", "permit_prohibited_ciphers",
        "idle_timeout", "read_idle_timeout", "ping_timeout", "write_byte_timeout",
        "max_upload_buffer_per_connection", "max_upload_buffer_per_stream"})
    out.ignored(name, "Without effect.");
  return out;
}

void Http2Args::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  if (enabled)
    diagnostics.warning(body.span_of("enabled"),
                        "HTTP/2 is not spoken: clients are served over HTTP/1.1");
}

Schema<GrpcArgs> GrpcArgs::schema() {
  Schema<GrpcArgs> out;
  for (const char* name :
       {"listen_address", "listen_port", "conn_limit", "max_connection_age",
        "max_connection_age_grace", "max_connection_idle", "server_max_recv_msg_size",
        "server_max_send_msg_size", "server_max_concurrent_streams"})
    out.ignored(name, "Without effect.");
  out.ignored_block("tls", "Accepted; without effect.");
  return out;
}

void GrpcArgs::validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
  diagnostics.warning(body.span, "the block grpc has no effect: nothing listens for gRPC",
                      "Alloy listens there and offers no services");
}

Schema<ListenArgs> ListenArgs::schema() {
  return Schema<ListenArgs>()
      .optional("listen_address", &ListenArgs::listen_address,
                "Address to listen on; empty is every address.")
      .optional("listen_port", &ListenArgs::listen_port, "Port to listen on; 0 picks one.")
      .optional("conn_limit", &ListenArgs::conn_limit, "Most connections at a time; 0 is 256.")
      .optional("server_read_timeout", &ListenArgs::server_read_timeout,
                "Longest time for the headers of a connection's first request, and for each body.")
      .optional("server_write_timeout", &ListenArgs::server_write_timeout,
                "Longest time until a request is answered; then 503 is.")
      .optional("server_idle_timeout", &ListenArgs::server_idle_timeout,
                "Time after which a quiet connection is closed.")
      .block("tls", &ListenArgs::tls, "Speaks HTTPS.")
      .block("http2", &ListenArgs::http2, "Tuning of HTTP/2. Without effect: HTTP/1.1 is spoken.");
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
  out.header_timeout = server_read_timeout;
  out.read_timeout = server_read_timeout;
  out.idle_timeout = server_idle_timeout;
  if (tls) out.tls = tls->options();
  return out;
}

void validate_graceful_shutdown(const lang::Body& body, Duration timeout,
                                lang::Diagnostics& diagnostics) {
  if (timeout != std::chrono::seconds(30))
    diagnostics.warning(body.span_of("graceful_shutdown_timeout"),
                        "graceful_shutdown_timeout has no effect: at a stop, what is under way is "
                        "answered within a second");
}

}  // namespace agent::component
