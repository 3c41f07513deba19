// Two texts side by side, without their secrets.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fleetctl::plan {

// The lines that differ with three lines around them, as `diff -u` prints; "" when nothing differs.
// `from` and `to` name the texts.
std::string unified_diff(std::string_view before, std::string_view after, std::string_view from,
                         std::string_view to);

// What of a rendered text came from encrypted variables.
struct Secrets {
  std::vector<std::string> texts;  // themselves, by lines; the longest first
  // A line that holds one, without it: where the host has another secret in its place.
  struct Frame {
    std::string before;
    std::string after;
    bool operator==(const Frame&) const = default;
  };
  std::vector<Frame> frames;
  // A line is nothing but a secret: no frame tells where the host has another in its place. Without
  // texts: all lines are.
  bool fills_lines = false;
};
// `ranges`: [from, to) of `text`.
Secrets secrets_of(std::string_view text,
                   const std::vector<std::pair<std::size_t, std::size_t>>& ranges);

// The configuration text with the values of password, token, secret, key and header attributes, and
// the passwords in URLs, replaced by "(secret #abcd)", and so with what `secrets` knows of. Equal
// secrets get equal numbers within one run, so that a diff tells that one changed; `run_key` is
// random, so that the number tells nothing to anybody else. Without a key there is no number:
// "(secret)".
std::string mask_secrets(std::string_view text, std::string_view run_key,
                         const Secrets& secrets = {});

// No binary data: UTF-8, without NUL.
bool is_text(std::string_view bytes);
// The same of a file of any kind, and by lines: what follows `NAME=` or `NAME:`, where the name is
// that of a secret. Binary data with secrets is not told.
std::string mask_file(std::string_view text, std::string_view run_key, const Secrets& secrets);
// How such a file differs, its secrets masked; or, in one line, that it is binary, or
// holds what is not found in what lies on the host: a private key, a secret that fills lines.
std::string file_diff(std::string_view before, std::string_view after, std::string_view name,
                      std::string_view run_key, const Secrets& secrets);

}  // namespace fleetctl::plan
