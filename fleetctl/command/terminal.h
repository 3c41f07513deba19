// Questions to the person.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <string>

#include "agent/base/wiped.h"

namespace fleetctl::command {

enum class Asked {
  kStandardInput,  // a line of it, whether it is a terminal or not
  kTerminal,       // the terminal itself: standard input holds something else
};
// On a terminal the question is shown and what is typed is not. nullopt when there is no answer.
std::optional<agent::Wiped> ask_secret(const std::string& question,
                                       Asked asked = Asked::kStandardInput);
// What opens the private key in `file`; `again`: the last answer did not. Asks the terminal while
// other threads work; nobody where standard input is none, and not once `stop` is set.
std::optional<agent::Wiped> ask_passphrase(const std::string& file, bool again,
                                           const std::atomic<bool>& stop);
// As the first one, and what is typed can be seen.
std::optional<std::string> ask_line(const std::string& question);

// How wide the terminal `fd` is; 0: that is not known.
std::size_t terminal_columns(int fd);

}  // namespace fleetctl::command
