#include "fleetctl/cli/agent_check.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "agent/component/component.h"
#include "agent/lint/lint.h"
#include "agent/registration.h"
#include "agent/runtime/check.h"

namespace fleetctl::cli {

command::ConfigurationCheck agent_check() {
  auto registry = std::make_shared<agent::component::Registry>();
  agent::register_components(*registry);
  return [registry](std::string_view text, std::string file) {
    const auto world = agent::runtime::unknown_world();
    return agent::runtime::check({{std::move(file), std::string(text)}}, *registry, *world,
                                 agent::lint::review)
        .diagnostics;
  };
}

}  // namespace fleetctl::cli
