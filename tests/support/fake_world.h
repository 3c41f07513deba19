// The outside of the standard library: an environment and a host name that a test chooses.
#pragma once

#include <map>
#include <string>

#include "agent/lang/stdlib.h"

namespace agent {

struct FakeWorld final : lang::World {
  std::map<std::string, std::string> variables;
  std::string host = "puck.incus";
  bool is_known = true;

  std::string environment(const std::string& name) const override {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  }
  std::string hostname() const override { return host; }
  bool known() const override { return is_known; }
};

}  // namespace agent
