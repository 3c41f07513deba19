// What yaml-cpp 0.7 reads wrongly, mended in the text before and in the scalars after.
#pragma once

#include <string>
#include <string_view>

namespace fleetctl::inventory {

// `- !vault |` and `- &a >`: yaml-cpp wants the lines of such a block deeper than the tag, YAML
// deeper than the dash. Those lines are moved to the right; what they say stays the same.
std::string widen_tagged_blocks(std::string_view text);

// The escapes \N and \_ come out of yaml-cpp as the single bytes 85 and A0; here they become
// UTF-8. Needs a scalar from a text that was UTF-8.
std::string mend_escapes(const std::string& scalar);

}  // namespace fleetctl::inventory
