// A .test file: a configuration, what goes in, and what must come out. Its form: docs/test.md.
#pragma once

#include <iosfwd>
#include <string>

#include "agent/component/component.h"

namespace agent::trial {

// Runs the file at `path`. What is not as the file says goes to `complaints` as "path:line: ...".
// `update`: what came out is written into the file instead. True when all was well.
bool run_test_file(const std::string& path, const component::Registry& real, bool update,
                   std::ostream& complaints);

}  // namespace agent::trial
