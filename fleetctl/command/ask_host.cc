#include "fleetctl/command/ask_host.h"

namespace fleetctl::command {

agent::Result<int> ask_host(const Host& host, const std::string& command,
                            remote::Dialogue& dialogue, const RunOptions& options,
                            const World& world, std::vector<std::string>& notes) {
  auto reached = world.reacher(host);
  if (!reached) return agent::fail(reached.error());
  const agent::Mono deadline = world.clock.mono() + options.host_limit;
  if (auto connected = reached->remote->connect(deadline); !connected)
    return agent::fail(connected.error());
  for (const auto& list : {reached->warnings, reached->remote->warnings()})
    for (const std::string& warning : list) notes.push_back(printable(warning));
  return reached->remote->exec(command, dialogue, deadline);
}

}  // namespace fleetctl::command
