// Text -> tokens of the configuration language. Its line rule is Go's: a line end (or the end of
// the file) ends a statement when the token before it could end one.
//
// Errors: every one becomes a diagnostic, at most one a source line, and the text goes on behind
// it; so the tokens are usable for finding the next mistake, not for evaluation, once has_errors().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/lang/source.h"

namespace agent::lang {

enum class TokenKind : std::uint8_t {
  kEnd,         // of the file
  kTerminator,  // the end of a statement
  kIllegal,     // reported already
  kIdentifier,
  kNull,
  kBool,
  kNumber,  // digits only
  kFloat,
  kString,  // with its quotes
  kLeftBrace,
  kRightBrace,
  kLeftBracket,
  kRightBracket,
  kLeftParen,
  kRightParen,
  kComma,
  kDot,
  kAssign,
  kOr,
  kAnd,
  kNot,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kPlus,
  kMinus,
  kTimes,
  kDivide,
  kModulo,
  kPower,
};

// How messages name a kind: "identifier", "\"{\"", "end of line".
std::string_view token_name(TokenKind kind);

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Range range;
};

struct Comment {
  Range range;  // with its //, # or /* */, without the line end
};

// Of a comment as it was written: it ends with its line.
inline bool is_line_comment(std::string_view comment) {
  return comment.starts_with('#') || comment.starts_with("//");
}

// Reports an error unless the same line has one already; keeps a hostile text from filling the
// memory with messages.
class ErrorPerLine {
 public:
  static constexpr std::size_t kMaxErrors = 200;

  ErrorPerLine(const Source& source, Diagnostics& diagnostics)
      : source_(source), diagnostics_(diagnostics) {}
  void report(Range range, std::string message, std::string hint = {});
  void warn(Range range, std::string message, std::string hint = {});
  bool full() const { return lines_.size() >= kMaxErrors; }

 private:
  const Source& source_;
  Diagnostics& diagnostics_;
  std::vector<int> lines_;  // with an error; sorted
  std::size_t warnings_ = 0;
};

struct Tokens {
  std::vector<Token> tokens;  // the last one is kEnd
  std::vector<Comment> comments;
};

Tokens tokenize(const Source& source, ErrorPerLine& errors);

bool is_identifier(std::string_view text);

// The bytes that a string token stands for. It must come from tokenize() without an error.
std::string unquote(std::string_view token);

}  // namespace agent::lang
