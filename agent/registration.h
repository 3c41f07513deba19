// The components this project has, listed explicitly: generated from the agent_component() lines of
// the folders.
#pragma once

#include "agent/component/component.h"

namespace agent {

void register_components(component::Registry& registry);

}  // namespace agent
