// `fleet-agent installed`: what deploys made of this host and how its agent is. It only looks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/install/system.h"

namespace agent::install {

// One JSON object in one line (installed.cc has the members), for an agent that answers at `http`.
// `measure`: with rates, which takes a second where an agent runs.
std::string installed_json(System& system, Clock& clock, std::string_view version, bool measure,
                           const std::string& http = "127.0.0.1:12345");

// "COMPONENT: WHY" of the error that the agent at `http` has now and that matters most; "": none.
std::string current_error(System& system, const std::string& http);

// Prints it, after --frame TEXT if that is given; --measure measures. Runs as root, without the
// host's lock. Exit status: 0, 1 when it cannot be written, 64 usage.
int installed_main(const std::vector<std::string>& arguments, std::string_view version);

}  // namespace agent::install
