// The one command that a host runs, the script that it reads, and the bundle that `fleet-agent
// apply` is given at the end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fleetctl/plan/plan.h"

namespace fleetctl::plan {

enum class Become {
  kNone,      // whoever we log in as
  kSudo,      // sudo -n: it must not ask
  kPassword,  // sudo asks, with `nonce` in its prompt
};

struct Exec {
  std::string nonce;  // hex, random for each connection
  std::string who;    // operator@machine, run
  Become become = Become::kNone;
  std::string become_user = "root";
  bool lock = true;  // false: look only
};

// The command line for the host's login shell, whichever that is. It reads a script up to a line
// "<nonce>-end" from its standard input and runs it; it becomes root first where it is not. With
// Become::kPassword it says "<nonce> hello" when it is there, so that the script is not sent into
// sudo's question.
std::string command(const Exec& exec);
// What sudo shows when it wants the password.
std::string prompt(const Exec& exec);
enum class Orders {
  kDeploy,
  kUpkeep,  // those of upkeep.sh as well
};
// The script with its parameters, up to and including that line.
std::string script(const Exec& exec, const Wanted& wanted, Orders orders = Orders::kDeploy);

// The order that announces a release, to be followed by its archive.
std::string release_order(const Release& release);
// "apply" and the bundle (format: agent/install/bundle.cc).
std::string apply_order(const Wanted& wanted, std::string_view run, std::string_view who);
// The same for a generation that the host has kept, 0 being the one before the present, by the
// agent that is installed.
std::string rollback_order(unsigned back_to, const Gate& gate, std::string_view run,
                           std::string_view who);

}  // namespace fleetctl::plan
