#include "agent/wire/go_functions.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "agent/base/unicode.h"

namespace agent::wire {
namespace {

constexpr std::size_t kMaxMemory = 8 << 20;
constexpr std::size_t kMaxText = 4 << 20;
constexpr std::size_t kMostZones = 64;
constexpr std::size_t kMostRegexes = 16;

// The arguments as html, js and urlquery take them.
std::string joined(GoRun& run, GoArguments arguments) {
  std::string out;
  GoText text(out, kMaxText);
  const auto is_text = [](const GoValue& value) { return value.is_string() || value.is_nil(); };
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (i > 0 && !is_text(arguments[i]) && !is_text(arguments[i - 1])) text.add(' ');
    if (arguments[i].is_nil()) {
      text.add("<no value>");
    } else {
      go_print(text, arguments[i], run.scratch());
    }
  }
  if (text.full()) run.fail("the text is too long");
  return out;
}

GoValue html(GoRun& run, GoArguments arguments) {
  const std::string plain = joined(run, arguments);
  GoText& text = run.text();
  for (const char c : plain) {
    switch (c) {
      case '\0':
        text.add("\xEF\xBF\xBD");
        break;
      case '"':
        text.add("&#34;");
        break;
      case '\'':
        text.add("&#39;");
        break;
      case '&':
        text.add("&amp;");
        break;
      case '<':
        text.add("&lt;");
        break;
      case '>':
        text.add("&gt;");
        break;
      default:
        text.add(c);
    }
  }
  return run.finish_text();
}

GoValue js(GoRun& run, GoArguments arguments) {
  const std::string plain = joined(run, arguments);
  constexpr std::string_view kHex = "0123456789ABCDEF";
  GoText& text = run.text();
  const auto escape = [&](char32_t c, int digits) {
    text.add("\\u");
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) text.add(kHex[(c >> shift) & 15U]);
  };
  for (std::string_view rest = plain; !rest.empty();) {
    const CodePoint c = decode_utf8(rest);
    if (c.value == '\\' || c.value == '\'' || c.value == '"') {
      text.add('\\');
      text.add(rest[0]);
    } else if (c.value < ' ' || c.value == '<' || c.value == '>' || c.value == '&' ||
               c.value == '=') {
      escape(c.value, 4);
    } else if (c.value < 0x80 || go_is_print(c.value)) {
      text.add(rest.substr(0, c.length));
    } else {
      escape(c.value, c.value > 0xFFFF ? 5 : 4);
    }
    rest.remove_prefix(c.length);
  }
  return run.finish_text();
}

GoValue urlquery(GoRun& run, GoArguments arguments) {
  const std::string plain = joined(run, arguments);
  constexpr std::string_view kHex = "0123456789ABCDEF";
  GoText& text = run.text();
  for (const char c : plain) {
    const bool plain_char = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain_char) {
      text.add(c);
    } else if (c == ' ') {
      text.add('+');
    } else {
      const auto byte = static_cast<unsigned char>(c);
      text.add('%');
      text.add(kHex[byte >> 4]);
      text.add(kHex[byte & 15U]);
    }
  }
  return run.finish_text();
}

GoValue print(GoRun& run, GoArguments arguments) {
  go_print_all(run.text(), arguments, run.scratch());
  return run.finish_text();
}

GoValue println(GoRun& run, GoArguments arguments) {
  GoText& text = run.text();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (i > 0) text.add(' ');
    go_print(text, arguments[i], run.scratch());
  }
  text.add('\n');
  return run.finish_text();
}

GoValue printf(GoRun& run, GoArguments arguments) {
  go_printf(run.text(), arguments[0].string(), arguments.subspan(1), run.scratch());
  return run.finish_text();
}

GoValue len(GoRun& run, GoArguments arguments) {
  const GoValue& value = arguments[0];
  std::size_t size = 0;
  if (value.is_string()) {
    size = value.string().size();
  } else if (value.is_list()) {
    size = value.list().size();
  } else if (value.is_map()) {
    size = value.map().pairs(run.scratch()).size();
  } else {
    return run.fail("a " + std::string(go_type_name(value.type())) + " has no length");
  }
  return GoValue(static_cast<std::int64_t>(size));
}

// False when `value` is no index up to `most`.
bool index_of(GoRun& run, const GoValue& value, std::size_t most, std::size_t& out) {
  if (!value.is_integer()) {
    run.fail("the index is a " + std::string(go_type_name(value.type())));
    return false;
  }
  if (value.integer() < 0 || static_cast<std::uint64_t>(value.integer()) > most) {
    run.fail("index out of range: " + std::to_string(value.integer()));
    return false;
  }
  out = static_cast<std::size_t>(value.integer());
  return true;
}

GoValue index(GoRun& run, GoArguments arguments) {
  GoValue value = arguments[0];
  if (value.is_nil()) return run.fail("nil has no elements");
  for (const GoValue& key : arguments.subspan(1)) {
    if (value.is_map()) {
      if (!key.is_string()) return run.fail("the key must be a string");
      const GoValue* const found = value.map().find(key.string(), run.scratch());
      const bool texts = value.type() == GoType::kStringMap;
      value = found != nullptr ? *found : texts ? GoValue(std::string_view()) : GoValue();
      continue;
    }
    if (!value.is_list() && !value.is_string())
      return run.fail("a " + std::string(go_type_name(value.type())) + " has no elements");
    const std::size_t size = value.is_list() ? value.list().size() : value.string().size();
    std::size_t at = 0;
    if (!index_of(run, key, size, at)) return {};
    if (at == size) return run.fail("index out of range: " + std::to_string(at));
    value = value.is_list() ? value.list()[at]
                            : GoValue(std::int64_t{static_cast<unsigned char>(value.string()[at])},
                                      GoType::kByte);
  }
  return value;
}

GoValue logical_not(GoRun& run, GoArguments arguments) {
  return GoValue(!go_truth(arguments[0], run.scratch()));
}

enum class Basic { kNone, kBool, kInt, kFloat, kString };
Basic basic(const GoValue& value) {
  if (value.is_integer()) return Basic::kInt;
  if (value.is_string()) return Basic::kString;
  if (value.type() == GoType::kBool) return Basic::kBool;
  if (value.type() == GoType::kFloat) return Basic::kFloat;
  return Basic::kNone;
}

// nullopt, and failed, when the two cannot be compared.
std::optional<bool> equal(GoRun& run, const GoValue& a, const GoValue& b) {
  const auto incomparable = [&]() -> std::optional<bool> {
    run.fail("cannot compare " + std::string(go_type_name(a.type())) + " with " +
             std::string(go_type_name(b.type())));
    return std::nullopt;
  };
  if (basic(a) != basic(b)) {
    if (a.is_nil() || b.is_nil()) return false;
    return incomparable();
  }
  if (basic(a) == Basic::kNone) {
    if (a.is_nil() || b.is_nil()) return a.is_nil() == b.is_nil();
    if (a.type() != GoType::kTime || b.type() != GoType::kTime) return incomparable();
  }
  std::size_t work = 0;
  if (a.is_integer()) return a.integer() == b.integer();
  return go_equal(a, b, run.scratch(), work);
}

std::optional<bool> less(GoRun& run, const GoValue& a, const GoValue& b) {
  if (basic(a) != basic(b) || basic(a) == Basic::kNone || basic(a) == Basic::kBool) {
    run.fail("cannot order " + std::string(go_type_name(a.type())) + " and " +
             std::string(go_type_name(b.type())));
    return std::nullopt;
  }
  switch (basic(a)) {
    case Basic::kInt:
      return a.integer() < b.integer();
    case Basic::kFloat:
      return a.number() < b.number();
    default:
      return a.string() < b.string();
  }
}

GoValue result(const std::optional<bool>& value, bool negated = false) {
  return value ? GoValue(*value != negated) : GoValue();
}

GoValue eq(GoRun& run, GoArguments arguments) {
  if (arguments.size() < 2) return run.fail("there is nothing to compare with");
  for (const GoValue& other : arguments.subspan(1)) {
    const auto same = equal(run, arguments[0], other);
    if (!same) return {};
    if (*same) return GoValue(true);
  }
  return GoValue(false);
}
GoValue ne(GoRun& run, GoArguments arguments) {
  return result(equal(run, arguments[0], arguments[1]), true);
}
GoValue lt(GoRun& run, GoArguments arguments) {
  return result(less(run, arguments[0], arguments[1]));
}
GoValue le(GoRun& run, GoArguments arguments) {
  const auto is_less = less(run, arguments[0], arguments[1]);
  if (!is_less || *is_less) return result(is_less);
  return result(equal(run, arguments[0], arguments[1]));
}
GoValue gt(GoRun& run, GoArguments arguments) {
  const GoValue at_most = le(run, arguments);
  return run.failed() ? GoValue() : GoValue(!at_most.boolean());
}
GoValue ge(GoRun& run, GoArguments arguments) {
  return result(less(run, arguments[0], arguments[1]), true);
}

constexpr GoFunction kFunctions[] = {
    {"and", "aa*", nullptr},
    {"or", "aa*", nullptr},
    {"not", "a", logical_not},
    {"len", "a", len},
    {"index", "aa*", index},
    {"print", "a*", print},
    {"println", "a*", println},
    {"printf", "sa*", printf},
    {"html", "a*", html},
    {"js", "a*", js},
    {"urlquery", "a*", urlquery},
    {"eq", "aa*", eq},
    {"ne", "aa", ne},
    {"lt", "aa", lt},
    {"le", "aa", le},
    {"gt", "aa", gt},
    {"ge", "aa", ge},
    {"call", "a*", nullptr, "there are no function values"},
};

}  // namespace

GoRun::GoRun(const Clock& clock, std::shared_ptr<const TimeZone> local)
    : scratch_(kMaxMemory), clock_(clock), local_(std::move(local)), text_(buffer_, kMaxText) {}
GoRun::~GoRun() = default;

void GoRun::reset(bool keeps_steps) {
  constexpr std::size_t kKept = 1 << 16;
  scratch_.reset();
  if (buffer_.capacity() > kKept) buffer_ = std::string();
  if (!keeps_steps) steps_ = 0;
  failed_ = exhausted_ = false;
  message_.clear();
}

GoValue GoRun::fail(std::string message) {
  if (!failed_) message_ = std::move(message);
  failed_ = true;
  return {};
}

bool GoRun::too_much() {
  if (!failed_) exhausted_ = true;
  fail(steps_ > kMaxSteps ? "the template takes more than a million steps"
                          : "the template uses more than 8 MiB");
  return false;
}

GoText& GoRun::text() {
  buffer_.clear();
  text_ = GoText(buffer_, kMaxText);
  return text_;
}

GoValue GoRun::finish_text() {
  if (text_.full()) {
    if (!failed_) exhausted_ = true;
    return fail("the text becomes longer than 4 MiB");
  }
  return string(buffer_);
}

GoValue GoRun::string(std::string_view text) {
  if (!scratch_.room(text.size()) || !charge_bytes(text.size())) {
    if (!failed_) exhausted_ = true;
    return fail("the template uses more than 8 MiB");
  }
  return GoValue(scratch_.store(text));
}

GoValue* GoRun::array(std::size_t size) {
  if (size > kMaxMemory / sizeof(GoValue) || !scratch_.room(size * sizeof(GoValue))) {
    if (!failed_) exhausted_ = true;
    fail("the template uses more than 8 MiB");
    return nullptr;
  }
  if (!charge(size / 8 + 1)) return nullptr;
  return scratch_.array<GoValue>(std::max<std::size_t>(size, 1));  // an empty one has a place too
}

GoValue GoRun::list(const GoValue* items, std::size_t size, GoType type) {
  return {scratch_.make(GoList{items, size}), type};
}

GoValue GoRun::list(const std::vector<std::string_view>& texts) {
  GoValue* const items = array(texts.size());
  if (items == nullptr) return {};
  for (std::size_t i = 0; i < texts.size(); ++i) items[i] = GoValue(texts[i]);
  return list(items, texts.size(), GoType::kStringList);
}

GoValue GoRun::map(GoType type) { return GoValue(scratch_.make(GoMap()), type); }

GoValue GoRun::time(std::int64_t seconds, std::int32_t nanoseconds, const TimeZone* zone) {
  return GoValue(scratch_.make(GoTime{seconds, nanoseconds, zone == nullptr ? &local() : zone}));
}

void GoRun::set(GoMap& map, std::string_view key, GoValue value) {
  if (charge(map.pairs(scratch_).size() / 64 + 1)) map.set(key, value, scratch_);
}

const TimeZone& GoRun::local() {
  if (local_ == nullptr) local_ = local_time_zone();
  return *local_;
}

const TimeZone& GoRun::zone(const std::string& name) {
  if (name == "Local") return local();
  const auto known = zones_.find(name);
  if (known != zones_.end()) return *known->second;
  auto found = find_time_zone(name);
  // Past the bound a new name is UTC: values of this execution may point to every zone.
  if (!found || zones_.size() >= kMostZones) {
    if (name == "UTC") return *zones_.emplace("UTC", *found).first->second;
    return zone("UTC");
  }
  return *zones_.emplace(name, std::move(*found)).first->second;
}

const re2::RE2* GoRun::regex(std::string_view pattern, bool must) {
  if (const auto known = regexes_.find(pattern); known != regexes_.end())
    return known->second.get();
  constexpr std::size_t kMaxPattern = 4096;
  if (pattern.size() > kMaxPattern) {
    fail("the regular expression is longer than 4096 bytes");
    return nullptr;
  }
  if (!charge(1000)) return nullptr;
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(2 << 20);
  auto compiled = std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!compiled->ok()) {
    if (must) fail("the regular expression is wrong: " + compiled->error());
    return nullptr;
  }
  if (regexes_.size() >= kMostRegexes) regexes_.clear();
  return regexes_.emplace(std::string(pattern), std::move(compiled)).first->second.get();
}

std::span<const GoFunction> go_core_functions() { return kFunctions; }

const GoFunction* find_go_function(std::string_view name) {
  const std::array families = {go_core_functions(),     go_text_functions(),
                               go_number_functions(),   go_collection_functions(),
                               go_encoding_functions(), go_time_functions()};
  for (const auto& family : families)
    for (const GoFunction& function : family)
      if (function.name == name) return &function;
  return nullptr;
}

bool go_underscores_fit(std::string_view text) {
  char before = '^';
  bool hex = false;
  std::size_t i = !text.empty() && (text[0] == '+' || text[0] == '-') ? 1 : 0;
  if (text.size() >= i + 2 && text[i] == '0' &&
      std::string_view("xXoObB").find(text[i + 1]) != std::string_view::npos) {
    hex = text[i + 1] == 'x' || text[i + 1] == 'X';
    before = '0';
    i += 2;
  }
  for (; i < text.size(); ++i) {
    const char c = text[i];
    const bool digit =
        (c >= '0' && c <= '9') || (hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')));
    if (c == '_' && before != '0') return false;
    if (before == '_' && !digit) return false;
    before = digit ? '0' : c == '_' ? '_' : '!';
  }
  return before != '_';
}

std::int64_t go_to_int(const GoValue& value) {
  switch (value.type()) {
    case GoType::kBool:
    case GoType::kInt:
    case GoType::kInt64:
    case GoType::kByte:
      return value.integer();
    case GoType::kFloat: {
      const double number = value.number();
      // What does not fit is the least of all, as on amd64.
      if (!(number > -9.3e18 && number < 9.2233720368547758e18))
        return std::numeric_limits<std::int64_t>::min();
      return static_cast<std::int64_t>(number);
    }
    case GoType::kString:
      break;
    default:
      return 0;
  }
  // "12.00" is 12; "0x1F", "0b1", "0o17" and "017" have their bases.
  std::string_view text = value.string();
  if (const std::size_t point = text.find('.');
      point != std::string_view::npos && point + 1 < text.size() &&
      text.find_first_not_of('0', point + 1) == std::string_view::npos)
    text = text.substr(0, point);
  std::string plain;
  if (text.find('_') != std::string_view::npos) {
    if (!go_underscores_fit(text)) return 0;
    for (const char c : text)
      if (c != '_') plain += c;
    text = plain;
  }
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char c = static_cast<char>(text[1] | 0x20);
    base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
    text.remove_prefix(c == 'x' || c == 'b' || c == 'o' ? 2 : 1);
  }
  std::uint64_t magnitude = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return 0;
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 63;
  if (magnitude > kLimit || (magnitude == kLimit && !negative)) return 0;
  return static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
}

double go_to_float(const GoValue& value) {
  if (value.type() == GoType::kFloat) return value.number();
  if (value.is_integer() || value.type() == GoType::kBool)
    return static_cast<double>(value.integer());
  if (!value.is_string()) return 0;
  std::string plain;
  if (!go_underscores_fit(value.string())) return 0;
  for (const char c : value.string())
    if (c != '_') plain += c;
  std::string_view text = plain;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with('-')) return 0;
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (hex && text.find_first_of("pP") == std::string_view::npos) return 0;
  if (hex) text.remove_prefix(2);
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number,
                      hex ? std::chars_format::hex : std::chars_format::general);
  if (error != std::errc() || end != text.data() + text.size()) return 0;
  return negative ? -number : number;
}

std::string_view go_to_string(GoRun& run, const GoValue& value) {
  if (value.is_string()) return value.string();
  go_print(run.text(), value, run.scratch());
  const GoValue text = run.finish_text();
  return text.is_string() ? text.string() : std::string_view();
}

bool go_empty(GoRun& run, const GoValue& value) { return !go_truth(value, run.scratch()); }

}  // namespace agent::wire
