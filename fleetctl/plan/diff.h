// Two texts side by side, without their secrets.
#pragma once

#include <string>
#include <string_view>

namespace fleetctl::plan {

// The lines that differ with three lines around them, as `diff -u` prints; "" when nothing differs.
// `from` and `to` name the texts.
std::string unified_diff(std::string_view before, std::string_view after, std::string_view from,
                         std::string_view to);

// The configuration text with the values of password, token, secret, key and header attributes, and
// the passwords in URLs, replaced by "(secret #abcd)". Equal secrets get
// equal numbers within one run, so that a diff tells that one changed; `run_key` is random, so that
// the number tells nothing to anybody else.
std::string mask_secrets(std::string_view text, std::string_view run_key);

}  // namespace fleetctl::plan
