// Base64 with the alphabet of + and / and with padding: RFC 4648, section 4.
#pragma once

#include <string>
#include <string_view>

namespace agent {

// At most 1 GiB.
std::string to_base64(std::string_view bytes);

}  // namespace agent
