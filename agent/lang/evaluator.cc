#include "agent/lang/evaluator.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "agent/base/strings.h"
#include "agent/lang/operators.h"

namespace agent::lang {
namespace {

using Kind = Value::Kind;

// Of an expression that is nothing but a.b.c.
std::vector<std::string_view> names_of(const Expr& expr) {
  std::vector<std::string_view> names;
  const Expr* at = &expr;
  for (; at->kind == Expr::Kind::kAccess; at = at->children[0].get()) names.push_back(at->name);
  names.push_back(at->name);
  std::reverse(names.begin(), names.end());
  return names;
}

std::string joined(std::span<const std::string_view> names) {
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += '.';
    out += name;
  }
  return out;
}

void collect(const Expr& expr, std::vector<Reference>& out) {
  if (expr.is_name) {
    out.push_back({names_of(expr), expr.range});
    return;
  }
  for (const auto& child : expr.children) collect(*child, out);
}

void collect(const std::vector<Statement>& body, std::vector<Reference>& out) {
  for (const Statement& statement : body) {
    if (statement.value) collect(*statement.value, out);
    if (statement.block) collect(statement.block->body, out);
  }
}

bool holds_placeholder(const Value& value) {
  switch (value.kind()) {
    case Kind::kPlaceholder:
      return true;
    case Kind::kList:
      return std::any_of(value.list().begin(), value.list().end(), holds_placeholder);
    case Kind::kObject:
      return std::any_of(value.object().begin(), value.object().end(),
                         [](const Value::Member& m) { return holds_placeholder(m.second); });
    default:
      return false;
  }
}

class Evaluation {
 public:
  Evaluation(const Source& source, const Scope& scope, Diagnostics& diagnostics)
      : source_(source), scope_(scope), diagnostics_(diagnostics) {}

  using Outcome = std::optional<Value>;

  Outcome value(const Expr& e) {
    switch (e.kind) {
      case Expr::Kind::kLiteral:
        return e.value;
      case Expr::Kind::kParen:
        return value(*e.children[0]);
      case Expr::Kind::kIdentifier:
      case Expr::Kind::kAccess:
        return name_or_access(e);
      case Expr::Kind::kList:
        return list(e);
      case Expr::Kind::kObject:
        return object(e);
      case Expr::Kind::kIndex:
        return index(e);
      case Expr::Kind::kCall:
        return call(e);
      case Expr::Kind::kUnary: {
        Outcome operand = value(*e.children[0]);
        if (!operand) return std::nullopt;
        auto result = apply(e.op, *operand);
        if (!result) return operand_error(*e.children[0], result.error().message);
        return std::move(*result);
      }
      case Expr::Kind::kBinary: {
        Outcome left = value(*e.children[0]);
        Outcome right = value(*e.children[1]);
        if (!left || !right) return std::nullopt;
        auto result = apply(e.op, *left, *right);
        if (!result)
          return operand_error(*e.children[static_cast<std::size_t>(result.error().operand)],
                               result.error().message);
        return std::move(*result);
      }
    }
    return std::nullopt;
  }

  Body body(const std::vector<Statement>& statements, Range header) {
    Body out;
    out.span = source_.span(header);
    std::unordered_map<std::string_view, Range> seen;
    for (const Statement& statement : statements) {
      if (statement.block) {
        const BlockNode& block = *statement.block;
        Block evaluated;
        evaluated.name = block.name;
        evaluated.label = block.label;
        evaluated.body = body(block.body, block.header());
        evaluated.span = evaluated.body.span;
        out.blocks.push_back(std::move(evaluated));
        continue;
      }
      const auto [first, is_new] = seen.emplace(statement.name, statement.name_range);
      if (!is_new) {
        error(statement.name_range,
              "attribute \"" + std::string(statement.name) + "\" may only be provided once",
              "it is also in line " + std::to_string(source_.line(first->second.begin)));
        continue;
      }
      Attribute attribute;
      attribute.name = statement.name;
      attribute.value = value(*statement.value).value_or(Value(Placeholder{}));
      attribute.name_span = source_.span(statement.name_range);
      attribute.value_span = source_.span(statement.value->range);
      out.attributes.push_back(std::move(attribute));
    }
    return out;
  }

 private:
  std::nullopt_t error(Range range, std::string message, std::string hint = {}) {
    if (++errors_ <= kMaxErrors)
      diagnostics_.error(source_.span(range), std::move(message), std::move(hint));
    return std::nullopt;
  }

  // A literal in what is written there might be a password.
  static bool may_be_secret(std::string_view text) {
    return text.size() > 5 && text.find_first_of("\"`") != std::string_view::npos;
  }

  // The operand as it is written, when that is short enough to read.
  std::nullopt_t operand_error(const Expr& operand, const std::string& what) {
    const std::string_view text = source_.text(operand.range);
    const bool shown =
        text.size() <= 60 && text.find('\n') == std::string_view::npos && !may_be_secret(text);
    return error(operand.range, (shown ? std::string(text) : "the operand") + " " + what);
  }

  Outcome name_or_access(const Expr& e) {
    if (e.is_name) return name(e, names_of(e));
    Outcome object = value(*e.children[0]);
    if (!object) return std::nullopt;
    return member(*object, e.name, e.mark, *e.children[0]);
  }

  Outcome name(const Expr& e, const std::vector<std::string_view>& names) {
    Value found;
    std::size_t used = 1;
    if (std::optional<Resolver::Found> component =
            scope_.resolver == nullptr ? std::nullopt : scope_.resolver->resolve(names)) {
      found = std::move(component->value);
      used = std::clamp<std::size_t>(component->names, 1, names.size());
    } else if (const Value* global = scope_.stdlib.find(names[0])) {
      found = *global;
    } else if (names[0] == "module_path") {
      found = Value(scope_.module_path);
    } else {
      return unknown(e, names);
    }
    // The accesses that remain, from the inside out.
    std::vector<const Expr*> chain;
    for (const Expr* at = &e; at->kind == Expr::Kind::kAccess; at = at->children[0].get())
      chain.push_back(at);
    for (std::size_t i = used; i < names.size(); ++i) {
      const Expr& access = *chain[names.size() - 1 - i];
      Outcome inner = member(found, access.name, access.mark, *access.children[0]);
      if (!inner) return std::nullopt;
      found = std::move(*inner);
    }
    return found;
  }

  // Comparing with all names is dear, and a person reads the first few messages.
  bool hints() { return ++hints_ <= 20; }

  Outcome unknown(const Expr& e, const std::vector<std::string_view>& names) {
    std::vector<std::string> known;
    if (hints()) {
      known = scope_.stdlib.names();
      if (scope_.resolver != nullptr) {
        for (std::string& name : scope_.resolver->known()) known.push_back(std::move(name));
      }
    }
    const std::string text = joined(names);
    if (names.size() == 1) {
      known.insert(known.end(), {"true", "false", "null"});
      return error(e.range, "identifier \"" + text + "\" does not exist", suggestion(text, known));
    }
    // What is misspelt may be the component or the export behind it.
    std::string hint = suggestion(text, known);
    for (std::size_t n = names.size() - 1; hint.empty() && n >= 1; --n)
      hint = suggestion(joined(std::span(names).first(n)), known);
    return error(e.range, "component \"" + text + "\" does not exist or is out of scope",
                 std::move(hint));
  }

  Outcome member(const Value& object, std::string_view key, Range place, const Expr& of) {
    if (object.is_placeholder()) return Value(Placeholder{});
    if (object.kind() != Kind::kObject)
      return error(place, "cannot access field \"" + std::string(key) + "\" on a value of type " +
                              std::string(object.kind_name()));
    if (const Value* found = object.find(key)) return *found;
    std::vector<std::string> known;
    if (hints())
      for (const auto& [name, unused] : object.object()) known.push_back(name);
    const std::string_view text = source_.text(of.range);
    return error(place,
                 "field \"" + std::string(key) + "\" does not exist in " +
                     (may_be_secret(text) ? "the object" : std::string(text)),
                 suggestion(key, known));
  }

  Outcome list(const Expr& e) {
    Value::List items;
    items.reserve(e.children.size());
    bool good = true;
    for (const auto& child : e.children) {
      Outcome item = value(*child);
      if (item) {
        items.push_back(std::move(*item));
      } else {
        good = false;
      }
    }
    if (!good) return std::nullopt;
    return Value(std::move(items));
  }

  Outcome object(const Expr& e) {
    Value::Object members;
    members.reserve(e.children.size());
    bool good = true;
    for (std::size_t i = 0; i < e.children.size(); ++i) {
      Outcome inner = value(*e.children[i]);
      if (inner) {
        members.emplace_back(std::string(e.keys[i].name), std::move(*inner));
      } else {
        good = false;
      }
    }
    if (!good) return std::nullopt;
    return Value(std::move(members));
  }

  Outcome index(const Expr& e) {
    const Expr& index_expr = *e.children[1];
    Outcome of = value(*e.children[0]);
    Outcome index = value(index_expr);
    if (!of || !index) return std::nullopt;
    if (of->is_placeholder() || index->is_placeholder()) return Value(Placeholder{});
    if (of->kind() == Kind::kList) {
      if (!index->is_number())
        return operand_error(index_expr,
                             "should be number, got " + std::string(index->kind_name()));
      const std::int64_t at = to_int(*index);
      const auto size = static_cast<std::int64_t>(of->list().size());
      if (at < 0 || at >= size)
        return error(index_expr.range, "index " + std::to_string(at) +
                                           " is out of range of a list of " + std::to_string(size));
      return of->list()[static_cast<std::size_t>(at)];
    }
    if (of->kind() == Kind::kObject) {
      if (index->kind() != Kind::kString)
        return operand_error(index_expr,
                             "should be string, got " + std::string(index->kind_name()));
      const Value* found = of->find(index->string());
      return found == nullptr ? Value() : *found;
    }
    return operand_error(*e.children[0],
                         "should be list or object, got " + std::string(of->kind_name()));
  }

  Outcome call(const Expr& e) {
    Outcome function = value(*e.children[0]);
    std::vector<Value> arguments;
    arguments.reserve(e.children.size() - 1);
    bool good = function.has_value();
    for (std::size_t i = 1; i < e.children.size(); ++i) {
      Outcome argument = value(*e.children[i]);
      if (argument) {
        arguments.push_back(std::move(*argument));
      } else {
        good = false;
      }
    }
    if (!good) return std::nullopt;
    if (function->is_placeholder()) return Value(Placeholder{});
    if (function->kind() != Kind::kFunction)
      return operand_error(*e.children[0],
                           "should be function, got " + std::string(function->kind_name()));
    if (std::any_of(arguments.begin(), arguments.end(), holds_placeholder))
      return Value(Placeholder{});
    Result<Value> result = function->function().call(arguments);
    if (!result)
      return error(e.range,
                   std::string(source_.text(e.children[0]->range)) + ": " + result.error().message);
    return std::move(*result);
  }

  const Source& source_;
  const Scope& scope_;
  Diagnostics& diagnostics_;
  static constexpr int kMaxErrors = 1000;
  int errors_ = 0;
  int hints_ = 0;
};

}  // namespace

std::string Reference::text() const { return joined(names); }

std::vector<Reference> references(const Expr& expr) {
  std::vector<Reference> out;
  collect(expr, out);
  return out;
}

std::vector<Reference> references(const std::vector<Statement>& body) {
  std::vector<Reference> out;
  collect(body, out);
  return out;
}

std::optional<Value> evaluate(const Expr& expr, const Source& source, const Scope& scope,
                              Diagnostics& diagnostics) {
  return Evaluation(source, scope, diagnostics).value(expr);
}

Body evaluate(const BlockNode& block, const Source& source, const Scope& scope,
              Diagnostics& diagnostics) {
  return Evaluation(source, scope, diagnostics).body(block.body, block.header());
}

Body evaluate(const std::vector<Statement>& body, const Source& source, const Scope& scope,
              Diagnostics& diagnostics) {
  return Evaluation(source, scope, diagnostics).body(body, {});
}

std::string suggestion(std::string_view name, const std::vector<std::string>& known) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string_view near = nearest(name, views);
  return near.empty() ? "" : "did you mean \"" + std::string(near) + "\"?";
}

}  // namespace agent::lang
