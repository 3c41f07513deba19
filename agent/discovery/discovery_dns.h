// discovery.dns, for tests that bring their own servers.
#pragma once

#include <string>

#include "agent/component/component.h"

namespace agent::discovery {

// `servers` as in io::DnsOptions.
component::Declaration discovery_dns_from(std::string servers);

}  // namespace agent::discovery
