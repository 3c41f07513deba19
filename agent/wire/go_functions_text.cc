// Text, lists of texts, paths, regular expressions.
#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "agent/base/unicode.h"
#include "agent/wire/go_functions.h"
#include "agent/wire/go_regex.h"

namespace agent::wire {
namespace {

std::string_view text_at(GoArguments arguments, std::size_t i) { return arguments[i].string(); }

// Where `wanted` begins in `text`, from `at` on; npos. Linear, whatever the two are.
std::size_t find_text(std::string_view text, std::string_view wanted, std::size_t at = 0) {
  if (at > text.size()) return std::string_view::npos;
  if (wanted.empty()) return at;
  const void* const found =
      memmem(text.data() + at, text.size() - at, wanted.data(), wanted.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

// ---- case ----

template <class Map>
GoValue mapped(GoRun& run, std::string_view text, Map map) {
  GoText& out = run.text();
  std::string piece;
  while (!text.empty()) {
    const CodePoint c = decode_utf8(text);
    const char32_t to = map(c.value);
    if (to < 0x80) {
      out.add(static_cast<char>(to));
    } else {
      piece.clear();
      append_utf8(piece, to);
      out.add(piece);
    }
    text.remove_prefix(c.length);
  }
  return run.finish_text();
}

template <class Map>
GoValue ascii_mapped(GoRun& run, std::string_view text, Map map) {
  if (std::all_of(text.begin(), text.end(),
                  [](char c) { return static_cast<signed char>(c) >= 0; })) {
    char* const out = run.scratch().bytes(text.size());
    std::transform(text.begin(), text.end(), out,
                   [&](char c) { return static_cast<char>(map(static_cast<unsigned char>(c))); });
    return GoValue(std::string_view(out, text.size()));
  }
  return mapped(run, text, map);
}

GoValue upper(GoRun& run, GoArguments arguments) {
  return ascii_mapped(run, text_at(arguments, 0), to_upper);
}
GoValue lower(GoRun& run, GoArguments arguments) {
  return ascii_mapped(run, text_at(arguments, 0), to_lower);
}

bool is_upper(char32_t c) { return to_lower(c) != c; }
bool is_lower(char32_t c) { return to_upper(c) != c; }

GoValue title(GoRun& run, GoArguments arguments) {
  char32_t before = ' ';
  return mapped(run, text_at(arguments, 0), [&](char32_t c) {
    const bool word = before < 0x80 ? before == '_' || is_letter(before) || is_digit(before)
                                    : is_letter(before) || is_digit(before) || !is_space(before);
    before = c;
    return word ? c : to_upper(c);
  });
}
GoValue untitle(GoRun& run, GoArguments arguments) {
  bool start = true;
  return mapped(run, text_at(arguments, 0), [&](char32_t c) {
    const bool first = start && !is_space(c);
    start = is_space(c);
    return first ? to_lower(c) : c;
  });
}
GoValue swapcase(GoRun& run, GoArguments arguments) {
  return mapped(run, text_at(arguments, 0), [](char32_t c) {
    return is_upper(c) ? to_lower(c) : is_lower(c) ? to_upper(c) : c;
  });
}

bool is_connector(char32_t c) { return c == '-' || c == '_' || is_space(c); }
bool is_punctuation(char32_t c) {
  if (c < 0x80)
    return std::string_view("!\"#%&'()*,-./:;?@[\\]_{}").find(static_cast<char>(c)) !=
           std::string_view::npos;
  return (c >= 0x2010 && c <= 0x2027) ||
         (c >= 0x2030 && c <= 0x205E && c != 0x2044 && c != 0x2052) ||
         (c >= 0x3001 && c <= 0x3003) || c == 0xA1 || c == 0xA7 || c == 0xAB || c == 0xB6 ||
         c == 0xB7 || c == 0xBB || c == 0xBF;
}

GoValue camelcase(GoRun& run, GoArguments arguments) {
  // Leading connectors stay; of the others one, or a run's all but the last, join words.
  std::string_view text = text_at(arguments, 0);
  GoText& out = run.text();
  const auto next = [&] {
    const CodePoint c = decode_utf8(text);
    text.remove_prefix(c.length);
    return c.value;
  };
  char32_t held = 0;
  bool holds = false;
  while (!text.empty()) {
    held = next();
    holds = true;
    if (!is_connector(held)) {
      held = to_upper(held);
      break;
    }
    if (text.empty()) break;
    out.add_rune(held);
    holds = false;
  }
  if (holds && is_connector(held)) {
    // Connectors only: the last one is written twice.
    out.add_rune(held);
    out.add_rune(held);
    return run.finish_text();
  }
  while (!text.empty()) {
    const char32_t before = held;
    held = next();
    if (is_connector(before)) {
      if (is_connector(held)) {
        out.add_rune(before);
        continue;
      }
      held = to_upper(held);
    } else {
      held = to_lower(held);
      out.add_rune(before);
    }
  }
  if (holds) out.add_rune(held);
  return run.finish_text();
}

// The words of snake and kebab case.
enum class Word { kNone, kNumber, kUpper, kLetters, kConnector, kPunctuation, kOther };

Word next_word(std::string_view& rest, std::string_view& word) {
  word = {};
  if (rest.empty()) return Word::kNone;
  const std::string_view all = rest;
  std::size_t end = 0;
  const auto at = [&](std::size_t i) { return decode_utf8(all.substr(i)); };
  const auto run_while = [&](const std::function<bool(char32_t)>& holds) {
    while (end < all.size()) {
      const CodePoint c = at(end);
      if (!holds(c.value)) break;
      end += c.length;
    }
  };
  const CodePoint first = at(0);
  end = first.length;
  const auto is_alphabet = [](char32_t c) { return is_letter(c) || (c >= 0x80 && is_letter(c)); };
  const auto small = [&](char32_t c) { return is_alphabet(c) && !is_upper(c); };
  Word kind = Word::kOther;
  if (is_connector(first.value)) {
    kind = Word::kConnector;
    run_while(is_connector);
  } else if (is_punctuation(first.value)) {
    kind = Word::kPunctuation;
    run_while(is_punctuation);
  } else if (is_upper(first.value)) {
    kind = Word::kUpper;
    if (end < all.size() && is_upper(at(end).value)) {
      std::size_t last = end;
      while (end < all.size() && is_upper(at(end).value)) {
        last = end;
        end += at(end).length;
      }
      // "HTTPStatus" is "HTTP" and "Status".
      if (end < all.size() && is_alphabet(at(end).value)) end = last;
    } else if (end < all.size() && is_alphabet(at(end).value)) {
      run_while(small);
    }
  } else if (is_alphabet(first.value)) {
    kind = Word::kLetters;
    run_while(small);
  } else if (is_digit(first.value)) {
    kind = Word::kNumber;
    run_while(is_digit);
  } else {
    run_while([&](char32_t c) {
      return !is_connector(c) && !is_alphabet(c) && !is_digit(c) && !is_punctuation(c);
    });
  }
  word = all.substr(0, end);
  rest = all.substr(end);
  return kind;
}

GoValue joined_words(GoRun& run, std::string_view text, char connector) {
  GoText& out = run.text();
  const auto write = [&](Word kind, std::string_view word) {
    if (kind != Word::kUpper && kind != Word::kConnector) return out.add(word);
    while (!word.empty()) {
      const CodePoint c = decode_utf8(word);
      word.remove_prefix(c.length);
      if (is_connector(c.value)) {
        out.add(connector);
      } else {
        out.add_rune(to_lower(c.value));
      }
    }
  };
  const auto joins = [](Word kind) {
    return kind != Word::kConnector && kind != Word::kPunctuation;
  };
  std::string_view word;
  Word kind = next_word(text, word);
  while (!text.empty()) {
    if (kind != Word::kConnector) write(kind, word);
    const Word before = kind;
    const std::string_view last = word;
    kind = next_word(text, word);
    if (before == Word::kNumber) {
      while (kind == Word::kLetters || kind == Word::kNumber) {
        write(kind, word);
        kind = next_word(text, word);
      }
      if (kind != Word::kNone && joins(kind)) out.add(connector);
    } else if (before == Word::kConnector) {
      write(before, last);
    } else if (before == Word::kPunctuation) {
      continue;
    } else if (kind != Word::kNumber) {
      if (joins(kind)) out.add(connector);
    } else if (!text.empty()) {
      // A number belongs to the word before it, or with small letters behind it to them.
      const std::string_view number = word;
      kind = next_word(text, word);
      if (kind != Word::kLetters) {
        write(Word::kNumber, number);
        if (joins(kind)) out.add(connector);
        continue;
      }
      out.add(connector);
      write(Word::kNumber, number);
      while (kind == Word::kLetters || kind == Word::kNumber) {
        write(kind, word);
        kind = next_word(text, word);
      }
      if (kind != Word::kNone && joins(kind)) out.add(connector);
    }
  }
  write(kind, word);
  return run.finish_text();
}
GoValue snakecase(GoRun& run, GoArguments arguments) {
  return joined_words(run, text_at(arguments, 0), '_');
}
GoValue kebabcase(GoRun& run, GoArguments arguments) {
  return joined_words(run, text_at(arguments, 0), '-');
}

// ---- trimming, cutting ----

bool in_set(std::string_view set, const CodePoint& c) {
  while (!set.empty()) {
    const CodePoint s = decode_utf8(set);
    if (s.value == c.value) return true;
    set.remove_prefix(s.length);
  }
  return false;
}
CodePoint last_rune(std::string_view text) {
  for (std::size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    const CodePoint c = decode_utf8(text.substr(text.size() - length));
    if (c.valid && c.length == length) return c;
  }
  return {};
}
template <class Drop>
std::string_view trimmed_left(std::string_view text, Drop drop) {
  while (!text.empty()) {
    const CodePoint c = decode_utf8(text);
    if (!drop(c)) break;
    text.remove_prefix(c.length);
  }
  return text;
}
template <class Drop>
std::string_view trimmed_right(std::string_view text, Drop drop) {
  while (!text.empty()) {
    const CodePoint c = last_rune(text);
    if (!drop(c)) break;
    text.remove_suffix(c.length);
  }
  return text;
}
GoValue trim_set(GoRun& run, std::string_view text, std::string_view set, bool left, bool right) {
  if (!run.charge(text.size() / 64 * set.size() + 1)) return {};
  const auto drop = [&](const CodePoint& c) { return in_set(set, c); };
  if (left) text = trimmed_left(text, drop);
  if (right) text = trimmed_right(text, drop);
  return GoValue(text);
}
std::string_view trim_space(std::string_view text) {
  const auto drop = [](const CodePoint& c) { return is_space(c.value); };
  return trimmed_right(trimmed_left(text, drop), drop);
}
std::string_view without_prefix(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}
std::string_view without_suffix(std::string_view text, std::string_view suffix) {
  return text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}

GoValue trim_space_of(GoRun&, GoArguments a) { return GoValue(trim_space(text_at(a, 0))); }
GoValue go_trim(GoRun& run, GoArguments a) {
  return trim_set(run, text_at(a, 0), text_at(a, 1), true, true);
}
GoValue go_trim_left(GoRun& run, GoArguments a) {
  return trim_set(run, text_at(a, 0), text_at(a, 1), true, false);
}
GoValue go_trim_right(GoRun& run, GoArguments a) {
  return trim_set(run, text_at(a, 0), text_at(a, 1), false, true);
}
GoValue go_trim_prefix(GoRun&, GoArguments a) {
  return GoValue(without_prefix(text_at(a, 0), text_at(a, 1)));
}
GoValue go_trim_suffix(GoRun&, GoArguments a) {
  return GoValue(without_suffix(text_at(a, 0), text_at(a, 1)));
}
GoValue trim_all(GoRun& run, GoArguments a) {
  return trim_set(run, text_at(a, 1), text_at(a, 0), true, true);
}
GoValue trim_prefix(GoRun&, GoArguments a) {
  return GoValue(without_prefix(text_at(a, 1), text_at(a, 0)));
}
GoValue trim_suffix(GoRun&, GoArguments a) {
  return GoValue(without_suffix(text_at(a, 1), text_at(a, 0)));
}

GoValue trunc(GoRun&, GoArguments a) {
  const std::int64_t count = a[0].integer();
  const std::string_view text = text_at(a, 1);
  const auto size = static_cast<std::int64_t>(text.size());
  if (count < 0 && size + count > 0)
    return GoValue(text.substr(static_cast<std::size_t>(size + count)));
  if (count >= 0 && size > count) return GoValue(text.substr(0, static_cast<std::size_t>(count)));
  return GoValue(text);
}

GoValue substr(GoRun& run, GoArguments a) {
  std::int64_t start = a[0].integer();
  std::int64_t end = a[1].integer();
  const std::string_view text = text_at(a, 2);
  const auto size = static_cast<std::int64_t>(text.size());
  if (start < 0) {
    start = 0;
  } else if (end < 0 || end > size) {
    end = size;
  }
  if (end < start || end > size || end < 0) return run.fail("the range lies outside of the text");
  return GoValue(
      text.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(end - start)));
}

// Cut to `width` bytes with "..." for what is left out; `offset` lies within what stays.
GoValue abbreviated(GoRun& run, std::string_view text, std::int64_t offset, std::int64_t width) {
  const auto size = static_cast<std::int64_t>(text.size());
  if (size <= width) return GoValue(text);
  offset = std::clamp<std::int64_t>(offset, 0, size);
  if (size - offset < width - 3) offset = size - (width - 3);
  GoText& out = run.text();
  const auto part = [&](std::int64_t from, std::int64_t to) {
    out.add(text.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
  };
  if (offset <= 4) {
    part(0, width - 3);
    out.add("...");
  } else if (width < 7) {
    return GoValue(std::string_view());
  } else if (offset + width - 3 < size) {
    out.add("...");
    part(offset, offset + width - 6);
    out.add("...");
  } else {
    out.add("...");
    part(size - (width - 3), size);
  }
  return run.finish_text();
}
GoValue abbrev(GoRun& run, GoArguments a) {
  return a[0].integer() < 4 ? a[1] : abbreviated(run, text_at(a, 1), 0, a[0].integer());
}
GoValue abbrevboth(GoRun& run, GoArguments a) {
  const std::int64_t left = a[0].integer();
  const std::int64_t right = a[1].integer();
  if (right < 4 || (left > 0 && right < 7)) return a[2];
  return abbreviated(run, text_at(a, 2), left, right);
}

// ---- building ----

// `count` < 0: all.
GoValue replaced(GoRun& run, std::string_view text, std::string_view old, std::string_view with,
                 std::int64_t count) {
  GoText& out = run.text();
  std::size_t i = 0;
  if (old.empty()) {
    // Before each code point, and behind the last.
    for (; count != 0 && !out.full(); --count) {
      out.add(with);
      if (i >= text.size()) break;
      const std::size_t length = decode_utf8(text.substr(i)).length;
      out.add(text.substr(i, length));
      i += length;
    }
    out.add(text.substr(i));
    return run.finish_text();
  }
  while (count != 0 && !out.full()) {
    const std::size_t at = find_text(text, old, i);
    if (at == std::string_view::npos) break;
    out.add(text.substr(i, at - i));
    out.add(with);
    i = at + old.size();
    --count;
  }
  if (i == 0 && !out.full()) return GoValue(text);
  out.add(text.substr(i));
  return run.finish_text();
}
GoValue go_replace(GoRun& run, GoArguments a) {
  return replaced(run, text_at(a, 0), text_at(a, 1), text_at(a, 2), a[3].integer());
}
GoValue replace(GoRun& run, GoArguments a) {
  return replaced(run, text_at(a, 2), text_at(a, 0), text_at(a, 1), -1);
}

GoValue repeat(GoRun& run, GoArguments a) {
  const std::int64_t count = a[0].integer();
  const std::string_view text = text_at(a, 1);
  if (count < 0) return run.fail("a negative count");
  GoText& out = run.text();
  for (std::int64_t i = 0; i < count && !text.empty() && !out.full(); ++i) out.add(text);
  return run.finish_text();
}

void add_indented(GoText& out, std::size_t spaces, std::string_view text) {
  out.add(spaces, ' ');
  while (!out.full()) {
    const std::size_t line = text.find('\n');
    if (line == std::string_view::npos) break;
    out.add(text.substr(0, line + 1));
    out.add(spaces, ' ');
    text.remove_prefix(line + 1);
  }
  out.add(text);
}
GoValue indent(GoRun& run, GoArguments a) {
  if (a[0].integer() < 0) return run.fail("a negative count");
  add_indented(run.text(), static_cast<std::size_t>(a[0].integer()), text_at(a, 1));
  return run.finish_text();
}
GoValue nindent(GoRun& run, GoArguments a) {
  if (a[0].integer() < 0) return run.fail("a negative count");
  GoText& out = run.text();
  out.add('\n');
  add_indented(out, static_cast<std::size_t>(a[0].integer()), text_at(a, 1));
  return run.finish_text();
}

GoValue nospace(GoRun& run, GoArguments a) {
  const std::string_view text = text_at(a, 0);
  const bool spaces = std::any_of(text.begin(), text.end(),
                                  [](char c) { return is_space(static_cast<unsigned char>(c)); });
  if (!spaces) return a[0];
  GoText& out = run.text();
  for (std::string_view rest = text; !rest.empty();) {
    const CodePoint c = decode_utf8(rest);
    if (!is_space(c.value)) out.add(rest.substr(0, c.length));
    rest.remove_prefix(c.length);
  }
  return run.finish_text();
}

GoValue initials(GoRun& run, GoArguments a) {
  GoText& out = run.text();
  bool gap = true;
  for (std::string_view rest = text_at(a, 0); !rest.empty();) {
    const CodePoint c = decode_utf8(rest);
    const bool space = is_space(c.value);
    if (gap && !space) out.add(rest.substr(0, c.length));
    gap = space;
    rest.remove_prefix(c.length);
  }
  return run.finish_text();
}

// Lines of at most `width` bytes, broken at blanks.
GoValue wrapped(GoRun& run, std::string_view text, std::int64_t width, std::string_view newline,
                bool cut_long) {
  const std::size_t length = width < 1 ? 1 : static_cast<std::size_t>(width);
  if (newline.empty()) newline = "\n";
  GoText& out = run.text();
  std::size_t offset = 0;
  while (offset < text.size() && text.size() - offset > length && !out.full()) {
    if (text[offset] == ' ') {
      ++offset;
      continue;
    }
    const std::size_t blank = text.substr(offset, length + 1).rfind(' ');
    if (blank != std::string_view::npos) {
      out.add(text.substr(offset, blank));
      out.add(newline);
      offset += blank + 1;
    } else if (cut_long) {
      out.add(text.substr(offset, length));
      out.add(newline);
      offset += length;
    } else {
      const std::size_t end = text.find(' ', offset + length);
      if (end == std::string_view::npos) break;
      out.add(text.substr(offset, end - offset));
      out.add(newline);
      offset = end + 1;
    }
  }
  out.add(text.substr(offset));
  return run.finish_text();
}
GoValue wrap(GoRun& run, GoArguments a) {
  return wrapped(run, text_at(a, 1), a[0].integer(), "", false);
}
GoValue wrap_with(GoRun& run, GoArguments a) {
  return wrapped(run, text_at(a, 2), a[0].integer(), text_at(a, 1), true);
}

GoValue quote(GoRun& run, GoArguments arguments) {
  std::string out;
  GoText text(out, 4 << 20);
  for (const GoValue& value : arguments) {
    if (value.is_nil()) continue;
    if (!out.empty()) text.add(' ');
    go_quote(text, go_to_string(run, value));
  }
  return text.full() ? run.fail("the text is too long") : run.string(out);
}
GoValue squote(GoRun& run, GoArguments arguments) {
  GoText& text = run.text();
  for (const GoValue& value : arguments) {
    if (value.is_nil()) continue;
    text.add(text.view().empty() ? "'" : " '");
    go_print(text, value, run.scratch());
    text.add('\'');
  }
  return run.finish_text();
}
GoValue cat(GoRun& run, GoArguments arguments) {
  GoText& text = run.text();
  bool first = true;
  for (const GoValue& value : arguments) {
    if (value.is_nil()) continue;
    if (!first) text.add(' ');
    first = false;
    go_print(text, value, run.scratch());
  }
  return run.finish_text();
}

GoValue contains(GoRun&, GoArguments a) {
  return GoValue(find_text(text_at(a, 1), text_at(a, 0)) != std::string_view::npos);
}
GoValue has_prefix(GoRun&, GoArguments a) {
  return GoValue(text_at(a, 1).starts_with(text_at(a, 0)));
}
GoValue has_suffix(GoRun&, GoArguments a) {
  return GoValue(text_at(a, 1).ends_with(text_at(a, 0)));
}
GoValue plural(GoRun&, GoArguments a) { return a[2].integer() == 1 ? a[0] : a[1]; }
GoValue to_string(GoRun& run, GoArguments a) { return GoValue(go_to_string(run, a[0])); }
GoValue hello(GoRun&, GoArguments) { return GoValue(std::string_view("Hello!")); }
GoValue fail_with(GoRun& run, GoArguments a) { return run.fail(std::string(text_at(a, 0))); }

// ---- lists of texts ----

// At most `most` parts, the last one with the rest; negative: all.
std::vector<std::string_view> parts_of(GoRun& run, std::string_view text,
                                       std::string_view separator, std::int64_t most) {
  std::vector<std::string_view> out;
  if (most == 0) return out;
  while (most < 0 || static_cast<std::int64_t>(out.size()) + 1 < most) {
    std::size_t at = 0;
    std::size_t skipped = separator.size();
    if (separator.empty()) {
      at = decode_utf8(text).length;
      if (text.size() <= at) break;
    } else {
      at = find_text(text, separator);
      if (at == std::string_view::npos) break;
    }
    if (!run.charge(1)) return {};
    out.push_back(text.substr(0, at));
    text.remove_prefix(at + skipped);
  }
  if (!separator.empty() || !text.empty()) out.push_back(text);
  return out;
}
GoValue numbered(GoRun& run, const std::vector<std::string_view>& parts) {
  const GoValue out = run.map(GoType::kStringMap);
  for (std::size_t i = 0; i < parts.size() && !run.failed(); ++i)
    run.set(out.map(), run.scratch().store("_" + std::to_string(i)), GoValue(parts[i]));
  return out;
}
GoValue split(GoRun& run, GoArguments a) {
  return numbered(run, parts_of(run, text_at(a, 1), text_at(a, 0), -1));
}
GoValue splitn(GoRun& run, GoArguments a) {
  return numbered(run, parts_of(run, text_at(a, 2), text_at(a, 0), a[1].integer()));
}
GoValue split_list(GoRun& run, GoArguments a) {
  return run.list(parts_of(run, text_at(a, 1), text_at(a, 0), -1));
}

// A list's texts without the nils; anything else is a list of one.
std::vector<std::string_view> texts_of(GoRun& run, const GoValue& value) {
  std::vector<std::string_view> out;
  if (value.is_nil()) return out;
  if (!value.is_list()) return {go_to_string(run, value)};
  out.reserve(value.list().size());
  for (const GoValue& item : value.list())
    if (!item.is_nil() && run.charge(1)) out.push_back(go_to_string(run, item));
  return out;
}
GoValue to_strings(GoRun& run, GoArguments a) {
  if (a[0].type() == GoType::kStringList) return a[0];
  return run.list(texts_of(run, a[0]));
}
GoValue join(GoRun& run, GoArguments a) {
  const auto texts = texts_of(run, a[1]);
  GoText& out = run.text();
  for (std::size_t i = 0; i < texts.size() && !out.full(); ++i) {
    if (i > 0) out.add(text_at(a, 0));
    out.add(texts[i]);
  }
  return run.finish_text();
}
GoValue sort_alpha(GoRun& run, GoArguments a) {
  if (!a[0].is_list()) return run.list({go_to_string(run, a[0])});
  auto texts = texts_of(run, a[0]);
  std::size_t bytes = 0;
  for (const std::string_view text : texts) bytes += text.size() + 4;
  if (!run.charge_bytes(bytes * 16)) return {};
  std::sort(texts.begin(), texts.end());
  return run.list(texts);
}

// ---- paths ----

std::string cleaned(std::string_view path) {
  if (path.empty()) return ".";
  const bool rooted = path.front() == '/';
  std::vector<std::string_view> parts;
  std::size_t i = 0;
  while (i <= path.size()) {
    const std::size_t end = std::min(path.find('/', i), path.size());
    const std::string_view part = path.substr(i, end - i);
    i = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part != ".." || !rooted) {
      parts.push_back(part);
    }
  }
  std::string out = rooted ? "/" : "";
  for (std::size_t n = 0; n < parts.size(); ++n) {
    if (n > 0) out += '/';
    out += parts[n];
  }
  return out.empty() ? "." : out;
}
GoValue path_base(GoRun&, GoArguments a) {
  std::string_view path = text_at(a, 0);
  if (path.empty()) return GoValue(std::string_view("."));
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return GoValue(std::string_view("/"));
  const std::size_t slash = path.rfind('/');
  return GoValue(slash == std::string_view::npos ? path : path.substr(slash + 1));
}
GoValue path_dir(GoRun& run, GoArguments a) {
  const std::string_view path = text_at(a, 0);
  const std::size_t slash = path.rfind('/');
  return run.string(cleaned(slash == std::string_view::npos ? "" : path.substr(0, slash + 1)));
}
GoValue path_clean(GoRun& run, GoArguments a) { return run.string(cleaned(text_at(a, 0))); }
GoValue path_ext(GoRun&, GoArguments a) {
  const std::string_view path = text_at(a, 0);
  const std::size_t at = path.find_last_of("./");
  if (at == std::string_view::npos || path[at] == '/') return GoValue(std::string_view());
  return GoValue(path.substr(at));
}
GoValue path_is_abs(GoRun&, GoArguments a) { return GoValue(text_at(a, 0).starts_with('/')); }

// ---- regular expressions ----

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

// The next match. False when there is none, or the work has become too much.
bool next(GoRun& run, GoMatches& matches) {
  // A search may look at all that is left before it settles on a match.
  return run.charge(matches.left() / 4096 + 1) && matches.next();
}

GoValue regex_match(GoRun& run, GoArguments a) {
  const auto* regex = run.regex(text_at(a, 0), false);
  return GoValue(regex != nullptr && RE2::PartialMatch(piece(text_at(a, 1)), *regex));
}
GoValue must_regex_match(GoRun& run, GoArguments a) {
  return run.regex(text_at(a, 0)) == nullptr ? GoValue() : regex_match(run, a);
}
GoValue regex_find(GoRun& run, GoArguments a) {
  const auto* regex = run.regex(text_at(a, 0));
  if (regex == nullptr) return {};
  GoMatches matches(*regex, 0);
  matches.start(text_at(a, 1));
  return GoValue(next(run, matches) ? matches.group(0) : std::string_view());
}
GoValue regex_find_all(GoRun& run, GoArguments a) {
  const auto* regex = run.regex(text_at(a, 0));
  if (regex == nullptr) return {};
  const std::int64_t most = a[2].integer();
  std::vector<std::string_view> out;
  GoMatches matches(*regex, 0);
  matches.start(text_at(a, 1));
  while ((most < 0 || static_cast<std::int64_t>(out.size()) < most) && next(run, matches))
    out.push_back(matches.group(0));
  return out.empty() ? run.list(nullptr, 0, GoType::kStringList) : run.list(out);
}
GoValue regex_split(GoRun& run, GoArguments a) {
  const auto* regex = run.regex(text_at(a, 0));
  if (regex == nullptr) return {};
  const std::string_view text = text_at(a, 1);
  const std::int64_t most = a[2].integer();
  std::vector<std::string_view> out;
  if (most == 0) return run.list(nullptr, 0, GoType::kStringList);
  if (!text_at(a, 0).empty() && text.empty()) return run.list({text});
  std::size_t begin = 0;
  std::size_t end = 0;
  GoMatches matches(*regex, 0);
  matches.start(text);
  while ((most < 0 || static_cast<std::int64_t>(out.size()) < most - 1) && next(run, matches)) {
    end = matches.begin();
    if (matches.end() != 0) out.push_back(text.substr(begin, end - begin));
    begin = matches.end();
  }
  if (end != text.size()) out.push_back(text.substr(begin));
  return run.list(out);
}

// `$1`, `${1}`, `$name`, `${name}`, `$$` of a replacement.
void expand(GoText& out, std::string_view with, const re2::RE2& regex, const GoMatches& match) {
  while (!with.empty()) {
    const std::size_t dollar = std::min(with.find('$'), with.size());
    out.add(with.substr(0, dollar));
    with.remove_prefix(dollar);
    if (with.empty()) return;
    if (with.starts_with("$$")) {
      out.add('$');
      with.remove_prefix(2);
      continue;
    }
    const bool braced = with.starts_with("${");
    std::size_t end = braced ? 2 : 1;
    const std::size_t start = end;
    while (end < with.size()) {
      const CodePoint c = decode_utf8(with.substr(end));
      if (c.value != '_' && !is_letter(c.value) && !is_digit(c.value)) break;
      end += c.length;
    }
    const std::string_view name = with.substr(start, end - start);
    if (name.empty() || (braced && (end >= with.size() || with[end] != '}'))) {
      out.add('$');
      with.remove_prefix(1);
      continue;
    }
    with.remove_prefix(end + (braced ? 1 : 0));
    const std::size_t none = match.groups() + 1;
    std::size_t number = none;
    if (name.find_first_not_of("0123456789") == std::string_view::npos) {
      if (name.size() < 6) number = static_cast<std::size_t>(std::stoul(std::string(name)));
      if (name.size() > 1 && name[0] == '0') number = none;
    } else {
      const auto& names = regex.NamedCapturingGroups();
      if (const auto found = names.find(std::string(name)); found != names.end())
        number = static_cast<std::size_t>(found->second);
    }
    if (number < none) out.add(match.group(number));
  }
}

GoValue regex_replaced(GoRun& run, GoArguments a, bool literal) {
  const auto* regex = run.regex(text_at(a, 0));
  if (regex == nullptr) return {};
  const std::string_view text = text_at(a, 1);
  const std::string_view with = text_at(a, 2);
  GoText& out = run.text();
  std::size_t copied = 0;
  const bool expands = !literal && with.find('$') != std::string_view::npos;
  GoMatches matches(*regex, expands ? 1000 : 0);
  matches.start(text);
  while (!out.full() && next(run, matches)) {
    out.add(text.substr(copied, matches.begin() - copied));
    if (expands) {
      expand(out, with, *regex, matches);
    } else {
      out.add(with);
    }
    copied = matches.end();
  }
  out.add(text.substr(copied));
  return run.finish_text();
}
GoValue regex_replace_all(GoRun& run, GoArguments a) { return regex_replaced(run, a, false); }
GoValue regex_replace_literal(GoRun& run, GoArguments a) { return regex_replaced(run, a, true); }

GoValue regex_quote_meta(GoRun& run, GoArguments a) {
  GoText& out = run.text();
  for (const char c : text_at(a, 0)) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out.add('\\');
    out.add(c);
  }
  return run.finish_text();
}

constexpr GoFunction kFunctions[] = {
    {"ToLower", "s", lower},
    {"ToUpper", "s", upper},
    {"Replace", "sssi", go_replace},
    {"Trim", "ss", go_trim},
    {"TrimLeft", "ss", go_trim_left},
    {"TrimRight", "ss", go_trim_right},
    {"TrimPrefix", "ss", go_trim_prefix},
    {"TrimSuffix", "ss", go_trim_suffix},
    {"TrimSpace", "s", trim_space_of},

    {"abbrev", "is", abbrev},
    {"abbrevboth", "iis", abbrevboth},
    {"camelcase", "s", camelcase},
    {"cat", "a*", cat},
    {"contains", "ss", contains},
    {"fail", "s", fail_with},
    {"hasPrefix", "ss", has_prefix},
    {"hasSuffix", "ss", has_suffix},
    {"hello", "", hello},
    {"indent", "is", indent},
    {"initials", "s", initials},
    {"kebabcase", "s", kebabcase},
    {"lower", "s", lower},
    {"nindent", "is", nindent},
    {"nospace", "s", nospace},
    {"plural", "ssi", plural},
    {"quote", "a*", quote},
    {"repeat", "is", repeat},
    {"replace", "sss", replace},
    {"snakecase", "s", snakecase},
    {"squote", "a*", squote},
    {"substr", "iis", substr},
    {"swapcase", "s", swapcase},
    {"title", "s", title},
    {"toString", "a", to_string},
    {"trim", "s", trim_space_of},
    {"trimAll", "ss", trim_all},
    {"trimall", "ss", trim_all},
    {"trimPrefix", "ss", trim_prefix},
    {"trimSuffix", "ss", trim_suffix},
    {"trunc", "is", trunc},
    {"untitle", "s", untitle},
    {"upper", "s", upper},
    {"wrap", "is", wrap},
    {"wrapWith", "iss", wrap_with},

    {"join", "sa", join},
    {"sortAlpha", "a", sort_alpha},
    {"split", "ss", split},
    {"splitList", "ss", split_list},
    {"splitn", "sis", splitn},
    {"toStrings", "a", to_strings},

    {"base", "s", path_base},
    {"clean", "s", path_clean},
    {"dir", "s", path_dir},
    {"ext", "s", path_ext},
    {"isAbs", "s", path_is_abs},
    {"osBase", "s", path_base},
    {"osClean", "s", path_clean},
    {"osDir", "s", path_dir},
    {"osExt", "s", path_ext},
    {"osIsAbs", "s", path_is_abs},

    {"regexFind", "ss", regex_find},
    {"regexFindAll", "ssi", regex_find_all},
    {"regexMatch", "ss", regex_match},
    {"regexQuoteMeta", "s", regex_quote_meta},
    {"regexReplaceAll", "sss", regex_replace_all},
    {"regexReplaceAllLiteral", "sss", regex_replace_literal},
    {"regexSplit", "ssi", regex_split},
    {"mustRegexFind", "ss", regex_find},
    {"mustRegexFindAll", "ssi", regex_find_all},
    {"mustRegexMatch", "ss", must_regex_match},
    {"mustRegexReplaceAll", "sss", regex_replace_all},
    {"mustRegexReplaceAllLiteral", "sss", regex_replace_literal},
    {"mustRegexSplit", "ssi", regex_split},
};

}  // namespace

std::span<const GoFunction> go_text_functions() { return kFunctions; }

}  // namespace agent::wire
