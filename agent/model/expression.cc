#include "agent/model/expression.h"

#include <re2/re2.h>

#include <algorithm>

namespace agent::model {
namespace {

constexpr std::size_t kMaxBytes = 64 * 1024;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

std::string re2_syntax(std::string_view expression) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    out += c;
    if (c == '\\' && i + 1 < expression.size()) {
      out += expression[++i];
    } else if (c == '[' && !in_class) {
      in_class = true;
      for (const char first : {'^', ']'})  // a bracket that comes first is one of the class
        if (i + 1 < expression.size() && expression[i + 1] == first) out += expression[++i];
    } else if (c == ']') {
      in_class = false;
    } else if (!in_class && expression.substr(i, 3) == "(?<" && i + 3 < expression.size() &&
               is_word(expression[i + 3])) {
      out += "?P";
      ++i;
    }
  }
  return out;
}

struct Expression::Compiled {
  explicit Compiled(const std::string& text) : re(re2_syntax(text), RE2::Quiet) {}
  RE2 re;
  std::vector<int> numbers;  // of the named groups
  int wanted = 1;            // groups that RE2 has to find, the whole match included
};

Result<Expression> Expression::compile(const std::string& text) {
  if (text.size() > kMaxBytes)
    return fail(ErrorCode::kInvalid, "the regular expression is longer than 64 KiB");
  auto compiled = std::make_shared<Compiled>(text);
  if (!compiled->re.ok())
    return fail(ErrorCode::kInvalid, "the regular expression is wrong: " + compiled->re.error());
  Expression out;
  for (const auto& [number, name] : compiled->re.CapturingGroupNames()) {
    compiled->numbers.push_back(number);
    compiled->wanted = number + 1;  // the map is in the order of the numbers
    out.names_.push_back(name);
  }
  out.compiled_ = std::move(compiled);
  return out;
}

bool Expression::found_in(std::string_view text) const {
  return compiled_->re.Match(piece(text), 0, text.size(), RE2::UNANCHORED, nullptr, 0);
}

std::string_view Expression::find(std::string_view text, std::size_t from) const {
  re2::StringPiece match;
  if (!compiled_->re.Match(piece(text), from, text.size(), RE2::UNANCHORED, &match, 1)) return {};
  return {match.data(), match.size()};
}

bool Expression::extract(std::string_view text, std::vector<std::string_view>& values) const {
  // RE2 takes a much faster way for up to four groups; it need not look for those behind the last
  // named one.
  constexpr int kUsual = 16;
  re2::StringPiece few[kUsual];
  std::vector<re2::StringPiece> many;
  re2::StringPiece* groups = few;
  if (compiled_->wanted > kUsual) {
    many.resize(static_cast<std::size_t>(compiled_->wanted));
    groups = many.data();
  }
  if (!compiled_->re.Match(piece(text), 0, text.size(), RE2::UNANCHORED, groups, compiled_->wanted))
    return false;
  values.clear();
  for (const int number : compiled_->numbers)
    values.emplace_back(groups[number].data(), groups[number].size());
  return true;
}

}  // namespace agent::model
