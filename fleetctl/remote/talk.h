// A dialogue with a program that runs here: the command itself, or what leads to it.
#pragma once

#include "agent/base/process.h"
#include "fleetctl/remote/remote.h"

namespace fleetctl::remote {

// `input` is what the child gets before anything that `dialogue` sends. Ends with both of the
// child's outputs: its exit status; 128 + N when signal N ended it. Errors: the dialogue's own;
// kUnavailable at `deadline`. The child is gone in any case. The calling program ignores SIGPIPE.
Result<int> talk(agent::Child child, Input input, Dialogue& dialogue, const Clock& clock,
                 Mono deadline);

}  // namespace fleetctl::remote
