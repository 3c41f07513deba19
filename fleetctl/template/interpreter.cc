#include "fleetctl/template/interpreter.h"

#include <algorithm>

#include "agent/base/strings.h"
#include "fleetctl/template/lexer.h"
#include "fleetctl/template/objects.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/template/parser.h"
#include "fleetctl/template/restore.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

constexpr int kMaxNested = 1200;  // statements and expressions inside each other, over all macros

// In a variable, where the signs are always the usual ones.
bool looks_like_template(std::string_view text) {
  for (auto at = text.find('{'); at + 1 < text.size() && at != std::string_view::npos;
       at = text.find('{', at + 1)) {
    const char next = text[at + 1];
    if (next == '{' || next == '%' || next == '#') return true;
  }
  return false;
}

// The name in `{{ name }}` when the text is nothing else.
std::optional<std::string_view> lone_name(std::string_view text) {
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (text.size() < 4 || text.substr(0, 2) != "{{" || text.substr(text.size() - 2) != "}}") {
    return std::nullopt;
  }
  const std::string_view name = agent::trim(text.substr(2, text.size() - 4));
  const bool word = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
  if (!word) return std::nullopt;
  return name;
}

std::size_t trailing_newlines(std::string_view text) {
  const std::size_t last = text.find_last_not_of('\n');
  return last == std::string_view::npos ? text.size() : text.size() - last - 1;
}

// How Ansible types a rendered variable: text, unless it looks like a dict, a list or a bool.
Value typed(Output& out) {
  if (out.pieces == 1 && out.last.is_string() && out.last.has(value::kVerbatim)) return out.last;
  Value v;
  const std::string& text = out.text;
  const bool candidate =
      !text.empty() && (text[0] == '{' || text[0] == '[' || text == "True" || text == "False");
  if (auto literal = candidate ? value::parse_literal(text, true) : std::nullopt) {
    v = std::move(*literal);
    if (!out.tainted.empty()) value::set_flag_deep(v, value::kTainted);
    if (out.unsafe) value::set_flag_deep(v, value::kUnsafe);
    return v;
  }
  v = Value::string(std::move(out.text));
  if (!out.tainted.empty()) v.set_flag(value::kTainted);
  if (out.unsafe) v.set_flag(value::kUnsafe);
  return v;
}

}  // namespace

const Value* Scope::find(std::string_view name) const {
  for (auto it = names.rbegin(); it != names.rend(); ++it) {
    if (it->first == name) return &it->second;
  }
  return nullptr;
}
void Scope::set(std::string_view name, Value v) {
  for (auto& [key, old] : names) {
    if (key == name) {
      old = std::move(v);
      return;
    }
  }
  names.emplace_back(std::string(name), std::move(v));
}

Interpreter::Interpreter(const World& world, const Registry& registry, const Variables& variables,
                         const Settings& settings)
    : world_(world),
      registry_(registry),
      variables_(&variables),
      settings_(settings),
      scope_(std::make_shared<Scope>()) {}

Interpreter::~Interpreter() {
  for (const ScopePtr& scope : closures_) scope->names.clear();
  for (const auto& space : namespaces_) space->attributes.clear();
}

Outcome<> Interpreter::step(std::uint64_t count) {
  steps_ += count;
  if (steps_ > world_.limits.steps) {
    return problem(ProblemKind::kLimit,
                   "the template does more than " + std::to_string(world_.limits.steps) + " steps");
  }
  return {};
}
Outcome<> Interpreter::charge(std::size_t bytes) {
  charged_ += bytes;
  if (bytes > world_.limits.output_bytes || charged_ > world_.limits.work_bytes) {
    return problem(ProblemKind::kLimit, "the template makes more than " +
                                            std::to_string(world_.limits.work_bytes >> 20U) +
                                            " MiB of text and lists, or one too large");
  }
  return {};
}
Outcome<> Interpreter::charge(const Value& made) {
  if (made.is_string())
    return made.as_string().size() > 64 ? charge(made.as_string().size()) : Outcome<>();
  if (made.is_sequence()) return charge(made.items().size() * sizeof(Value));
  if (made.is_dict()) return charge(made.as_dict().size() * 2 * sizeof(Value));
  return {};
}

Outcome<> Interpreter::enter(std::string_view what) {
  if (depth_ >= world_.limits.depth) {
    return problem(ProblemKind::kLimit, "recursion is too deep in " + std::string(what));
  }
  return {};
}

std::uint32_t Interpreter::file_index(const std::string& name) {
  if (!files_.empty() && files_.back() == name)
    return static_cast<std::uint32_t>(files_.size() - 1);
  const auto [known, added] = file_numbers_.emplace(name, files_.size());
  if (added) files_.push_back(name);
  return known->second;
}

std::vector<std::string> Interpreter::known_names() const {
  std::vector<std::string> names = variables_->names();
  for (const Scope* s = scope_.get(); s != nullptr; s = s->parent.get()) {
    for (const auto& [name, v] : s->names) names.push_back(name);
  }
  return names;
}

std::shared_ptr<Problem> Interpreter::placed(std::shared_ptr<Problem> p, int line, int column) {
  if (p->place.line == 0) {
    p->place = {template_now_ != nullptr ? template_now_->name : "", line, column};
    if (p->kind == ProblemKind::kUndefined && p->nearest.empty() &&
        p->message == "'" + p->name + "' is undefined") {
      const std::vector<std::string> names = known_names();
      const std::vector<std::string_view> views(names.begin(), names.end());
      if (const std::string_view near = agent::nearest(p->name, views); !near.empty()) {
        p->nearest.emplace_back(near);
      }
    }
  }
  return p;
}

// Names and values.

Outcome<std::optional<Value>> Interpreter::find_name(const std::string& name) {
  const Scope* s = scope_.get();
  while (true) {
    if (const Value* v = s->find(name)) return std::optional<Value>(*v);
    if (!s->parent) break;
    s = s->parent.get();
  }
  if (name == "self" && unit_ != nullptr) return std::optional<Value>(make_self());
  if (s->sees_variables) {
    TEMPLATE_TRY(found, variable(*variables_, name));
    if (found) return std::move(found);
  }
  return global(name);
}

Outcome<std::optional<Value>> Interpreter::variable(const Variables& host, std::string_view name) {
  ResolveKey key{&host, std::string(name), through_hostvars_};
  if (const auto known = resolved_.find(key); known != resolved_.end()) {
    return std::optional<Value>(known->second);
  }
  const Value* raw = host.find(name);
  if (raw == nullptr) return std::optional<Value>();
  for (const ResolveKey& busy : resolving_) {
    if (!(busy < key) && !(key < busy)) {
      return problem(ProblemKind::kLimit, "recursive loop detected in template string: variable '" +
                                              key.name + "' needs its own value");
    }
  }
  Value made = *raw;
  if (name != "vars") {
    if (auto deep = enter("variable '" + key.name + "'"); !deep) {
      return pass_on(std::move(deep.error()));
    }
    resolving_.push_back(key);
    ++depth_;
    const Restore<const Variables*> other(variables_, &host);
    auto outcome = resolve(*raw);
    --depth_;
    resolving_.pop_back();
    if (!outcome) {
      std::shared_ptr<Problem> p = std::move(outcome.error());
      if (p->kind != ProblemKind::kUndefined) {
        if (p->place.file.empty()) p->place.file = "variable '" + key.name + "'";
        return pass_on(std::move(p));
      }
      // Only a use of it is an error: `a | default(1)` may follow.
      std::string message = p->message + " in the value of '" + key.name + "'";
      if (const value::Mark* mark = raw->mark()) {
        message += " (" + mark->file + ":" + std::to_string(mark->line) + ")";
      }
      made = undefined(p->name, std::move(message));
    } else {
      made = std::move(*outcome);
    }
  }
  if (!taint_seen_ && value::tainted_deep(made)) taint_seen_ = true;
  resolved_.emplace(std::move(key), made);
  return std::optional<Value>(std::move(made));
}

Outcome<Value> Interpreter::host_variable(const Variables& host, std::string_view name) {
  const Value* raw = host.find(name);
  if (raw == nullptr)
    return undefined(std::string(name), "'" + std::string(name) + "' is undefined");
  const Restore<bool> through(through_hostvars_, true);
  TEMPLATE_TRY(found, variable(host, name));
  if (found && !found->is_undefined()) return std::move(*found);
  const Restore<const Variables*> other(variables_, &host);
  TEMPLATE_TRY(shown, resolve_what_is_defined(*raw, 0));
  taint_seen_ = taint_seen_ || value::tainted_deep(shown);
  return shown;
}

Outcome<Value> Interpreter::resolve_what_is_defined(const Value& raw, int depth) {
  if (depth > 100) return problem(ProblemKind::kLimit, "a variable is too deeply nested");
  Value made = raw;
  if (raw.is_sequence()) {
    std::vector<Value> items;
    for (const Value& item : raw.items()) {
      TEMPLATE_TRY(one, resolve_what_is_defined(item, depth + 1));
      items.push_back(std::move(one));
    }
    made = Value::list(std::move(items));
  } else if (raw.is_dict()) {
    value::Dict dict;
    for (const auto& [key, item] : raw.as_dict()) {
      TEMPLATE_TRY(one, resolve_what_is_defined(item, depth + 1));
      dict.set(key, std::move(one));
    }
    made = Value::dict(std::move(dict));
  } else {
    auto resolved = resolve(raw);
    if (resolved) return std::move(*resolved);
    if (resolved.error()->kind != ProblemKind::kUndefined)
      return pass_on(std::move(resolved.error()));
  }
  return made;
}

// Captured text as a value: in a variable, Ansible reads it as a literal where it looks like one.
Value Interpreter::finish(Output& captured) const {
  if (literal_concat_) return typed(captured);
  Value text = Value::string(std::move(captured.text));
  if (!captured.tainted.empty()) text.set_flag(value::kTainted);
  return text;
}

Outcome<Value> Interpreter::resolve(const Value& raw) { return resolve_at(raw, 0); }

Outcome<Value> Interpreter::resolve_at(const Value& raw, int depth) {
  if (depth > 100) return problem(ProblemKind::kLimit, "a variable is too deeply nested");
  TEMPLATE_CHECK(step());
  if (raw.has(value::kUnsafe)) return raw;
  const auto same = [&raw](Value made) {
    made.set_mark(raw.shared_mark());
    if (raw.has(value::kTainted)) made.set_flag(value::kTainted);
    return made;
  };
  if (raw.is_string()) {
    if (!looks_like_template(raw.as_string())) return raw;
    return resolve_text(raw);
  }
  if (raw.is_sequence()) {
    std::vector<Value> items;
    items.reserve(raw.items().size());
    for (const Value& item : raw.items()) {
      TEMPLATE_TRY(made, resolve_at(item, depth + 1));
      items.push_back(std::move(made));
    }
    return same(Value::list(std::move(items)));
  }
  if (raw.is_dict()) {
    value::Dict dict;
    for (const auto& [key, item] : raw.as_dict()) {
      TEMPLATE_TRY(made, resolve_at(item, depth + 1));
      dict.set(key, std::move(made));
    }
    return same(Value::dict(std::move(dict)));
  }
  return raw;
}

// A string of the variables, with what Ansible's templar does around a template.
Outcome<Value> Interpreter::resolve_text(const Value& raw) {
  std::string_view source = raw.as_string();
  Settings settings;
  settings.ansible = settings_.ansible;
  settings.lenient_undefined = settings_.lenient_undefined;
  if (const auto lone = lone_name(source)) {
    if (const Value* other = variables_->find(*lone); other != nullptr) {
      if (other->is_number() || other->is_none()) return *other;
    }
  }
  const std::size_t newlines = trailing_newlines(source);
  const std::string name = raw.mark() != nullptr ? raw.mark()->file : std::string("variable");
  TEMPLATE_TRY(header, apply_header(source, settings));
  (void)header;
  auto located = [&](std::shared_ptr<Problem> p) {
    if (const value::Mark* mark = raw.mark(); mark != nullptr && p->place.file == name) {
      if (p->place.line == 1) p->place.column += std::max(0, mark->column - 1);
      p->place.line += std::max(0, mark->line - 1);
    }
    return pass_on(std::move(p));
  };
  auto parsed = parse(double_backslashes(source, settings), name, settings);
  if (!parsed) return located(std::move(parsed.error()));
  kept_.push_back(*parsed);

  Output out;
  {
    const Restore<ScopePtr> scope(scope_, std::make_shared<Scope>());
    const Restore<Output*> output(out_, &out);
    const Restore<bool> loud(silenced_, false);
    const Restore<bool> literal(literal_concat_, true);
    const Restore<Settings> lexing(settings_, settings);
    Unit unit;
    unit.scope = scope_;
    const Restore<Unit*> units(unit_, &unit);
    const Restore<std::vector<std::shared_ptr<Problem>>*> strict(collected_, nullptr);
    auto ran = run_root(*parsed);
    if (!ran) return located(std::move(ran.error()));
  }
  if (raw.has(value::kTainted)) out.tainted.emplace_back(0, out.text.size());
  Value v = typed(out);
  if (v.is_string()) {
    const std::size_t have = trailing_newlines(v.as_string());
    if (newlines > have) {
      v = Value::string(v.as_string() + std::string(newlines - have, '\n'), v.flags());
    }
  }
  v.set_mark(raw.shared_mark());
  return v;
}

Outcome<std::shared_ptr<const Template>> Interpreter::load(const std::string& name) {
  if (const auto known = loaded_.find(name); known != loaded_.end()) return known->second;
  if (world_.loader == nullptr) {
    return problem(ProblemKind::kNotFound, "no loader for template '" + name + "'");
  }
  auto text = world_.loader->load(name);
  if (!text)
    return problem(ProblemKind::kNotFound, "template '" + name + "': " + text.error().message);
  if (!*text) return problem(ProblemKind::kNotFound, "template not found: " + name);
  TEMPLATE_CHECK(charge((*text)->size()));
  TEMPLATE_TRY(parsed, parse(**text, name, settings_));
  loaded_.emplace(name, parsed);
  return parsed;
}

Outcome<std::shared_ptr<const Template>> Interpreter::load_first(const Value& names) {
  TEMPLATE_CHECK(require(names));
  if (names.is_string()) return load(names.as_string());
  if (!names.is_sequence()) {
    return bad("a template name must be a string, not " + std::string(value::type_name(names)));
  }
  std::string tried;
  for (const Value& name : names.items()) {
    TEMPLATE_CHECK(require(name));
    if (!name.is_string()) return bad("a template name must be a string");
    auto found = load(name.as_string());
    if (found || found.error()->kind != ProblemKind::kNotFound) return found;
    tried += (tried.empty() ? "" : ", ") + name.as_string();
  }
  return problem(ProblemKind::kNotFound, names.items().empty()
                                             ? "Tried to select from an empty list of templates."
                                             : "none of the templates given were found: " + tried);
}

// Statements.

Outcome<> Interpreter::render(const std::shared_ptr<const Template>& tmpl, Output& out) {
  Unit unit;
  unit.scope = scope_;
  const Restore<Unit*> units(unit_, &unit);
  const Restore<Output*> output(out_, &out);
  return run_root(tmpl);
}

Outcome<Value> Interpreter::evaluate(const Expr& expr) { return eval(expr); }

Outcome<> Interpreter::run_root(const std::shared_ptr<const Template>& first) {
  const Restore<const Template*> now(template_now_);
  const Restore<std::shared_ptr<const Template>> parent(parent_, nullptr);
  const Restore<bool> loud(silenced_, false);
  std::shared_ptr<const Template> tmpl = first;
  for (int chain = 0; tmpl; ++chain) {
    if (chain > 50) return problem(ProblemKind::kLimit, "templates extend each other in a circle");
    kept_.push_back(tmpl);
    template_now_ = tmpl.get();
    for (const auto& [name, stmt] : tmpl->blocks) {
      unit_->blocks[name].emplace_back(tmpl.get(), stmt);
    }
    parent_ = nullptr;
    silenced_ = false;
    TEMPLATE_CHECK(run(tmpl->body));
    tmpl = parent_;
  }
  return {};
}

Outcome<Flow> Interpreter::run(const Body& body) {
  for (const StmtPtr& stmt : body) {
    TEMPLATE_TRY(flow, run_one(*stmt));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Outcome<Flow> Interpreter::run_one(const Stmt& stmt) {
  TEMPLATE_CHECK(step());
  if (++eval_depth_ > kMaxNested) {
    --eval_depth_;
    return pass_on(placed(std::move(problem(ProblemKind::kLimit, "recursion is too deep").value()),
                          stmt.line, stmt.column));
  }
  Outcome<Flow> flow = run_statement(stmt);
  --eval_depth_;
  if (flow) return flow;
  std::shared_ptr<Problem> p = placed(std::move(flow.error()), stmt.line, stmt.column);
  if (collected_ != nullptr && p->kind == ProblemKind::kUndefined && collected_->size() < 1000) {
    const bool repeated = std::any_of(collected_->begin(), collected_->end(), [&p](const auto& q) {
      return q->place.line == p->place.line && q->place.column == p->place.column &&
             q->place.file == p->place.file && q->message == p->message;
    });
    if (!repeated) collected_->push_back(std::move(p));
    return Flow::kNext;
  }
  return pass_on(std::move(p));
}

}  // namespace fleetctl::template_
