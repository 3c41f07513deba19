// Block style by default; a scalar is plain when it reads back as the same type under YAML 1.1's
// resolver, else 'single quoted', else "double quoted". Lines are folded at the first space behind
// `width`. A list or dict that occurs twice gets an anchor (&id001) and aliases.
#include "fleetctl/template/filters/yaml_writer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "agent/base/strings.h"
#include "fleetctl/value/encrypted.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

using value::Dict;
using value::Value;
using Text = std::u32string;

constexpr int kMaxDepth = 200;

bool digit(char c) { return c >= '0' && c <= '9'; }
bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}
bool only(std::string_view text, std::string_view set) {
  return !text.empty() && text.find_first_not_of(set) == std::string_view::npos;
}

bool sexagesimal_tail(std::string_view rest) {  // (":" [0-5]? [0-9])+
  if (rest.empty()) return false;
  while (!rest.empty()) {
    if (rest[0] != ':') return false;
    rest.remove_prefix(1);
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string_view part = rest.substr(0, end);
    if (part.empty() || part.size() > 2 || !digit(part.back())) return false;
    if (part.size() == 2 && (part[0] < '0' || part[0] > '5')) return false;
    rest.remove_prefix(end);
  }
  return true;
}

bool reads_as_int(std::string_view s) {
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  if (s == "0") return true;
  if (s.substr(0, 2) == "0b") return only(s.substr(2), "01_");
  if (s.substr(0, 2) == "0x") return only(s.substr(2), "0123456789abcdefABCDEF_");
  if (s.size() > 1 && s[0] == '0') return only(s.substr(1), "01234567_");
  if (s.empty() || s[0] < '1' || s[0] > '9') return false;
  const std::size_t end = s.find_first_not_of("0123456789_");
  return end == std::string_view::npos || sexagesimal_tail(s.substr(end));
}

bool exponent(std::string_view s) {
  return s.empty() || (s.size() >= 3 && (s[0] == 'e' || s[0] == 'E') &&
                       (s[1] == '-' || s[1] == '+') && only(s.substr(2), "0123456789"));
}

bool reads_as_float(std::string_view s) {
  if (one_of(s, {".nan", ".NaN", ".NAN"})) return true;
  const std::string_view unsigned_s = !s.empty() && (s[0] == '-' || s[0] == '+') ? s.substr(1) : s;
  if (one_of(unsigned_s, {".inf", ".Inf", ".INF"})) return true;
  if (s.size() > 1 && s[0] == '.' && digit(s[1])) {
    return exponent(s.substr(std::min(s.find_first_not_of("0123456789_", 1), s.size())));
  }
  if (unsigned_s.empty() || !digit(unsigned_s[0])) return false;
  const std::size_t end = unsigned_s.find_first_not_of("0123456789_");
  if (end == std::string_view::npos) return false;
  if (unsigned_s[end] == '.') {
    return exponent(unsigned_s.substr(
        std::min(unsigned_s.find_first_not_of("0123456789_", end + 1), unsigned_s.size())));
  }
  const std::size_t dot = unsigned_s.find('.', end);
  if (dot == std::string_view::npos || !sexagesimal_tail(unsigned_s.substr(end, dot - end)))
    return false;
  return dot + 1 == unsigned_s.size() || only(unsigned_s.substr(dot + 1), "0123456789_");
}

bool reads_as_timestamp(std::string_view s) {
  const auto date = [&s](std::size_t at, std::size_t least, std::size_t most) {
    std::size_t n = 0;
    while (at + n < s.size() && n < most && digit(s[at + n])) ++n;
    return n >= least ? n : std::size_t{0};
  };
  std::size_t at = date(0, 4, 4);
  if (at == 0 || at >= s.size() || s[at] != '-') return false;
  std::size_t n = date(at + 1, 1, 2);
  if (n == 0) return false;
  const bool wide_month = n == 2;
  at += 1 + n;
  if (at >= s.size() || s[at] != '-') return false;
  n = date(at + 1, 1, 2);
  if (n == 0) return false;
  const bool wide_day = n == 2;
  at += 1 + n;
  if (at == s.size()) return wide_month && wide_day;
  if (s[at] == 'T' || s[at] == 't') {
    ++at;
  } else {
    const std::size_t next = s.find_first_not_of(" \t", at);
    if (next == at || next == std::string_view::npos) return false;
    at = next;
  }
  n = date(at, 1, 2);
  if (n == 0) return false;
  at += n;
  for (int i = 0; i < 2; ++i) {
    if (at >= s.size() || s[at] != ':' || date(at + 1, 2, 2) == 0) return false;
    at += 3;
  }
  if (at < s.size() && s[at] == '.') {
    ++at;
    while (at < s.size() && digit(s[at])) ++at;
  }
  at = std::min(s.find_first_not_of(" \t", at), s.size());
  if (at == s.size()) return true;
  if (s[at] == 'Z') return at + 1 == s.size();
  if (s[at] != '-' && s[at] != '+') return false;
  n = date(at + 1, 1, 2);
  if (n == 0) return false;
  at += 1 + n;
  if (at == s.size()) return true;
  return s[at] == ':' && date(at + 1, 2, 2) == 2 && at + 3 == s.size();
}

// Whether a plain scalar with this text would not be a string.
bool resolves_elsewhere(std::string_view s) {
  return s.empty() || one_of(s, {"yes",  "Yes",   "YES",   "no",    "No",   "NO",   "true", "True",
                                 "TRUE", "false", "False", "FALSE", "on",   "On",   "ON",   "off",
                                 "Off",  "OFF",   "~",     "null",  "Null", "NULL", "<<",   "="}) ||
         reads_as_int(s) || reads_as_float(s) || reads_as_timestamp(s);
}

bool is_break(char32_t c) { return c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029; }
bool is_blank_or_break(char32_t c) {
  return c == 0 || c == ' ' || c == '\t' || c == '\r' || is_break(c);
}
bool in(char32_t c, std::string_view set) {
  return c < 0x80 && set.find(static_cast<char>(c)) != std::string_view::npos;
}

struct Analysis {
  bool multiline = false;
  bool flow_plain = true;
  bool block_plain = true;
  bool single_quoted = true;
};

Analysis analyze(const Text& s) {
  Analysis a;
  if (s.empty()) {
    a.flow_plain = false;
    return a;
  }
  bool block_indicators = false;
  bool flow_indicators = false;
  bool special = false;
  bool break_space = false;
  bool space_break = false;
  if (s.compare(0, 3, U"---") == 0 || s.compare(0, 3, U"...") == 0)
    block_indicators = flow_indicators = true;
  bool preceded = true;
  bool followed = s.size() == 1 || is_blank_or_break(s[1]);
  bool previous_space = false;
  bool previous_break = false;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const char32_t c = s[i];
    if (i == 0) {
      if (in(c, "#,[]{}&*!|>'\"%@`")) flow_indicators = block_indicators = true;
      if (in(c, "?:")) {
        flow_indicators = true;
        block_indicators = block_indicators || followed;
      }
      if (c == '-' && followed) flow_indicators = block_indicators = true;
    } else {
      if (in(c, ",?[]{}")) flow_indicators = true;
      if (c == ':') {
        flow_indicators = true;
        block_indicators = block_indicators || followed;
      }
      if (c == '#' && preceded) flow_indicators = block_indicators = true;
    }
    if (is_break(c)) a.multiline = true;
    const bool plain = c == '\n' || (c >= 0x20 && c <= 0x7e);
    const bool printable =
        c == 0x85 || (c >= 0xa0 && c <= 0xd7ff) || (c >= 0xe000 && c <= 0xfffd && c != 0xfeff);
    if (!plain && !printable) special = true;
    if (c == ' ') {
      break_space = break_space || previous_break;
      previous_space = true;
      previous_break = false;
    } else if (is_break(c)) {
      space_break = space_break || previous_space;
      previous_space = false;
      previous_break = true;
    } else {
      previous_space = previous_break = false;
    }
    preceded = is_blank_or_break(c);
    followed = i + 2 >= s.size() || is_blank_or_break(s[i + 2]);
  }
  const auto edge = [](char32_t c) { return c == ' ' || is_break(c); };
  if (edge(s.front()) || edge(s.back())) a.flow_plain = a.block_plain = false;
  if (break_space) a.flow_plain = a.block_plain = a.single_quoted = false;
  if (space_break || special) a.flow_plain = a.block_plain = a.single_quoted = false;
  if (a.multiline) a.flow_plain = a.block_plain = false;
  if (flow_indicators) a.flow_plain = false;
  if (block_indicators) a.block_plain = false;
  return a;
}

class Writer {
 public:
  explicit Writer(const YamlFormat& format) : format_(format) {
    if (format_.indent < 2 || format_.indent > 9) format_.indent = 2;
    if (format_.width <= format_.indent * 2) format_.width = 80;
  }

  Outcome<std::string> run(const Value& v) {
    TEMPLATE_CHECK(count(v, 0));
    if (format_.explicit_start) {
      indicator("---", true);
      // The first block line follows on its own line.
    }
    indention_ = !format_.explicit_start;
    TEMPLATE_CHECK(node(v, Context{}, 0));
    line_break_if_needed();
    if (format_.explicit_end) {
      indicator("...", true);
      line_break_if_needed();
    }
    return std::move(out_);
  }

 private:
  struct Context {
    bool mapping = false;
    bool simple_key = false;
  };

  static bool is_collection(const Value& v) { return v.is_sequence() || v.is_dict(); }
  static const void* identity(const Value& v) {
    return v.is_dict() ? static_cast<const void*>(&v.as_dict())
                       : static_cast<const void*>(&v.items());
  }

  Outcome<> count(const Value& v, int depth) {
    if (depth > kMaxDepth) return problem(ProblemKind::kLimit, "the value is too deeply nested");
    if (!is_collection(v)) return {};
    if (v.is_tuple() && v.items().empty()) return {};
    if (++seen_[identity(v)] > 1) {
      if (anchors_.emplace(identity(v), std::string()).second) order_.push_back(identity(v));
      return {};
    }
    if (v.is_dict()) {
      for (const auto* item : ordered(v)) {
        TEMPLATE_CHECK(count(item->first, depth + 1));
        TEMPLATE_CHECK(count(item->second, depth + 1));
      }
    } else {
      for (const Value& item : v.items()) TEMPLATE_CHECK(count(item, depth + 1));
    }
    if (depth == 0) {
      for (std::size_t i = 0; i < order_.size(); ++i) {
        std::string number = std::to_string(i + 1);
        if (number.size() < 3) number.insert(0, 3 - number.size(), '0');
        anchors_[order_[i]] = "id" + number;
      }
    }
    return {};
  }

  std::vector<const Dict::Item*> ordered(const Value& v) const {
    std::vector<const Dict::Item*> items;
    for (const auto& item : v.as_dict()) items.push_back(&item);
    if (!format_.sort_keys) return items;
    bool sortable = true;
    auto sorted = items;
    std::stable_sort(sorted.begin(), sorted.end(), [&](const auto* a, const auto* b) {
      const auto less = value::compare(a->first, b->first);
      if (!less) sortable = false;
      return less && *less < 0;
    });
    return sortable ? sorted : items;
  }

  bool flows(const Value& v) const {
    if (format_.flow != YamlFormat::Flow::kLeaves) return format_.flow == YamlFormat::Flow::kAlways;
    if (v.is_dict()) {
      return std::none_of(v.as_dict().begin(), v.as_dict().end(), [](const auto& item) {
        return is_collection(item.first) || is_collection(item.second);
      });
    }
    return std::none_of(v.items().begin(), v.items().end(), is_collection);
  }

  Outcome<> node(const Value& v, Context context, int depth) {
    if (out_.size() > format_.limit)
      return problem(ProblemKind::kLimit, "the YAML text is too large");
    if (is_collection(v)) {
      if (const auto anchor = anchors_.find(identity(v)); anchor != anchors_.end()) {
        if (!written_.emplace(identity(v), true).second) {
          indicator("*" + anchor->second, true);
          return {};
        }
        indicator("&" + anchor->second, true);
      }
      const bool empty = v.is_dict() ? v.as_dict().empty() : v.items().empty();
      const bool flow = flow_level_ > 0 || empty || flows(v);
      if (v.is_dict()) return flow ? flow_mapping(v, depth) : block_mapping(v, depth);
      return flow ? flow_sequence(v, depth) : block_sequence(v, context, depth);
    }
    const int before = indent_;
    indent_ = indent_ < 0 ? format_.indent : indent_ + format_.indent;
    auto done = scalar(v, context);
    indent_ = before;
    return done;
  }

  Outcome<> scalar(const Value& v, Context context) {
    const bool split = !context.simple_key;
    if (const value::Encrypted* encrypted = encrypted_value(v)) {
      write_vault(encrypted->text());
      return {};
    }
    if (!v.is_string()) {
      TEMPLATE_TRY(text, plain_text(v));
      if (v.is_none() && text.empty()) return {};
      write_plain(value::decode_utf8(text), split);
      return {};
    }
    const std::string& text = v.as_string();
    const Text points = value::decode_utf8(text);
    const Analysis a = analyze(points);
    const bool implicit = !resolves_elsewhere(text);
    const bool key_trouble = context.simple_key && (points.empty() || a.multiline);
    if (implicit && !key_trouble && (flow_level_ > 0 ? a.flow_plain : a.block_plain)) {
      write_plain(points, split);
    } else if (a.single_quoted && !(context.simple_key && a.multiline)) {
      write_single(points, split);
    } else {
      write_double(points, split);
    }
    return {};
  }

  static const value::Encrypted* encrypted_value(const Value& v) {
    return v.is_object() ? dynamic_cast<const value::Encrypted*>(v.as_object().get()) : nullptr;
  }
  // As it stands in variable files; an envelope has no line that could need more care.
  void write_vault(std::string_view envelope) {
    const bool ends_in_newline = !envelope.empty() && envelope.back() == '\n';
    if (ends_in_newline) envelope.remove_suffix(1);
    indicator(ends_in_newline ? "!vault |" : "!vault |-", true);
    for (const std::string_view line : agent::split(envelope, '\n')) {
      line_break();
      write_indent();
      put_bytes(line);
    }
    whitespace_ = false;
    indention_ = false;
  }
  void put_bytes(std::string_view text) {
    out_ += text;
    column_ += static_cast<int>(text.size());
  }

  static Outcome<std::string> plain_text(const Value& v) {
    switch (v.kind()) {
      case value::Kind::kNone:
        return std::string("null");
      case value::Kind::kBool:
        return std::string(v.as_bool() ? "true" : "false");
      case value::Kind::kInt:
      case value::Kind::kBigInt:
        return value::str(v);
      case value::Kind::kFloat: {
        const double d = v.as_float();
        if (std::isnan(d)) return std::string(".nan");
        if (std::isinf(d)) return std::string(d > 0 ? ".inf" : "-.inf");
        std::string text = value::repr_float(d);
        const std::size_t e = text.find('e');
        if (e != std::string::npos && text.find('.') == std::string::npos) text.insert(e, ".0");
        return text;
      }
      default:
        return bad("cannot represent an object of type " + std::string(value::type_name(v)));
    }
  }

  bool simple_key(const Value& key) const {
    if (is_collection(key)) return key.is_dict() ? key.as_dict().empty() : key.items().empty();
    if (!key.is_string()) return true;
    const Text points = value::decode_utf8(key.as_string());
    return points.size() < 128 && !points.empty() && !analyze(points).multiline;
  }

  void raise_indent(bool flow, bool indentless) {
    if (indent_ < 0) {
      indent_ = flow ? format_.indent : 0;
    } else if (!indentless) {
      indent_ += format_.indent;
    }
  }

  Outcome<> flow_sequence(const Value& v, int depth) {
    indicator("[", true, true);
    const int before = indent_;
    ++flow_level_;
    raise_indent(true, false);
    bool first = true;
    for (const Value& item : v.items()) {
      if (!first) indicator(",", false);
      first = false;
      if (column_ > format_.width) write_indent();
      TEMPLATE_CHECK(node(item, {}, depth + 1));
    }
    indent_ = before;
    --flow_level_;
    indicator("]", false);
    return {};
  }
  Outcome<> flow_mapping(const Value& v, int depth) {
    indicator("{", true, true);
    const int before = indent_;
    ++flow_level_;
    raise_indent(true, false);
    bool first = true;
    for (const auto* item : ordered(v)) {
      if (!first) indicator(",", false);
      first = false;
      if (column_ > format_.width) write_indent();
      if (simple_key(item->first)) {
        TEMPLATE_CHECK(node(item->first, {true, true}, depth + 1));
        indicator(":", false);
      } else {
        indicator("?", true);
        TEMPLATE_CHECK(node(item->first, {true, false}, depth + 1));
        if (column_ > format_.width) write_indent();
        indicator(":", true);
      }
      TEMPLATE_CHECK(node(item->second, {true, false}, depth + 1));
    }
    indent_ = before;
    --flow_level_;
    indicator("}", false);
    return {};
  }
  Outcome<> block_sequence(const Value& v, Context context, int depth) {
    const int before = indent_;
    raise_indent(false, context.mapping && !indention_);
    for (const Value& item : v.items()) {
      write_indent();
      indicator("-", true, false, true);
      TEMPLATE_CHECK(node(item, {}, depth + 1));
    }
    indent_ = before;
    return {};
  }
  Outcome<> block_mapping(const Value& v, int depth) {
    const int before = indent_;
    raise_indent(false, false);
    for (const auto* item : ordered(v)) {
      write_indent();
      if (simple_key(item->first)) {
        TEMPLATE_CHECK(node(item->first, {true, true}, depth + 1));
        indicator(":", false);
      } else {
        indicator("?", true, false, true);
        TEMPLATE_CHECK(node(item->first, {true, false}, depth + 1));
        write_indent();
        indicator(":", true, false, true);
      }
      TEMPLATE_CHECK(node(item->second, {true, false}, depth + 1));
    }
    indent_ = before;
    return {};
  }

  // Bytes and columns.

  void put(char32_t c) {
    value::append_utf8(out_, c);
    ++column_;
  }
  void put(const Text& text, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) put(text[i]);
  }
  void indicator(const std::string& text, bool need_space, bool whitespace = false,
                 bool indention = false) {
    if (!whitespace_ && need_space) put(' ');
    out_ += text;
    column_ += static_cast<int>(text.size());
    whitespace_ = whitespace;
    indention_ = indention_ && indention;
  }
  void line_break() {
    out_ += '\n';
    whitespace_ = true;
    indention_ = true;
    column_ = 0;
  }
  void line_break_if_needed() {
    if (column_ > 0 || (!out_.empty() && out_.back() != '\n')) line_break();
  }
  void write_indent() {
    const int indent = std::max(0, indent_);
    if (!indention_ || column_ > indent || (column_ == indent && !whitespace_)) line_break();
    if (column_ < indent) {
      whitespace_ = true;
      out_.append(static_cast<std::size_t>(indent - column_), ' ');
      column_ = indent;
    }
  }

  void breaks(const Text& text, std::size_t from, std::size_t to) {
    if (text[from] == '\n') line_break();
    for (std::size_t i = from; i < to; ++i) {
      if (text[i] == '\n') {
        line_break();
      } else {
        put(text[i]);
        column_ = 0;
        whitespace_ = indention_ = true;
      }
    }
    write_indent();
  }

  void write_plain(const Text& text, bool split) {
    if (text.empty()) return;
    if (!whitespace_) put(' ');
    whitespace_ = false;
    indention_ = false;
    std::size_t start = 0;
    bool spaces = false;
    for (std::size_t end = 0; end <= text.size(); ++end) {
      const bool at_end = end == text.size();
      const char32_t c = at_end ? 0 : text[end];
      if (spaces) {
        if (at_end || c != ' ') {
          if (start + 1 == end && column_ > format_.width && split) {
            write_indent();
            whitespace_ = false;
            indention_ = false;
          } else {
            put(text, start, end);
          }
          start = end;
        }
      } else if (at_end || c == ' ') {
        put(text, start, end);
        start = end;
      }
      spaces = !at_end && c == ' ';
    }
  }

  void write_single(const Text& text, bool split) {
    indicator("'", true);
    bool spaces = false;
    bool in_breaks = false;
    std::size_t start = 0;
    for (std::size_t end = 0; end <= text.size(); ++end) {
      const bool at_end = end == text.size();
      const char32_t c = at_end ? 0 : text[end];
      if (spaces) {
        if (at_end || c != ' ') {
          if (start + 1 == end && column_ > format_.width && split && start != 0 && !at_end) {
            write_indent();
          } else {
            put(text, start, end);
          }
          start = end;
        }
      } else if (in_breaks) {
        if (at_end || !is_break(c)) {
          breaks(text, start, end);
          start = end;
        }
      } else if (at_end || c == ' ' || is_break(c) || c == '\'') {
        put(text, start, end);
        start = end;
      }
      if (!at_end && c == '\'') {
        put('\'');
        put('\'');
        start = end + 1;
      }
      spaces = !at_end && c == ' ';
      in_breaks = !at_end && is_break(c);
    }
    indicator("'", false);
  }

  void write_double(const Text& text, bool split) {
    indicator("\"", true);
    std::size_t start = 0;
    for (std::size_t end = 0; end <= text.size(); ++end) {
      const bool at_end = end == text.size();
      const char32_t c = at_end ? 0 : text[end];
      const bool plain =
          !at_end && c != '"' && c != '\\' && c != 0x85 && c != 0x2028 && c != 0x2029 &&
          c != 0xfeff &&
          ((c >= 0x20 && c <= 0x7e) || (c >= 0xa0 && c <= 0xd7ff) || (c >= 0xe000 && c <= 0xfffd));
      if (!plain) {
        put(text, start, std::max(start, end));
        start = std::max(start, end);
        if (!at_end) {
          escape(c);
          start = end + 1;
        }
      }
      if (end > 0 && end + 1 < text.size() && (c == ' ' || start >= end) && split &&
          column_ + static_cast<int>(end) - static_cast<int>(std::min(start, end)) >
              format_.width) {
        if (start < end) {
          put(text, start, end);
          start = end;
        }
        put('\\');
        write_indent();
        whitespace_ = false;
        indention_ = false;
        if (text[start] == ' ') put('\\');
      }
    }
    indicator("\"", false);
  }
  void escape(char32_t c) {
    static constexpr std::array<std::pair<char32_t, char>, 15> kShort{{{0, '0'},
                                                                       {7, 'a'},
                                                                       {8, 'b'},
                                                                       {9, 't'},
                                                                       {10, 'n'},
                                                                       {11, 'v'},
                                                                       {12, 'f'},
                                                                       {13, 'r'},
                                                                       {0x1b, 'e'},
                                                                       {'"', '"'},
                                                                       {'\\', '\\'},
                                                                       {0x85, 'N'},
                                                                       {0xa0, '_'},
                                                                       {0x2028, 'L'},
                                                                       {0x2029, 'P'}}};
    put('\\');
    for (const auto& [from, to] : kShort) {
      if (from == c) {
        put(static_cast<char32_t>(to));
        return;
      }
    }
    const int digits = c <= 0xff ? 2 : c <= 0xffff ? 4 : 8;
    put(static_cast<char32_t>(digits == 2 ? 'x' : digits == 4 ? 'u' : 'U'));
    static constexpr std::string_view kDigits = "0123456789ABCDEF";
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
      put(static_cast<char32_t>(kDigits[(c >> static_cast<unsigned>(shift)) & 15U]));
    }
  }

  YamlFormat format_;
  std::string out_;
  int column_ = 0;
  int indent_ = -1;
  int flow_level_ = 0;
  bool whitespace_ = true;
  bool indention_ = true;
  std::map<const void*, int> seen_;
  std::map<const void*, std::string> anchors_;
  std::map<const void*, bool> written_;
  std::vector<const void*> order_;
};

}  // namespace

Outcome<std::string> write_yaml(const Value& v, const YamlFormat& format) {
  return Writer(format).run(v);
}

}  // namespace fleetctl::template_
