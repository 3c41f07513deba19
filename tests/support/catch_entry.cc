// The main() of test programs that have none of their own: another file of the library than Catch,
// so that the linker leaves it out there.
#include "tests/support/catch_main.h"

int main(int argc, char** argv) { return agent::run_tests(argc, argv); }
