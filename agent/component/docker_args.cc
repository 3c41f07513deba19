#include "agent/component/docker_args.h"

#include "agent/io/http_client.h"

namespace agent::component {

void validate_docker_daemon(const lang::Body& body, const std::string& host,
                            Duration refresh_interval, const HttpClientArgs& client,
                            lang::Diagnostics& diagnostics) {
  if (const auto origin = io::parse_origin(host); !origin) {
    diagnostics.error(body.span_of("host"), origin.error().message);
  } else if (host.rfind("tcp://", 0) == 0 && !(client.tls_config.options() == io::TlsOptions())) {
    // The daemon's log, and whatever else is asked for, would travel unprotected.
    diagnostics.error(body.span_of("host"), "tls_config has no effect with tcp://",
                      "write https:// for a daemon that speaks TLS");
  }
  if (refresh_interval < std::chrono::seconds(1))
    diagnostics.error(body.span_of("refresh_interval"), "refresh_interval must be at least 1s");
}

}  // namespace agent::component
