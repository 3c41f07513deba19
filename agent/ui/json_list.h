// A JSON list of what `write` makes of each item.
#pragma once

#include <string>

namespace agent::ui {

template <class Items, class Write>
std::string json_list(const Items& items, Write write) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    out += write(item);
  }
  return out + "]";
}

}  // namespace agent::ui
