#include "fleetctl/plan/side_by_side.h"

#include <algorithm>
#include <utility>

#include "agent/base/strings.h"

namespace fleetctl::plan {
namespace {

constexpr std::size_t kNarrowest = 20;

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

// `text` in exactly `width` columns.
std::string cell(std::string_view text, std::size_t width) {
  std::string shown;
  for (const char c : text) {
    if (c == '\t') {
      shown += "  ";
    } else {
      shown += c;
    }
  }
  std::size_t columns = 0;
  std::size_t last = 0;  // where the character in the last column begins
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (!begins_character(shown[i])) continue;
    if (columns == width) {
      shown.resize(last);
      return shown + "~";
    }
    last = i;
    ++columns;
  }
  return shown + std::string(width - columns, ' ');
}

}  // namespace

std::vector<SideRow> side_by_side(std::string_view unified, std::size_t columns) {
  const std::size_t width = (std::max(columns, kNarrowest) - 3) / 2;
  std::vector<SideRow> rows;
  const auto add = [&](char sign, std::string_view left, std::string_view right) {
    std::string text = cell(left, width) + " " + sign + " " + cell(right, width);
    text.erase(text.find_last_not_of(' ') + 1);
    rows.push_back({sign, std::move(text)});
  };
  std::vector<std::string_view> gone, come;
  const auto flush = [&] {
    for (std::size_t i = 0; i < std::max(gone.size(), come.size()); ++i)
      add(i >= come.size()   ? '<'
          : i >= gone.size() ? '>'
                             : '|',
          i < gone.size() ? gone[i] : "", i < come.size() ? come[i] : "");
    gone.clear();
    come.clear();
  };
  std::size_t number = 0;
  for (const std::string_view line : agent::split(unified, '\n')) {
    if (++number <= 2 || line.empty()) continue;  // the names of the two texts
    const std::string_view text = line.substr(1);
    if (line[0] == '-') {
      if (!come.empty()) flush();
      gone.push_back(text);
    } else if (line[0] == '+') {
      come.push_back(text);
    } else {
      flush();
      if (line[0] == '@') {
        rows.push_back({'@', std::string(line)});
      } else {
        add(' ', text, text);
      }
    }
  }
  flush();
  return rows;
}

}  // namespace fleetctl::plan
