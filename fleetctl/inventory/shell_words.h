// Words as a POSIX shell splits them, which is how Ansible reads the lines of an INI inventory and
// ssh arguments: quotes, backslashes, and (where asked for) comments.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace fleetctl::inventory {

enum class Comments { kNo, kYes };  // kYes: # outside quotes ends the line, even inside a word

agent::Result<std::vector<std::string>> split_shell_words(std::string_view text, Comments comments);

}  // namespace fleetctl::inventory
