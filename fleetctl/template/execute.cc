// Statements.
#include <algorithm>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/objects.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/template/restore.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

ScopePtr inside(const ScopePtr& parent) {
  auto scope = std::make_shared<Scope>();
  scope->parent = parent;
  return scope;
}

std::shared_ptr<Problem> through(std::shared_ptr<Problem> p, const Template* tmpl,
                                 const Stmt& stmt) {
  if (p->through.size() < 20) {
    p->through.push_back({tmpl != nullptr ? tmpl->name : "", stmt.line, stmt.column});
  }
  return p;
}

}  // namespace

Outcome<Flow> Interpreter::run_statement(const Stmt& stmt) {
  switch (stmt.kind) {
    case StmtKind::kData:
      if (!silenced_) TEMPLATE_CHECK(emit_text(stmt.text, stmt.line, stmt.column, true, false));
      break;
    case StmtKind::kOutput:
      if (!silenced_) {
        TEMPLATE_TRY(printed, eval(*stmt.expr));
        TEMPLATE_CHECK(emit(printed, stmt.expr->line, stmt.expr->column));
      }
      break;
    case StmtKind::kFor:
      return run_for(stmt);
    case StmtKind::kIf:
      return run_if(stmt);
    case StmtKind::kSet: {
      TEMPLATE_TRY(assigned, eval(*stmt.expr));
      TEMPLATE_CHECK(assign(*stmt.target, assigned));
      break;
    }
    case StmtKind::kSetBlock: {
      TEMPLATE_TRY(block_text, capture(stmt.body));
      if (stmt.expr) {
        TEMPLATE_TRY(filtered, eval_filter(*stmt.expr, &block_text));
        TEMPLATE_CHECK(assign(*stmt.target, filtered));
      } else {
        TEMPLATE_CHECK(assign(*stmt.target, block_text));
      }
      break;
    }
    case StmtKind::kMacro:
      TEMPLATE_CHECK(set_name(stmt.text, make_macro(stmt, stmt.text)));
      break;
    case StmtKind::kCallBlock: {
      if (silenced_) break;
      const Value caller = make_macro(stmt, "caller");
      TEMPLATE_TRY(called, eval_call(*stmt.expr, &caller));
      TEMPLATE_CHECK(emit(called, stmt.line, stmt.column));
      break;
    }
    case StmtKind::kFilterBlock: {
      if (silenced_) break;
      TEMPLATE_TRY(inner_text, capture(stmt.body));
      TEMPLATE_TRY(result, eval_filter(*stmt.expr, &inner_text));
      TEMPLATE_CHECK(emit(result, stmt.line, stmt.column));
      break;
    }
    case StmtKind::kWith: {
      const ScopePtr scope = inside(scope_);
      for (const auto& [target, bound] : stmt.bindings) {
        TEMPLATE_TRY(bound_value, eval(*bound));
        const Restore<ScopePtr> in_with(scope_, scope);
        TEMPLATE_CHECK(assign(*target, bound_value));
      }
      const Restore<ScopePtr> in_body(scope_, scope);
      return run(stmt.body);
    }
    case StmtKind::kScope: {
      const Restore<ScopePtr> scope(scope_, inside(scope_));
      return run(stmt.body);
    }
    case StmtKind::kBlock:
      if (!silenced_) {
        if (auto ran = run_block(stmt.text, 0, stmt.scoped ? scope_ : nullptr); !ran) {
          return pass_on(std::move(ran.error()));
        }
      }
      break;
    case StmtKind::kExtends: {
      if (parent_) return bad("extended multiple times");
      TEMPLATE_TRY(base_name, eval(*stmt.expr));
      TEMPLATE_TRY(base, load_first(base_name));
      parent_ = base;
      silenced_ = true;
      break;
    }
    case StmtKind::kInclude:
      if (!silenced_) TEMPLATE_CHECK(run_include(stmt));
      break;
    case StmtKind::kImport:
    case StmtKind::kFromImport:
      TEMPLATE_CHECK(run_import(stmt));
      break;
    case StmtKind::kDo: {
      TEMPLATE_TRY(ignored, eval(*stmt.expr));
      (void)ignored;
      break;
    }
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Outcome<Flow> Interpreter::run_if(const Stmt& stmt) {
  for (const auto& [test, body] : stmt.branches) {
    TEMPLATE_TRY(v, eval(*test));
    TEMPLATE_TRY(yes, truth_of(v));
    if (yes) return run(body);
  }
  return run(stmt.otherwise);
}

Outcome<Flow> Interpreter::run_for(const Stmt& stmt) {
  TEMPLATE_TRY(iterated, eval(*stmt.expr));
  TEMPLATE_TRY(items, elements_of(iterated));
  Flow flow = Flow::kNext;
  TEMPLATE_CHECK(loop_over(stmt, scope_, std::move(items), 0, flow));
  return flow;
}

// `flow` becomes what the else branch asks of the loop around this one.
Outcome<> Interpreter::loop_over(const Stmt& stmt, ScopePtr outside, std::vector<Value> items,
                                 std::int64_t depth, Flow& flow) {
  const Restore<ScopePtr> scope(scope_);
  if (stmt.test) {
    std::vector<Value> kept;
    for (Value& item : items) {
      TEMPLATE_CHECK(step());
      scope_ = inside(outside);
      TEMPLATE_CHECK(assign(*stmt.target, item));
      TEMPLATE_TRY(tested, eval(*stmt.test));
      TEMPLATE_TRY(keep, truth_of(tested));
      if (keep) kept.push_back(std::move(item));
    }
    items = std::move(kept);
  }
  if (items.empty()) {
    scope_ = inside(outside);
    TEMPLATE_TRY(otherwise, run(stmt.otherwise));
    flow = otherwise;
    return {};
  }
  auto loop = std::make_shared<Loop>();
  loop->items = std::move(items);
  loop->depth = depth;
  loop->stmt = &stmt;
  loop->tmpl = template_now_;
  if (stmt.recursive) loop->outside = outside;
  const Value loop_value = Value::object(loop);
  Outcome<> result;
  for (loop->index = 0; loop->index < loop->items.size(); ++loop->index) {
    result = step();
    if (!result) break;
    scope_ = inside(outside);
    scope_->names.emplace_back("loop", loop_value);
    const Value item = loop->items[loop->index];
    result = assign(*stmt.target, item);
    if (!result) break;
    Outcome<Flow> ran = run(stmt.body);
    if (!ran) {
      result = pass_on(std::move(ran.error()));
      break;
    }
    if (*ran == Flow::kBreak) break;
  }
  loop->outside.reset();
  return result;
}

Outcome<Value> Interpreter::run_recursive(const Stmt& stmt, const ScopePtr& outside,
                                          const Template& tmpl, const Value& items,
                                          std::int64_t depth) {
  TEMPLATE_CHECK(enter("a recursive loop"));
  TEMPLATE_TRY(elements, elements_of(items));
  const Restore<int> counted(depth_, depth_ + 1);
  const Restore<const Template*> now(template_now_, &tmpl);
  Output captured;
  {
    const Restore<Output*> output(out_, &captured);
    const Restore<bool> loud(silenced_, false);
    Flow flow = Flow::kNext;
    TEMPLATE_CHECK(loop_over(stmt, outside, std::move(elements), depth, flow));
  }
  TEMPLATE_CHECK(charge(captured.text.size()));
  return finish(captured);
}

Outcome<Value> Interpreter::capture(const Body& body) {
  Output captured;
  {
    const Restore<Output*> output(out_, &captured);
    const Restore<bool> loud(silenced_, false);
    const Restore<ScopePtr> scope(scope_, inside(scope_));
    TEMPLATE_TRY(flow, run(body));
    (void)flow;
  }
  TEMPLATE_CHECK(charge(captured.text.size()));
  return finish(captured);
}

Outcome<> Interpreter::set_name(const std::string& name, const Value& v) {
  scope_->set(name, v);
  return {};
}

Outcome<> Interpreter::assign(const Expr& target, const Value& v) {
  if (target.kind == ExprKind::kName) return set_name(target.name, v);
  if (target.kind == ExprKind::kNamespace) {
    TEMPLATE_TRY(object, find_name(target.name));
    auto* space = object ? dynamic_cast<Namespace*>(runtime_object(*object)) : nullptr;
    if (space == nullptr) {
      return pass_on(
          placed(std::move(bad("cannot assign attribute on non-namespace object").value()),
                 target.line, target.column));
    }
    space->attributes.set(target.constant, v);
    return {};
  }
  TEMPLATE_TRY(parts, elements_of(v));
  if (parts.size() != target.kids.size()) {
    const std::string want = std::to_string(target.kids.size());
    return parts.size() > target.kids.size()
               ? bad("too many values to unpack (expected " + want + ")")
               : bad("not enough values to unpack (expected " + want + ", got " +
                     std::to_string(parts.size()) + ")");
  }
  for (std::size_t i = 0; i < parts.size(); ++i) TEMPLATE_CHECK(assign(*target.kids[i], parts[i]));
  return {};
}

Value Interpreter::make_macro(const Stmt& stmt, std::string name) {
  auto macro = std::make_shared<Macro>();
  macro->stmt = &stmt;
  macro->tmpl = template_now_;
  macro->closure = scope_;
  macro->name = std::move(name);
  if (closures_.empty() || closures_.back() != scope_) closures_.push_back(scope_);
  return Value::object(std::move(macro));
}

Outcome<Value> Interpreter::call_macro(const Macro& macro, Args args) {
  const Stmt& stmt = *macro.stmt;
  TEMPLATE_CHECK(enter("macro '" + macro.name + "'"));
  TEMPLATE_CHECK(step());
  const ScopePtr scope = inside(macro.closure);
  const std::size_t arity = stmt.params.size();
  std::vector<bool> bound(arity, false);
  for (std::size_t i = 0; i < arity && i < args.positional.size(); ++i) {
    scope->names.emplace_back(stmt.params[i].first, args.positional[i]);
    bound[i] = true;
  }
  bool own_caller = false;
  for (std::size_t i = 0; i < arity; ++i)
    own_caller = own_caller || stmt.params[i].first == "caller";
  value::Dict extra;
  bool has_caller = false;
  for (auto& [key, v] : args.named) {
    std::size_t at = arity;
    for (std::size_t i = 0; i < arity; ++i) {
      if (stmt.params[i].first == key) at = i;
    }
    if (at < arity) {
      if (bound[at]) {
        return bad("macro '" + macro.name + "' got multiple values for argument '" + key + "'");
      }
      scope->names.emplace_back(key, v);
      bound[at] = true;
    } else if (key == "caller" && stmt.uses_caller && !own_caller) {
      scope->names.emplace_back(key, v);
      has_caller = true;
    } else {
      extra.set(key, v);
    }
  }
  if (stmt.uses_caller && !own_caller && !has_caller) {
    scope->names.emplace_back("caller", undefined("caller", "No caller defined"));
  }
  if (stmt.uses_kwargs) {
    scope->names.emplace_back("kwargs", Value::dict(std::move(extra)));
  } else if (!extra.empty()) {
    const std::string key = value::str(extra.items()[0].first);
    if (key == "caller") {
      return bad("macro '" + macro.name +
                 "' was invoked with a call block but does not use `caller`");
    }
    return bad("macro '" + macro.name + "' takes no keyword argument '" + key + "'");
  }
  if (stmt.uses_varargs) {
    std::vector<Value> rest;
    for (std::size_t i = arity; i < args.positional.size(); ++i) rest.push_back(args.positional[i]);
    scope->names.emplace_back("varargs", Value::tuple(std::move(rest)));
  } else if (args.positional.size() > arity) {
    return bad("macro '" + macro.name + "' takes not more than " + std::to_string(arity) +
               " argument(s)");
  }

  const Restore<int> counted(depth_, depth_ + 1);
  const Restore<ScopePtr> in_scope(scope_, scope);
  const Restore<const Template*> now(template_now_, macro.tmpl);
  for (std::size_t i = 0; i < arity; ++i) {
    if (bound[i]) continue;
    const std::string& name = stmt.params[i].first;
    if (stmt.params[i].second) {
      TEMPLATE_TRY(preset, eval(*stmt.params[i].second));
      scope->names.emplace_back(name, preset);
    } else {
      scope->names.emplace_back(name, undefined(name, "parameter '" + name + "' was not provided"));
    }
  }
  return capture(stmt.body);
}

Outcome<> Interpreter::run_block(const std::string& name, std::size_t level, ScopePtr around) {
  TEMPLATE_CHECK(enter("block '" + name + "'"));
  const auto found = unit_->blocks.find(name);
  if (found == unit_->blocks.end() || level >= found->second.size()) {
    return bad("block '" + name + "' not found");
  }
  const auto [tmpl, stmt] = found->second[level];
  if (stmt->required && level == 0) return bad("Required block '" + name + "' not found");
  if (around == nullptr) around = unit_->scope;
  const Restore<int> counted(depth_, depth_ + 1);
  const Restore<ScopePtr> scope(scope_, inside(around));
  const Restore<const Template*> now(template_now_, tmpl);
  const Restore<bool> loud(silenced_, false);
  scope_->names.emplace_back("super",
                             make_super(name, level, level + 1 < found->second.size(), around));
  TEMPLATE_TRY(flow, run(stmt->body));
  (void)flow;
  return {};
}

Outcome<Value> Interpreter::call_block(const std::string& name, std::size_t level,
                                       const ScopePtr& around) {
  Output captured;
  {
    const Restore<Output*> output(out_, &captured);
    TEMPLATE_CHECK(run_block(name, level, around));
  }
  TEMPLATE_CHECK(charge(captured.text.size()));
  return finish(captured);
}

Outcome<> Interpreter::run_include(const Stmt& stmt) {
  TEMPLATE_CHECK(enter("include"));
  TEMPLATE_TRY(names, eval(*stmt.expr));
  auto found = load_first(names);
  if (!found) {
    if (stmt.ignore_missing && found.error()->kind == ProblemKind::kNotFound) return {};
    return pass_on(std::move(found.error()));
  }
  Unit unit;
  unit.scope = std::make_shared<Scope>();
  if (stmt.with_context) {
    unit.scope->parent = scope_;
  } else {
    unit.scope->sees_variables = false;
  }
  const Template* site = template_now_;
  const Restore<int> counted(depth_, depth_ + 1);
  const Restore<ScopePtr> scope(scope_, unit.scope);
  const Restore<Unit*> units(unit_, &unit);
  auto ran = run_root(*found);
  if (!ran) return pass_on(through(std::move(ran.error()), site, stmt));
  return {};
}

Outcome<> Interpreter::run_import(const Stmt& stmt) {
  TEMPLATE_CHECK(enter("import"));
  TEMPLATE_TRY(names, eval(*stmt.expr));
  TEMPLATE_TRY(found, load_first(names));
  auto module = std::make_shared<Module>();
  module->name = found->name;
  Unit unit;
  unit.scope = std::make_shared<Scope>();
  if (stmt.with_context) {
    unit.scope->parent = scope_;
  } else {
    unit.scope->sees_variables = false;
  }
  {
    Output captured;
    const Template* site = template_now_;
    const Restore<int> counted(depth_, depth_ + 1);
    const Restore<ScopePtr> scope(scope_, unit.scope);
    const Restore<Unit*> units(unit_, &unit);
    const Restore<Output*> output(out_, &captured);
    auto ran = run_root(found);
    if (!ran) return pass_on(through(std::move(ran.error()), site, stmt));
    module->body = std::move(captured.text);
  }
  for (const auto& [name, v] : unit.scope->names) {
    if (name[0] != '_') module->exports.set(name, v);
  }
  if (stmt.kind == StmtKind::kImport) {
    return set_name(stmt.names[0].second, Value::object(std::move(module)));
  }
  for (const auto& [name, as] : stmt.names) {
    const Value* v = module->exports.find(name);
    TEMPLATE_CHECK(set_name(
        as, v != nullptr
                ? *v
                : undefined(name, "the template '" + module->name +
                                      "' does not export the requested name '" + name + "'")));
  }
  return {};
}

// Output.

Outcome<> Interpreter::emit(const Value& v, int line, int column) {
  if (v.is_none() && settings_.ansible) {
    ++out_->pieces;
    out_->last = Value::string("");
    return {};
  }
  auto text = text_of(v);
  if (!text) return pass_on(placed(std::move(text.error()), line, column));
  out_->last = v;
  if (v.has(value::kUnsafe)) out_->unsafe = true;
  return emit_text(*text, line, column, false, taint_seen_ && value::tainted_deep(v));
}

Outcome<> Interpreter::emit_text(std::string_view text, int line, int column, bool moves,
                                 bool tainted) {
  ++out_->pieces;
  if (moves) out_->last = Value();
  total_output_ += text.size();
  if (total_output_ > 2 * world_.limits.output_bytes ||
      out_->text.size() + text.size() > world_.limits.output_bytes) {
    return problem(
        ProblemKind::kLimit,
        "the output is larger than " + std::to_string(world_.limits.output_bytes >> 20U) + " MiB");
  }
  if (text.empty()) return {};
  const std::size_t from = out_->text.size();
  const std::uint32_t file = template_now_ != nullptr ? file_index(template_now_->name) : 0;
  const auto where = static_cast<std::uint32_t>(line);
  if (out_->segments.empty() || moves || out_->segments.back().line != where ||
      out_->segments.back().file != file || out_->segments.back().moves) {
    out_->segments.push_back({from, file, where, static_cast<std::uint32_t>(column), moves});
  }
  out_->text += text;
  if (tainted) {
    if (!out_->tainted.empty() && out_->tainted.back().second == from) {
      out_->tainted.back().second = out_->text.size();
    } else {
      out_->tainted.emplace_back(from, out_->text.size());
    }
  }
  return {};
}

}  // namespace fleetctl::template_
