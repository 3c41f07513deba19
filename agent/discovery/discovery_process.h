// discovery.process, for tests that bring their own host.
#pragma once

#include <filesystem>

#include "agent/component/component.h"

namespace agent::discovery {

// `root` has the folders proc and etc.
component::Declaration discovery_process_from(std::filesystem::path root);

}  // namespace agent::discovery
