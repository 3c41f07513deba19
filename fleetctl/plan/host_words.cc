#include "fleetctl/plan/host_words.h"

#include <algorithm>
#include <array>

#include "agent/base/strings.h"

namespace fleetctl::plan {
namespace {

constexpr std::size_t kMostJson = 512U << 10;
constexpr int kDeepest = 32;

// Of one character's bytes.
bool acts_on_a_terminal(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1)
    return (first < ' ' && first != '\n' && first != '\t') || first == 0x7f;
  // U+0080 to U+009F: control characters as well.
  if (character.size() == 2 && first == 0xc2)
    return static_cast<unsigned char>(character[1]) < 0xa0;
  // Marks of direction, separators of lines and paragraphs, embeddings, overrides, isolates.
  constexpr std::array<std::string_view, 14> kTurning{
      "\u061c", "\u200e", "\u200f", "\u2028", "\u2029", "\u202a", "\u202b",
      "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"};
  return std::find(kTurning.begin(), kTurning.end(), character) != kTurning.end();
}

}  // namespace

std::string printable(std::string_view text) {
  const std::string valid = agent::to_valid_utf8(text);
  std::string out;
  out.reserve(valid.size());
  for (std::size_t at = 0; at < valid.size();) {
    std::size_t end = at + 1;
    while (end < valid.size() && (static_cast<unsigned char>(valid[end]) & 0xc0U) == 0x80U) ++end;
    const std::string_view character = std::string_view(valid).substr(at, end - at);
    if (acts_on_a_terminal(character)) {
      out.push_back('?');
    } else {
      out.append(character);
    }
    at = end;
  }
  return out;
}

std::string one_line(std::string_view text, std::size_t limit) {
  const std::string_view head = agent::utf8_head(text, limit);
  std::string out = printable(head);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return head.size() < text.size() ? out + "..." : out;
}

std::string_view bounded_json(std::string_view text) {
  if (text.size() > kMostJson) return {};
  int depth = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepest) return {};
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return text;
}

}  // namespace fleetctl::plan
