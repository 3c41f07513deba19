// A unified diff with the old text on the left and the new one on the right.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fleetctl::plan {

struct SideRow {
  char sign =
      ' ';  // ' ' the same, '|' changed, '<' only on the left, '>' only on the right, '@' a heading
  std::string text;
};
// Lines of at most `columns` columns (at least 20), each character taken for one; what does not fit
// is cut and ends in '~'. Tabs become two spaces.
std::vector<SideRow> side_by_side(std::string_view unified, std::size_t columns);

}  // namespace fleetctl::plan
