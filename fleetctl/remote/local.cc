#include "fleetctl/remote/local.h"

#include <utility>

#include "fleetctl/remote/talk.h"

namespace fleetctl::remote {

Result<int> Local::exec(const std::string& command, Dialogue& dialogue, Mono deadline) {
  agent::Spawn spawn;
  spawn.argv = {"/bin/sh", "-c", command};
  auto child = agent::Child::start(spawn);
  if (!child) return agent::fail(child.error());
  return talk(std::move(*child), {}, dialogue, clock_, deadline);
}

}  // namespace fleetctl::remote
