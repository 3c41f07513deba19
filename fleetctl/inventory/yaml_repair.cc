#include "fleetctl/inventory/yaml_repair.h"

#include "agent/base/strings.h"
#include "fleetctl/value/text.h"

namespace fleetctl::inventory {
namespace {

// The header of a block scalar: | or >, perhaps with a digit and a sign, then nothing but a
// comment.
bool is_block_header(std::string_view text) {
  if (text.empty() || (text[0] != '|' && text[0] != '>')) return false;
  text.remove_prefix(1);
  while (!text.empty() && (text[0] == '+' || text[0] == '-' || (text[0] >= '1' && text[0] <= '9')))
    text.remove_prefix(1);
  if (!text.empty() && text[0] == '\r') text.remove_prefix(1);
  if (text.empty()) return true;
  if (text[0] != ' ' && text[0] != '\t') return false;
  text = agent::trim(text);
  return text.empty() || text[0] == '#';
}

struct Block {
  std::size_t parent = 0;  // lines indented deeper than this column belong to it
  std::size_t shift = 0;   // how far they have to be moved
};

// Whether the line ends by opening a block scalar.
bool opens_block(std::string_view line, Block& block) {
  std::size_t column = 0;
  while (column < line.size() && line[column] == ' ') ++column;
  bool in_sequence = false;
  std::size_t dash = 0;
  while (column + 1 < line.size() && line[column] == '-' && line[column + 1] == ' ') {
    in_sequence = true;
    dash = column;
    ++column;
    while (column < line.size() && line[column] == ' ') ++column;
  }
  std::string_view rest = line.substr(column);
  if (in_sequence && !rest.empty()) {
    std::string_view properties = rest;
    while (!properties.empty() && (properties[0] == '!' || properties[0] == '&')) {
      const std::size_t end = properties.find(' ');
      if (end == std::string_view::npos) break;
      properties.remove_prefix(end);
      while (!properties.empty() && properties[0] == ' ') properties.remove_prefix(1);
    }
    if (is_block_header(properties)) {
      block.parent = dash;
      block.shift = properties.size() == rest.size() ? 0 : column - dash;
      return true;
    }
  }
  for (std::size_t at = rest.find_first_of("|>"); at != std::string_view::npos;
       at = rest.find_first_of("|>", at + 1)) {
    if (at == 0 || (rest[at - 1] != ' ' && rest[at - 1] != '\t')) continue;
    if (!is_block_header(rest.substr(at))) continue;
    block.parent = column;
    block.shift = 0;
    return true;
  }
  return false;
}

}  // namespace

std::string widen_tagged_blocks(std::string_view text) {
  if (text.find("- !") == std::string_view::npos && text.find("- &") == std::string_view::npos)
    return std::string(text);
  std::string out;
  out.reserve(text.size() + 256);
  bool inside = false;
  Block block;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const std::size_t indent = line.find_first_not_of(" \r");
    if (inside && indent != std::string_view::npos && indent <= block.parent) inside = false;
    if (inside) {
      if (indent != std::string_view::npos) out.append(block.shift, ' ');
    } else {
      inside = opens_block(line, block);
    }
    out += line;
    if (end == std::string_view::npos) break;
    out += '\n';
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string mend_escapes(const std::string& scalar) {
  if (agent::is_valid_utf8(scalar)) return scalar;
  std::string out;
  for (const char32_t c : value::decode_utf8(scalar)) {
    const bool lone = c == 0xDC85 || c == 0xDCA0;  // how decode_utf8 marks a byte that is none
    value::append_utf8(out, lone ? c - 0xDC00 : c);
  }
  return out;
}

}  // namespace fleetctl::inventory
