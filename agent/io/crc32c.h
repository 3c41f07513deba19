// CRC-32C (Castagnoli), as RFC 3720 appendix B.4 has it: "123456789" gives E3069283.
#pragma once

#include <cstdint>
#include <string_view>

namespace agent::io {

// Of `bytes` behind bytes whose checksum is `before`.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace agent::io
