#define CATCH_CONFIG_RUNNER
#include "tests/support/catch_main.h"

#include <catch2/catch.hpp>

namespace agent {

int run_tests(int argc, char** argv) { return Catch::Session().run(argc, argv); }

}  // namespace agent
