// The grammar, loosest binding first ([x] optional, x* repeated):
//   tuple      := expr ("," expr)* [","]
//   expr       := or ["if" or ["else" expr]]*
//   or, and    := left ("or" | "and") right          not := "not" not | compare
//   compare    := math1 (("==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" "in") math1)*
//   math1      := concat (("+" | "-") concat)*       concat := math2 ("~" math2)*
//   math2      := pow (("*" | "/" | "//" | "%") pow)*  pow := unary ("**" unary)*
//   unary      := ("-" | "+") unary without filters | primary, then postfix*, then filters and
//   tests postfix    := "." name | "." integer | "[" subscripts "]" | "(" arguments ")" filter :=
//   "|" name ["(" arguments ")"]       test := "is" ["not"] name ["(" arguments ")" | primary
//   postfix*]
#include "fleetctl/template/parser.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "agent/base/strings.h"
#include "fleetctl/template/lexer.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

using value::Value;
using Names = std::initializer_list<std::string_view>;

constexpr int kMaxNesting = 100;
constexpr int kMaxHeight = 400;
constexpr std::array<std::string_view, 27> kTags{
    "for",    "endfor",  "if",       "elif",     "else",    "endif",   "set",
    "endset", "macro",   "endmacro", "call",     "endcall", "filter",  "endfilter",
    "with",   "endwith", "block",    "endblock", "extends", "include", "import",
    "from",   "do",      "raw",      "endraw",   "break",   "continue"};

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kData:
      return "template data / text";
    case TokenKind::kVariableBegin:
      return "begin of print statement";
    case TokenKind::kVariableEnd:
      return "end of print statement";
    case TokenKind::kBlockBegin:
      return "begin of statement block";
    case TokenKind::kBlockEnd:
      return "end of statement block";
    case TokenKind::kEof:
      return "end of template";
    default:
      return token.text;
  }
}

// A failed parse function returns null or false after fail(); the first failure is kept.
class Parser {
 public:
  Parser(std::vector<Token> tokens, Template& out) : tokens_(std::move(tokens)), out_(out) {}

  bool whole() { return statements(out_.body, {}, false, false); }
  ExprPtr lone_expression() {
    ++at_;  // the opening that the caller put in front
    ExprPtr e = expression();
    if (e && now().kind != TokenKind::kVariableEnd) return unexpected();
    if (e && ahead().kind != TokenKind::kEof) return fail("expected one expression");
    return e;
  }
  std::shared_ptr<Problem> problem;

 private:
  const Token& now() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  void next() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  static bool is_op(const Token& t, std::string_view op) {
    return t.kind == TokenKind::kOperator && t.text == op;
  }
  static bool is_name(const Token& t, std::string_view name) {
    return t.kind == TokenKind::kName && t.text == name;
  }
  bool skip_op(std::string_view op) {
    if (!is_op(now(), op)) return false;
    next();
    return true;
  }
  bool skip_name(std::string_view name) {
    if (!is_name(now(), name)) return false;
    next();
    return true;
  }
  std::nullptr_t fail(std::string message, const Token* where = nullptr) {
    const Token& t = where != nullptr ? *where : now();
    return fail_at(std::move(message), t.line, t.column);
  }
  std::nullptr_t fail_at(std::string message, int line, int column) {
    if (!problem) {
      problem = std::make_shared<Problem>();
      problem->kind = ProblemKind::kSyntax;
      problem->message = std::move(message);
      problem->place.line = line;
      problem->place.column = column;
    }
    return nullptr;
  }
  std::nullptr_t unexpected() { return fail("unexpected '" + describe(now()) + "'"); }
  bool expect_op(std::string_view op) {
    if (skip_op(op)) return true;
    if (now().kind == TokenKind::kEof) {
      fail("unexpected end of template, expected '" + std::string(op) + "'.");
    } else {
      fail("expected token '" + std::string(op) + "', got '" + describe(now()) + "'");
    }
    return false;
  }
  bool expect_kind(TokenKind kind, std::string_view what) {
    if (now().kind != kind) {
      fail("expected token '" + std::string(what) + "', got '" + describe(now()) + "'");
      return false;
    }
    next();
    return true;
  }
  bool expect_name(std::string& name) {
    if (now().kind != TokenKind::kName) {
      fail("expected token 'name', got '" + describe(now()) + "'");
      return false;
    }
    name = now().text;
    next();
    return true;
  }

  ExprPtr make(ExprKind kind, const Token& at) {
    auto e = std::make_unique<Expr>();
    e->kind = kind;
    e->line = at.line;
    e->column = at.column;
    return e;
  }
  // To be called when the kids are complete.
  ExprPtr done(ExprPtr e) {
    int height = 0;
    const auto see = [&height](const ExprPtr& kid) {
      if (kid) height = std::max(height, kid->height);
    };
    for (const ExprPtr& kid : e->kids) see(kid);
    for (const auto& [name, kid] : e->named) see(kid);
    see(e->star);
    see(e->star_star);
    e->height = height + 1;
    if (e->height > kMaxHeight)
      return fail_at("the expression is too deeply nested", e->line, e->column);
    return e;
  }
  template <class... Kids>
  ExprPtr node(ExprKind kind, const Token& at, Kids... kids) {
    ExprPtr e = make(kind, at);
    (e->kids.push_back(std::move(kids)), ...);
    return done(std::move(e));
  }

  struct Level {
    explicit Level(int& d) : depth(d) { ++depth; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --depth; }
    int& depth;
  };

  // Expressions.

  ExprPtr expression(bool with_condition = true) {
    const Level level(depth_);
    if (depth_ > kMaxNesting) return fail("the expression is too deeply nested");
    if (!with_condition) return or_();
    const Token& at = now();
    ExprPtr first = or_();
    while (first && skip_name("if")) {
      ExprPtr test = or_();
      if (!test) return nullptr;
      ExprPtr otherwise;
      if (skip_name("else")) {
        otherwise = expression();
        if (!otherwise) return nullptr;
      }
      first = node(ExprKind::kCond, at, std::move(test), std::move(first), std::move(otherwise));
    }
    return first;
  }
  ExprPtr or_() {
    const Token& at = now();
    ExprPtr left = and_();
    while (left && skip_name("or")) {
      ExprPtr right = and_();
      if (!right) return nullptr;
      left = node(ExprKind::kOr, at, std::move(left), std::move(right));
    }
    return left;
  }
  ExprPtr and_() {
    const Token& at = now();
    ExprPtr left = not_();
    while (left && skip_name("and")) {
      ExprPtr right = not_();
      if (!right) return nullptr;
      left = node(ExprKind::kAnd, at, std::move(left), std::move(right));
    }
    return left;
  }
  ExprPtr not_() {
    if (!is_name(now(), "not")) return compare();
    const Level level(depth_);
    if (depth_ > kMaxNesting) return fail("the expression is too deeply nested");
    const Token& at = now();
    next();
    ExprPtr kid = not_();
    return kid ? unary_node(Op::kNot, at, std::move(kid)) : nullptr;
  }
  ExprPtr unary_node(Op op, const Token& at, ExprPtr kid) {
    ExprPtr e = node(ExprKind::kUnary, at, std::move(kid));
    if (e) e->op = op;
    return e;
  }

  Op comparison() {
    static constexpr std::array<std::pair<std::string_view, Op>, 6> kOps{{{"==", Op::kEq},
                                                                          {"!=", Op::kNe},
                                                                          {"<", Op::kLt},
                                                                          {"<=", Op::kLe},
                                                                          {">", Op::kGt},
                                                                          {">=", Op::kGe}}};
    for (const auto& [text, op] : kOps) {
      if (skip_op(text)) return op;
    }
    if (skip_name("in")) return Op::kIn;
    if (is_name(now(), "not") && is_name(ahead(), "in")) {
      next();
      next();
      return Op::kNotIn;
    }
    return Op::kNone;
  }
  ExprPtr compare() {
    const Token& at = now();
    ExprPtr left = math1();
    if (!left) return nullptr;
    ExprPtr chain;
    for (Op op = comparison(); op != Op::kNone; op = comparison()) {
      if (!chain) {
        chain = make(ExprKind::kCompare, at);
        chain->kids.push_back(std::move(left));
      }
      chain->ops.push_back(op);
      ExprPtr right = math1();
      if (!right) return nullptr;
      chain->kids.push_back(std::move(right));
    }
    return chain ? done(std::move(chain)) : std::move(left);
  }

  using Rule = ExprPtr (Parser::*)();
  ExprPtr binary(Rule inner, std::initializer_list<std::pair<std::string_view, Op>> ops) {
    const Token& at = now();
    ExprPtr left = (this->*inner)();
    while (left) {
      Op op = Op::kNone;
      for (const auto& [text, candidate] : ops) {
        if (is_op(now(), text)) op = candidate;
      }
      if (op == Op::kNone) break;
      next();
      ExprPtr right = (this->*inner)();
      if (!right) return nullptr;
      left = node(ExprKind::kBinary, at, std::move(left), std::move(right));
      if (left) left->op = op;
    }
    return left;
  }
  ExprPtr math1() { return binary(&Parser::concat, {{"+", Op::kAdd}, {"-", Op::kSub}}); }
  ExprPtr concat() {
    const Token& at = now();
    ExprPtr first = math2();
    if (!first || !is_op(now(), "~")) return first;
    ExprPtr all = make(ExprKind::kConcat, at);
    all->kids.push_back(std::move(first));
    while (skip_op("~")) {
      ExprPtr part = math2();
      if (!part) return nullptr;
      all->kids.push_back(std::move(part));
    }
    return done(std::move(all));
  }
  ExprPtr math2() {
    return binary(&Parser::pow,
                  {{"*", Op::kMul}, {"/", Op::kDiv}, {"//", Op::kFloorDiv}, {"%", Op::kMod}});
  }
  ExprPtr pow() { return binary(&Parser::unary_with_filters, {{"**", Op::kPow}}); }
  ExprPtr unary_with_filters() { return unary(true); }

  ExprPtr unary(bool with_filters) {
    const Level level(depth_);
    if (depth_ > kMaxNesting) return fail("the expression is too deeply nested");
    const Token& at = now();
    ExprPtr e;
    if (is_op(at, "-") || is_op(at, "+")) {
      next();
      e = unary(false);
      if (e) e = unary_node(at.text == "-" ? Op::kNeg : Op::kPos, at, std::move(e));
    } else {
      e = primary();
    }
    if (e) e = postfix(std::move(e));
    if (e && with_filters) e = filters_and_tests(std::move(e));
    return e;
  }

  ExprPtr constant(const Token& at, Value v) {
    ExprPtr e = make(ExprKind::kConst, at);
    e->constant = std::move(v);
    next();
    return e;
  }
  ExprPtr primary() {
    const Token& at = now();
    switch (at.kind) {
      case TokenKind::kName: {
        const std::string& n = at.text;
        if (n == "true" || n == "True") return constant(at, Value::boolean(true));
        if (n == "false" || n == "False") return constant(at, Value::boolean(false));
        if (n == "none" || n == "None") return constant(at, Value::none());
        if (!macros_.empty()) {
          for (Stmt* macro : macros_) {
            macro->uses_caller = macro->uses_caller || n == "caller";
            macro->uses_varargs = macro->uses_varargs || n == "varargs";
            macro->uses_kwargs = macro->uses_kwargs || n == "kwargs";
          }
        }
        ExprPtr e = make(ExprKind::kName, at);
        e->name = n;
        next();
        return e;
      }
      case TokenKind::kString: {
        std::string text;
        while (now().kind == TokenKind::kString) {
          text += now().text;
          next();
        }
        ExprPtr e = make(ExprKind::kConst, at);
        e->constant = Value::string(std::move(text));
        return e;
      }
      case TokenKind::kInteger:
      case TokenKind::kFloat:
        return constant(at, at.number);
      case TokenKind::kOperator:
        if (at.text == "(") {
          next();
          ExprPtr e = tuple(false, true, {}, true);
          return e && expect_op(")") ? std::move(e) : nullptr;
        }
        if (at.text == "[") return list();
        if (at.text == "{") return dict();
        return unexpected();
      default:
        return unexpected();
    }
  }

  bool tuple_end(Names stop) const {
    const Token& t = now();
    if (t.kind == TokenKind::kVariableEnd || t.kind == TokenKind::kBlockEnd || is_op(t, ")")) {
      return true;
    }
    return std::any_of(stop.begin(), stop.end(),
                       [&t](std::string_view name) { return is_name(t, name); });
  }
  ExprPtr tuple(bool simple, bool with_condition, Names stop, bool parentheses) {
    const Token& at = now();
    std::vector<ExprPtr> parts;
    bool is_tuple = false;
    while (true) {
      if (!parts.empty() && !expect_op(",")) return nullptr;
      if (tuple_end(stop)) break;
      ExprPtr part = simple ? primary() : expression(with_condition);
      if (!part) return nullptr;
      parts.push_back(std::move(part));
      if (!is_op(now(), ",")) break;
      is_tuple = true;
    }
    if (!is_tuple) {
      if (!parts.empty()) return std::move(parts[0]);
      if (!parentheses) return fail("Expected an expression, got '" + describe(now()) + "'");
    }
    ExprPtr e = make(ExprKind::kTuple, at);
    e->kids = std::move(parts);
    return done(std::move(e));
  }
  ExprPtr list() {
    ExprPtr e = make(ExprKind::kList, now());
    next();
    while (!is_op(now(), "]")) {
      if (!e->kids.empty() && !expect_op(",")) return nullptr;
      if (is_op(now(), "]")) break;
      ExprPtr item = expression();
      if (!item) return nullptr;
      e->kids.push_back(std::move(item));
    }
    next();
    return done(std::move(e));
  }
  ExprPtr dict() {
    ExprPtr e = make(ExprKind::kDict, now());
    next();
    while (!is_op(now(), "}")) {
      if (!e->kids.empty() && !expect_op(",")) return nullptr;
      if (is_op(now(), "}")) break;
      ExprPtr key = expression();
      if (!key || !expect_op(":")) return nullptr;
      ExprPtr item = expression();
      if (!item) return nullptr;
      e->kids.push_back(std::move(key));
      e->kids.push_back(std::move(item));
    }
    next();
    return done(std::move(e));
  }

  ExprPtr postfix(ExprPtr e) {
    while (e) {
      if (is_op(now(), ".") || is_op(now(), "[")) {
        e = subscript(std::move(e));
      } else if (is_op(now(), "(")) {
        e = call(std::move(e));
      } else {
        break;
      }
    }
    return e;
  }
  ExprPtr filters_and_tests(ExprPtr e) {
    while (e) {
      if (is_op(now(), "|")) {
        e = filter(std::move(e), false);
      } else if (is_name(now(), "is")) {
        e = test(std::move(e));
      } else if (is_op(now(), "(")) {
        e = call(std::move(e));
      } else {
        break;
      }
    }
    return e;
  }
  ExprPtr subscript(ExprPtr e) {
    const Token& at = now();
    next();
    if (at.text == ".") {
      const Token& attribute = now();
      if (attribute.kind == TokenKind::kName) {
        next();
        ExprPtr get = node(ExprKind::kGetattr, attribute, std::move(e));
        if (get) get->name = attribute.text;
        return get;
      }
      if (attribute.kind != TokenKind::kInteger) return fail("expected name or number");
      ExprPtr index = constant(attribute, attribute.number);
      return node(ExprKind::kGetitem, attribute, std::move(e), std::move(index));
    }
    std::vector<ExprPtr> parts;
    while (!is_op(now(), "]")) {
      if (!parts.empty() && !expect_op(",")) return nullptr;
      ExprPtr part = subscribed();
      if (!part) return nullptr;
      parts.push_back(std::move(part));
    }
    if (!expect_op("]")) return nullptr;
    if (parts.size() == 1) return node(ExprKind::kGetitem, at, std::move(e), std::move(parts[0]));
    ExprPtr index = make(ExprKind::kTuple, at);
    index->kids = std::move(parts);
    index = done(std::move(index));
    return index ? node(ExprKind::kGetitem, at, std::move(e), std::move(index)) : nullptr;
  }
  ExprPtr subscribed() {
    const Token& at = now();
    std::array<ExprPtr, 3> parts;
    if (!is_op(at, ":")) {
      parts[0] = expression();
      if (!parts[0] || !is_op(now(), ":")) return std::move(parts[0]);
    }
    next();
    const auto ends = [this] { return is_op(now(), "]") || is_op(now(), ","); };
    if (!is_op(now(), ":") && !ends()) {
      parts[1] = expression();
      if (!parts[1]) return nullptr;
    }
    if (skip_op(":") && !ends()) {
      parts[2] = expression();
      if (!parts[2]) return nullptr;
    }
    return node(ExprKind::kSlice, at, std::move(parts[0]), std::move(parts[1]),
                std::move(parts[2]));
  }

  bool arguments(Expr& e) {
    const Token& at = now();
    if (!expect_op("(")) return false;
    bool comma = false;
    bool positional_allowed = true;
    const auto invalid = [&] {
      fail("invalid syntax for function call expression", &at);
      return false;
    };
    while (!is_op(now(), ")")) {
      if (comma) {
        if (!expect_op(",")) return false;
        if (is_op(now(), ")")) break;
      }
      if (is_op(now(), "*")) {
        if (e.star || e.star_star) return invalid();
        next();
        e.star = expression();
        positional_allowed = false;
        if (!e.star) return false;
      } else if (is_op(now(), "**")) {
        if (e.star_star) return invalid();
        next();
        e.star_star = expression();
        positional_allowed = false;
        if (!e.star_star) return false;
      } else if (now().kind == TokenKind::kName && is_op(ahead(), "=")) {
        if (e.star_star) return invalid();
        std::string key = now().text;
        next();
        next();
        ExprPtr argument = expression();
        if (!argument) return false;
        e.named.emplace_back(std::move(key), std::move(argument));
        positional_allowed = false;
      } else {
        if (!positional_allowed) return invalid();
        ExprPtr argument = expression();
        if (!argument) return false;
        e.kids.push_back(std::move(argument));
      }
      comma = true;
    }
    return expect_op(")");
  }
  ExprPtr call(ExprPtr callee) {
    ExprPtr e = make(ExprKind::kCall, now());
    e->line = callee->line;
    e->column = callee->column;
    e->kids.push_back(std::move(callee));
    return arguments(*e) ? done(std::move(e)) : nullptr;
  }
  bool dotted_name(std::string& name) {
    if (!expect_name(name)) return false;
    while (skip_op(".")) {
      std::string part;
      if (!expect_name(part)) return false;
      name += "." + part;
    }
    return true;
  }
  // `e` may be null: the start of a filter block or of `set x | filter`.
  ExprPtr filter(ExprPtr e, bool start_inline) {
    while (start_inline || is_op(now(), "|")) {
      if (!start_inline) next();
      start_inline = false;
      ExprPtr f = make(ExprKind::kFilter, now());
      f->kids.push_back(std::move(e));
      if (!dotted_name(f->name)) return nullptr;
      if (is_op(now(), "(") && !arguments(*f)) return nullptr;
      e = done(std::move(f));
      if (!e) return nullptr;
    }
    return e;
  }
  ExprPtr test(ExprPtr e) {
    const Token& at = now();
    next();
    const bool negated = skip_name("not");
    ExprPtr t = make(ExprKind::kTest, now());
    t->kids.push_back(std::move(e));
    if (!dotted_name(t->name)) return nullptr;
    const Token& after = now();
    if (is_op(after, "(")) {
      if (!arguments(*t)) return nullptr;
    } else if ((after.kind == TokenKind::kName && !is_name(after, "else") &&
                !is_name(after, "or") && !is_name(after, "and")) ||
               after.kind == TokenKind::kString || after.kind == TokenKind::kInteger ||
               after.kind == TokenKind::kFloat || is_op(after, "[") || is_op(after, "{")) {
      if (is_name(after, "is")) return fail("You cannot chain multiple tests with is");
      ExprPtr argument = primary();
      if (argument) argument = postfix(std::move(argument));
      if (!argument) return nullptr;
      t->kids.push_back(std::move(argument));
    }
    t = done(std::move(t));
    return t && negated ? unary_node(Op::kNot, at, std::move(t)) : std::move(t);
  }

  // Statements.

  static std::string_view kind_name(ExprKind kind) {
    switch (kind) {
      case ExprKind::kConst:
        return "const";
      case ExprKind::kList:
        return "list";
      case ExprKind::kDict:
        return "dict";
      case ExprKind::kTuple:
        return "tuple";
      default:
        return "expression";
    }
  }
  bool assignable(const Expr& e) const {
    if (e.kind == ExprKind::kName) return true;
    return e.kind == ExprKind::kTuple &&
           std::all_of(e.kids.begin(), e.kids.end(),
                       [this](const ExprPtr& kid) { return assignable(*kid); });
  }
  static bool names(const Expr& e, std::string_view name) {
    if (e.kind == ExprKind::kName) return e.name == name;
    return std::any_of(e.kids.begin(), e.kids.end(),
                       [name](const ExprPtr& kid) { return names(*kid, name); });
  }
  ExprPtr assign_target(bool with_tuple, bool with_namespace, Names stop) {
    const Token& at = now();
    if (with_namespace && at.kind == TokenKind::kName && is_op(ahead(), ".")) {
      ExprPtr e = make(ExprKind::kNamespace, at);
      e->name = at.text;
      next();
      next();
      std::string attribute;
      if (!expect_name(attribute)) return nullptr;
      e->constant = Value::string(std::move(attribute));
      return e;
    }
    ExprPtr e = with_tuple ? tuple(true, true, stop, false) : primary();
    if (e && !assignable(*e)) {
      return fail("can't assign to '" + std::string(kind_name(e->kind)) + "'", &at);
    }
    return e;
  }

  StmtPtr make_stmt(StmtKind kind, const Token& at) {
    auto s = std::make_unique<Stmt>();
    s->kind = kind;
    s->line = at.line;
    s->column = at.column;
    return s;
  }

  bool at_any(Names names) const {
    return std::any_of(names.begin(), names.end(),
                       [this](std::string_view name) { return is_name(now(), name); });
  }

  // Statements until one of `ends` (which stays the current token, or is skipped with its name).
  bool statements(Body& body, Names ends, bool in_tag, bool drop) {
    const Level level(statement_depth_);
    if (statement_depth_ > kMaxNesting) return fail("the tags are too deeply nested") != nullptr;
    if (in_tag) {
      skip_op(":");
      if (!expect_kind(TokenKind::kBlockEnd, "end of statement block")) return false;
    }
    while (true) {
      const Token& at = now();
      switch (at.kind) {
        case TokenKind::kEof:
          if (ends.size() == 0) return true;
          return end_of_template(ends);
        case TokenKind::kData: {
          StmtPtr s = make_stmt(StmtKind::kData, at);
          s->text = at.text;
          body.push_back(std::move(s));
          next();
          break;
        }
        case TokenKind::kVariableBegin: {
          next();
          StmtPtr s = make_stmt(StmtKind::kOutput, now());
          s->expr = tuple(false, true, {}, false);
          if (!s->expr) return false;
          if (!expect_kind(TokenKind::kVariableEnd, "end of print statement")) return false;
          body.push_back(std::move(s));
          break;
        }
        case TokenKind::kBlockBegin: {
          next();
          if (at_any(ends)) {
            if (drop) next();
            return true;
          }
          if (now().kind != TokenKind::kName) return fail("tag name expected") != nullptr;
          open_tags_.push_back({now().text, now().line});
          if (!statement(body, ends)) return false;
          open_tags_.pop_back();
          if (!expect_kind(TokenKind::kBlockEnd, "end of statement block")) return false;
          break;
        }
        default:
          return unexpected() != nullptr;
      }
    }
  }
  static std::string listed(Names ends) {
    std::string out;
    for (const std::string_view end : ends) {
      if (!out.empty()) out += " or ";
      out += "'" + std::string(end) + "'";
    }
    return out;
  }
  bool end_of_template(Names ends) {
    fail("Unexpected end of template. Jinja was looking for the following tags: " + listed(ends) +
         "." + innermost());
    return false;
  }
  std::string innermost() const {
    if (open_tags_.empty()) return "";
    const OpenTag& tag = open_tags_.back();
    return " The innermost block that needs to be closed is '" + tag.name + "' of line " +
           std::to_string(tag.line) + ".";
  }

  bool add(Body& body, StmtPtr s) {
    if (!s) return false;
    body.push_back(std::move(s));
    return true;
  }

  bool statement(Body& body, Names ends) {
    const std::string& tag = now().text;
    if (tag == "for") return add(body, for_());
    if (tag == "if") return add(body, if_());
    if (tag == "set") return add(body, set());
    if (tag == "macro") return add(body, macro());
    if (tag == "call") return add(body, call_block());
    if (tag == "filter") return add(body, filter_block());
    if (tag == "with") return add(body, with());
    if (tag == "autoescape") return add(body, autoescape());
    if (tag == "block") return add(body, block());
    if (tag == "extends") return add(body, one_expression(StmtKind::kExtends));
    if (tag == "include") return add(body, include());
    if (tag == "import") return add(body, import());
    if (tag == "from") return add(body, from_import());
    if (tag == "do") return add(body, do_());
    if (tag == "print") return print(body);
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) return fail("'" + tag + "' outside of a loop") != nullptr;
      StmtPtr s = make_stmt(tag == "break" ? StmtKind::kBreak : StmtKind::kContinue, now());
      next();
      return add(body, std::move(s));
    }
    open_tags_.pop_back();
    std::string message = "Encountered unknown tag '" + tag + "'";
    const std::string_view near = agent::nearest(tag, kTags);
    message += near.empty() ? "." : ", did you mean '" + std::string(near) + "'?";
    if (ends.size() > 0) {
      message += " Jinja was looking for the following tags: " + listed(ends) + ".";
    }
    return fail(message + innermost()) != nullptr;
  }

  StmtPtr for_() {
    StmtPtr s = make_stmt(StmtKind::kFor, now());
    next();
    s->target = assign_target(true, false, {"in"});
    if (!s->target) return nullptr;
    if (names(*s->target, "loop")) {
      return fail_at("Can't assign to special loop variable in for-loop", s->line, s->column);
    }
    if (!skip_name("in")) return fail("expected token 'in', got '" + describe(now()) + "'");
    s->expr = tuple(false, false, {"recursive"}, false);
    if (!s->expr) return nullptr;
    if (skip_name("if")) {
      s->test = expression();
      if (!s->test) return nullptr;
    }
    s->recursive = skip_name("recursive");
    ++loops_;
    const bool good = statements(s->body, {"endfor", "else"}, true, false);
    --loops_;
    if (!good) return nullptr;
    const bool has_else = is_name(now(), "else");
    next();
    if (has_else && !statements(s->otherwise, {"endfor"}, true, true)) return nullptr;
    return s;
  }
  StmtPtr if_() {
    StmtPtr s = make_stmt(StmtKind::kIf, now());
    next();
    while (true) {
      ExprPtr test = tuple(false, false, {}, false);
      if (!test) return nullptr;
      s->branches.emplace_back(std::move(test), Body());
      if (!statements(s->branches.back().second, {"elif", "else", "endif"}, true, false)) {
        return nullptr;
      }
      const std::string& end = now().text;
      next();
      if (end == "elif") continue;
      if (end == "else" && !statements(s->otherwise, {"endif"}, true, true)) return nullptr;
      return s;
    }
  }
  StmtPtr set() {
    StmtPtr s = make_stmt(StmtKind::kSet, now());
    next();
    s->target = assign_target(true, true, {});
    if (!s->target) return nullptr;
    if (skip_op("=")) {
      s->expr = tuple(false, true, {}, false);
      return s->expr ? std::move(s) : nullptr;
    }
    s->kind = StmtKind::kSetBlock;
    if (is_op(now(), "|")) {
      s->expr = filter(nullptr, false);
      if (!s->expr) return nullptr;
    }
    return statements(s->body, {"endset"}, true, true) ? std::move(s) : nullptr;
  }
  bool plain_name(std::string& name) {
    const Token& at = now();
    if (!expect_name(name)) return false;
    static constexpr std::array<std::string_view, 6> kConstants{"true", "false", "none",
                                                                "True", "False", "None"};
    if (std::find(kConstants.begin(), kConstants.end(), name) != kConstants.end()) {
      return fail("can't assign to 'name'", &at) != nullptr;
    }
    return true;
  }
  bool signature(Stmt& s) {
    if (!expect_op("(")) return false;
    bool defaults = false;
    while (!is_op(now(), ")")) {
      if (!s.params.empty() && !expect_op(",")) return false;
      std::string name;
      if (!plain_name(name)) return false;
      ExprPtr preset;
      if (skip_op("=")) {
        preset = expression();
        if (!preset) return false;
        defaults = true;
      } else if (defaults) {
        return fail("non-default argument follows default argument") != nullptr;
      }
      s.params.emplace_back(std::move(name), std::move(preset));
    }
    next();
    return true;
  }
  bool macro_body(Stmt& s, std::string_view end) {
    macros_.push_back(&s);
    const int loops = std::exchange(loops_, 0);
    const bool good = statements(s.body, {end}, true, true);
    loops_ = loops;
    macros_.pop_back();
    for (const auto& [name, preset] : s.params) {
      if (good && name == "caller" && !preset && s.uses_caller) {
        return fail_at("the special argument 'caller' must be omitted or be given a default",
                       s.line, s.column) != nullptr;
      }
    }
    return good;
  }
  StmtPtr macro() {
    StmtPtr s = make_stmt(StmtKind::kMacro, now());
    next();
    if (!plain_name(s->text) || !signature(*s)) return nullptr;
    return macro_body(*s, "endmacro") ? std::move(s) : nullptr;
  }
  StmtPtr call_block() {
    StmtPtr s = make_stmt(StmtKind::kCallBlock, now());
    next();
    if (is_op(now(), "(") && !signature(*s)) return nullptr;
    s->expr = expression();
    if (!s->expr) return nullptr;
    if (s->expr->kind != ExprKind::kCall) {
      return fail_at("expected call", s->line, s->column);
    }
    return macro_body(*s, "endcall") ? std::move(s) : nullptr;
  }
  StmtPtr filter_block() {
    StmtPtr s = make_stmt(StmtKind::kFilterBlock, now());
    next();
    s->expr = filter(nullptr, true);
    if (!s->expr) return nullptr;
    return statements(s->body, {"endfilter"}, true, true) ? std::move(s) : nullptr;
  }
  StmtPtr with() {
    StmtPtr s = make_stmt(StmtKind::kWith, now());
    next();
    while (now().kind != TokenKind::kBlockEnd) {
      if (!s->bindings.empty() && !expect_op(",")) return nullptr;
      ExprPtr target = assign_target(true, false, {});
      if (!target || !expect_op("=")) return nullptr;
      ExprPtr bound = expression();
      if (!bound) return nullptr;
      s->bindings.emplace_back(std::move(target), std::move(bound));
    }
    return statements(s->body, {"endwith"}, true, true) ? std::move(s) : nullptr;
  }
  StmtPtr autoescape() {
    StmtPtr s = make_stmt(StmtKind::kScope, now());
    next();
    if (!expression()) return nullptr;
    return statements(s->body, {"endautoescape"}, true, true) ? std::move(s) : nullptr;
  }
  StmtPtr block() {
    StmtPtr s = make_stmt(StmtKind::kBlock, now());
    const Token& at = now();
    next();
    if (!expect_name(s->text)) return nullptr;
    s->scoped = skip_name("scoped");
    s->required = skip_name("required");
    if (is_op(now(), "-")) {
      return fail(
          "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, "
          "use an underscore instead.");
    }
    const int loops = std::exchange(loops_, 0);
    const bool good = statements(s->body, {"endblock"}, true, true);
    loops_ = loops;
    if (!good) return nullptr;
    if (s->required) {
      for (const StmtPtr& inner : s->body) {
        if (inner->kind != StmtKind::kData ||
            inner->text.find_first_not_of(" \t\r\n\f\v") != std::string::npos) {
          return fail("Required blocks can only contain comments or whitespace", &at);
        }
      }
    }
    skip_name(s->text);
    for (const auto& [name, other] : out_.blocks) {
      if (name == s->text) return fail("block '" + s->text + "' defined twice", &at);
    }
    out_.blocks.emplace_back(s->text, s.get());
    return s;
  }
  StmtPtr one_expression(StmtKind kind) {
    StmtPtr s = make_stmt(kind, now());
    next();
    s->expr = expression();
    return s->expr ? std::move(s) : nullptr;
  }
  void import_context(Stmt& s, bool preset) {
    s.with_context = preset;
    if ((is_name(now(), "with") || is_name(now(), "without")) && is_name(ahead(), "context")) {
      s.with_context = now().text == "with";
      next();
      next();
    }
  }
  StmtPtr include() {
    StmtPtr s = one_expression(StmtKind::kInclude);
    if (!s) return nullptr;
    if (is_name(now(), "ignore") && is_name(ahead(), "missing")) {
      s->ignore_missing = true;
      next();
      next();
    }
    import_context(*s, true);
    return s;
  }
  StmtPtr import() {
    StmtPtr s = one_expression(StmtKind::kImport);
    if (!s) return nullptr;
    if (!skip_name("as")) return fail("expected token 'as', got '" + describe(now()) + "'");
    std::string target;
    if (!plain_name(target)) return nullptr;
    s->names.emplace_back("", std::move(target));
    import_context(*s, false);
    return s;
  }
  StmtPtr from_import() {
    StmtPtr s = one_expression(StmtKind::kFromImport);
    if (!s) return nullptr;
    if (!skip_name("import")) {
      return fail("expected token 'import', got '" + describe(now()) + "'");
    }
    const auto context = [&] {
      if ((is_name(now(), "with") || is_name(now(), "without")) && is_name(ahead(), "context")) {
        import_context(*s, false);
        return true;
      }
      return false;
    };
    while (true) {
      if (!s->names.empty() && !expect_op(",")) return nullptr;
      if (now().kind == TokenKind::kName && context()) break;
      const Token& at = now();
      std::string name;
      if (!plain_name(name)) return nullptr;
      if (name[0] == '_') {
        return fail("names starting with an underline can not be imported", &at);
      }
      std::string as = name;
      if (skip_name("as") && !plain_name(as)) return nullptr;
      s->names.emplace_back(std::move(name), std::move(as));
      if (context() || !is_op(now(), ",")) break;
    }
    return s;
  }
  StmtPtr do_() {
    StmtPtr s = make_stmt(StmtKind::kDo, now());
    next();
    s->expr = tuple(false, true, {}, false);
    return s->expr ? std::move(s) : nullptr;
  }
  bool print(Body& body) {
    const Token& at = now();
    next();
    bool first = true;
    while (now().kind != TokenKind::kBlockEnd) {
      if (!first && !expect_op(",")) return false;
      first = false;
      StmtPtr s = make_stmt(StmtKind::kOutput, at);
      s->expr = expression();
      if (!s->expr) return false;
      body.push_back(std::move(s));
    }
    return true;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  Template& out_;
  int depth_ = 0;
  int statement_depth_ = 0;
  int loops_ = 0;
  struct OpenTag {
    std::string name;
    int line = 0;
  };
  std::vector<OpenTag> open_tags_;
  std::vector<Stmt*> macros_;
};

tl::unexpected<std::shared_ptr<Problem>> named(std::shared_ptr<Problem> p,
                                               const std::string& name) {
  p->place.file = name;
  return pass_on(std::move(p));
}

}  // namespace

Outcome<std::shared_ptr<const Template>> parse(std::string_view source, std::string name,
                                               const Settings& settings) {
  auto out = std::make_shared<Template>();
  out->name = std::move(name);
  const std::size_t last = source.find_last_not_of('\n');
  out->trailing_newlines =
      last == std::string_view::npos ? source.size() : source.size() - last - 1;
  auto tokens = lex(source, settings);
  if (!tokens) return named(std::move(tokens.error()), out->name);
  Parser parser(std::move(*tokens), *out);
  if (!parser.whole()) return named(std::move(parser.problem), out->name);
  return std::shared_ptr<const Template>(std::move(out));
}

Outcome<ExprPtr> parse_expression(std::string_view source, const Settings& settings) {
  std::string text = settings.variable_start;
  text += ' ';
  text += source;
  text += ' ';
  text += settings.variable_end;
  TEMPLATE_TRY(tokens, lex(text, settings));
  Template unused;
  Parser parser(std::move(tokens), unused);
  ExprPtr e = parser.lone_expression();
  if (!e) return pass_on(std::move(parser.problem));
  return e;
}

Outcome<bool> apply_header(std::string_view& text, Settings& settings) {
  constexpr std::string_view kHeader = "#jinja2:";
  if (text.substr(0, kHeader.size()) != kHeader) return false;
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(kHeader.size(), end - kHeader.size());
  text.remove_prefix(std::min(end + 1, text.size()));
  while (!line.empty()) {
    const std::size_t comma = std::min(line.find(','), line.size());
    const std::string_view pair = line.substr(0, comma);
    line.remove_prefix(std::min(comma + 1, line.size()));
    const std::size_t colon = pair.find(':');
    const auto trimmed = [](std::string_view s) {
      while (!s.empty() && (s.front() == ' ' || s.front() == '\t' || s.front() == '\r'))
        s.remove_prefix(1);
      while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r'))
        s.remove_suffix(1);
      return s;
    };
    const auto wrong = [&](const std::string& why) {
      auto p = std::make_shared<Problem>();
      p->kind = ProblemKind::kSyntax;
      p->message = "the `#jinja2:` line: " + why;
      p->place.line = 1;
      return pass_on(std::move(p));
    };
    if (colon == std::string_view::npos) {
      return wrong("'" + std::string(trimmed(pair)) + "' is not `setting: value`");
    }
    const std::string_view key = trimmed(pair.substr(0, colon));
    const auto v = value::parse_literal(trimmed(pair.substr(colon + 1)));
    if (!v) return wrong("'" + std::string(trimmed(pair.substr(colon + 1))) + "' is not a value");
    struct TextSetting {
      std::string_view name;
      std::string* target;
    };
    struct SwitchSetting {
      std::string_view name;
      bool* target;
    };
    const std::array<TextSetting, 9> texts{
        {{"block_start_string", &settings.block_start},
         {"block_end_string", &settings.block_end},
         {"variable_start_string", &settings.variable_start},
         {"variable_end_string", &settings.variable_end},
         {"comment_start_string", &settings.comment_start},
         {"comment_end_string", &settings.comment_end},
         {"line_statement_prefix", &settings.line_statement_prefix},
         {"line_comment_prefix", &settings.line_comment_prefix},
         {"newline_sequence", &settings.newline_sequence}}};
    const std::array<SwitchSetting, 3> switches{
        {{"trim_blocks", &settings.trim_blocks},
         {"lstrip_blocks", &settings.lstrip_blocks},
         {"keep_trailing_newline", &settings.keep_trailing_newline}}};
    for (const TextSetting& s : texts) {
      if (s.name != key) continue;
      const bool optional = key == "line_statement_prefix" || key == "line_comment_prefix";
      if (v->is_none() && optional) {
        s.target->clear();
      } else if (!v->is_string() || v->as_string().empty()) {
        return wrong(std::string(key) + " must be a text");
      } else {
        *s.target = v->as_string();
      }
    }
    for (const SwitchSetting& s : switches) {
      if (s.name == key) *s.target = value::truthy(*v);
    }
  }
  return true;
}

}  // namespace fleetctl::template_
