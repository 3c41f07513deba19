// Where the agent listens for HTTP, as configurations write it: the block `http` of loki.source.api
// and prometheus.receive_http, and the `tls` block of the agent's own server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/secret.h"
#include "agent/component/schema.h"
#include "agent/io/http_server.h"

namespace agent::component {

struct ListenTlsArgs {
  std::string cert_pem, cert_file, key_file, client_auth_type, client_ca, client_ca_pem,
      client_ca_file, min_version, max_version;
  std::vector<std::string> cipher_suites, curve_preferences;
  Secret key_pem;
  static Schema<ListenTlsArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
  io::HttpServerTls options() const;  // of what is valid
};

// The server speaks HTTP/1.1, to which every client of HTTP/2 falls back; what is asked of other
// protocols is known by name, and warned of where it would have changed something.
struct Http2Args {
  bool enabled = false;
  static Schema<Http2Args> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};
// A server of gRPC that offers no services, in Alloy as well.
struct GrpcArgs {
  static Schema<GrpcArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
};

struct ListenArgs {
  std::string listen_address;
  std::int64_t listen_port = 8080;
  std::int64_t conn_limit = 0;
  Duration server_read_timeout = std::chrono::seconds(30);
  Duration server_write_timeout = std::chrono::seconds(30);
  Duration server_idle_timeout = std::chrono::minutes(2);
  std::optional<ListenTlsArgs> tls;
  std::optional<Http2Args> http2;
  static Schema<ListenArgs> schema();
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const;
  // Bodies of at most `max_body` bytes each, and of 128 MiB together or one.
  io::HttpServer::Options options(std::size_t max_body) const;
};

// The argument graceful_shutdown_timeout of servers: at a stop what is under way is answered within
// a second. Warns of another time than Alloy's.
void validate_graceful_shutdown(const lang::Body& body, Duration timeout,
                                lang::Diagnostics& diagnostics);

}  // namespace agent::component
