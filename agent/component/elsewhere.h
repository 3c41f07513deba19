// Components of Alloy's that this agent does not have, so that a configuration which uses one is
// told what to do instead.
#pragma once

#include <string>
#include <string_view>

namespace agent::component {

// What to use instead of the component `name`; "" when Alloy has no such component either.
std::string instead_of(std::string_view name);

}  // namespace agent::component
