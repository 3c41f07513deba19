// The methods of Python's built-in types that templates call: 'a,b'.split(','), d.items(),
// l.append(x). Strings are handled by code point where a position or a width counts.
#include <algorithm>
#include <array>
#include <clocale>
#include <cmath>
#include <cwctype>
#include <memory>

#include "agent/base/strings.h"
#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

struct LocaleFree {
  void operator()(locale_t l) const { freelocale(l); }
};
using Locale = std::unique_ptr<std::remove_pointer_t<locale_t>, LocaleFree>;
Locale unicode() { return Locale(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)); }

bool all_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}
char32_t to_upper(char32_t c, locale_t l) {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  return l == nullptr ? c : static_cast<char32_t>(towupper_l(static_cast<wint_t>(c), l));
}
char32_t to_lower(char32_t c, locale_t l) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  return l == nullptr ? c : static_cast<char32_t>(towlower_l(static_cast<wint_t>(c), l));
}
bool is_upper(char32_t c, locale_t l) { return to_lower(c, l) != c; }

// Letters that become several, or that have a third form for the start of a word (the rarer Greek
// ones left out). Unicode's SpecialCasing.txt and UnicodeData.txt.
struct SpecialCase {
  char32_t point;
  std::u32string_view upper;
  std::u32string_view title;
};
constexpr std::array<SpecialCase, 34> kSpecialCases{{
    {0xdf, U"SS", U"Ss"},
    {0x149, U"\u02bcN", U"\u02bcN"},
    {0x1f0, U"J\u030c", U"J\u030c"},
    {0x390, U"\u0399\u0308\u0301", U"\u0399\u0308\u0301"},
    {0x3b0, U"\u03a5\u0308\u0301", U"\u03a5\u0308\u0301"},
    {0x587, U"\u0535\u0552", U"\u0535\u0582"},
    {0x1e96, U"H\u0331", U"H\u0331"},
    {0x1e97, U"T\u0308", U"T\u0308"},
    {0x1e98, U"W\u030a", U"W\u030a"},
    {0x1e99, U"Y\u030a", U"Y\u030a"},
    {0x1e9a, U"A\u02be", U"A\u02be"},
    {0xfb00, U"FF", U"Ff"},
    {0xfb01, U"FI", U"Fi"},
    {0xfb02, U"FL", U"Fl"},
    {0xfb03, U"FFI", U"Ffi"},
    {0xfb04, U"FFL", U"Ffl"},
    {0xfb05, U"ST", U"St"},
    {0xfb06, U"ST", U"St"},
    {0xfb13, U"\u0544\u0546", U"\u0544\u0576"},
    {0xfb14, U"\u0544\u0535", U"\u0544\u0565"},
    {0xfb15, U"\u0544\u053b", U"\u0544\u056b"},
    {0xfb16, U"\u054e\u0546", U"\u054e\u0576"},
    {0xfb17, U"\u0544\u053d", U"\u0544\u056d"},
    {0x1c4, U"\u01c4", U"\u01c5"},
    {0x1c5, U"\u01c4", U"\u01c5"},
    {0x1c6, U"\u01c4", U"\u01c5"},
    {0x1c7, U"\u01c7", U"\u01c8"},
    {0x1c8, U"\u01c7", U"\u01c8"},
    {0x1c9, U"\u01c7", U"\u01c8"},
    {0x1ca, U"\u01ca", U"\u01cb"},
    {0x1cb, U"\u01ca", U"\u01cb"},
    {0x1cc, U"\u01ca", U"\u01cb"},
    {0x1f1, U"\u01f1", U"\u01f2"},
    {0x1f3, U"\u01f1", U"\u01f2"},
}};
const SpecialCase* special_case(char32_t c) {
  const auto found = std::find_if(kSpecialCases.begin(), kSpecialCases.end(),
                                  [c](const SpecialCase& each) { return each.point == c; });
  return c < 0x80 || found == kSpecialCases.end() ? nullptr : &*found;
}
std::u32string upper_points(char32_t c, locale_t l) {
  const SpecialCase* special = special_case(c);
  return special != nullptr ? std::u32string(special->upper) : std::u32string(1, to_upper(c, l));
}
std::u32string title_points(char32_t c, locale_t l) {
  const SpecialCase* special = special_case(c);
  return special != nullptr ? std::u32string(special->title) : std::u32string(1, to_upper(c, l));
}
std::u32string lower_points(char32_t c, locale_t l) {
  return c == 0x130 ? std::u32string(U"i\u0307") : std::u32string(1, to_lower(c, l));
}
bool is_lower(char32_t c, locale_t l) { return upper_points(c, l) != std::u32string_view(&c, 1); }

// For comparing without case: like lower, and letters of several forms become one.
std::string folded(std::string_view text) {
  const Locale l = all_ascii(text) ? nullptr : unicode();
  std::string out;
  for (const char32_t c : value::decode_utf8(text)) {
    const SpecialCase* special = special_case(c);
    const bool by_upper = special != nullptr || c == 0xb5 || c == 0x17f || c == 0x3c2;
    const std::u32string whole = by_upper ? upper_points(c, l.get()) : std::u32string(1, c);
    for (const char32_t each : whole) out += value::encode_utf8(lower_points(each, l.get()));
  }
  return out;
}
bool is_alpha(char32_t c, locale_t l) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return l != nullptr && iswalpha_l(static_cast<wint_t>(c), l) != 0;
}
bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }

// The arguments of one method call.
struct Given {
  Interpreter& in;
  std::string_view method;
  Args& args;

  std::size_t count() const { return args.positional.size(); }
  const Value* at(std::size_t i, std::string_view name) const {
    if (i < args.positional.size()) return &args.positional[i];
    for (const auto& [key, v] : args.named) {
      if (!name.empty() && key == name) return &v;
    }
    return nullptr;
  }
  tl::unexpected<std::shared_ptr<Problem>> wrong(const std::string& why) const {
    return bad(std::string(method) + "() " + why);
  }
  Outcome<std::string> text(std::size_t i, std::string_view name,
                            std::optional<std::string> preset = {}) const {
    const Value* v = at(i, name);
    if (v == nullptr || (v->is_none() && preset)) {
      if (preset) return *preset;
      return wrong("needs more arguments");
    }
    TEMPLATE_CHECK(in.require(*v));
    if (!v->is_string())
      return wrong("argument must be str, not " + std::string(value::type_name(*v)));
    return v->as_string();
  }
  Outcome<std::int64_t> integer(std::size_t i, std::string_view name, std::int64_t preset) const {
    const Value* v = at(i, name);
    if (v == nullptr || v->is_none()) return preset;
    TEMPLATE_CHECK(in.require(*v));
    if (v->is_bool()) return v->as_bool() ? 1 : 0;
    if (!v->is_int())
      return wrong("'" + std::string(value::type_name(*v)) +
                   "' object cannot be interpreted as an integer");
    return v->as_int();
  }
};

Value text_value(std::string text) { return Value::string(std::move(text)); }

Outcome<Value> split(Given& g, const std::string& text, bool from_right) {
  const Value* separator = g.at(0, "sep");
  TEMPLATE_TRY(most, g.integer(1, "maxsplit", -1));
  std::vector<std::string> parts;
  std::int64_t left = most < 0 ? INT64_MAX : most;
  if (separator == nullptr || separator->is_none()) {
    std::u32string points = value::decode_utf8(text);
    if (from_right) std::reverse(points.begin(), points.end());
    std::size_t at = 0;
    while (true) {
      while (at < points.size() && is_space_point(points[at])) ++at;
      if (at >= points.size()) break;
      std::size_t end = at;
      if (left-- > 0) {
        while (end < points.size() && !is_space_point(points[end])) ++end;
      } else {
        end = points.size();
      }
      std::u32string part = points.substr(at, end - at);
      if (from_right) std::reverse(part.begin(), part.end());
      parts.push_back(value::encode_utf8(part));
      at = end;
      if (left < 0) break;
    }
  } else {
    TEMPLATE_TRY(by, g.text(0, "sep"));
    if (by.empty()) return bad("empty separator");
    if (!from_right) {
      std::size_t at = 0;
      while (left-- > 0) {
        const std::size_t next = text.find(by, at);
        if (next == std::string::npos) break;
        parts.push_back(text.substr(at, next - at));
        at = next + by.size();
      }
      parts.push_back(text.substr(at));
    } else {
      std::size_t end = text.size();
      while (left-- > 0 && end >= by.size()) {
        const std::size_t next = text.rfind(by, end - by.size());
        if (next == std::string::npos) break;
        parts.push_back(text.substr(next + by.size(), end - next - by.size()));
        end = next;
      }
      parts.push_back(text.substr(0, end));
    }
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  std::vector<Value> out;
  for (std::string& part : parts) out.push_back(text_value(std::move(part)));
  return Value::list(std::move(out));
}

Outcome<Value> split_lines(Given& g, const std::string& text) {
  const Value* keep = g.at(0, "keepends");
  const bool keep_ends = keep != nullptr && value::truthy(*keep);
  std::vector<Value> out;
  const std::u32string points = value::decode_utf8(text);
  std::size_t start = 0;
  const auto ends_line = [](char32_t c) {
    return (c >= '\n' && c <= '\r') || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
           c == 0x2029;
  };
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!ends_line(points[i])) continue;
    std::size_t after = i + 1;
    if (points[i] == '\r' && after < points.size() && points[after] == '\n') ++after;
    out.push_back(
        text_value(value::encode_utf8(points.substr(start, (keep_ends ? after : i) - start))));
    start = after;
    i = after - 1;
  }
  if (start < points.size()) out.push_back(text_value(value::encode_utf8(points.substr(start))));
  return Value::list(std::move(out));
}

// str.find and its kin over code points: the range [from, to) as Python slices it, or nullopt.
Outcome<Value> search(Given& g, const std::string& text) {
  TEMPLATE_TRY(what, g.text(0, ""));
  const std::u32string points = value::decode_utf8(text);
  const std::u32string needle = value::decode_utf8(what);
  const auto size = static_cast<std::int64_t>(points.size());
  TEMPLATE_TRY(from, g.integer(1, "", 0));
  TEMPLATE_TRY(to, g.integer(2, "", size));
  if (from < 0) from = std::max<std::int64_t>(0, from + size);
  if (to < 0) to = std::max<std::int64_t>(0, to + size);
  to = std::min(to, size);
  const bool right = g.method[0] == 'r';
  const bool count = g.method == "count";
  std::int64_t found = -1;
  std::int64_t times = 0;
  if (from <= to) {
    const std::u32string_view window(points.data() + from, static_cast<std::size_t>(to - from));
    if (count) {
      if (needle.empty()) {
        times = to - from + 1;
      } else {
        for (std::size_t at = window.find(needle); at != std::u32string_view::npos;
             at = window.find(needle, at + needle.size())) {
          ++times;
        }
      }
    } else {
      const std::size_t at = right ? window.rfind(needle) : window.find(needle);
      if (at != std::u32string_view::npos) found = from + static_cast<std::int64_t>(at);
    }
  }
  if (count) return Value::integer(times);
  if (found < 0 && g.method.find("index") != std::string_view::npos)
    return bad("substring not found");
  return Value::integer(found);
}

Outcome<Value> replace(Given& g, const std::string& text) {
  TEMPLATE_TRY(from, g.text(0, ""));
  TEMPLATE_TRY(to, g.text(1, ""));
  TEMPLATE_TRY(most, g.integer(2, "count", -1));
  return replace_text(g.in, text, from, to, most);
}

Outcome<Value> affix(Given& g, const std::string& text, bool start) {
  const Value* v = g.at(0, "");
  if (v == nullptr) return g.wrong("needs an argument");
  std::vector<Value> any{*v};
  if (v->is_tuple()) any = v->items();
  std::string_view window = text;
  std::string cut;
  if (g.count() > 1) {
    const std::u32string points = value::decode_utf8(text);
    const auto size = static_cast<std::int64_t>(points.size());
    TEMPLATE_TRY(first, g.integer(1, "", 0));
    TEMPLATE_TRY(last, g.integer(2, "", size));
    const auto place = [size](std::int64_t i) {
      return std::max<std::int64_t>(i < 0 ? i + size : i, 0);
    };
    const std::int64_t from = place(first);
    const std::int64_t to = std::min(place(last), size);
    if (from > to) return Value::boolean(false);
    cut = value::encode_utf8(std::u32string_view(points).substr(
        static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
    window = cut;
  }
  for (const Value& each : any) {
    if (!each.is_string())
      return g.wrong("first arg must be str or a tuple of str, not " +
                     std::string(value::type_name(each)));
    const std::string& part = each.as_string();
    if (window.size() < part.size()) continue;
    if ((start ? window.substr(0, part.size()) : window.substr(window.size() - part.size())) ==
        part) {
      return Value::boolean(true);
    }
  }
  return Value::boolean(false);
}

Outcome<Value> strip_set(Given& g, const std::string& text, bool left, bool right) {
  const Value* v = g.at(0, "");
  if (v == nullptr || v->is_none()) return text_value(std::string(strip(text, left, right)));
  TEMPLATE_TRY(set, g.text(0, ""));
  const std::u32string any = value::decode_utf8(set);
  const std::u32string points = value::decode_utf8(text);
  std::size_t from = 0;
  std::size_t to = points.size();
  while (left && from < to && any.find(points[from]) != std::u32string::npos) ++from;
  while (right && to > from && any.find(points[to - 1]) != std::u32string::npos) --to;
  return text_value(value::encode_utf8(points.substr(from, to - from)));
}

Outcome<Value> justify(Given& g, const std::string& text) {
  TEMPLATE_TRY(width, g.integer(0, "", 0));
  TEMPLATE_TRY(fill, g.text(1, "", " "));
  if (value::count_code_points(fill) != 1)
    return bad("The fill character must be exactly one character long");
  if (width > (1 << 20)) return problem(ProblemKind::kLimit, "a width is too large");
  const auto size = static_cast<std::int64_t>(value::count_code_points(text));
  const std::int64_t missing = std::max<std::int64_t>(0, width - size);
  std::int64_t before = 0;
  if (g.method == "rjust") before = missing;
  if (g.method == "center") before = missing / 2 + (missing & width & 1);
  std::string out;
  for (std::int64_t i = 0; i < before; ++i) out += fill;
  out += text;
  for (std::int64_t i = before; i < missing; ++i) out += fill;
  return text_value(std::move(out));
}

std::string titled(const std::string& text) {
  const Locale l = unicode();
  std::string out;
  bool inside = false;
  for (const char32_t c : value::decode_utf8(text)) {
    const bool cased = is_upper(c, l.get()) || is_lower(c, l.get());
    if (cased) {
      out += value::encode_utf8(inside ? lower_points(c, l.get()) : title_points(c, l.get()));
    } else {
      value::append_utf8(out, c);
    }
    inside = cased;
  }
  return out;
}

Value is_kind(std::string_view method, const std::string& text) {
  const Locale l = unicode();
  const std::u32string points = value::decode_utf8(text);
  const auto every = [&](auto test) {
    return Value::boolean(!points.empty() && std::all_of(points.begin(), points.end(), test));
  };
  if (method == "isdigit" || method == "isdecimal" || method == "isnumeric") return every(is_digit);
  if (method == "isalpha") return every([&](char32_t c) { return is_alpha(c, l.get()); });
  if (method == "isalnum") {
    return every([&](char32_t c) { return is_digit(c) || is_alpha(c, l.get()); });
  }
  if (method == "isspace") return every(is_space_point);
  if (method == "isascii") return Value::boolean(all_ascii(text));
  if (method == "isprintable") {
    return Value::boolean(std::all_of(points.begin(), points.end(), [](char32_t c) {
      const std::string one = value::encode_utf8(std::u32string_view(&c, 1));
      return c == '\\' || value::repr_string(one).size() == one.size() + 2;
    }));
  }
  if (method == "isidentifier") {
    bool good = !points.empty() && !is_digit(points[0]);
    for (const char32_t c : points)
      good = good && (is_digit(c) || c == '_' || is_alpha(c, l.get()));
    return Value::boolean(good);
  }
  bool cased = false;
  bool right = true;
  bool inside = false;
  for (const char32_t c : points) {
    const bool up = is_upper(c, l.get());
    const bool low = is_lower(c, l.get()) && !up;
    cased = cased || up || low;
    if (method == "isupper") right = right && !low;
    if (method == "islower") right = right && !up;
    if (method == "istitle") right = right && !(up && inside) && !(low && !inside);
    inside = up || low;
  }
  return Value::boolean(cased && right);
}

Outcome<Value> partition(Given& g, const std::string& text) {
  TEMPLATE_TRY(by, g.text(0, ""));
  if (by.empty()) return bad("empty separator");
  const bool right = g.method[0] == 'r';
  const std::size_t at = right ? text.rfind(by) : text.find(by);
  const auto three = [](std::string a, std::string b, std::string c) {
    return Value::tuple(
        {text_value(std::move(a)), text_value(std::move(b)), text_value(std::move(c))});
  };
  if (at == std::string::npos) return right ? three("", "", text) : three(text, "", "");
  return three(text.substr(0, at), by, text.substr(at + by.size()));
}

Outcome<Value> expand_tabs(Given& g, const std::string& text) {
  TEMPLATE_TRY(size, g.integer(0, "tabsize", 8));
  if (size > 1000) return problem(ProblemKind::kLimit, "a tab size is too large");
  std::string out;
  std::int64_t column = 0;
  for (const char32_t c : value::decode_utf8(text)) {
    if (c == '\t') {
      const std::int64_t more = size > 0 ? size - column % size : 0;
      out.append(static_cast<std::size_t>(more), ' ');
      column += more;
    } else {
      value::append_utf8(out, c);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
  }
  return text_value(std::move(out));
}

constexpr std::array<std::string_view, 45> kStringMethods{
    "capitalize", "casefold",    "center",     "count",      "encode",       "endswith",
    "expandtabs", "find",        "format",     "format_map", "index",        "isalnum",
    "isalpha",    "isascii",     "isdecimal",  "isdigit",    "isidentifier", "islower",
    "isnumeric",  "isprintable", "isspace",    "istitle",    "isupper",      "join",
    "ljust",      "lower",       "lstrip",     "partition",  "removeprefix", "removesuffix",
    "replace",    "rfind",       "rindex",     "rjust",      "rpartition",   "rsplit",
    "rstrip",     "split",       "splitlines", "startswith", "strip",        "swapcase",
    "title",      "upper",       "zfill"};
constexpr std::array<std::string_view, 11> kListMethods{"append", "clear",   "copy",   "count",
                                                        "extend", "index",   "insert", "pop",
                                                        "remove", "reverse", "sort"};
constexpr std::array<std::string_view, 10> kDictMethods{
    "clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "update", "values"};

Outcome<Value> string_method(Given& g, const Value& object) {
  const std::string& text = object.as_string();
  const std::string_view m = g.method;
  if (m == "upper") return text_value(upper(text));
  if (m == "lower" || m == "casefold") {
    return text_value(m == "lower" ? lower(text) : folded(text));
  }
  if (m == "split") return split(g, text, false);
  if (m == "rsplit") return split(g, text, true);
  if (m == "splitlines") return split_lines(g, text);
  if (m == "find" || m == "rfind" || m == "index" || m == "rindex" || m == "count")
    return search(g, text);
  if (m == "replace") return replace(g, text);
  if (m == "startswith") return affix(g, text, true);
  if (m == "endswith") return affix(g, text, false);
  if (m == "strip") return strip_set(g, text, true, true);
  if (m == "lstrip") return strip_set(g, text, true, false);
  if (m == "rstrip") return strip_set(g, text, false, true);
  if (m == "ljust" || m == "rjust" || m == "center") return justify(g, text);
  if (m == "capitalize") return text_value(capitalize(text));
  if (m == "title") return text_value(titled(text));
  if (m == "encode") return object;
  if (m == "partition" || m == "rpartition") return partition(g, text);
  if (m == "expandtabs") return expand_tabs(g, text);
  if (m == "swapcase") {
    const Locale l = unicode();
    std::string out;
    for (const char32_t c : value::decode_utf8(text)) {
      const bool up = is_upper(c, l.get());
      out += value::encode_utf8(up ? lower_points(c, l.get()) : upper_points(c, l.get()));
    }
    return text_value(std::move(out));
  }
  if (m == "zfill") {
    TEMPLATE_TRY(width, g.integer(0, "", 0));
    if (width > (1 << 20)) return problem(ProblemKind::kLimit, "a width is too large");
    std::string out = text;
    const bool has_sign = !out.empty() && (out[0] == '-' || out[0] == '+');
    const auto size = static_cast<std::int64_t>(value::count_code_points(text));
    if (size < width) out.insert(has_sign ? 1 : 0, static_cast<std::size_t>(width - size), '0');
    return text_value(std::move(out));
  }
  if (m == "removeprefix" || m == "removesuffix") {
    TEMPLATE_TRY(part, g.text(0, ""));
    TEMPLATE_TRY(there, affix(g, text, m == "removeprefix"));
    if (!there.as_bool()) return object;
    return text_value(m == "removeprefix" ? text.substr(part.size())
                                          : text.substr(0, text.size() - part.size()));
  }
  if (m == "join") {
    const Value* v = g.at(0, "");
    if (v == nullptr) return g.wrong("takes exactly one argument");
    TEMPLATE_TRY(parts, g.in.elements_of(*v));
    std::string out;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      TEMPLATE_CHECK(g.in.require(parts[i]));
      if (!parts[i].is_string()) {
        return bad("sequence item " + std::to_string(i) + ": expected str instance, " +
                   std::string(value::type_name(parts[i])) + " found");
      }
      if (i > 0) out += text;
      out += parts[i].as_string();
      if (out.size() > g.in.world().limits.output_bytes)
        return problem(ProblemKind::kLimit, "a joined text is too large");
    }
    return text_value(std::move(out));
  }
  if (m == "format") {
    TEMPLATE_TRY(out, brace_format(g.in, text, g.args));
    return text_value(std::move(out));
  }
  if (m == "format_map") {
    if (g.count() != 1 || !g.args.positional[0].is_dict()) return g.wrong("takes one mapping");
    Args named;
    for (const auto& [key, v] : g.args.positional[0].as_dict())
      named.named.emplace_back(value::str(key), v);
    TEMPLATE_TRY(out, brace_format(g.in, text, named));
    return text_value(std::move(out));
  }
  return is_kind(m, text);
}

Outcome<> no_cycle(const Value& container, const Value& item) {
  if ((item.is_sequence() || item.is_dict()) && value::reaches(item, container)) {
    return bad("a list or dict cannot be put into itself");
  }
  return {};
}

Outcome<Value> list_method(Given& g, Value& object) {
  const std::string_view m = g.method;
  auto& items = object.mutable_items();
  const auto size = static_cast<std::int64_t>(items.size());
  const Value* first = g.at(0, "");
  if (m == "append" || m == "insert" || m == "extend") {
    const Value* item = m == "insert" ? g.at(1, "") : first;
    if (item == nullptr) return g.wrong("needs an argument");
    TEMPLATE_CHECK(g.in.charge(sizeof(Value)));
    if (m == "extend") {
      TEMPLATE_TRY(more, g.in.elements_of(*item));
      for (const Value& v : more) TEMPLATE_CHECK(no_cycle(object, v));
      items.insert(items.end(), more.begin(), more.end());
      TEMPLATE_CHECK(g.in.charge(more.size() * sizeof(Value)));
      return Value();
    }
    TEMPLATE_CHECK(no_cycle(object, *item));
    std::int64_t at = size;
    if (m == "insert") {
      TEMPLATE_TRY(index, g.integer(0, "", 0));
      at = std::clamp<std::int64_t>(index < 0 ? index + size : index, 0, size);
    }
    items.insert(items.begin() + at, *item);
    return Value();
  }
  if (m == "clear") {
    items.clear();
    return Value();
  }
  if (m == "copy") return Value::list(items);
  if (m == "reverse") {
    std::reverse(items.begin(), items.end());
    return Value();
  }
  if (m == "sort") {
    const Value* reverse = g.at(9, "reverse");
    std::vector<Value> copy = items;
    TEMPLATE_CHECK(sort_by(copy, items, reverse != nullptr && value::truthy(*reverse)));
    items = std::move(copy);
    return Value();
  }
  if (m == "pop") {
    if (items.empty()) return bad("pop from empty list");
    TEMPLATE_TRY(index, g.integer(0, "", -1));
    if (index < 0) index += size;
    if (index < 0 || index >= size) return bad("pop index out of range");
    Value v = items[static_cast<std::size_t>(index)];
    items.erase(items.begin() + index);
    return v;
  }
  if (first == nullptr) return g.wrong("needs an argument");
  if (m == "count") {
    return Value::integer(std::count_if(items.begin(), items.end(),
                                        [&](const Value& v) { return value::equal(v, *first); }));
  }
  for (std::int64_t i = 0; i < size; ++i) {
    if (!value::equal(items[static_cast<std::size_t>(i)], *first)) continue;
    if (m == "index") return Value::integer(i);
    items.erase(items.begin() + i);
    return Value();
  }
  return bad(m == "index" ? value::repr(*first, 200) + " is not in list"
                          : "list.remove(x): x not in list");
}

Outcome<Value> dict_method(Given& g, Value& object) {
  const std::string_view m = g.method;
  auto& dict = object.mutable_dict();
  std::vector<Value> out;
  if (m == "items" || m == "keys" || m == "values") {
    if (g.count() != 0) return g.wrong("takes no arguments");
    for (const auto& [key, v] : dict) {
      out.push_back(m == "keys" ? key : m == "values" ? v : Value::tuple({key, v}));
    }
    return Value::list(std::move(out));
  }
  if (m == "clear") {
    dict.clear();
    return Value();
  }
  if (m == "copy") return Value::dict(dict);
  if (m == "popitem") {
    if (dict.empty()) return bad("popitem(): dictionary is empty");
    const auto last = dict.items().back();
    dict.erase(last.first);
    return Value::tuple({last.first, last.second});
  }
  if (m == "update") {
    const auto put = [&](const Value& key, const Value& v) -> Outcome<> {
      TEMPLATE_CHECK(no_cycle(object, v));
      if (!value::hashable(key))
        return bad("unhashable type: '" + std::string(value::type_name(key)) + "'");
      TEMPLATE_CHECK(g.in.charge(2 * sizeof(Value)));
      dict.set(key, v);
      return {};
    };
    for (const Value& source : g.args.positional) {
      TEMPLATE_CHECK(g.in.require(source));
      if (source.is_dict()) {
        const value::Dict copy = source.as_dict();
        for (const auto& [key, v] : copy) TEMPLATE_CHECK(put(key, v));
      } else {
        TEMPLATE_TRY(pairs, g.in.elements_of(source));
        for (const Value& pair : pairs) {
          TEMPLATE_TRY(both, g.in.elements_of(pair));
          if (both.size() != 2) return bad("dictionary update sequence elements must be pairs");
          TEMPLATE_CHECK(put(both[0], both[1]));
        }
      }
    }
    for (const auto& [key, v] : g.args.named) TEMPLATE_CHECK(put(Value::string(key), v));
    return Value();
  }
  const Value* key = g.at(0, m == "fromkeys" ? "iterable" : "key");
  if (key == nullptr) return g.wrong("needs an argument");
  TEMPLATE_CHECK(g.in.require(*key));
  const Value* preset = g.at(1, "default");
  if (m == "fromkeys") {
    value::Dict made;
    TEMPLATE_TRY(keys, g.in.elements_of(*key));
    for (const Value& each : keys) {
      if (!value::hashable(each))
        return bad("unhashable type: '" + std::string(value::type_name(each)) + "'");
      made.set(each, preset != nullptr ? *preset : Value());
    }
    return Value::dict(std::move(made));
  }
  if (!value::hashable(*key))
    return bad("unhashable type: '" + std::string(value::type_name(*key)) + "'");
  const Value* found = dict.find(*key);
  if (m == "get") return found != nullptr ? *found : preset != nullptr ? *preset : Value();
  if (m == "pop") {
    if (found == nullptr) {
      if (preset != nullptr) return *preset;
      return bad("KeyError: " + value::repr(*key, 200));
    }
    Value v = *found;
    dict.erase(*key);
    return v;
  }
  // setdefault
  if (found != nullptr) return *found;
  const Value v = preset != nullptr ? *preset : Value();
  TEMPLATE_CHECK(no_cycle(object, v));
  dict.set(*key, v);
  return v;
}

template <class Names>
bool any_of(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool is_space_point(char32_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f) || c == 0x85 ||
         c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
         c == 0x202f || c == 0x205f || c == 0x3000;
}

std::string_view strip(std::string_view text, bool left, bool right) {
  if (all_ascii(text)) {
    const auto space = [](char c) { return is_space_point(static_cast<unsigned char>(c)); };
    while (left && !text.empty() && space(text.front())) text.remove_prefix(1);
    while (right && !text.empty() && space(text.back())) text.remove_suffix(1);
    return text;
  }
  const std::u32string points = value::decode_utf8(text);
  std::size_t from = 0;
  std::size_t to = points.size();
  while (left && from < to && is_space_point(points[from])) ++from;
  while (right && to > from && is_space_point(points[to - 1])) --to;
  const std::u32string_view all(points);
  const std::size_t before = value::encode_utf8(all.substr(0, from)).size();
  return text.substr(before, value::encode_utf8(all.substr(from, to - from)).size());
}

std::string upper(std::string_view text) {
  if (all_ascii(text)) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(to_upper(static_cast<unsigned char>(c), nullptr));
    return out;
  }
  const Locale l = unicode();
  std::string out;
  for (const char32_t c : value::decode_utf8(text))
    out += value::encode_utf8(upper_points(c, l.get()));
  return out;
}
std::string lower(std::string_view text) {
  const Locale l = all_ascii(text) ? nullptr : unicode();
  const std::u32string points = value::decode_utf8(text);
  const auto letter = [&](std::size_t i) {
    return i < points.size() && is_alpha(points[i], l.get());
  };
  std::string out;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const bool last_sigma = points[i] == 0x3a3 && letter(i - 1) && !letter(i + 1);
    out += value::encode_utf8(last_sigma ? U"\u03c2" : lower_points(points[i], l.get()));
  }
  return out;
}
std::string capitalize(std::string_view text) {
  const std::u32string points = value::decode_utf8(text);
  if (points.empty()) return "";
  const Locale l = unicode();
  std::string out;
  out = value::encode_utf8(title_points(points[0], l.get()));
  return out + lower(value::encode_utf8(std::u32string_view(points).substr(1)));
}

Outcome<Value> replace_text(Interpreter& in, std::string_view text, std::string_view from,
                            std::string_view to, std::int64_t most) {
  std::string out;
  std::int64_t left = most < 0 ? INT64_MAX : most;
  const std::size_t limit = in.world().limits.output_bytes;
  if (from.empty()) {
    for (const char32_t c : value::decode_utf8(text)) {
      if (left-- > 0) out += to;
      value::append_utf8(out, c);
      if (out.size() > limit) break;
    }
    if (left > 0) out += to;
  } else {
    std::size_t at = 0;
    while (left-- > 0) {
      const std::size_t next = text.find(from, at);
      if (next == std::string_view::npos) break;
      out += text.substr(at, next - at);
      out += to;
      at = next + from.size();
      if (out.size() > limit) break;
    }
    out += text.substr(at);
  }
  if (out.size() > limit) return problem(ProblemKind::kLimit, "a replaced text is too large");
  return Value::string(std::move(out));
}

bool has_method(const Value& object, std::string_view name) {
  if (object.is_string()) return any_of(kStringMethods, name);
  if (object.is_list()) return any_of(kListMethods, name);
  if (object.is_tuple()) return name == "count" || name == "index";
  if (object.is_dict()) return name == "setdefault" || any_of(kDictMethods, name);
  if (object.is_float()) return name == "is_integer";
  if (object.is_int()) return name == "bit_length";
  if (const RuntimeObject* runtime = runtime_object(object)) return runtime->has_method(name);
  return false;
}

Outcome<Value> call_method(Interpreter& in, Value object, std::string_view name, Args args) {
  Given given{in, name, args};
  if (object.is_string()) return string_method(given, object);
  if (object.is_sequence()) return list_method(given, object);
  if (object.is_dict()) return dict_method(given, object);
  if (object.is_float()) return Value::boolean(std::floor(object.as_float()) == object.as_float());
  if (object.is_int()) {
    std::int64_t bits = 0;
    std::uint64_t n = object.as_int() < 0 ? ~static_cast<std::uint64_t>(object.as_int()) + 1
                                          : static_cast<std::uint64_t>(object.as_int());
    for (; n != 0; n >>= 1U) ++bits;
    return Value::integer(bits);
  }
  if (RuntimeObject* runtime = runtime_object(object)) {
    return runtime->call_method(in, name, std::move(args));
  }
  return bad("'" + std::string(value::type_name(object)) + "' object has no attribute '" +
             std::string(name) + "'");
}

}  // namespace fleetctl::template_
