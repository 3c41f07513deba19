// Writes databases of MaxMind's format, small ones with chosen content
// (https://maxmind.github.io/MaxMind-DB/).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/model/json_value.h"

namespace agent {

struct MmdbNetwork {
  std::string network;  // "81.2.69.0/24", "2001:218::/32"
  model::Json record;
};

// Fails the test when a network is not one, or when the file cannot be written.
void write_mmdb(const std::filesystem::path& path, const std::string& type,
                const std::vector<MmdbNetwork>& networks);

}  // namespace agent
