// Grammar (Grafana Alloy, syntax/parser):
//   body       = { statement terminator }
//   statement  = identifier "=" expression | identifier { "." identifier } [ string ] "{" body "}"
//   expression = unary { binary-operator unary }, binding from weak to strong:
//                ||   &&   == != < <= > >=   + -   * / %   ^ (to the right)
//   unary      = { "!" | "-" } operand
//   operand    = primary { "." identifier | "[" expression "]" | "(" [ list ] ")" }
//   primary    = literal | identifier | "(" expression ")" | "[" [ list ] "]" | "{" [ fields ] "}"
//   list       = expression { "," expression } [ "," ]
//   fields     = key "=" expression { "," key "=" expression } [ "," ]     key = identifier |
//   string
#include "agent/lang/parser.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace agent::lang {
namespace {

using ExprPtr = std::unique_ptr<Expr>;

constexpr int kPowerBinding = 6;

// 0: not a binary operator.
int binding(TokenKind kind) {
  switch (kind) {
    case TokenKind::kOr:
      return 1;
    case TokenKind::kAnd:
      return 2;
    case TokenKind::kEqual:
    case TokenKind::kNotEqual:
    case TokenKind::kLess:
    case TokenKind::kLessEqual:
    case TokenKind::kGreater:
    case TokenKind::kGreaterEqual:
      return 3;
    case TokenKind::kPlus:
    case TokenKind::kMinus:
      return 4;
    case TokenKind::kTimes:
    case TokenKind::kDivide:
    case TokenKind::kModulo:
      return 5;
    case TokenKind::kPower:
      return kPowerBinding;
    default:
      return 0;
  }
}

// Digits as Go's strconv reads them with base 0: a leading zero means octal, what is no octal
// number or is beyond 64 bits is a float.
bool number_value(std::string_view text, TokenKind kind, Value& value) {
  if (kind == TokenKind::kNumber) {
    const int base = text.size() > 1 && text[0] == '0' ? 8 : 10;
    const char* const end = text.data() + text.size();
    std::uint64_t number = 0;
    const auto read = std::from_chars(text.data(), end, number, base);
    if (read.ec == std::errc() && read.ptr == end) {
      if (number <= INT64_MAX) {
        value = Value(static_cast<std::int64_t>(number));
      } else {
        value = Value(number);
      }
      return true;
    }
  }
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec == std::errc::result_out_of_range) {
    // Too small is zero as far as a float can tell; too large is no number.
    number = std::strtod(std::string(text).c_str(), nullptr);
    if (number > 1) return false;
  }
  value = Value(number);
  return true;
}

class Parser {
 public:
  Parser(const Source& source, ErrorPerLine& errors, std::vector<Token> tokens)
      : source_(source), errors_(errors), tokens_(std::move(tokens)) {}

  std::vector<Statement> file() { return body(TokenKind::kEnd); }

  ExprPtr only_expression() {
    ExprPtr expr = expression();
    if (is(TokenKind::kTerminator)) next();
    if (!is(TokenKind::kEnd)) error("expected end of the expression, got " + got());
    return expr;
  }

 private:
  const Token& token() const { return tokens_[at_]; }
  const Token& peek(std::size_t ahead) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool is(TokenKind kind) const { return token().kind == kind; }
  std::string_view text() const { return source_.text(token().range); }
  std::string got() const { return std::string(token_name(token().kind)); }
  void next() {
    end_ = token().range.end;
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  void error(std::string message, std::string hint = {}) {
    error_at(token().range, std::move(message), std::move(hint));
  }
  void error_at(Range range, std::string message, std::string hint = {}) {
    if (!gave_up_) errors_.report(range, std::move(message), std::move(hint));
  }
  // A wrong token stays, for the one who can make sense of it.
  Range close(TokenKind kind, Range open) {
    const Range range = token().range;
    if (is(kind)) {
      next();
      return range;
    }
    error("expected " + std::string(token_name(kind)) + ", got " + got(),
          std::string(token_name(kind)) + " would close the one opened on line " +
              std::to_string(source_.line(open.begin)));
    return {range.begin, range.begin};
  }

  // Nesting. false: too deep, reported; the parser is then at the end of the file.
  class Level {
   public:
    explicit Level(Parser& parser) : parser_(parser) { ++parser_.depth_; }
    ~Level() { --parser_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    bool ok() {
      if (parser_.depth_ <= kMaxDepth) return true;
      parser_.error("nested more than " + std::to_string(kMaxDepth) + " deep");
      parser_.at_ = parser_.tokens_.size() - 1;
      parser_.gave_up_ = true;
      return false;
    }

   private:
    Parser& parser_;
  };

  std::vector<Statement> body(TokenKind until) {
    std::vector<Statement> statements;
    while (!is(until) && !is(TokenKind::kEnd)) {
      const std::size_t before = at_;
      Statement parsed;
      const bool understood = statement(parsed);
      if (understood) statements.push_back(std::move(parsed));
      if (is(until)) break;
      if (!is(TokenKind::kTerminator)) {
        error("expected end of line, got " + got(),
              behind_number() ? "a number with a unit is a string, like \"10s\" or \"1MiB\""
                              : "each statement has a line of its own");
        skip_statement();
        if (understood && statements.back().value)
          statements.back().value = unknown_at(statements.back().value->range);
      }
      if (is(TokenKind::kTerminator) || at_ == before) next();
    }
    return statements;
  }

  // At the s of `10s`.
  bool behind_number() const {
    if (!is(TokenKind::kIdentifier) || at_ == 0) return false;
    const Token& before = tokens_[at_ - 1];
    return (before.kind == TokenKind::kNumber || before.kind == TokenKind::kFloat) &&
           before.range.end == token().range.begin;
  }

  // To the terminator of the present statement, over all that its brackets hold.
  void skip_statement() {
    int open = 0;
    for (; !is(TokenKind::kEnd); next()) {
      switch (token().kind) {
        case TokenKind::kLeftBrace:
        case TokenKind::kLeftBracket:
        case TokenKind::kLeftParen:
          ++open;
          break;
        case TokenKind::kRightBrace:
          // The end of the block around the statement.
          if (open <= 0 && depth_ > 0) return;
          [[fallthrough]];
        case TokenKind::kRightBracket:
        case TokenKind::kRightParen:
          --open;
          break;
        case TokenKind::kTerminator:
          if (open <= 0) return;
          break;
        default:
          break;
      }
    }
  }

  bool statement(Statement& out) {
    const Token first = token();
    if (!is(TokenKind::kIdentifier)) {
      error("expected identifier, got " + got(),
            is(TokenKind::kRightBrace) ? "there is no open block that it would close" : "");
      skip_statement();
      return false;
    }
    std::string name(text());
    next();
    bool dotted = false;
    while (is(TokenKind::kDot)) {
      dotted = true;
      next();
      name += '.';
      if (is(TokenKind::kIdentifier)) {
        name += text();
        next();
      } else {
        error("expected identifier, got " + got());
        break;
      }
    }
    const Range name_range{first.range.begin, end_};
    Range label_range;
    std::string label;
    if (is(TokenKind::kString) && !dotted && peek(1).kind == TokenKind::kTerminator &&
        peek(2).kind != TokenKind::kLeftBrace) {
      error("expected attribute assignment or block body, got string",
            "an attribute is written " + name + " = value");
      skip_statement();
      return false;
    }
    if (is(TokenKind::kString)) {
      label_range = token().range;
      label = read_label();
      next();
    }
    if (is(TokenKind::kAssign)) {
      if (dotted) {
        error_at(name_range,
                 "attribute names may only consist of a single identifier with no \".\"");
      } else if (label_range.end != 0) {
        error_at(label_range, "attribute names may not have labels",
                 "a block is written without \"=\"");
      }
      next();
      out.name = source_.text(first.range);
      out.name_range = name_range;
      out.value = expression();
      out.range = {first.range.begin, out.value->range.end};
      return true;
    }
    if (is(TokenKind::kLeftBrace)) {
      auto block = std::make_unique<BlockNode>();
      block->name = std::move(name);
      block->label = std::move(label);
      block->name_range = name_range;
      block->label_range = label_range;
      block->open = token().range;
      next();
      Level level(*this);
      if (level.ok()) block->body = body(TokenKind::kRightBrace);
      block->close = close(TokenKind::kRightBrace, block->open);
      out.range = {first.range.begin, block->close.end};
      out.block = std::move(block);
      return true;
    }
    if (dotted || label_range.end != 0) {
      error("expected block body, got " + got(),
            is(TokenKind::kTerminator) ? "the \"{\" must be on the same line" : "");
    } else {
      std::string hint;
      if (is(TokenKind::kTerminator) && peek(1).kind == TokenKind::kLeftBrace)
        hint = "the \"{\" of a block must be on the same line as its name";
      if (is(TokenKind::kIllegal)) hint = "an attribute is written name = value";
      error("expected attribute assignment or block body, got " + got(), std::move(hint));
    }
    skip_statement();
    return false;
  }

  std::string read_label() {
    const std::string_view quoted = text();
    if (quoted[0] != '"') {
      error("a block label must be in double quotes");
      return {};
    }
    const std::string_view inner = quoted.substr(1, quoted.size() < 2 ? 0 : quoted.size() - 2);
    if (!inner.empty() && !is_identifier(inner))
      error("the block label " + std::string(quoted) + " is not a valid identifier",
            "a label is made of letters, digits and _, and does not start with a digit");
    return std::string(inner);
  }

  ExprPtr node(Expr::Kind kind, std::uint32_t begin) {
    auto expr = std::make_unique<Expr>();
    expr->kind = kind;
    expr->range = {begin, begin};
    return expr;
  }
  void adopt(Expr& parent, ExprPtr child) {
    parent.height =
        std::max<std::uint16_t>(parent.height, static_cast<std::uint16_t>(child->height + 1));
    parent.children.push_back(std::move(child));
  }
  // Stands where an expression is wrong: whoever evaluates the tree in spite of the errors, to find
  // more of them, then finds none that come of this one.
  ExprPtr unknown_at(Range range) {
    ExprPtr expr = node(Expr::Kind::kLiteral, range.begin);
    expr->value = Value(Placeholder{});
    return expr;
  }
  // Instead of a chain that grew too long: the error, and a small node so that parsing can go on.
  ExprPtr bounded(ExprPtr expr) {
    if (expr->height < kMaxHeight) return expr;
    error_at(expr->range, "the expression is longer than " + std::to_string(kMaxHeight) +
                              " operations in a row");
    return unknown_at(expr->range);
  }

  ExprPtr expression() { return binary(1); }

  ExprPtr binary(int weakest) {
    ExprPtr left = unary();
    for (;;) {
      const TokenKind op = token().kind;
      const int strength = binding(op);
      if (strength < weakest || strength == 0) return left;
      ExprPtr expr = node(Expr::Kind::kBinary, left->range.begin);
      expr->op = op;
      expr->mark = token().range;
      next();
      ExprPtr right;
      if (strength == kPowerBinding) {
        Level level(*this);
        right = level.ok() ? binary(strength) : unknown_at(token().range);
      } else {
        right = binary(strength + 1);
      }
      expr->range.end = right->range.end;
      adopt(*expr, std::move(left));
      adopt(*expr, std::move(right));
      left = bounded(std::move(expr));
    }
  }

  ExprPtr unary() {
    if (!is(TokenKind::kNot) && !is(TokenKind::kMinus)) return operand();
    ExprPtr expr = node(Expr::Kind::kUnary, token().range.begin);
    expr->op = token().kind;
    expr->mark = token().range;
    next();
    Level level(*this);
    adopt(*expr, level.ok() ? unary() : unknown_at(token().range));
    expr->range.end = expr->children[0]->range.end;
    return bounded(std::move(expr));
  }

  ExprPtr operand() {
    ExprPtr value = primary();
    for (;;) {
      ExprPtr outer;
      switch (token().kind) {
        case TokenKind::kDot:
          outer = node(Expr::Kind::kAccess, value->range.begin);
          next();
          outer->mark = token().range;
          if (is(TokenKind::kIdentifier)) {
            outer->name = text();
            next();
          } else {
            error("expected identifier, got " + got(),
                  is(TokenKind::kString) ? "a key in quotes is written [\"key\"]" : "");
          }
          outer->is_name = value->is_name;
          adopt(*outer, std::move(value));
          break;
        case TokenKind::kLeftBracket: {
          outer = node(Expr::Kind::kIndex, value->range.begin);
          outer->mark = token().range;
          adopt(*outer, std::move(value));
          next();
          Level level(*this);
          adopt(*outer, level.ok() ? expression() : unknown_at(token().range));
          close(TokenKind::kRightBracket, outer->mark);
          break;
        }
        case TokenKind::kLeftParen: {
          outer = node(Expr::Kind::kCall, value->range.begin);
          outer->mark = token().range;
          adopt(*outer, std::move(value));
          next();
          Level level(*this);
          if (level.ok()) list(*outer, TokenKind::kRightParen);
          close(TokenKind::kRightParen, outer->mark);
          break;
        }
        case TokenKind::kString:
        case TokenKind::kLeftBrace: {
          // `attribute = block "label" { ... }`: read the block, so that the error is about that
          // and not about what is in it.
          const std::uint32_t begin = value->range.begin;
          if (is(TokenKind::kString) && peek(1).kind != TokenKind::kLeftBrace) return value;
          if (is(TokenKind::kString)) next();
          error_at({begin, end_}, "cannot use a block as an expression",
                   "a block is written without \"=\"; an object is written { key = value, ... }");
          const Range open = token().range;
          next();
          Level level(*this);
          if (level.ok()) body(TokenKind::kRightBrace);
          close(TokenKind::kRightBrace, open);
          return unknown_at({begin, end_});
        }
        default:
          return value;
      }
      outer->range.end = end_;
      value = bounded(std::move(outer));
    }
  }

  ExprPtr primary() {
    const Range range = token().range;
    switch (token().kind) {
      case TokenKind::kIdentifier: {
        ExprPtr expr = node(Expr::Kind::kIdentifier, range.begin);
        expr->range = range;
        expr->name = text();
        expr->is_name = true;
        next();
        return expr;
      }
      case TokenKind::kNull:
      case TokenKind::kBool:
      case TokenKind::kNumber:
      case TokenKind::kFloat:
      case TokenKind::kString: {
        ExprPtr expr = node(Expr::Kind::kLiteral, range.begin);
        expr->range = range;
        expr->op = token().kind;
        if (is(TokenKind::kBool)) expr->value = Value(text() == "true");
        if (is(TokenKind::kString)) expr->value = Value(unquote(text()));
        if ((is(TokenKind::kNumber) || is(TokenKind::kFloat)) &&
            !number_value(text(), token().kind, expr->value))
          error("the number " + std::string(text()) + " is out of range");
        next();
        return expr;
      }
      case TokenKind::kLeftParen: {
        ExprPtr expr = node(Expr::Kind::kParen, range.begin);
        next();
        Level level(*this);
        adopt(*expr, level.ok() ? expression() : unknown_at(token().range));
        close(TokenKind::kRightParen, range);
        expr->range.end = end_;
        return expr;
      }
      case TokenKind::kLeftBracket: {
        ExprPtr expr = node(Expr::Kind::kList, range.begin);
        next();
        Level level(*this);
        if (level.ok()) list(*expr, TokenKind::kRightBracket);
        close(TokenKind::kRightBracket, range);
        expr->range.end = end_;
        return expr;
      }
      case TokenKind::kLeftBrace: {
        ExprPtr expr = node(Expr::Kind::kObject, range.begin);
        next();
        Level level(*this);
        if (level.ok()) fields(*expr);
        close(TokenKind::kRightBrace, range);
        expr->range.end = end_;
        return expr;
      }
      default:
        error("expected expression, got " + got());
        while (!at_expression_end()) next();
        return unknown_at(range);
    }
  }

  bool at_expression_end() const {
    switch (token().kind) {
      case TokenKind::kEnd:
      case TokenKind::kTerminator:
      case TokenKind::kRightParen:
      case TokenKind::kRightBrace:
      case TokenKind::kRightBracket:
      case TokenKind::kComma:
        return true;
      default:
        return false;
    }
  }

  // A terminator that is followed by what can only be a statement: the closing bracket was
  // forgotten.
  bool statement_follows() const {
    if (!is(TokenKind::kTerminator) || peek(1).kind != TokenKind::kIdentifier) return false;
    std::size_t ahead = 2;
    while (peek(ahead).kind == TokenKind::kDot && peek(ahead + 1).kind == TokenKind::kIdentifier)
      ahead += 2;
    if (peek(ahead).kind == TokenKind::kString) ++ahead;
    return peek(ahead).kind == TokenKind::kAssign || peek(ahead).kind == TokenKind::kLeftBrace;
  }

  // true: go on with the next item. `warned`: of this list already.
  bool separator(TokenKind until, const char* what, bool& warned) {
    if (is(until) || is(TokenKind::kEnd)) return false;
    if (is(TokenKind::kComma)) {
      next();
      return true;
    }
    const bool line_end = is(TokenKind::kTerminator);
    if (line_end && until == TokenKind::kRightBrace) {
      // Alloy refuses this. People write it all the same, and in an object it cannot mean anything
      // else.
      if (!warned)
        errors_.warn(token().range, std::string("missing ',' in ") + what,
                     "Grafana Alloy wants a comma after each field; fmt adds them");
      warned = true;
      next();
      return true;
    }
    // A bracket that closes something else: whoever opened that takes it.
    if (!line_end && at_expression_end()) return false;
    error(std::string("missing ',' in ") + what,
          line_end          ? "over several lines, the last item needs a comma as well"
          : behind_number() ? "a number with a unit is a string, like \"10s\" or \"1MiB\""
                            : "");
    if (line_end) {
      next();
    } else {
      while (!at_expression_end()) next();
      if (is(TokenKind::kComma) || is(TokenKind::kTerminator)) next();
    }
    return true;
  }

  void list(Expr& out, TokenKind until) {
    bool warned = false;
    while (!is(until) && !is(TokenKind::kEnd)) {
      const std::size_t before = at_;
      adopt(out, expression());
      if (statement_follows()) return;
      if (!separator(until, "expression list", warned)) return;
      if (at_ == before) next();
    }
  }

  void fields(Expr& out) {
    bool warned = false;
    while (!is(TokenKind::kRightBrace) && !is(TokenKind::kEnd)) {
      const std::size_t before = at_;
      Expr::Key key;
      key.range = token().range;
      if (is(TokenKind::kString) || is(TokenKind::kIdentifier)) {
        key.name = text();
        // The empty string keeps its quotes: that is how the language has it.
        if (is(TokenKind::kString) && key.name.size() > 2)
          key.name = key.name.substr(1, key.name.size() - 2);
        next();
        if (is(TokenKind::kAssign)) {
          next();
        } else {
          error("expected \"=\", got " + got(),
                is(TokenKind::kIllegal) ? "a key and its value are joined by =" : "");
          if (is(TokenKind::kIllegal)) next();
        }
      } else {
        error("expected field name (string or identifier), got " + got());
        while (!is(TokenKind::kAssign) && !at_expression_end()) next();
        if (is(TokenKind::kAssign)) next();
      }
      out.keys.push_back(key);
      if (at_expression_end() && !is(TokenKind::kTerminator)) {
        error("expected expression, got " + got());
        adopt(out, unknown_at(token().range));
      } else {
        adopt(out, expression());
      }
      if (!separator(TokenKind::kRightBrace, "field list", warned)) return;
      if (at_ == before) next();
    }
  }

  const Source& source_;
  ErrorPerLine& errors_;
  const std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::uint32_t end_ = 0;  // of the last token taken
  int depth_ = 0;
  bool gave_up_ = false;
};

std::shared_ptr<const Source> make_source(std::string_view text, std::string name,
                                          Diagnostics& diagnostics) {
  auto source = std::make_shared<const Source>(text, std::move(name));
  if (text.size() > Source::kMaxBytes)
    diagnostics.error(source->span({}), "the file is larger than " +
                                            std::to_string(Source::kMaxBytes >> 20) + " MiB");
  return source;
}

}  // namespace

File parse(std::string_view text, std::string name, Diagnostics& diagnostics) {
  File file;
  file.source = make_source(text, std::move(name), diagnostics);
  if (text.size() > Source::kMaxBytes) return file;
  ErrorPerLine errors(*file.source, diagnostics);
  Tokens tokens = tokenize(*file.source, errors);
  file.comments = std::move(tokens.comments);
  file.body = Parser(*file.source, errors, std::move(tokens.tokens)).file();
  return file;
}

ParsedExpr parse_expression(std::string_view text, std::string name, Diagnostics& diagnostics) {
  ParsedExpr out;
  out.source = make_source(text, std::move(name), diagnostics);
  if (text.size() > Source::kMaxBytes) text = {};
  ErrorPerLine errors(*out.source, diagnostics);
  Tokens tokens = tokenize(*out.source, errors);
  out.expr = Parser(*out.source, errors, std::move(tokens.tokens)).only_expression();
  return out;
}

}  // namespace agent::lang
