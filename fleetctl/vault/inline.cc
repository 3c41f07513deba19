#include "fleetctl/vault/inline.h"

#include <algorithm>

#include "agent/base/strings.h"
#include "fleetctl/value/encrypted.h"

namespace fleetctl::vault {
namespace {

bool is_hex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

std::string_view line_at(std::string_view text, std::size_t from) {
  std::string_view line = text.substr(from, text.find('\n', from) - from);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// Where "!vault |" begins at the end of the line before `from`.
std::size_t tag_before(std::string_view text, std::size_t from) {
  if (from == 0) return from;
  const std::size_t newline = from - 1;
  const std::size_t begin = newline == 0 ? 0 : text.rfind('\n', newline - 1) + 1;
  const std::string_view line = text.substr(begin, newline - begin);
  const std::size_t tag = line.rfind("!vault");
  return tag == std::string_view::npos || line.find('|', tag) == std::string_view::npos
             ? from
             : begin + tag;
}

}  // namespace

std::vector<InlineVault> find_inline(std::string_view text) {
  std::vector<InlineVault> found;
  std::size_t at = 0;
  while ((at = text.find(value::kVaultMagic, at)) != std::string_view::npos) {
    const std::size_t begin = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
    const std::string_view indent = text.substr(begin, at - begin);
    if (indent.find_first_not_of(" \t") != std::string_view::npos) {
      at += value::kVaultMagic.size();
      continue;
    }
    InlineVault one;
    one.from = begin;
    one.indent = std::string(indent);
    const std::string_view header = line_at(text, at);
    one.envelope = std::string(header) + "\n";
    std::size_t end = at + header.size();
    for (;;) {
      const std::size_t newline = text.find('\n', end);
      if (newline == std::string_view::npos) break;
      const std::string_view line = line_at(text, newline + 1);
      if (!line.starts_with(indent) || !is_hex(line.substr(indent.size()))) break;
      one.envelope += std::string(line.substr(indent.size())) + "\n";
      end = newline + 1 + line.size();
    }
    one.to = end;
    one.tag = tag_before(text, begin);
    at = end;
    found.push_back(std::move(one));
  }
  return found;
}

std::string indented(std::string_view envelope, std::string_view indent) {
  std::string out;
  for (const std::string_view line : agent::split(agent::trim(envelope), '\n')) {
    if (!out.empty()) out += '\n';
    out.append(indent).append(line);
  }
  return out;
}

}  // namespace fleetctl::vault
