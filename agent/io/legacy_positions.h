// Reads the positions file that promtail and Grafana Alloy keep, so that moving here repeats
// nothing.
//
// Format: YAML of one of two shapes, one entry per file or journal:
//   positions:                          positions:
//     /var/log/a.log: "123"               ? path: /var/log/a.log
//     cursor-x: s=..;i=..                   labels: '{job="a"}'
//                                         : "123"
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace agent::io {

struct LegacyPosition {
  std::string path;
  std::string labels;  // "" in the first shape
  std::string value;
};

// What can be read; anything else is passed over.
std::vector<LegacyPosition> parse_legacy_positions(std::string_view yaml);

}  // namespace agent::io
