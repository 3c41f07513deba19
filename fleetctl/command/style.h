// Colours for people: always beside a word or sign that says the same.
#pragma once

#include <string>
#include <string_view>

namespace fleetctl::command {

enum class Tone { kPlain, kGood, kChange, kBad, kFaint };

enum class Colors { kAuto, kAlways, kNever };  // --color
// kAuto: on a terminal that is not TERM=dumb, unless NO_COLOR is set; CLICOLOR_FORCE colours a file
// as well (https://no-color.org, https://bixense.com/clicolors).
bool wants_color(Colors colors, int fd);

// The text, in SGR sequences where `color` is true.
std::string painted(std::string_view text, Tone tone, bool color);
// A unified diff: what comes, what goes, and where.
std::string painted_diff(std::string_view diff, bool color);

}  // namespace fleetctl::command
