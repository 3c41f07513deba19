// -e: "k=v k2='v 2'", YAML or JSON in braces, or @file. Values of the first form stay text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "fleetctl/inventory/loader.h"
#include "fleetctl/value/value.h"

namespace fleetctl::inventory {

// Later arguments override earlier ones.
agent::Result<value::Dict> read_extra_vars(const std::vector<std::string>& arguments,
                                           Loader& loader, std::vector<std::string>& warnings);

// "k=v ..." alone; white space inside quotes and inside {{ }}, {% %}, {# #} does not split. Pure.
agent::Result<value::Dict> parse_key_values(std::string_view text);

}  // namespace fleetctl::inventory
