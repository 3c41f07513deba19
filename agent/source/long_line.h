// The longest line that sources pass on. A longer one is cut and says so, because receivers refuse
// it whole.
#pragma once

#include <cstddef>
#include <string_view>

#include "agent/model/entry.h"

namespace agent::source {

inline constexpr std::size_t kMaxLine = 256U << 10;  // Loki's default limit
inline constexpr std::string_view kCutMarker = " [line cut]";

// Copies `line` into the arena, cut to kMaxLine with the marker when it is longer.
inline std::string_view store_line(model::Arena& arena, std::string_view line, bool& cut) {
  cut = line.size() > kMaxLine;
  if (!cut) return arena.store(line);
  const std::size_t kept = kMaxLine - kCutMarker.size();
  char* out = arena.allocate(kMaxLine);
  line.copy(out, kept);
  kCutMarker.copy(out + kept, kCutMarker.size());
  return {out, kMaxLine};
}

}  // namespace agent::source
