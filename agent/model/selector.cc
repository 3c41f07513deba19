// selector := "{" [ matcher { "," matcher } [","] ] "}" { filter }
// matcher  := name ( "=" | "!=" | "=~" | "!~" ) string
// filter   := ( "|=" | "!=" | "|~" | "!~" ) string
// string   := '"' Go escapes '"' | "`" raw "`"
#include "agent/model/selector.h"

#include <re2/re2.h>

#include <optional>

namespace agent::model {
namespace {

constexpr std::size_t kMaxParts = 256;

enum class Match { kEqual, kNotEqual, kRegex, kNotRegex };

struct Test {
  std::string name;  // "" in a line filter
  Match match = Match::kEqual;
  std::string text;
  std::unique_ptr<RE2> regex;

  bool value(std::string_view value) const {
    switch (match) {
      case Match::kEqual:
        return value == text;
      case Match::kNotEqual:
        return value != text;
      case Match::kRegex:
        return RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *regex);
      case Match::kNotRegex:
        return !RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *regex);
    }
    return false;
  }
  bool line(std::string_view line) const {
    switch (match) {
      case Match::kEqual:
        return line.find(text) != std::string_view::npos;
      case Match::kNotEqual:
        return line.find(text) == std::string_view::npos;
      case Match::kRegex:
        return RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), *regex);
      case Match::kNotRegex:
        return !RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), *regex);
    }
    return false;
  }
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<> parse(std::vector<Test>& matchers, std::vector<Test>& filters) {
    blanks();
    if (!take("{")) return wrong("{ is expected");
    for (;;) {
      blanks();
      if (take("}")) break;
      if (matchers.size() >= kMaxParts) return wrong("there are too many matchers");
      Test test;
      const std::size_t begin = at_;
      while (at_ < text_.size() &&
             (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_'))
        ++at_;
      test.name = text_.substr(begin, at_ - begin);
      if (!is_valid_label_name(test.name)) return wrong("a label name is expected");
      blanks();
      if (take("=~")) {
        test.match = Match::kRegex;
      } else if (take("!~")) {
        test.match = Match::kNotRegex;
      } else if (take("!=")) {
        test.match = Match::kNotEqual;
      } else if (!take("=")) {
        return wrong("=, !=, =~ or !~ is expected");
      }
      if (auto r = finish(test, false); !r) return r;
      matchers.push_back(std::move(test));
      blanks();
      if (take("}")) break;
      if (!take(",")) return wrong(", or } is expected");
    }
    for (;;) {
      blanks();
      if (at_ == text_.size()) return {};
      if (filters.size() >= kMaxParts) return wrong("there are too many line filters");
      Test test;
      if (take("|=")) {
        test.match = Match::kEqual;
      } else if (take("!=")) {
        test.match = Match::kNotEqual;
      } else if (take("|~")) {
        test.match = Match::kRegex;
      } else if (take("!~")) {
        test.match = Match::kNotRegex;
      } else {
        return wrong("|=, !=, |~ or !~ is expected");
      }
      if (auto r = finish(test, true); !r) return r;
      filters.push_back(std::move(test));
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
  tl::unexpected<Error> wrong(const std::string& what) const {
    return fail(ErrorCode::kInvalid,
                "invalid selector, at byte " + std::to_string(at_ + 1) + ": " + what);
  }

  Result<> finish(Test& test, bool line) {
    blanks();
    const std::size_t place = at_;
    auto text = string();
    if (!text) return fail(std::move(text.error()));
    test.text = std::move(*text);
    if (test.match != Match::kRegex && test.match != Match::kNotRegex) return {};
    RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(!line);
    test.regex = std::make_unique<RE2>(test.text, options);
    if (test.regex->ok()) return {};
    at_ = place;
    return wrong("the regular expression is wrong: " + test.regex->error());
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
      char c = text_[at_++];
      if (c == '\\') {
        if (at_ == text_.size()) break;
        c = text_[at_++];
        switch (c) {
          case 'n':
            c = '\n';
            break;
          case 't':
            c = '\t';
            break;
          case 'r':
            c = '\r';
            break;
          case '\\':
          case '"':
            break;
          default:
            --at_;
            return wrong(
                "unknown escape; a backslash of a regular expression is written \\\\ or in "
                "backticks");
        }
      }
      out += c;
    }
    if (!take("\"")) return wrong("the string does not end");
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

struct Selector::Compiled {
  std::vector<Test> matchers;
  std::vector<Test> filters;
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
  for (const Test& test : compiled_->matchers)
    if (!test.value(labels.get(test.name))) return false;
  return true;
}

bool Selector::matches_line(std::string_view line) const {
  for (const Test& test : compiled_->filters)
    if (!test.line(line)) return false;
  return true;
}

bool Selector::has_line_filters() const { return !compiled_->filters.empty(); }

}  // namespace agent::model
