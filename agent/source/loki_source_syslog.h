// loki.source.syslog for a process whose sockets outlive it.
#pragma once

#include "agent/component/component.h"
#include "agent/io/socket_store.h"

namespace agent::source {

// `sockets` outlives the components; null: sockets end with the process.
component::Declaration loki_source_syslog(io::SocketStore* sockets);

}  // namespace agent::source
