// Which machines an archive of the agent is for, by what is in it.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace fleetctl::command {

// The machine of bin/fleet-agent in this tar.gz, as `uname -m` has it; "" for a script, which runs
// on any. Nothing is unpacked but what is before it. Errors: it is not there, is neither an ELF
// file nor a script, or is for a machine without a name here.
agent::Result<std::string> machine_in(std::string_view archive);

}  // namespace fleetctl::command
