#include "fleetctl/command/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <ostream>
#include <utility>

namespace fleetctl::command {
namespace {

// Of more hosts than kMostNamed with the same problem, only the first are named.
constexpr std::size_t kMostNamed = 12;
constexpr std::size_t kFirst = 5;

}  // namespace

std::string_view line_of(std::string_view text, int number) {
  for (int line = 1; line < number; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  return text;
}

std::string source_block(std::string_view file, int line, int column, std::string_view message,
                         std::string_view source_line) {
  std::string out(file);
  if (line > 0) out += ":" + std::to_string(line);
  if (line > 0 && column > 0) out += ":" + std::to_string(column);
  out += ": ";
  out += message;
  if (line <= 0 || source_line.empty()) return out;
  const std::string number = std::to_string(line);
  out += "\n  " + number + " | ";
  std::string caret = "\n  " + std::string(number.size(), ' ') + " | ";
  constexpr std::size_t kWidest = 200;
  for (std::size_t i = 0; i < source_line.size() && i < kWidest; ++i) {
    const char c = source_line[i];
    out += c == '\t' || static_cast<unsigned char>(c) >= 0x20 ? c : '?';
    // Tabs below tabs keep the caret in its place; continuation bytes take no room of their own.
    if (static_cast<int>(i) + 1 < column && (static_cast<unsigned char>(c) & 0xC0U) != 0x80U)
      caret += c == '\t' ? '\t' : ' ';
  }
  if (column > 0 && column <= static_cast<int>(std::min(source_line.size() + 1, kWidest)))
    out += caret + "^";
  return out;
}

Located locate(std::string_view first_line) {
  const auto number = [](std::string_view text, std::size_t& at) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
    if (error != std::errc()) return 0;
    at = static_cast<std::size_t>(end - text.data());
    return value;
  };
  // The first ":<number>" that ends at another one or at ": ".
  for (std::size_t colon = first_line.find(':'); colon != std::string_view::npos;
       colon = first_line.find(':', colon + 1)) {
    Located located;
    std::size_t at = colon + 1;
    located.line = number(first_line, at);
    if (located.line <= 0) continue;
    if (first_line.substr(at, 1) == ":" && first_line.substr(at, 2) != ": ") {
      ++at;
      located.column = number(first_line, at);
    }
    if (first_line.substr(at, 2) != ": ") continue;
    located.file = first_line.substr(0, colon);
    if (located.file.find(' ') != std::string_view::npos) break;  // in the midst of a sentence
    located.message = first_line.substr(at + 2);
    return located;
  }
  return {{}, 0, 0, first_line};
}

std::string aligned(const std::vector<std::vector<std::string>>& rows, bool color,
                    const CellTone& tone) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (std::size_t number = 0; number < rows.size(); ++number) {
    const auto& row = rows[number];
    std::string line;
    std::size_t gap = 0;  // written when something follows
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string cell = row[i];
      // A host must not be able to add rows of its own.
      std::replace(cell.begin(), cell.end(), '\n', ' ');
      cell.erase(cell.find_last_not_of(' ') + 1);
      if (!cell.empty()) {
        line += std::string(gap, ' ') +
                painted(cell, tone ? tone(number, i, cell) : Tone::kPlain, color);
        gap = 0;
      }
      gap += widths[i] - cell.size() + 2;
    }
    out += line + "\n";
  }
  return out;
}

std::string utc_text(std::int64_t seconds_since_1970) {
  if (seconds_since_1970 == 0) return "-";
  const auto time = static_cast<std::time_t>(seconds_since_1970);
  std::tm parts{};
  if (::gmtime_r(&time, &parts) == nullptr) return "-";
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%SZ", &parts)};
}

std::string hosts_text(std::size_t number) {
  return fmt::format("{} {}", number, number == 1 ? "host" : "hosts");
}

std::string counts_text(std::size_t hosts, const std::vector<StateCount>& counts) {
  std::string out = hosts_text(hosts) + ":";
  const char* separator = " ";
  for (const auto& [word, number] : counts) {
    out += fmt::format("{}{} {}", separator, number, word);
    separator = ", ";
  }
  return out;
}

std::string name_some(const std::vector<std::string>& hosts) {
  std::string names;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (i == kFirst && hosts.size() > kMostNamed)
      return names + " and " + std::to_string(hosts.size() - i) + " more hosts";
    names += (i == 0 ? "" : ", ") + hosts[i];
  }
  return names;
}

void print_problems(const std::vector<Problem>& problems, std::ostream& err) {
  std::vector<std::pair<std::string, std::vector<std::string>>> blocks;
  for (const Problem& problem : problems) {
    auto block = std::find_if(blocks.begin(), blocks.end(),
                              [&](const auto& b) { return b.first == problem.text; });
    if (block == blocks.end()) block = blocks.insert(blocks.end(), {problem.text, {}});
    auto& hosts = block->second;
    if (!problem.host.empty() && std::find(hosts.begin(), hosts.end(), problem.host) == hosts.end())
      hosts.push_back(problem.host);
  }
  for (const auto& [text, hosts] : blocks) {
    const std::string names = name_some(hosts);
    err << (names.empty() ? "" : names + ": ") << text << "\n";
  }
}

void print_warnings(const std::vector<std::string>& warnings, std::ostream& err) {
  for (const std::string& warning : warnings) err << "warning: " << warning << "\n";
}

void print_unmanaged(const Fleet& fleet, std::ostream& err) {
  for (const std::string& host : fleet.unmanaged)
    err << "warning: " << host << " is not managed, " << fleet.why_unmanaged << ": left alone\n";
}

}  // namespace fleetctl::command
