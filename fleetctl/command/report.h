// How problems look to the person: one block each, the place first, the source line with a caret
// below, and hosts with the same problem on one line.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fleetctl/command/fleet.h"
#include "fleetctl/command/style.h"

namespace fleetctl::command {

// "file:line:column: message" and, when the line is known, the line with a caret below it. Line and
// column count from 1; 0 leaves the line out.
std::string source_block(std::string_view file, int line, int column, std::string_view message,
                         std::string_view source_line);
// Line `number` (from 1) of the text, without its newline; "" when there is none.
std::string_view line_of(std::string_view text, int number);

// The other way round: the place that a block's first line begins with, where it has one.
struct Located {
  std::string_view file;
  int line = 0;
  int column = 0;
  std::string_view message;
};
Located locate(std::string_view first_line);

// Rows as columns, two spaces apart; `color` paints each cell with what `tone` says of it.
using CellTone = std::function<Tone(std::size_t row, std::size_t column, std::string_view cell)>;
std::string aligned(const std::vector<std::vector<std::string>>& rows, bool color = false,
                    const CellTone& tone = {});
// "2026-11-21 06:14:03Z"; "-" for 0.
std::string utc_text(std::int64_t seconds_since_1970);

// "1 host", "2 hosts"
std::string hosts_text(std::size_t number);
// "3 hosts: 1 unchanged, 2 failed"
using StateCount = std::pair<std::string_view, std::size_t>;
std::string counts_text(std::size_t hosts, const std::vector<StateCount>& counts);
// "a, b, c"; of many only the first.
std::string name_some(const std::vector<std::string>& hosts);
// All blocks, equal ones once with all their hosts.
void print_problems(const std::vector<Problem>& problems, std::ostream& err);
void print_warnings(const std::vector<std::string>& warnings, std::ostream& err);
// For hosts that the limit names and that get no agent.
void print_unmanaged(const Fleet& fleet, std::ostream& err);

}  // namespace fleetctl::command
