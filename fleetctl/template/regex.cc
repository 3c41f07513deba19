#define PCRE2_CODE_UNIT_WIDTH 8
#include "fleetctl/template/regex.h"

#include <pcre2.h>

#include <array>

namespace fleetctl::template_ {
namespace {

constexpr std::uint32_t kMatchLimit = 2'000'000;
constexpr std::uint32_t kHeapLimit = 64U << 10;  // KiB

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// An escape of Python's at `i`, where the backslash is, as PCRE2 writes it.
Outcome<> translate_escape(std::string_view pattern, std::size_t& i, bool in_class,
                           std::string& out) {
  const char c = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
  const std::size_t digits = c == 'u' ? 4 : c == 'U' ? 8 : 0;
  const std::string_view known = in_class ? "abfnrtvxuUdDsSwW" : "abfnrtvxuUdDsSwWABZ";
  if (is_letter(c) && known.find(c) == std::string_view::npos)
    return bad(std::string("invalid regular expression: bad escape \\") + c + " at position " +
               std::to_string(i));
  i += 1 + digits;
  if (digits > 0) {
    const std::string_view point = pattern.substr(std::min(i + 1 - digits, pattern.size()), digits);
    if (point.size() != digits ||
        point.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
      return bad(std::string("invalid regular expression: incomplete escape \\") + c);
    out += "\\x{" + std::string(point) + "}";
  } else if (c == 'Z' || c == 'v') {
    out += c == 'Z' ? "\\z" : "\\x0b";
  } else {
    out += '\\';
    if (c != '\0') out += c;
  }
  return {};
}

// Python's syntax where PCRE2 reads the same text otherwise: \Z, \v, \u1234, {,3}, and [ in a
// class, which opens [:names:] there.
Outcome<std::string> translated(std::string_view pattern) {
  std::string out;
  std::size_t class_start = 0;  // behind the [ and the ^ of an open class
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\') {
      TEMPLATE_CHECK(translate_escape(pattern, i, class_start > 0, out));
    } else if (class_start > 0) {
      const bool first = i == class_start;
      if (c == '[' || (first && (c == ':' || c == '.' || c == '='))) out += '\\';
      if (c == ']' && !first) class_start = 0;
      out += c;
    } else {
      out += c;
      if (c == '[') {
        if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
        class_start = i + 1;
      }
      if (c == '{' && pattern.substr(i + 1, 1) == ",") {
        const std::size_t end = pattern.find_first_not_of("0123456789", i + 2);
        if (end != std::string_view::npos && pattern[end] == '}') out += '0';
      }
    }
  }
  return out;
}

}  // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;
  pcre2_match_data* data = nullptr;
  pcre2_match_context* context = nullptr;
  Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() {
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
  }
};

Regex::Regex() : code_(std::make_unique<Code>()) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Outcome<Regex> Regex::compile(std::string_view pattern, Options options) {
  if (pattern.size() > 64U << 10) return bad("the regular expression is too long");
  Regex regex;
  TEMPLATE_TRY(text, translated(pattern));
  std::uint32_t flags = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
  if (options.ignore_case) flags |= PCRE2_CASELESS;
  if (options.multiline) flags |= PCRE2_MULTILINE;
  int error = 0;
  PCRE2_SIZE offset = 0;
  regex.code_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), flags,
                                    &error, &offset, nullptr);
  if (regex.code_->code == nullptr) {
    return bad("invalid regular expression at position " + std::to_string(offset) + ": " +
               message_of(error));
  }
  regex.code_->data = pcre2_match_data_create_from_pattern(regex.code_->code, nullptr);
  regex.code_->context = pcre2_match_context_create(nullptr);
  if (regex.code_->data == nullptr || regex.code_->context == nullptr) return bad("out of memory");
  pcre2_set_match_limit(regex.code_->context, kMatchLimit);
  pcre2_set_heap_limit(regex.code_->context, kHeapLimit);
  return regex;
}

Outcome<std::optional<Regex::Match>> Regex::search(std::string_view text, std::size_t from,
                                                   bool anchored, bool not_empty_at_start) const {
  std::uint32_t flags = 0;
  if (anchored) flags |= PCRE2_ANCHORED;
  if (not_empty_at_start) flags |= PCRE2_NOTEMPTY_ATSTART;
  const int count = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                from, flags, code_->data, code_->context);
  if (count == PCRE2_ERROR_NOMATCH) return std::optional<Match>();
  if (count < 0) {
    const bool limit = count == PCRE2_ERROR_MATCHLIMIT || count == PCRE2_ERROR_HEAPLIMIT;
    return problem(limit ? ProblemKind::kLimit : ProblemKind::kRuntime,
                   "matching the regular expression: " + message_of(count));
  }
  Match match;
  const PCRE2_SIZE* at = pcre2_get_ovector_pointer(code_->data);
  const std::size_t groups = group_count() + 1;
  match.groups.resize(groups);
  for (std::size_t i = 0; i < groups && i < static_cast<std::size_t>(count); ++i) {
    if (at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1])
      match.groups[i] = {at[2 * i], at[2 * i + 1]};
  }
  return std::optional<Match>(std::move(match));
}

Outcome<std::vector<Regex::Match>> Regex::all(std::string_view text) const {
  std::vector<Match> out;
  std::size_t at = 0;
  bool advance = false;  // the last match was empty and ended here
  while (at <= text.size()) {
    TEMPLATE_TRY(found, search(text, at, false, advance));
    if (!found || !found->groups[0]) break;
    const auto [from, to] = *found->groups[0];
    advance = from == to;
    at = to;
    out.push_back(std::move(*found));
    if (out.size() > 1'000'000)
      return problem(ProblemKind::kLimit, "the regular expression matches too often");
  }
  return out;
}

std::size_t Regex::group_count() const {
  std::uint32_t count = 0;
  pcre2_pattern_info(code_->code, PCRE2_INFO_CAPTURECOUNT, &count);
  return count;
}

std::optional<std::size_t> Regex::group_number(const std::string& name) const {
  const int number =
      pcre2_substring_number_from_name(code_->code, reinterpret_cast<PCRE2_SPTR>(name.c_str()));
  if (number <= 0) return std::nullopt;
  return static_cast<std::size_t>(number);
}

Outcome<std::string> Regex::replace(std::string_view text, std::string_view replacement,
                                    std::size_t limit) const {
  struct Part {
    std::string literal;
    std::optional<std::size_t> group;
  };
  std::vector<Part> parts(1);
  const auto add_group = [&](std::size_t number) -> Outcome<> {
    if (number > group_count()) return bad("invalid group reference " + std::to_string(number));
    parts.back().group = number;
    parts.emplace_back();
    return {};
  };
  for (std::size_t i = 0; i < replacement.size(); ++i) {
    const char c = replacement[i];
    if (c != '\\') {
      parts.back().literal += c;
      continue;
    }
    if (++i >= replacement.size()) return bad("bad escape (end of pattern)");
    const char e = replacement[i];
    static constexpr std::string_view kFrom = "abfnrtv\\";
    static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\";
    if (e == 'g') {
      const std::size_t end = replacement.find('>', i);
      if (i + 1 >= replacement.size() || replacement[i + 1] != '<' ||
          end == std::string_view::npos) {
        return bad("missing group name");
      }
      const std::string name(replacement.substr(i + 2, end - i - 2));
      i = end;
      if (!name.empty() && name.size() < 6 &&
          name.find_first_not_of("0123456789") == std::string::npos) {
        TEMPLATE_CHECK(add_group(static_cast<std::size_t>(std::stoul(name))));
      } else if (const auto number = group_number(name)) {
        TEMPLATE_CHECK(add_group(*number));
      } else {
        return bad("unknown group name '" + name + "'");
      }
    } else if (e == '0') {
      char32_t code = 0;
      int digits = 0;
      while (digits < 3 && i < replacement.size() && replacement[i] >= '0' &&
             replacement[i] <= '7') {
        code = code * 8 + static_cast<char32_t>(replacement[i++] - '0');
        ++digits;
      }
      --i;
      parts.back().literal += static_cast<char>(code & 0x7fU);
    } else if (is_digit(e)) {
      std::size_t number = static_cast<std::size_t>(e - '0');
      if (i + 1 < replacement.size() && is_digit(replacement[i + 1])) {
        number = number * 10 + static_cast<std::size_t>(replacement[++i] - '0');
      }
      TEMPLATE_CHECK(add_group(number));
    } else if (const auto k = kFrom.find(e); k != std::string_view::npos) {
      parts.back().literal += kTo[k];
    } else if (is_letter(e)) {
      return bad(std::string("bad escape \\") + e);
    } else {
      parts.back().literal += '\\';
      parts.back().literal += e;
    }
  }
  TEMPLATE_TRY(matches, all(text));
  std::string out;
  std::size_t done = 0;
  for (const Match& match : matches) {
    out += text.substr(done, match.groups[0]->first - done);
    done = match.groups[0]->second;
    for (const Part& part : parts) {
      out += part.literal;
      if (part.group && match.groups[*part.group]) {
        const auto [from, to] = *match.groups[*part.group];
        out += text.substr(from, to - from);
      }
    }
    if (out.size() > limit) return problem(ProblemKind::kLimit, "the replaced text is too large");
  }
  out += text.substr(done);
  return out;
}

}  // namespace fleetctl::template_
