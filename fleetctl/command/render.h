// `fleetctl render`: what each host would get, on stdout or in a folder.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "fleetctl/command/exit_code.h"
#include "fleetctl/command/fleet.h"
#include "fleetctl/command/style.h"

namespace fleetctl::command {

struct RenderOptions {
  FleetOptions fleet;
  std::string host;              // --host: this one; "": those of fleet.limit
  bool raw = false;              // --raw: not checked
  bool mask = false;             // --mask: without the secrets
  std::filesystem::path output;  // --output: DIR/<inventory_hostname>/config.alloy; "", "-": stdout
  bool diff = false;             // --diff: what would change in the folder; nothing is written
  bool exit_code = false;        // --exit-code: kDiffers when --diff finds something
  Colors colors = Colors::kAuto;  // --color
};

// One host's text goes to `out` as it is; several are parted by "==> host <==" lines. Nothing is
// written when any host has a problem.
ExitCode render(const RenderOptions& options, const ConfigurationCheck& check, std::ostream& out,
                std::ostream& err);

}  // namespace fleetctl::command
