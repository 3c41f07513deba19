// What discovery.docker and loki.source.docker both demand of their arguments.
#pragma once

#include <string>

#include "agent/base/clock.h"
#include "agent/component/http_args.h"

namespace agent::component {

// `body` is where `host` and `refresh_interval` stand.
void validate_docker_daemon(const lang::Body& body, const std::string& host,
                            Duration refresh_interval, const HttpClientArgs& client,
                            lang::Diagnostics& diagnostics);

}  // namespace agent::component
