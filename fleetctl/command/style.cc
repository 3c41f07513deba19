#include "fleetctl/command/style.h"

#include <unistd.h>

#include <cstdlib>

#include "agent/base/strings.h"

namespace fleetctl::command {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

const char* start_of(Tone tone) {
  switch (tone) {
    case Tone::kPlain:
      return "";
    case Tone::kGood:
      return "\x1b[32m";
    case Tone::kChange:
      return "\x1b[33m";
    case Tone::kBad:
      return "\x1b[1;31m";
    case Tone::kFaint:
      return "\x1b[2m";
  }
  return "";
}

}  // namespace

bool wants_color(Colors colors, int fd) {
  if (colors != Colors::kAuto) return colors == Colors::kAlways;
  if (!variable("NO_COLOR").empty()) return false;
  const std::string_view force = variable("CLICOLOR_FORCE");
  if (!force.empty() && force != "0") return true;
  const std::string_view term = variable("TERM");
  return ::isatty(fd) != 0 && !term.empty() && term != "dumb";
}

std::string painted(std::string_view text, Tone tone, bool color) {
  if (!color || tone == Tone::kPlain || text.empty()) return std::string(text);
  return start_of(tone) + std::string(text) + "\x1b[0m";
}

std::string painted_diff(std::string_view diff, bool color) {
  if (!color) return std::string(diff);
  std::string out;
  for (const std::string_view line : agent::split(diff, '\n')) {
    if (!out.empty()) out += '\n';
    const Tone tone = line.substr(0, 2) == "@@"  ? Tone::kFaint
                      : line.substr(0, 1) == "+" ? Tone::kGood
                      : line.substr(0, 1) == "-" ? Tone::kBad
                                                 : Tone::kPlain;
    out += painted(line, tone, true);
  }
  return out;
}

}  // namespace fleetctl::command
