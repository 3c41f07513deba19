// selector := "{" [ matcher { "," matcher } [","] ] "}" { filter }
// matcher  := name ( "=" | "!=" | "=~" | "!~" ) string
// filter   := ( "|=" | "!=" | "|~" | "!~" | "|>" | "!>" ) wanted { "or" wanted }
// wanted   := string | "ip" "(" string ")"                   ip only behind |= and !=
// string   := '"' with Go's escapes '"' | "`" raw "`"
// An address is a.b.c.d or IPv6, a range of two with "-" between, or a network with "/bits"; a
// pattern behind |> is text with <_> for what may be anything, but not nothing.
#include "agent/model/selector.h"

#include <arpa/inet.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>
#include <variant>

#include "agent/base/strings.h"
#include "agent/base/unicode.h"

namespace agent::model {
namespace {

constexpr std::size_t kMaxParts = 256;
constexpr std::size_t kMaxText = 64 * 1024;

bool in_class(char c, std::string_view others) {
  return (c >= '0' && c <= '9') || others.find(c) != std::string_view::npos;
}

using Regex = std::unique_ptr<RE2>;

bool found(const RE2& regex, std::string_view line) {
  return RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), regex);
}

// Addresses as 16 bytes; IPv4 as IPv6 maps it (::ffff:a.b.c.d).
using Address = std::array<std::uint8_t, 16>;

std::optional<Address> parse_address(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  Address out{};
  if (inet_pton(AF_INET6, buffer, out.data()) == 1) return out;
  out[10] = out[11] = 0xff;
  if (inet_pton(AF_INET, buffer, out.data() + 12) == 1) return out;
  return std::nullopt;
}

struct AddressRange {
  Address first{};
  Address last{};

  static std::optional<AddressRange> parse(std::string_view text) {
    if (const auto dash = text.find('-'); dash != std::string_view::npos) {
      const auto first = parse_address(trim(text.substr(0, dash)));
      const auto last = parse_address(trim(text.substr(dash + 1)));
      if (!first || !last || *last < *first) return std::nullopt;
      return AddressRange{*first, *last};
    }
    const auto slash = text.find('/');
    const auto address = parse_address(text.substr(0, slash));
    if (!address) return std::nullopt;
    if (slash == std::string_view::npos) return AddressRange{*address, *address};
    const bool v4 = text.find(':') == std::string_view::npos;
    const std::string_view digits = text.substr(slash + 1);
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || bits > (v4 ? 32U : 128U))
      return std::nullopt;
    if (v4) bits += 96;
    AddressRange range{*address, *address};
    for (unsigned bit = bits; bit < 128; ++bit) {
      const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
      range.first[bit / 8] = static_cast<std::uint8_t>(range.first[bit / 8] & ~mask);
      range.last[bit / 8] = static_cast<std::uint8_t>(range.last[bit / 8] | mask);
    }
    return range;
  }

  bool holds(std::string_view text) const {
    const auto address = parse_address(text);
    return address && first <= *address && *address <= last;
  }

  // True when an address in the line is in the range.
  bool found_in(std::string_view line) const {
    constexpr std::string_view kSix = "abcdefABCDEF:.";
    constexpr std::string_view kFour = ".";
    const auto next_run = [](std::string_view& rest, std::string_view others) {
      std::size_t begin = 0;
      while (begin < rest.size() && !in_class(rest[begin], others)) ++begin;
      std::size_t end = begin;
      while (end < rest.size() && in_class(rest[end], others)) ++end;
      const std::string_view run = rest.substr(begin, end - begin);
      rest.remove_prefix(end);
      return run;
    };
    while (!line.empty()) {
      std::string_view run = next_run(line, kSix);
      // What ends a sentence is not the address's.
      std::string_view whole = run;
      while (!whole.empty() &&
             (whole.back() == '.' || (whole.back() == ':' && !whole.ends_with("::"))))
        whole.remove_suffix(1);
      if (holds(whole)) return true;
      // An IPv4 address in "10.0.0.1:80".
      while (!run.empty()) {
        std::string_view four = next_run(run, kFour);
        while (!four.empty() && four.back() == '.') four.remove_suffix(1);
        while (!four.empty() && four.front() == '.') four.remove_prefix(1);
        if (four.size() < whole.size() && holds(four)) return true;
      }
    }
    return false;
  }
};

// The texts between the <_>; the first and the last may be empty.
struct Pattern {
  std::vector<std::string> texts;

  bool fits(std::string_view line) const {
    if (texts.size() == 1) return line == texts.front();
    if (!line.starts_with(texts.front())) return false;
    line.remove_prefix(texts.front().size());
    if (!line.ends_with(texts.back())) return false;
    line.remove_suffix(texts.back().size());
    for (std::size_t i = 1; i + 1 < texts.size(); ++i) {
      const std::size_t at = line.find(texts[i], 1);
      if (at == std::string_view::npos) return false;
      line.remove_prefix(at + texts[i].size());
    }
    return !line.empty();
  }
};

struct Matcher {
  std::string name;
  bool negative = false;
  std::variant<std::string, Regex> wanted;

  bool matches(std::string_view value) const {
    if (const auto* text = std::get_if<std::string>(&wanted)) return (*text == value) != negative;
    const re2::StringPiece piece(value.data(), value.size());
    return RE2::FullMatch(piece, *std::get<Regex>(wanted)) != negative;
  }
};

// One of the alternatives is in the line, or with `negative` none.
struct Filter {
  using Wanted = std::variant<std::string, Regex, AddressRange, Pattern>;
  bool negative = false;
  std::vector<Wanted> any;

  static bool holds(const Wanted& wanted, std::string_view line) {
    if (const auto* text = std::get_if<std::string>(&wanted))
      return line.find(*text) != std::string_view::npos;
    if (const auto* regex = std::get_if<Regex>(&wanted)) return found(**regex, line);
    if (const auto* range = std::get_if<AddressRange>(&wanted)) return range->found_in(line);
    return std::get<Pattern>(wanted).fits(line);
  }
  bool matches(std::string_view line) const {
    return std::any_of(any.begin(), any.end(),
                       [&](const Wanted& wanted) { return holds(wanted, line); }) != negative;
  }
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<> parse(std::vector<Matcher>& matchers, std::vector<Filter>& filters) {
    if (text_.size() > kMaxText) return wrong("it is longer than 64 KiB");
    blanks();
    if (!take("{")) return wrong("{ is expected");
    for (;;) {
      blanks();
      if (take("}")) break;
      if (++parts_ > kMaxParts) return wrong("there are too many matchers");
      auto matcher = this->matcher();
      if (!matcher) return fail(std::move(matcher.error()));
      matchers.push_back(std::move(*matcher));
      blanks();
      if (take("}")) break;
      if (!take(",")) return wrong(", or } is expected");
    }
    for (;;) {
      blanks();
      if (at_ == text_.size()) return {};
      auto filter = this->filter();
      if (!filter) return fail(std::move(filter.error()));
      filters.push_back(std::move(*filter));
    }
  }

 private:
  void blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool take(std::string_view token) {
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  // A word of letters that does not go on.
  bool take_word(std::string_view word) {
    const std::string_view rest = text_.substr(at_);
    if (!rest.starts_with(word)) return false;
    if (rest.size() > word.size() &&
        (std::isalnum(static_cast<unsigned char>(rest[word.size()])) || rest[word.size()] == '_'))
      return false;
    at_ += word.size();
    return true;
  }
  tl::unexpected<Error> wrong(const std::string& what) const {
    return fail(ErrorCode::kInvalid,
                "invalid selector, at byte " + std::to_string(at_ + 1) + ": " + what);
  }

  Result<Matcher> matcher() {
    Matcher out;
    const std::size_t begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_'))
      ++at_;
    out.name = text_.substr(begin, at_ - begin);
    if (!is_valid_label_name(out.name)) return wrong("a label name is expected");
    blanks();
    bool is_regex = true;
    if (take("=~")) {
    } else if (take("!~")) {
      out.negative = true;
    } else if (take("!=")) {
      out.negative = true;
      is_regex = false;
    } else if (take("=")) {
      is_regex = false;
    } else {
      return wrong("=, !=, =~ or !~ is expected");
    }
    blanks();
    if (is_regex) {
      auto compiled = regex(false);
      if (!compiled) return fail(std::move(compiled.error()));
      out.wanted = std::move(*compiled);
    } else {
      auto text = string();
      if (!text) return fail(std::move(text.error()));
      out.wanted = std::move(*text);
    }
    return out;
  }

  enum class Kind { kText, kRegex, kPattern };

  Result<Filter> filter() {
    Filter out;
    Kind kind = Kind::kText;
    if (take("|=")) {
    } else if (take("!=")) {
      out.negative = true;
    } else if (take("|~")) {
      kind = Kind::kRegex;
    } else if (take("!~")) {
      kind = Kind::kRegex;
      out.negative = true;
    } else if (take("|>")) {
      kind = Kind::kPattern;
    } else if (take("!>")) {
      kind = Kind::kPattern;
      out.negative = true;
    } else {
      return wrong("|=, !=, |~, !~, |> or !> is expected");
    }
    do {
      if (++parts_ > kMaxParts) return wrong("there are too many line filters");
      blanks();
      auto one = wanted(kind);
      if (!one) return fail(std::move(one.error()));
      out.any.push_back(std::move(*one));
      blanks();
    } while (take_word("or"));
    return out;
  }

  Result<Filter::Wanted> wanted(Kind kind) {
    if (kind == Kind::kRegex) {
      auto compiled = regex(true);
      if (!compiled) return fail(std::move(compiled.error()));
      return Filter::Wanted(std::move(*compiled));
    }
    const bool address = kind == Kind::kText && take_word("ip");
    if (address) {
      blanks();
      if (!take("(")) return wrong("( is expected");
      blanks();
    }
    const std::size_t place = at_;
    auto text = string();
    if (!text) return fail(std::move(text.error()));
    if (kind == Kind::kPattern) return pattern(*text, place);
    if (!address) return Filter::Wanted(std::move(*text));
    const auto range = AddressRange::parse(trim(*text));
    if (!range) {
      at_ = place;
      return wrong("an address, a range or a network is expected");
    }
    blanks();
    if (!take(")")) return wrong(") is expected");
    return Filter::Wanted(*range);
  }

  Result<Filter::Wanted> pattern(std::string_view text, std::size_t place) {
    Pattern out;
    out.texts.emplace_back();
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t end = text[i] == '<' ? text.find('>', i) : std::string_view::npos;
      const std::string_view name =
          end == std::string_view::npos ? "" : text.substr(i + 1, end - i - 1);
      if (name == "_") {
        if (out.texts.size() > 1 && out.texts.back().empty()) {
          at_ = place;
          return wrong("two <_> need a text between them");
        }
        out.texts.emplace_back();
        i = end + 1;
        continue;
      }
      if (is_valid_label_name(name)) {
        at_ = place;
        return wrong("a pattern of a line filter has no names but <_>");
      }
      out.texts.back() += text[i++];
    }
    return Filter::Wanted(std::move(out));
  }

  Result<Regex> regex(bool line) {
    const std::size_t place = at_;
    auto text = string();
    if (!text) return fail(std::move(text.error()));
    RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(!line);
    auto out = std::make_unique<RE2>(*text, options);
    if (out->ok()) return out;
    at_ = place;
    return wrong("the regular expression is wrong: " + out->error());
  }

  Result<std::string> string() {
    if (take("`")) {
      const std::size_t end = text_.find('`', at_);
      if (end == std::string_view::npos) return wrong("the string does not end");
      std::string out(text_.substr(at_, end - at_));
      at_ = end + 1;
      return out;
    }
    if (!take("\"")) return wrong("a string is expected");
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] != '\\') {
        out += text_[at_++];
        continue;
      }
      if (!escape(out))
        return wrong(
            "unknown escape; a backslash of a regular expression is written \\\\ or in backticks");
    }
    if (!take("\"")) return wrong("the string does not end");
    return out;
  }

  // Go's: \a \b \f \n \r \t \v \\ \" \ooo \xhh \uhhhh \Uhhhhhhhh.
  bool escape(std::string& out) {
    constexpr std::string_view kNames = "abfnrtv\\\"";
    constexpr std::string_view kBytes = "\a\b\f\n\r\t\v\\\"";
    if (at_ + 1 >= text_.size()) return false;
    const char c = text_[at_ + 1];
    if (const auto i = kNames.find(c); i != std::string_view::npos) {
      out += kBytes[i];
      at_ += 2;
      return true;
    }
    const bool octal = c >= '0' && c <= '7';
    const std::size_t digits = octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    const std::size_t begin = at_ + (octal ? 1 : 2);
    const std::string_view number = text_.substr(std::min(begin, text_.size()), digits);
    std::uint32_t code = 0;
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), code, octal ? 8 : 16);
    if (digits == 0 || number.size() != digits || error != std::errc() ||
        end != number.data() + number.size())
      return false;
    if (c == 'u' || c == 'U') {
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
      append_utf8(out, code);
    } else {
      if (code > 0xff) return false;
      out += static_cast<char>(code);
    }
    at_ = begin + digits;
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t parts_ = 0;
};

}  // namespace

struct Selector::Compiled {
  std::vector<Matcher> matchers;
  std::vector<Filter> filters;
};

Result<Selector> Selector::parse(std::string_view text) {
  auto compiled = std::make_shared<Compiled>();
  if (auto parsed = Parser(text).parse(compiled->matchers, compiled->filters); !parsed)
    return fail(std::move(parsed.error()));
  Selector selector;
  selector.compiled_ = std::move(compiled);
  return selector;
}

bool Selector::matches(const LabelSet& labels) const {
  return std::all_of(
      compiled_->matchers.begin(), compiled_->matchers.end(),
      [&](const Matcher& matcher) { return matcher.matches(labels.get(matcher.name)); });
}

bool Selector::matches_line(std::string_view line) const {
  return std::all_of(compiled_->filters.begin(), compiled_->filters.end(),
                     [&](const Filter& filter) { return filter.matches(line); });
}

bool Selector::has_line_filters() const { return !compiled_->filters.empty(); }

}  // namespace agent::model
