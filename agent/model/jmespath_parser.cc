// JMESPath's grammar, by binding power:
//
//   loosest   |   ||   &&   == != < <= > >=   []   [*] *   [?c]   .   !   {}   [n]   tightest: f()
//
// What stands behind a projection ([] [*] * [?c] [a:b]) applies to each element, up to the first
// operator that binds more loosely than [] does.
#include <algorithm>
#include <charconv>

#include "agent/base/strings.h"
#include "agent/model/jmespath_node.h"

namespace agent::model {
namespace {

using Node = JmesPath::Node;
using Kind = Node::Kind;

constexpr std::size_t kMaxExpressionBytes = 16 * 1024;
constexpr int kMaxDepth = 200;

enum class Token {
  kEnd,
  kName,
  kQuotedName,
  kNumber,
  kLiteral,  // `JSON`
  kRaw,      // 'text'
  kAt,
  kDollar,
  kAmpersand,
  kColon,
  kComma,
  kRightBracket,
  kRightBrace,
  kRightParenthesis,
  kPipe,
  kOr,
  kAnd,
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kFlatten,  // []
  kStar,
  kFilter,  // [?
  kDot,
  kNot,
  kLeftBrace,
  kLeftBracket,
  kLeftParenthesis,
};

constexpr int kPipePower = 1;
constexpr int kFlattenPower = 9;
constexpr int kStarPower = 20;
constexpr int kFilterPower = 21;
constexpr int kDotPower = 40;
constexpr int kNotPower = 45;

int power_of(Token token) {
  switch (token) {
    case Token::kPipe:
      return kPipePower;
    case Token::kOr:
      return 2;
    case Token::kAnd:
      return 3;
    case Token::kEqual:
    case Token::kNotEqual:
    case Token::kLess:
    case Token::kLessOrEqual:
    case Token::kGreater:
    case Token::kGreaterOrEqual:
      return 5;
    case Token::kFlatten:
      return kFlattenPower;
    case Token::kStar:
      return kStarPower;
    case Token::kFilter:
      return kFilterPower;
    case Token::kDot:
      return kDotPower;
    case Token::kNot:
      return kNotPower;
    case Token::kLeftBrace:
      return 50;
    case Token::kLeftBracket:
      return 55;
    case Token::kLeftParenthesis:
      return 60;
    default:
      return 0;
  }
}

struct Lexeme {
  Token token = Token::kEnd;
  std::string text;  // of a name, number, literal or raw string
  std::size_t at = 0;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

tl::unexpected<Error> wrong(std::size_t at, const std::string& why) {
  return fail(ErrorCode::kInvalid, "at byte " + std::to_string(at + 1) + ": " + why);
}

Result<std::vector<Lexeme>> lex(std::string_view text) {
  std::vector<Lexeme> out;
  std::size_t i = 0;
  const auto next_is = [&](char c) { return i + 1 < text.size() && text[i + 1] == c; };
  const auto add = [&](Token token, std::size_t length) {
    out.push_back({token, "", i});
    i += length;
  };
  // Up to the closing quote; a backslash keeps the next character from being it.
  const auto quoted = [&](char quote) -> Result<std::string_view> {
    const std::size_t begin = i + 1;
    for (std::size_t j = begin; j < text.size(); ++j) {
      if (text[j] == quote) {
        i = j + 1;
        return text.substr(begin, j - begin);
      }
      if (text[j] == '\\') ++j;
    }
    return wrong(i, std::string("the closing ") + quote + " is missing");
  };
  while (i < text.size()) {
    const char c = text[i];
    const std::size_t at = i;
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++i;
    } else if (starts_name(c)) {
      while (i < text.size() && (starts_name(text[i]) || is_digit(text[i]))) ++i;
      out.push_back({Token::kName, std::string(text.substr(at, i - at)), at});
    } else if (is_digit(c) || c == '-') {
      ++i;
      while (i < text.size() && is_digit(text[i])) ++i;
      if (c == '-' && i == at + 1)
        return wrong(at, "unexpected \"-\"; a name with one is written in \"quotes\"");
      out.push_back({Token::kNumber, std::string(text.substr(at, i - at)), at});
    } else if (c == '"') {
      auto inside = quoted('"');
      if (!inside) return fail(inside.error());
      auto name = Json::parse("\"" + std::string(*inside) + "\"");
      if (!name) return wrong(at, "the quoted name is wrong");
      out.push_back({Token::kQuotedName, name->string(), at});
    } else if (c == '\'') {
      auto inside = quoted('\'');
      if (!inside) return fail(inside.error());
      std::string raw;
      for (std::size_t j = 0; j < inside->size(); ++j) {
        if ((*inside)[j] == '\\' && j + 1 < inside->size() && (*inside)[j + 1] == '\'') ++j;
        raw += (*inside)[j];
      }
      out.push_back({Token::kRaw, std::move(raw), at});
    } else if (c == '`') {
      auto inside = quoted('`');
      if (!inside) return fail(inside.error());
      std::string json;
      for (std::size_t j = 0; j < inside->size(); ++j) {
        if ((*inside)[j] == '\\' && j + 1 < inside->size() && (*inside)[j + 1] == '`') ++j;
        json += (*inside)[j];
      }
      out.push_back({Token::kLiteral, std::move(json), at});
    } else if (c == '[') {
      if (next_is('?')) {
        add(Token::kFilter, 2);
      } else if (next_is(']')) {
        add(Token::kFlatten, 2);
      } else {
        add(Token::kLeftBracket, 1);
      }
    } else if (c == '|') {
      next_is('|') ? add(Token::kOr, 2) : add(Token::kPipe, 1);
    } else if (c == '&') {
      next_is('&') ? add(Token::kAnd, 2) : add(Token::kAmpersand, 1);
    } else if (c == '<') {
      next_is('=') ? add(Token::kLessOrEqual, 2) : add(Token::kLess, 1);
    } else if (c == '>') {
      next_is('=') ? add(Token::kGreaterOrEqual, 2) : add(Token::kGreater, 1);
    } else if (c == '!') {
      next_is('=') ? add(Token::kNotEqual, 2) : add(Token::kNot, 1);
    } else if (c == '=' && next_is('=')) {
      add(Token::kEqual, 2);
    } else {
      constexpr std::string_view kSingle = ".*@$:,]})({";
      constexpr Token kTokens[] = {Token::kDot,
                                   Token::kStar,
                                   Token::kAt,
                                   Token::kDollar,
                                   Token::kColon,
                                   Token::kComma,
                                   Token::kRightBracket,
                                   Token::kRightBrace,
                                   Token::kRightParenthesis,
                                   Token::kLeftParenthesis,
                                   Token::kLeftBrace};
      const std::size_t which = kSingle.find(c);
      if (which == std::string_view::npos)
        return wrong(at, "unexpected " + json_string(utf8_head(text.substr(at), 4)));
      add(kTokens[which], 1);
    }
  }
  out.push_back({Token::kEnd, "", text.size()});
  return out;
}

class Parser {
 public:
  explicit Parser(std::vector<Lexeme> lexemes) : lexemes_(std::move(lexemes)) {}

  Result<Node> parse() {
    auto root = expression(0);
    if (!root) return root;
    if (!is(Token::kEnd)) return unexpected();
    if (root->kind == Kind::kExpression)
      return wrong(0, "& is for the arguments of functions only");
    return root;
  }

 private:
  const Lexeme& current() const { return lexemes_[next_]; }
  bool is(Token token) const { return current().token == token; }
  bool take(Token token) {
    if (!is(token)) return false;
    ++next_;
    return true;
  }
  tl::unexpected<Error> unexpected() const {
    if (is(Token::kEnd)) return wrong(current().at, "the expression ends too early");
    if (is(Token::kNumber))
      return wrong(current().at,
                   "unexpected number; a name with \"-\" or a leading digit is written in "
                   "\"quotes\"");
    return wrong(current().at, "this is not expected here");
  }
  Result<> expect(Token token, std::string_view what) {
    if (take(token)) return {};
    return wrong(current().at, std::string(what) + " is expected");
  }

  Result<Node> make(Kind kind, std::vector<Node> children) const {
    Node node;
    node.kind = kind;
    for (const Node& child : children) {
      node.depth = std::max(node.depth, child.depth + 1);
      if (child.kind == Kind::kExpression && kind != Kind::kCall)
        return wrong(current().at, "& is for the arguments of functions only");
    }
    if (node.depth > kMaxDepth) return wrong(current().at, "the expression is nested too deeply");
    node.children = std::move(children);
    return node;
  }
  template <class... Nodes>
  Result<Node> make(Kind kind, Node first, Nodes... others) const {
    std::vector<Node> children;
    children.reserve(1 + sizeof...(others));
    children.push_back(std::move(first));
    (children.push_back(std::move(others)), ...);
    return make(kind, std::move(children));
  }

  // Everything that binds more tightly than `power`.
  Result<Node> expression(int power) {
    if (++nesting_ > kMaxDepth) return wrong(current().at, "the expression is nested too deeply");
    auto left = prefix();
    while (left && power < power_of(current().token)) left = infix(std::move(*left));
    --nesting_;
    return left;
  }

  Result<Node> prefix() {
    const Lexeme lexeme = current();
    if (lexeme.token == Token::kEnd) return unexpected();
    ++next_;
    Node node;
    switch (lexeme.token) {
      case Token::kName:
      case Token::kQuotedName:
        if (is(Token::kLeftParenthesis)) {
          if (lexeme.token == Token::kQuotedName)
            return wrong(lexeme.at, "a function's name has no quotes");
          return call(lexeme);
        }
        node.kind = Kind::kField;
        node.name = lexeme.text;
        return node;
      case Token::kRaw:
        node.kind = Kind::kLiteral;
        node.literal = Json(lexeme.text);
        return node;
      case Token::kLiteral: {
        auto value = Json::parse(lexeme.text);
        if (!value) return wrong(lexeme.at, "the literal is wrong: " + value.error().message);
        node.kind = Kind::kLiteral;
        node.literal = std::move(*value);
        return node;
      }
      case Token::kAt:
        return node;
      case Token::kDollar:
        node.kind = Kind::kRoot;
        return node;
      case Token::kStar:
        return projection(Kind::kValueProjection, std::move(node), kStarPower);
      case Token::kFilter:
        return filter(std::move(node));
      case Token::kFlatten:
        return flatten(std::move(node));
      case Token::kLeftBrace:
        return hash();
      case Token::kLeftBracket:
        if (is(Token::kNumber) || is(Token::kColon)) return index(std::move(node), false);
        if (is(Token::kStar) && lexemes_[next_ + 1].token == Token::kRightBracket) {
          next_ += 2;
          return projection(Kind::kListProjection, std::move(node), kStarPower);
        }
        return list();
      case Token::kAmpersand: {
        auto inner = expression(0);
        if (!inner) return inner;
        return make(Kind::kExpression, std::move(*inner));
      }
      case Token::kNot: {
        auto inner = expression(kNotPower);
        if (!inner) return inner;
        return make(Kind::kNot, std::move(*inner));
      }
      case Token::kLeftParenthesis: {
        auto inner = expression(0);
        if (!inner) return inner;
        if (auto closed = expect(Token::kRightParenthesis, "\")\""); !closed)
          return fail(closed.error());
        return inner;
      }
      default:
        --next_;
        return unexpected();
    }
  }

  Result<Node> infix(Node left) {
    const Token token = current().token;
    const int power = power_of(token);
    const auto binary = [&](Kind kind) -> Result<Node> {
      auto right = expression(power);
      if (!right) return right;
      return make(kind, std::move(left), std::move(*right));
    };
    if (token == Token::kLeftParenthesis) return wrong(current().at, "\"(\" needs a function");
    ++next_;
    switch (token) {
      case Token::kDot: {
        if (take(Token::kStar))
          return projection(Kind::kValueProjection, std::move(left), kDotPower);
        auto right = behind_dot(kDotPower);
        if (!right) return right;
        return make(Kind::kThen, std::move(left), std::move(*right));
      }
      case Token::kPipe:
        return binary(Kind::kThen);
      case Token::kOr:
        return binary(Kind::kOr);
      case Token::kAnd:
        return binary(Kind::kAnd);
      case Token::kEqual:
        return binary(Kind::kEqual);
      case Token::kNotEqual:
        return binary(Kind::kNotEqual);
      case Token::kLess:
        return binary(Kind::kLess);
      case Token::kLessOrEqual:
        return binary(Kind::kLessOrEqual);
      case Token::kGreater:
        return binary(Kind::kGreater);
      case Token::kGreaterOrEqual:
        return binary(Kind::kGreaterOrEqual);
      case Token::kFilter:
        return filter(std::move(left));
      case Token::kFlatten:
        return flatten(std::move(left));
      case Token::kLeftBracket:
        if (is(Token::kNumber) || is(Token::kColon)) return index(std::move(left), true);
        if (auto star = expect(Token::kStar, "a number, \":\" or \"*\""); !star)
          return fail(star.error());
        if (auto closed = expect(Token::kRightBracket, "\"]\""); !closed)
          return fail(closed.error());
        return projection(Kind::kListProjection, std::move(left), kStarPower);
      default:
        --next_;
        return unexpected();
    }
  }

  // What a projection applies to each element.
  Result<Node> projection_rest(int power) {
    if (power_of(current().token) < 10) return Node();
    if (is(Token::kLeftBracket) || is(Token::kFilter)) return expression(power);
    if (take(Token::kDot)) return behind_dot(power);
    return unexpected();
  }

  Result<Node> projection(Kind kind, Node left, int power) {
    auto right = projection_rest(power);
    if (!right) return right;
    return make(kind, std::move(left), std::move(*right));
  }

  Result<Node> flatten(Node left) {
    auto flat = make(Kind::kFlatten, std::move(left));
    if (!flat) return flat;
    return projection(Kind::kListProjection, std::move(*flat), kFlattenPower);
  }

  Result<Node> filter(Node left) {
    auto condition = expression(0);
    if (!condition) return condition;
    if (auto closed = expect(Token::kRightBracket, "\"]\""); !closed) return fail(closed.error());
    auto right = projection_rest(kFilterPower);
    if (!right) return right;
    return make(Kind::kFilter, std::move(left), std::move(*right), std::move(*condition));
  }

  Result<Node> behind_dot(int power) {
    if (is(Token::kName) || is(Token::kQuotedName) || is(Token::kStar)) return expression(power);
    if (take(Token::kLeftBracket)) return list();
    if (take(Token::kLeftBrace)) return hash();
    return wrong(current().at, "a name, \"*\", \"[\" or \"{\" is expected behind \".\"");
  }

  Result<std::optional<std::int64_t>> number() {
    if (!is(Token::kNumber)) return std::nullopt;
    std::int64_t value = 0;
    const std::string& text = current().text;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc())
      return wrong(current().at, "the number is too large");
    ++next_;
    return value;
  }

  // Behind "[": an index or a slice, with its "]".
  Result<Node> index(Node left, bool has_left) {
    const std::size_t at = current().at;
    Node node;
    auto from = number();
    if (!from) return fail(from.error());
    node.from = *from;
    const bool is_slice = take(Token::kColon);
    node.kind = is_slice ? Kind::kSlice : Kind::kIndex;
    if (is_slice) {
      auto to = number();
      if (!to) return fail(to.error());
      node.to = *to;
      if (take(Token::kColon)) {
        auto step = number();
        if (!step) return fail(step.error());
        node.step = step->value_or(1);
        if (node.step == 0) return wrong(at, "the step of a slice must not be 0");
      }
    }
    if (auto closed = expect(Token::kRightBracket, "\"]\""); !closed) return fail(closed.error());
    Result<Node> out = std::move(node);
    if (has_left) out = make(Kind::kThen, std::move(left), std::move(*out));
    if (!out || !is_slice) return out;
    out = projection(Kind::kListProjection, std::move(*out), kStarPower);
    if (out) out->of_slice = true;
    return out;
  }

  // Behind "[".
  Result<Node> list() {
    std::vector<Node> items;
    do {
      auto item = expression(0);
      if (!item) return item;
      items.push_back(std::move(*item));
    } while (take(Token::kComma));
    if (auto closed = expect(Token::kRightBracket, "\",\" or \"]\""); !closed)
      return fail(closed.error());
    return make(Kind::kList, std::move(items));
  }

  // Behind "{".
  Result<Node> hash() {
    std::vector<std::string> names;
    std::vector<Node> values;
    do {
      if (!is(Token::kName) && !is(Token::kQuotedName))
        return wrong(current().at, "a name is expected");
      names.push_back(current().text);
      ++next_;
      if (auto colon = expect(Token::kColon, "\":\""); !colon) return fail(colon.error());
      auto value = expression(0);
      if (!value) return value;
      values.push_back(std::move(*value));
    } while (take(Token::kComma));
    if (auto closed = expect(Token::kRightBrace, "\",\" or \"}\""); !closed)
      return fail(closed.error());
    auto node = make(Kind::kHash, std::move(values));
    if (node) node->names = std::move(names);
    return node;
  }

  // Before "(".
  Result<Node> call(const Lexeme& name) {
    ++next_;
    std::vector<Node> arguments;
    if (!is(Token::kRightParenthesis)) {
      do {
        auto argument = expression(0);
        if (!argument) return argument;
        arguments.push_back(std::move(*argument));
      } while (take(Token::kComma));
    }
    if (auto closed = expect(Token::kRightParenthesis, "\",\" or \")\""); !closed)
      return fail(closed.error());
    const JmesFunction* function = find_jmes_function(name.text);
    if (function == nullptr) {
      const std::vector<std::string_view> known = jmes_function_names();
      const std::string_view meant = nearest(name.text, known);
      return wrong(name.at,
                   "there is no function " + json_string(name.text) +
                       (meant.empty() ? "" : "; did you mean " + std::string(meant) + "?"));
    }
    if (arguments.size() < function->least || arguments.size() > function->most)
      return wrong(name.at, name.text + "() takes " + count_text(*function) + ", not " +
                                std::to_string(arguments.size()));
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const bool wanted =
          i < function->types.size() && function->types[i] == JmesFunction::kExpression;
      if (wanted != (arguments[i].kind == Kind::kExpression))
        return wrong(name.at, name.text + "() takes " + (wanted ? "an" : "no") +
                                  " &expression as argument " + std::to_string(i + 1));
    }
    auto node = make(Kind::kCall, std::move(arguments));
    if (node) node->function = function;
    return node;
  }

  static std::string count_text(const JmesFunction& function) {
    std::string text = std::to_string(function.least);
    if (function.most == SIZE_MAX) {
      text += " or more";
    } else if (function.most != function.least) {
      text += " to " + std::to_string(function.most);
    }
    return text + (text == "1" ? " argument" : " arguments");
  }

  const std::vector<Lexeme> lexemes_;
  std::size_t next_ = 0;
  int nesting_ = 0;
};

}  // namespace

Result<JmesPath::Node> parse_jmespath(std::string_view expression) {
  if (expression.size() > kMaxExpressionBytes) return wrong(0, "the expression is too long");
  if (!is_valid_utf8(expression)) return wrong(0, "the expression is not UTF-8");
  auto lexemes = lex(expression);
  if (!lexemes) return fail(lexemes.error());
  return Parser(std::move(*lexemes)).parse();
}

}  // namespace agent::model
