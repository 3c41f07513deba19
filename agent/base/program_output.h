// What a program prints.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace agent {

// Runs words[0], a path, to its end with our standard input and error: it may talk to the person.
// Fails when it does, when it ends with another status than 0, or prints more than `limit` bytes.
Result<std::string> program_output(std::vector<std::string> words, std::size_t limit);

}  // namespace agent
