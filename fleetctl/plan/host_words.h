// A host's own words, which may be meant for the operator's terminal or for this program's memory:
// whoever reads an answer of a host takes its text and its JSON through here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fleetctl::plan {

// For a terminal: valid UTF-8, in which control characters and those that turn or break a line
// (U+202E and its kin, U+2028) are '?'. Line feeds and tabs stay.
std::string printable(std::string_view text);
// The same as one line: white space is spaces, and what is longer than `limit` bytes ends in "...".
std::string one_line(std::string_view text, std::size_t limit = 4096);

// `text` if that is small and flat enough to be parsed as JSON without taking much memory, else "".
std::string_view bounded_json(std::string_view text);

}  // namespace fleetctl::plan
