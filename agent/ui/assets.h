// The files of agent/ui/assets as the build put them into the program.
#pragma once

#include <span>
#include <string_view>

namespace agent::ui {

struct Asset {
  std::string_view name;  // "app.js"
  std::string_view gzip;
};

std::span<const Asset> assets();
// Another one when any file is another.
std::string_view assets_version();

}  // namespace agent::ui
