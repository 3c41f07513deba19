// For a test program with a main() of its own.
#pragma once

namespace agent {

// What Catch's main does with these arguments.
int run_tests(int argc, char** argv);

}  // namespace agent
