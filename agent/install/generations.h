// The states that a host can go back to, named by the change that made each: generation 12 is what
// change 12 put in place.
#pragma once

#include <string>
#include <vector>

#include "agent/install/books.h"
#include "agent/install/bundle.h"
#include "agent/install/system.h"

namespace agent::install {

struct Kept {
  Origin origin;
  unsigned folder = 0;  // generations/<folder>, saved before that change
  std::string release;
  std::string config_sha256;     // "": it had no configuration
  bool release_present = false;  // no: the host cannot go back to it
};

// Newest first, without the present one and without the state before the first agent.
std::vector<Kept> kept_generations(const System& system, const Books& books);

// A bundle with back_to gets that generation's release and files, and its number where it said "the
// one before". Others are left alone. Errors: nothing like that is kept here.
Result<> find_generation(System& system, Bundle& bundle);

}  // namespace agent::install
