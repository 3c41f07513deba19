#include "agent/convert/environment.h"

#include <charconv>
#include <cstdlib>
#include <optional>

#include "agent/base/strings.h"

namespace agent::convert {
namespace {

// Characters for private use; a text that has them itself is refused before (yaml_tree.h).
constexpr std::string_view kOpen = "\xEE\x80\x80";
constexpr std::string_view kClose = "\xEE\x80\x81";

bool is_name(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  for (const char c : text)
    if (c != '_' && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z'))
      return false;
  return true;
}

std::string value_of(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

std::string quoted(std::string_view text) {
  bool raw = false;
  for (const char c : text) {
    if (c == '`' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return json_string(text);
    raw = raw || c == '\\' || c == '"';
  }
  return raw ? "`" + std::string(text) + "`" : json_string(text);
}

std::string Environment::marker(Reference reference) {
  references_.push_back(std::move(reference));
  return std::string(kOpen) + std::to_string(references_.size() - 1) + std::string(kClose);
}

std::string Environment::mark(std::string_view text, Findings& findings) {
  std::string out;
  int line = 1;
  std::size_t line_start = 0;
  const auto here = [&] { return static_cast<int>(out.size() - line_start) + 1; };
  // `taken` bytes of the text became what was just put out.
  const auto shifted = [&](std::size_t before, std::size_t taken) {
    const auto put = static_cast<int>(out.size() - before);
    shifts_.push_back({line, here(), static_cast<int>(taken) - put});
  };
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    const std::size_t before = out.size();
    if (rest.starts_with("\\\\")) {
      out += '\\';
      shifted(before, 2);
      i += 2;
      continue;
    }
    if (rest.starts_with("$${")) {
      out += "${";
      shifted(before, 3);
      i += 3;
      continue;
    }
    if (!rest.starts_with("${")) {
      out += rest[0];
      if (rest[0] == '\n') {
        ++line;
        line_start = out.size();
      }
      ++i;
      continue;
    }
    const std::size_t end = rest.substr(0, rest.find('\n')).find('}');
    const std::string_view inside =
        end == std::string_view::npos ? std::string_view() : rest.substr(2, end - 2);
    const std::size_t colon = inside.find(":-");
    Reference reference;
    reference.name = std::string(inside.substr(0, colon));
    reference.has_fallback = colon != std::string_view::npos;
    if (reference.has_fallback) reference.fallback = std::string(inside.substr(colon + 2));
    if (!is_name(reference.name)) {
      findings.add(Severity::kCritical, original({line, here()}),
                   "only ${NAME} and ${NAME:-default} are understood of what the environment "
                   "gives; $${ stands for ${ itself");
      out += "${";
      i += 2;
      continue;
    }
    out += marker(std::move(reference));
    shifted(before, end + 1);
    i += end + 1;
  }
  return out;
}

std::string Environment::mark_go(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      out += text[i++];
      continue;
    }
    const std::string_view rest = text.substr(i + 1);
    if (rest.starts_with("$")) {
      out += '$';
      i += 2;
      continue;
    }
    std::string_view name;
    std::size_t taken = 1;
    if (rest.starts_with("{") && rest.find('}') != std::string_view::npos) {
      name = rest.substr(1, rest.find('}') - 1);
      taken += name.size() + 2;
    } else {
      while (name.size() < rest.size() && is_name(rest.substr(0, name.size() + 1)))
        name = rest.substr(0, name.size() + 1);
      taken += name.size();
    }
    if (is_name(name)) {
      out += marker({std::string(name), "", false});
    } else {
      out += text.substr(i, taken);
    }
    i += taken;
  }
  return out;
}

Mark Environment::original(Mark mark) const {
  int bytes = 0;
  for (const Shift& shift : shifts_)
    if (shift.line == mark.line && shift.column <= mark.column) bytes += shift.bytes;
  mark.column += bytes;
  return mark;
}

bool Environment::has_marker(std::string_view text) {
  return text.find(kOpen) != std::string_view::npos;
}

std::vector<Environment::Piece> Environment::pieces(std::string_view text) const {
  std::vector<Piece> out;
  while (!text.empty()) {
    const std::size_t open = text.find(kOpen);
    const std::size_t close = text.find(kClose);
    std::size_t index = 0;
    if (open == std::string_view::npos || close == std::string_view::npos || close < open ||
        std::from_chars(text.data() + open + kOpen.size(), text.data() + close, index).ec !=
            std::errc() ||
        index >= references_.size()) {
      out.push_back({text, nullptr});
      return out;
    }
    if (open > 0) out.push_back({text.substr(0, open), nullptr});
    out.push_back({{}, &references_[index]});
    text.remove_prefix(close + kClose.size());
  }
  return out;
}

std::string Environment::code(std::string_view text) const {
  if (!has_marker(text)) return quoted(text);
  std::string out;
  for (const Piece& piece : pieces(text)) {
    if (!out.empty()) out += " + ";
    if (piece.reference == nullptr) {
      out += quoted(piece.text);
      continue;
    }
    const std::string variable = "sys.env(" + quoted(piece.reference->name) + ")";
    out += piece.reference->has_fallback
               ? "coalesce(" + variable + ", " + quoted(piece.reference->fallback) + ")"
               : variable;
  }
  return out;
}

std::string Environment::value(std::string_view text) const {
  std::string out;
  for (const Piece& piece : pieces(text)) {
    if (piece.reference == nullptr) {
      out += piece.text;
      continue;
    }
    const std::string value = value_of(piece.reference->name);
    out += value.empty() && piece.reference->has_fallback ? piece.reference->fallback : value;
  }
  return out;
}

std::string Environment::written(std::string_view text) const {
  std::string out;
  for (const Piece& piece : pieces(text)) {
    if (piece.reference == nullptr) {
      out += piece.text;
    } else {
      out += "${" + piece.reference->name +
             (piece.reference->has_fallback ? ":-" + piece.reference->fallback : "") + "}";
    }
  }
  return out;
}

}  // namespace agent::convert
