#include "agent/lang/rendering.h"

#include <algorithm>

#include "agent/base/strings.h"
#include "agent/base/unicode.h"

namespace agent::lang {
namespace {

constexpr int kTabWidth = 4;
constexpr std::size_t kMaxShown = 160;  // columns of a source line
constexpr std::size_t kMaxLooked =
    4096;  // bytes of it before and behind the mark that are looked at
constexpr std::size_t kMaxRendered = 200;

std::string_view severity_name(Severity severity) {
  return severity == Severity::kError ? "error" : "warning";
}

// How many columns a terminal gives a character.
std::size_t width(char32_t c) {
  if ((c >= 0x300 && c <= 0x36F) || (c >= 0x200B && c <= 0x200F) || (c >= 0xFE00 && c <= 0xFE0F))
    return 0;
  const bool wide = (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) ||
                    (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF) ||
                    (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
                    (c >= 0x1F300 && c <= 0x1F64F) || (c >= 0x1F680 && c <= 0x1FAFF) ||
                    (c >= 0x20000 && c <= 0x3FFFD);
  return wide ? 2 : 1;
}

// A source line as it is shown, and where in it the marked part begins and ends, counted in columns
// of a terminal.
struct Shown {
  std::string text;
  std::size_t begin = 0;
  std::size_t end = 0;
};

Shown show(std::string_view line, std::size_t begin_byte, std::size_t end_byte) {
  Shown shown;
  std::size_t column = 0;
  std::size_t byte = 0;
  shown.begin = shown.end = 0;
  bool begun = false;
  bool ended = false;
  const auto note = [&] {
    if (!begun && byte >= begin_byte) {
      shown.begin = column;
      begun = true;
    }
    if (!ended && byte >= end_byte) {
      shown.end = column;
      ended = true;
    }
  };
  while (byte < line.size()) {
    note();
    const CodePoint c = decode_utf8(line.substr(byte));
    if (c.value == '\t') {
      const std::size_t blanks = kTabWidth - column % kTabWidth;
      shown.text.append(blanks, ' ');
      column += blanks;
    } else if (!c.valid || c.value < ' ' || c.value == 0x7F) {
      shown.text += '?';
      ++column;
    } else {
      shown.text += line.substr(byte, c.length);
      column += width(c.value);
    }
    byte += c.length;
  }
  note();
  if (!begun) shown.begin = column;
  if (!ended) shown.end = column;
  return shown;
}

// Leaves of a long line the part around the mark.
void cut(Shown& shown) {
  const std::size_t first = shown.begin > kMaxShown / 2 ? shown.begin - kMaxShown / 2 : 0;
  std::string kept;
  std::size_t column = 0;
  std::size_t kept_from = 0;
  bool more = false;
  for (std::string_view rest = shown.text; !rest.empty();) {
    const CodePoint c = decode_utf8(rest);
    if (column >= first + kMaxShown) {
      more = true;
      break;
    }
    if (column >= first) {
      if (kept.empty()) kept_from = column;
      kept += rest.substr(0, c.length);
    }
    column += width(c.value);
    rest.remove_prefix(c.length);
  }
  if (first == 0 && !more) return;
  const std::string_view front = first > 0 ? "..." : "";
  shown.text = std::string(front) + kept + (more ? "..." : "");
  shown.begin = shown.begin - kept_from + front.size();
  shown.end = std::min(shown.end, column) - kept_from + front.size();
}

// --- what may be secret ---
//
// Nobody here knows which arguments are: the line, and the lines whose brackets it is in, tell by
// their words. Too much is masked rather than too little.

constexpr std::string_view kTelling[] = {"pass", "pwd",  "secret", "token", "credential",
                                         "auth", "_key", "key_",   "header"};
constexpr int kLinesBack = 200;
constexpr std::size_t kLongestLine = std::size_t{64} << 10;

bool is_telling(std::string_view line) {
  std::string lower(line.substr(0, kMaxLooked));
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return std::any_of(std::begin(kTelling), std::end(kTelling),
                     [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

// Calls `use` with each literal's text: first byte and the one behind the last. One without an end
// goes to the end of the line.
template <class Use>
void each_literal(std::string_view line, const Use& use) {
  for (std::size_t at = line.find_first_of("\"`"); at != std::string_view::npos;
       at = line.find_first_of("\"`", at)) {
    const char quote = line[at];
    const std::size_t begin = ++at;
    while (at < line.size() && line[at] != quote) at += quote == '"' && line[at] == '\\' ? 2 : 1;
    const std::size_t end = std::min(at, line.size());
    use(begin, end);
    if (end == line.size()) return;
    at = end + 1;
  }
}

bool is_inside_telling(const Source& source, int number) {
  int depth = 0;
  for (int n = number - 1; n > 0 && n >= number - kLinesBack; --n) {
    std::string line(source.line_text(n).substr(0, kMaxLooked));
    each_literal(line, [&](std::size_t begin, std::size_t end) {
      std::fill(line.begin() + static_cast<std::ptrdiff_t>(begin),
                line.begin() + static_cast<std::ptrdiff_t>(end), ' ');
    });
    for (auto c = line.rbegin(); c != line.rend(); ++c) {
      if (*c == '}' || *c == ']' || *c == ')') ++depth;
      if (*c != '{' && *c != '[' && *c != '(') continue;
      if (depth == 0 && is_telling(line)) return true;
      depth = std::max(depth - 1, 0);
    }
  }
  return false;
}

// The line with a star for each byte that may be secret: literals, or passwords in URLs alone.
std::string masked_line(const Source& source, int number) {
  std::string line(source.line_text(number));
  const auto fill = [&](std::size_t begin, std::size_t end) {
    std::fill(line.begin() + static_cast<std::ptrdiff_t>(begin),
              line.begin() + static_cast<std::ptrdiff_t>(end), '*');
  };
  if (is_telling(line) || is_inside_telling(source, number)) {
    each_literal(line, fill);
    return line;
  }
  each_literal(line, [&](std::size_t begin, std::size_t end) {
    for (std::size_t at = line.find("://", begin); at < end; at = line.find("://", at)) {
      at += 3;
      const std::size_t authority = std::min(line.find_first_of("/?# ", at), end);
      const std::size_t user = line.rfind('@', authority);
      if (user != std::string::npos && user >= at && user < authority) fill(at, user);
    }
  });
  return line;
}

void append_lines(std::string& out, const Diagnostic& d, const Source& source) {
  const Position& begin = d.span.begin;
  const Position& end = d.span.end;
  if (source.line_text(begin.line).size() > kLongestLine) return;
  const std::string masked = masked_line(source, begin.line);
  std::string_view line = masked;
  std::size_t begin_byte = static_cast<std::size_t>(std::max(begin.column, 1)) - 1;
  std::size_t end_byte = begin_byte + 1;
  if (end.line == begin.line) {
    end_byte = static_cast<std::size_t>(std::max(end.column, 1)) - 1;
  } else if (end.line > begin.line) {
    end_byte = line.size();
  }
  if (begin_byte > kMaxLooked) {
    std::size_t skipped = std::min(begin_byte - kMaxLooked, line.size());
    while (skipped < line.size() && (static_cast<unsigned char>(line[skipped]) & 0xC0U) == 0x80)
      ++skipped;
    line.remove_prefix(skipped);
    begin_byte -= std::min(skipped, begin_byte);
    end_byte -= std::min(skipped, end_byte);
  }
  line = line.substr(0, begin_byte + kMaxLooked);
  Shown shown = show(line, begin_byte, std::max(end_byte, begin_byte + 1));
  cut(shown);
  const std::string number = std::to_string(begin.line);
  const std::string margin(number.size() < 4 ? 4 - number.size() : 0, ' ');
  out += margin + number + " | " + shown.text + "\n";
  out +=
      std::string(margin.size() + number.size(), ' ') + " | " + std::string(shown.begin, ' ') + "^";
  if (shown.end > shown.begin + 1) out.append(shown.end - shown.begin - 1, '~');
  out += '\n';
}

void append_json_field(std::string& out, std::string_view name, std::string_view value) {
  out += ",\"" + std::string(name) + "\":";
  append_json_string(out, to_valid_utf8(value));
}
void append_json_field(std::string& out, std::string_view name, std::size_t value) {
  out += ",\"" + std::string(name) + "\":" + std::to_string(value);
}

}  // namespace

std::string render(const Diagnostic& d, const FindSource& find_source) {
  std::string out = d.span.begin.text();
  if (!out.empty()) out += ": ";
  out += std::string(severity_name(d.severity)) + ": " + d.message + "\n";
  if (d.span.begin.line > 0) {
    if (const auto source = find_source ? find_source(d.span.begin.file_name()) : nullptr)
      append_lines(out, d, *source);
  }
  if (!d.hint.empty()) out += "hint: " + d.hint + "\n";
  return out;
}

std::string render(const Diagnostics& diagnostics, const FindSource& find_source) {
  std::string out;
  std::size_t errors = 0;
  std::size_t shown = 0;
  for (const Diagnostic& d : diagnostics.all()) {
    if (shown++ < kMaxRendered) out += render(d, find_source);
    if (d.severity == Severity::kError) ++errors;
  }
  if (shown > kMaxRendered) out += std::to_string(shown - kMaxRendered) + " more are not shown\n";
  if (errors > 1) out += std::to_string(errors) + " errors\n";
  return out;
}

std::string render(const Diagnostics& diagnostics, const std::shared_ptr<const Source>& source) {
  return render(diagnostics, [&](std::string_view name) {
    return source != nullptr && source->name() == name ? source : nullptr;
  });
}

std::string render(const Diagnostics& diagnostics,
                   const std::vector<std::shared_ptr<const Source>>& sources) {
  return render(diagnostics, [&](std::string_view name) -> std::shared_ptr<const Source> {
    for (const auto& source : sources)
      if (source->name() == name) return source;
    return nullptr;
  });
}

std::string render_json(const Diagnostics& diagnostics) {
  std::string out = "[";
  for (const Diagnostic& d : diagnostics.all()) {
    if (out.size() > 1) out += ",";
    out += "\n{\"severity\":\"" + std::string(severity_name(d.severity)) + "\"";
    append_json_field(out, "message", d.message);
    if (!d.hint.empty()) append_json_field(out, "hint", d.hint);
    if (!d.span.begin.file_name().empty()) append_json_field(out, "file", d.span.begin.file_name());
    if (d.span.begin.line > 0) {
      append_json_field(out, "line", static_cast<std::size_t>(d.span.begin.line));
      append_json_field(out, "column", static_cast<std::size_t>(d.span.begin.column));
      append_json_field(out, "offset", d.span.begin.offset);
      append_json_field(out, "end_line", static_cast<std::size_t>(d.span.end.line));
      append_json_field(out, "end_column", static_cast<std::size_t>(d.span.end.column));
      append_json_field(out, "end_offset", d.span.end.offset);
    }
    out += "}";
  }
  return out + "\n]\n";
}

}  // namespace agent::lang
