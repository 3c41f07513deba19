#include "agent/io/legacy_positions.h"

#include <optional>
#include <utility>

#include "agent/base/strings.h"

namespace agent::io {
namespace {

// Takes a plain, single- or double-quoted scalar off the front of `text`. A plain one ends at ": "
// (when it is a key) or at the end of the line.
std::optional<std::string> take_scalar(std::string_view& text, bool key) {
  text = trim(text);
  std::string out;
  if (!text.empty() && (text[0] == '\'' || text[0] == '"')) {
    const char quote = text[0];
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (text[i] == quote) {
        if (quote == '\'' && i + 1 < text.size() && text[i + 1] == '\'') {
          ++i;
        } else {
          text.remove_prefix(i + 1);
          return out;
        }
      } else if (quote == '"' && text[i] == '\\' && i + 1 < text.size()) {
        ++i;
        if (text[i] != '"' && text[i] != '\\' && text[i] != '/') return std::nullopt;
      }
      out += text[i];
    }
    return std::nullopt;
  }
  std::size_t end = text.size();
  if (key) {
    end = text.find(": ");
    if (end == std::string_view::npos && !text.empty() && text.back() == ':') end = text.size() - 1;
    if (end == std::string_view::npos) return std::nullopt;
  }
  out = trim(text.substr(0, end));
  text.remove_prefix(end);
  return out;
}

// "key: value"
std::optional<std::pair<std::string, std::string>> take_pair(std::string_view text) {
  auto key = take_scalar(text, true);
  if (!key || text.empty() || text[0] != ':') return std::nullopt;
  text.remove_prefix(1);
  auto value = take_scalar(text, false);
  if (!value) return std::nullopt;
  return std::pair(std::move(*key), std::move(*value));
}

}  // namespace

std::vector<LegacyPosition> parse_legacy_positions(std::string_view yaml) {
  std::vector<LegacyPosition> out;
  std::optional<LegacyPosition> open;  // of the second shape, its value still to come
  const auto member = [&](std::string_view text) {
    if (auto pair = take_pair(text)) {
      if (pair->first == "path") open->path = std::move(pair->second);
      if (pair->first == "labels") open->labels = std::move(pair->second);
    }
  };
  for (std::string_view line : split(yaml, '\n')) {
    const std::string_view text = trim(line);
    const bool indented = !line.empty() && (line[0] == ' ' || line[0] == '\t');
    if (text.empty() || text[0] == '#' || !indented) continue;
    if (text[0] == '?') {
      open.emplace();
      member(text.substr(1));
    } else if (open && text[0] == ':') {
      std::string_view rest = text.substr(1);
      if (auto value = take_scalar(rest, false)) open->value = std::move(*value);
      if (!open->path.empty() && !open->value.empty()) out.push_back(std::move(*open));
      open.reset();
    } else if (open) {
      member(text);
    } else if (auto pair = take_pair(text); pair && !pair->first.empty() && !pair->second.empty()) {
      out.push_back({std::move(pair->first), "", std::move(pair->second)});
    }
  }
  return out;
}

}  // namespace agent::io
