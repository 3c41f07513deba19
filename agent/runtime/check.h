// Everything that can be known of a configuration without starting it: syntax, structure, and every
// argument's name, type and value. Values that only exist at run time (exports) are checked by
// type. Used by `fleet-agent validate` and by fleetctl for what it renders.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/component/component.h"
#include "agent/lang/diagnostic.h"
#include "agent/lang/stdlib.h"
#include "agent/runtime/graph.h"
#include "agent/runtime/settings.h"

namespace agent::runtime {

struct CheckReport {
  lang::Diagnostics diagnostics;
  std::vector<std::shared_ptr<const lang::Source>> sources;  // to render the diagnostics with
  Settings settings;                                         // as far as known without running
  bool ok() const { return !diagnostics.has_errors(); }
};

// `world`: what sys.env and constants.hostname stand for. On another machine than the
// configuration's own, use unknown_world(). `review` adds its warnings when nothing is wrong.
// `importer`: modules that it does not know are warned of, and what uses them is not checked.
CheckReport check(const std::vector<SourceText>& texts, const component::Registry& registry,
                  const lang::World& world, const Review& review = {},
                  const Importer& importer = {});

// A world of which nothing is known: environment variables and the host name are placeholders.
std::unique_ptr<lang::World> unknown_world();

}  // namespace agent::runtime
