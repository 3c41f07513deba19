// Syslog listeners that a change would take away from containers which log to them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fleetctl/command/configuration_uses.h"
#include "fleetctl/plan/container_logs.h"

namespace fleetctl::command {

class ListenersInUse {
 public:
  // Both are whole configurations, `present` whatever the host sent. Where `wanted` has a listener
  // whose address is not written out, or imports what is not seen here, none counts as going.
  ListenersInUse(std::string_view present, std::string_view wanted);

  bool any_goes() const { return !going_.empty(); }
  // A line of the bootstrap's order `containers`. Errors: it cannot be read.
  agent::Result<> hear(std::string_view line);
  // Why the host may not be changed, in one line for a terminal; "": no container uses what goes.
  std::string refusal() const;

 private:
  std::vector<SyslogListener> going_;
  std::vector<std::string> users_;  // "'kairos' to 51421/tcp (loki.source.syslog.apps)"
};

}  // namespace fleetctl::command
