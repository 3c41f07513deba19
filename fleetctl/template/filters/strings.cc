// Filters on text.
#include <algorithm>
#include <array>
#include <cmath>

#include "agent/base/strings.h"
#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/template/regex.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

Outcome<std::string> input(const Call& c) { return c.in.text_of(c.input); }
Outcome<Value> text(std::string s) { return Value::string(std::move(s)); }
// For filters that Python's engine gives only strings to.
Outcome<std::string> string_input(const Call& c) {
  if (c.input.is_string()) return c.input.as_string();
  return bad("expects a string, not " + std::string(value::type_name(c.input)));
}

Outcome<Value> method(Call& c, std::string_view name, Args args = {}) {
  TEMPLATE_TRY(s, input(c));
  return call_method(c.in, Value::string(std::move(s)), name, std::move(args));
}

Outcome<Value> upper_filter(Call& c) { return method(c, "upper"); }
Outcome<Value> lower_filter(Call& c) { return method(c, "lower"); }
Outcome<Value> capitalize_filter(Call& c) { return method(c, "capitalize"); }

Outcome<Value> title(Call& c) {
  TEMPLATE_TRY(s, input(c));
  std::string out;
  std::string word;
  const auto flush = [&] {
    const std::u32string points = value::decode_utf8(word);
    if (!points.empty()) {
      out += upper(value::encode_utf8(points.substr(0, 1)));
      out += lower(value::encode_utf8(points.substr(1)));
    }
    word.clear();
  };
  for (const char32_t p : value::decode_utf8(s)) {
    if (is_space_point(p) || p == '-' || p == '(' || p == '{' || p == '[' || p == '<') {
      flush();
      value::append_utf8(out, p);
    } else {
      value::append_utf8(word, p);
    }
  }
  flush();
  return text(std::move(out));
}

Outcome<Value> trim(Call& c) {
  if (c.given(0)) return method(c, "strip", {{*c.args[0]}, {}});
  return method(c, "strip");
}

Outcome<Value> replace(Call& c) {
  TEMPLATE_TRY(s, input(c));
  if (!c.has(0) || !c.has(1)) return bad("needs the old and the new text");
  TEMPLATE_TRY(from, c.text(0, ""));
  TEMPLATE_TRY(to, c.text(1, ""));
  TEMPLATE_TRY(count, c.integer(2, -1));
  return replace_text(c.in, s, from, to, count);
}

Outcome<Value> string(Call& c) {
  TEMPLATE_TRY(s, input(c));
  return Value::string(std::move(s), c.input.flags());
}

Outcome<Value> center(Call& c) {
  TEMPLATE_TRY(width, c.integer(0, 80));
  return method(c, "center", {{Value::integer(width)}, {}});
}

Outcome<Value> indent(Call& c) {
  TEMPLATE_TRY(s, string_input(c));
  std::string by;
  if (c.has(0) && c.args[0]->is_string()) {
    by = c.args[0]->as_string();
  } else {
    TEMPLATE_TRY(width, c.integer(0, 4));
    if (width > 10000) return problem(ProblemKind::kLimit, "the indent is too large");
    by.assign(static_cast<std::size_t>(std::max<std::int64_t>(0, width)), ' ');
  }
  const bool first = c.flag(1, false);
  const bool blank = c.flag(2, false);
  // The text counts as one with a final newline, so that a text ending in one keeps it.
  TEMPLATE_TRY(split, call_method(c.in, Value::string(s + "\n"), "splitlines", {}));
  const std::vector<Value>& lines = split.items();
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    if (i == 0 ? first : (blank || !lines[i].as_string().empty())) out += by;
    out += lines[i].as_string();
    if (out.size() > c.in.world().limits.output_bytes)
      return problem(ProblemKind::kLimit, "the indented text is too large");
  }
  return Value::string(std::move(out), c.input.flags() & value::kMarkup);
}

std::string escaped(std::string_view s) {
  std::string out;
  for (const char ch : s) {
    static constexpr std::string_view kFrom = "&<>'\"";
    static constexpr std::array<std::string_view, 5> kTo{"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    if (const auto i = kFrom.find(ch); i != std::string_view::npos) {
      out += kTo[i];
    } else {
      out += ch;
    }
  }
  return out;
}
Outcome<Value> escape(Call& c) {
  if (c.input.has(value::kMarkup)) return c.input;
  TEMPLATE_TRY(s, input(c));
  return Value::string(escaped(s), value::kMarkup);
}
Outcome<Value> force_escape(Call& c) {
  TEMPLATE_TRY(s, input(c));
  return Value::string(escaped(s), value::kMarkup);
}
Outcome<Value> safe(Call& c) {
  TEMPLATE_TRY(s, input(c));
  return Value::string(std::move(s), value::kMarkup);
}

Outcome<Value> striptags(Call& c) {
  TEMPLATE_TRY(s, input(c));
  std::string plain;
  for (std::size_t i = 0; i < s.size();) {
    if (s.compare(i, 4, "<!--") == 0) {
      const std::size_t end = s.find("-->", i + 4);
      if (end != std::string::npos) {
        i = end + 3;
        continue;
      }
    }
    if (s[i] == '<') {
      const std::size_t end = s.find('>', i);
      if (end != std::string::npos) {
        i = end + 1;
        continue;
      }
    }
    plain += s[i++];
  }
  std::string out;
  for (const char32_t p : value::decode_utf8(plain)) {
    if (!is_space_point(p)) {
      value::append_utf8(out, p);
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kEntities{
      {{"&lt;", "<"},
       {"&gt;", ">"},
       {"&#39;", "'"},
       {"&#34;", "\""},
       {"&quot;", "\""},
       {"&amp;", "&"}}};
  std::string unescaped;
  for (std::size_t i = 0; i < out.size();) {
    bool hit = false;
    for (const auto& [from, to] : kEntities) {
      if (out.compare(i, from.size(), from) == 0) {
        unescaped += to;
        i += from.size();
        hit = true;
        break;
      }
    }
    if (!hit) unescaped += out[i++];
  }
  return text(std::move(unescaped));
}

Outcome<Value> format(Call& c) {
  TEMPLATE_TRY(s, input(c));
  if (!c.rest.empty() && !c.more.empty()) {
    return bad("can't handle positional and keyword arguments at the same time");
  }
  value::Dict named;
  for (const auto& [key, v] : c.more) named.set(key, v);
  TEMPLATE_TRY(out, percent_format(c.in, s, c.rest, c.more.empty() ? nullptr : &named));
  return text(std::move(out));
}

Outcome<Value> truncate(Call& c) {
  TEMPLATE_TRY(length, c.integer(0, 255));
  const bool kill = c.flag(1, false);
  TEMPLATE_TRY(end, c.text(2, "..."));
  TEMPLATE_TRY(leeway, c.integer(3, 5));
  const auto end_size = static_cast<std::int64_t>(value::count_code_points(end));
  if (length < end_size)
    return bad("expected length >= " + std::to_string(end_size) + ", got " +
               std::to_string(length));
  if (leeway < 0) return bad("expected leeway >= 0, got " + std::to_string(leeway));
  TEMPLATE_TRY(size, c.in.length_of(c.input));
  if (static_cast<std::int64_t>(size) <= length + leeway) return c.input;
  TEMPLATE_TRY(s, string_input(c));
  const std::u32string points = value::decode_utf8(s);
  std::u32string cut = points.substr(0, static_cast<std::size_t>(length - end_size));
  if (!kill) {
    const std::size_t space = cut.rfind(U' ');
    if (space != std::u32string::npos) cut.resize(space);
  }
  return text(value::encode_utf8(cut) + end);
}

Outcome<Value> wordcount(Call& c) {
  TEMPLATE_TRY(s, input(c));
  TEMPLATE_TRY(word, Regex::compile("\\w+", {}));
  TEMPLATE_TRY(words, word.all(s));
  return Value::integer(static_cast<std::int64_t>(words.size()));
}

// Where Python's textwrap may break a line: white space, em-dashes, and hyphens inside of words.
constexpr std::string_view kWords =
    "([\\t\\n\\x0b\\x0c\\r ]+|(?<=[\\w!\"'&.,?])-{2,}(?=\\w)|[^\\t\\n\\x0b\\x0c\\r ]+?(?:"
    "-(?:(?<=[^\\d\\W]{2}-)|(?<=[^\\d\\W]-[\\w!\"'&.,?]-))(?=[^\\d\\W]-?[^\\d\\W])|"
    "(?=[\\t\\n\\x0b\\x0c\\r ]|\\Z)|(?<=[\\w!\"'&.,?])(?=-{2,}\\w)))";
constexpr std::string_view kSpaces = "([\\t\\n\\x0b\\x0c\\r ]+)";

// `text` split at the matches, which are pieces, too.
Outcome<std::vector<std::u32string>> chunks_of(const Regex& separators, const std::string& text) {
  TEMPLATE_TRY(matches, separators.all(text));
  std::vector<std::u32string> chunks;
  std::size_t at = 0;
  const auto add = [&](std::size_t to) {
    if (to > at) chunks.push_back(value::decode_utf8(std::string_view(text).substr(at, to - at)));
    at = to;
  };
  for (const Regex::Match& match : matches) {
    add(match.groups[0]->first);
    add(match.groups[0]->second);
  }
  add(text.size());
  return chunks;
}

// One paragraph without newlines, wrapped as Python's textwrap does with expand_tabs and
// replace_whitespace off.
std::vector<std::u32string> wrap(std::vector<std::u32string> chunks, std::size_t width,
                                 bool break_long, bool break_hyphens) {
  const auto space = [](const std::u32string& chunk) {
    return std::all_of(chunk.begin(), chunk.end(), is_space_point);
  };
  std::reverse(chunks.begin(), chunks.end());
  std::vector<std::u32string> lines;
  while (!chunks.empty()) {
    std::vector<std::u32string> row;
    std::size_t size = 0;
    if (space(chunks.back()) && !lines.empty()) chunks.pop_back();
    while (!chunks.empty() && size + chunks.back().size() <= width) {
      size += chunks.back().size();
      row.push_back(std::move(chunks.back()));
      chunks.pop_back();
    }
    if (!chunks.empty() && chunks.back().size() > width) {
      const std::size_t room = width > size ? width - size : 0;
      if (break_long) {
        std::size_t take = room;
        if (break_hyphens && take > 0) {
          const std::size_t hyphen = chunks.back().rfind(U'-', take - 1);
          if (hyphen != std::u32string::npos && hyphen > 0 &&
              chunks.back().substr(0, hyphen).find_first_not_of(U'-') != std::u32string::npos) {
            take = hyphen + 1;
          }
        }
        // With no room left this is an empty piece, which keeps the space before it.
        row.push_back(chunks.back().substr(0, take));
        chunks.back().erase(0, take);
      } else if (row.empty()) {
        row.push_back(std::move(chunks.back()));
        chunks.pop_back();
      }
    }
    if (!row.empty() && space(row.back())) row.pop_back();
    if (!row.empty()) {
      std::u32string joined;
      for (const auto& part : row) joined += part;
      lines.push_back(std::move(joined));
    }
  }
  return lines;
}
Outcome<std::string> text_only(Call& c) {
  TEMPLATE_CHECK(c.in.require(c.input));
  if (!c.input.is_string())
    return bad("expected a text, not " + std::string(value::type_name(c.input)));
  return c.input.as_string();
}
Outcome<Value> wordwrap(Call& c) {
  TEMPLATE_TRY(s, text_only(c));
  TEMPLATE_TRY(width, c.integer(0, 79));
  if (width <= 0) return bad("invalid width " + std::to_string(width) + " (must be > 0)");
  TEMPLATE_TRY(join, c.text(2, "\n"));
  if (c.has(2) && c.args[2]->is_none()) join = "\n";
  const Value lines = call_method(c.in, Value::string(s), "splitlines", {}).value_or(Value::list());
  const bool hyphens = c.flag(3, true);
  TEMPLATE_TRY(separators, Regex::compile(hyphens ? kWords : kSpaces, {}));
  std::string out;
  bool first = true;
  for (const Value& line : lines.items()) {
    if (!first) out += join;
    first = false;
    bool inner_first = true;
    TEMPLATE_TRY(pieces, chunks_of(separators, line.as_string()));
    for (const auto& row :
         wrap(std::move(pieces), static_cast<std::size_t>(width), c.flag(1, true), hyphens)) {
      if (!inner_first) out += join;
      inner_first = false;
      out += value::encode_utf8(row);
    }
  }
  return text(std::move(out));
}

std::string quoted_url(std::string_view s, std::string_view keep) {
  std::string out;
  for (const char ch : s) {
    const bool plain = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
                       (ch >= 'A' && ch <= 'Z') || ch == '_' || ch == '.' || ch == '-' ||
                       ch == '~' || keep.find(ch) != std::string_view::npos;
    if (plain) {
      out += ch;
    } else {
      static constexpr std::string_view kDigits = "0123456789ABCDEF";
      out += '%';
      out += kDigits[static_cast<unsigned char>(ch) >> 4U];
      out += kDigits[static_cast<unsigned char>(ch) & 15U];
    }
  }
  return out;
}
Outcome<Value> urlencode(Call& c) {
  std::vector<std::pair<Value, Value>> pairs;
  if (c.input.is_dict()) {
    for (const auto& [key, v] : c.input.as_dict()) pairs.emplace_back(key, v);
  } else if (c.input.is_sequence()) {
    for (const Value& pair : c.input.items()) {
      TEMPLATE_TRY(both, c.in.elements_of(pair));
      if (both.size() != 2) return bad("expects pairs");
      pairs.emplace_back(both[0], both[1]);
    }
  } else {
    TEMPLATE_TRY(s, input(c));
    return text(quoted_url(s, "/"));
  }
  std::string out;
  const auto part = [&](const Value& v) -> Outcome<> {
    TEMPLATE_TRY(s, c.in.text_of(v));
    for (const char ch : quoted_url(s, " ")) out += ch == ' ' ? '+' : ch;
    return {};
  };
  for (const auto& [key, v] : pairs) {
    if (!out.empty()) out += '&';
    TEMPLATE_CHECK(part(key));
    out += '=';
    TEMPLATE_CHECK(part(v));
  }
  return text(std::move(out));
}
Outcome<Value> urldecode(Call& c) {
  TEMPLATE_TRY(s, input(c));
  std::string out;
  const auto digit = [](char ch) {
    if (ch >= '0' && ch <= '9') return ch - '0';
    if (ch >= 'a' && ch <= 'f') return ch - 'a' + 10;
    if (ch >= 'A' && ch <= 'F') return ch - 'A' + 10;
    return -1;
  };
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '+') {
      out += ' ';
    } else if (s[i] == '%' && i + 2 < s.size() + 0U && digit(s[i + 1]) >= 0 &&
               digit(s[i + 2]) >= 0) {
      out += static_cast<char>(digit(s[i + 1]) * 16 + digit(s[i + 2]));
      i += 2;
    } else {
      out += s[i];
    }
  }
  return text(agent::to_valid_utf8(out));
}

// The pieces of a URL, as Python's urlsplit names them.
Outcome<Value> urlsplit(Call& c) {
  TEMPLATE_TRY(given, text_only(c));
  std::string s;
  std::copy_if(given.begin(), given.end(), std::back_inserter(s),
               [](char ch) { return ch != '\t' && ch != '\r' && ch != '\n'; });
  std::string_view rest = s;
  while (!rest.empty() && static_cast<unsigned char>(rest.front()) <= ' ') rest.remove_prefix(1);
  std::string scheme;
  std::string netloc;
  std::string query;
  std::string fragment;
  if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos && colon > 0) {
    const std::string_view name = rest.substr(0, colon);
    const auto scheme_char = [](char ch) {
      return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
             ch == '+' || ch == '-' || ch == '.';
    };
    const bool first_letter =
        (name[0] >= 'a' && name[0] <= 'z') || (name[0] >= 'A' && name[0] <= 'Z');
    if (first_letter && std::all_of(name.begin(), name.end(), scheme_char)) {
      scheme = lower(name);
      rest.remove_prefix(colon + 1);
    }
  }
  if (rest.substr(0, 2) == "//") {
    rest.remove_prefix(2);
    const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
    netloc = rest.substr(0, end);
    rest.remove_prefix(end);
  }
  if (const std::size_t hash = rest.find('#'); hash != std::string_view::npos) {
    fragment = rest.substr(hash + 1);
    rest = rest.substr(0, hash);
  }
  if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  std::string_view host = netloc;
  Value username;
  Value password;
  if (const std::size_t at = host.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = host.substr(0, at);
    host.remove_prefix(at + 1);
    const std::size_t colon = user.find(':');
    username = Value::string(std::string(user.substr(0, colon)));
    if (colon != std::string_view::npos)
      password = Value::string(std::string(user.substr(colon + 1)));
  }
  Value port;
  std::string_view port_text;
  if (!host.empty() && host[0] == '[') {
    const std::size_t close = host.find(']');
    if (close != std::string_view::npos) {
      if (host.substr(close + 1, 1) == ":") port_text = host.substr(close + 2);
      host = host.substr(1, close - 1);
    }
  } else if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
    port_text = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  if (!port_text.empty()) {
    if (!std::all_of(port_text.begin(), port_text.end(),
                     [](char ch) { return ch >= '0' && ch <= '9'; }) ||
        port_text.size() > 5) {
      return bad("the port is not a number");
    }
    port = Value::integer_text(port_text);
  }
  value::Dict parts;
  parts.set("fragment", Value::string(fragment));
  parts.set("hostname", host.empty() ? Value() : Value::string(lower(host)));
  parts.set("netloc", Value::string(netloc));
  parts.set("password", password);
  parts.set("path", Value::string(std::string(rest)));
  parts.set("port", port);
  parts.set("query", Value::string(query));
  parts.set("scheme", Value::string(scheme));
  parts.set("username", username);
  if (!c.given(0)) return Value::dict(std::move(parts));
  TEMPLATE_TRY(want, c.text(0, ""));
  const Value* found = parts.find(want);
  if (found == nullptr) return bad("urlsplit: unknown URL component: " + want);
  return *found;
}

Outcome<Value> xmlattr(Call& c) {
  if (!c.input.is_dict()) return bad("expects a dict");
  std::string out;
  for (const auto& [key, v] : c.input.as_dict()) {
    if (v.is_none() || v.is_undefined()) continue;
    TEMPLATE_TRY(name, c.in.text_of(key));
    TEMPLATE_TRY(shown, c.in.text_of(v));
    if (name.find_first_of(" \t\n\f/>=") != std::string::npos) {
      return bad("Invalid character in attribute name: " + value::repr_string(name));
    }
    if (!out.empty()) out += ' ';
    out += escaped(name) + "=\"" + escaped(shown) + "\"";
  }
  if (c.flag(0, true) && !out.empty()) out.insert(0, " ");
  return text(std::move(out));
}

Outcome<Value> quote(Call& c) {
  std::string s;
  if (!c.input.is_none()) {
    TEMPLATE_TRY(shown, input(c));
    s = std::move(shown);
  }
  const auto plain = [](char ch) {
    return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
           std::string_view("_@%+=:,./-").find(ch) != std::string_view::npos;
  };
  if (!s.empty() && std::all_of(s.begin(), s.end(), plain)) return text(s);
  std::string out = "'";
  for (const char ch : s) {
    if (ch == '\'') {
      out += "'\"'\"'";
    } else {
      out += ch;
    }
  }
  return text(out + "'");
}

// Decorates text as a comment: styles plain, erlang, c, cblock, xml, each part replaceable.
Outcome<Value> comment(Call& c) {
  TEMPLATE_TRY(s, string_input(c));
  TEMPLATE_TRY(style, c.text(0, "plain"));
  struct Style {
    std::string_view name;
    std::string_view beginning;
    std::string_view decoration;
    std::string_view end;
  };
  static constexpr std::array<Style, 5> kStyles{{{"plain", "", "# ", ""},
                                                 {"erlang", "", "% ", ""},
                                                 {"c", "", "// ", ""},
                                                 {"cblock", "/*", " * ", " */"},
                                                 {"xml", "<!--", " - ", "-->"}}};
  const Style* chosen = nullptr;
  for (const Style& each : kStyles) {
    if (each.name == style) chosen = &each;
  }
  if (chosen == nullptr)
    return bad("unknown style '" + style + "' (plain, erlang, c, cblock, xml)");
  const auto strip_right = [](std::string_view t) { return std::string(strip(t, false, true)); };
  TEMPLATE_TRY(decoration, c.text(1, chosen->decoration));
  TEMPLATE_TRY(beginning, c.text(2, chosen->beginning));
  TEMPLATE_TRY(end, c.text(3, chosen->end));
  TEMPLATE_TRY(newline, c.text(4, "\n"));
  TEMPLATE_TRY(prefix, c.text(5, strip_right(decoration)));
  TEMPLATE_TRY(prefix_count, c.integer(6, 1));
  TEMPLATE_TRY(postfix, c.text(7, strip_right(decoration)));
  TEMPLATE_TRY(postfix_count, c.integer(8, 1));
  if (prefix_count > 1000 || postfix_count > 1000)
    return problem(ProblemKind::kLimit, "a count is too large");
  std::string out;
  if (!beginning.empty()) out += beginning + newline;
  if (!prefix.empty()) {
    for (std::int64_t i = 0; i < prefix_count; ++i)
      out += prefix != newline ? prefix + newline : newline;
  }
  TEMPLATE_TRY(lines, replace_text(c.in, s, newline, newline + decoration, -1));
  TEMPLATE_TRY(body, replace_text(c.in, decoration + lines.as_string(), decoration + newline,
                                  strip_right(decoration) + newline, -1));
  out += body.as_string();
  for (std::int64_t i = 0; i < postfix_count; ++i) out += newline + postfix;
  if (!end.empty()) out += newline + end;
  return text(std::move(out));
}

Outcome<Value> split(Call& c) {
  TEMPLATE_TRY(s, string_input(c));
  Args args;
  args.positional.push_back(c.get(0));
  if (c.has(1)) args.positional.push_back(*c.args[1]);
  return call_method(c.in, Value::string(std::move(s)), "split", std::move(args));
}

constexpr std::array kRows{
    FilterRow{"upper", upper_filter, ""},
    FilterRow{"lower", lower_filter, ""},
    FilterRow{"capitalize", capitalize_filter, ""},
    FilterRow{"title", title, ""},
    FilterRow{"trim", trim, "chars"},
    FilterRow{"replace", replace, "old new count"},
    FilterRow{"string", string, "", kKeepsText},
    FilterRow{"center", center, "width"},
    FilterRow{"indent", indent, "width first blank"},
    FilterRow{"escape", escape, ""},
    FilterRow{"e", escape, ""},
    FilterRow{"forceescape", force_escape, ""},
    FilterRow{"safe", safe, ""},
    FilterRow{"striptags", striptags, ""},
    FilterRow{"format", format, "* **"},
    FilterRow{"truncate", truncate, "length killwords end leeway"},
    FilterRow{"wordcount", wordcount, ""},
    FilterRow{"wordwrap", wordwrap, "width break_long_words wrapstring break_on_hyphens"},
    FilterRow{"urlencode", urlencode, ""},
    FilterRow{"urldecode", urldecode, ""},
    FilterRow{"urlsplit", urlsplit, "query"},
    FilterRow{"xmlattr", xmlattr, "autospace"},
    FilterRow{"quote", quote, ""},
    FilterRow{"comment", comment,
              "style decoration beginning end newline prefix prefix_count postfix postfix_count"},
    FilterRow{"split", split, "sep maxsplit"},
};

}  // namespace

std::span<const FilterRow> string_filters() { return kRows; }

}  // namespace fleetctl::template_
