// Walks syntax trees. One Interpreter does one render; it is used by one thread and needs about 4
// MiB of its stack.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fleetctl/template/outcome.h"
#include "fleetctl/template/runtime.h"
#include "fleetctl/template/settings.h"
#include "fleetctl/template/syntax.h"
#include "fleetctl/template/world.h"
#include "fleetctl/value/value.h"

namespace fleetctl::template_ {

struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string, Value>> names;
  bool sees_variables =
      true;  // of a scope without parent: beyond it come the variables, else only the globals
  const Value* find(std::string_view name) const;
  void set(std::string_view name, Value v);
};
using ScopePtr = std::shared_ptr<Scope>;

// Output with the places it came from.
struct Output {
  struct Segment {
    std::size_t from;  // byte
    std::uint32_t file;
    std::uint32_t line;
    std::uint32_t column;
    bool moves;  // text of the template itself: its newlines count lines
  };
  std::string text;
  std::vector<Segment> segments;
  std::vector<std::pair<std::size_t, std::size_t>> tainted;  // [from, to)
  std::size_t pieces = 0;
  Value last;  // the last piece
  bool unsafe = false;
};

enum class Flow : unsigned char { kNext, kBreak, kContinue };

class Interpreter {
 public:
  Interpreter(const World& world, const Registry& registry, const Variables& variables,
              const Settings& settings);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // For the engine.
  Outcome<> render(const std::shared_ptr<const Template>& tmpl, Output& out);
  Outcome<Value> resolve(const Value& raw);  // pass 1: a variable's value, its strings rendered
  Outcome<Value> evaluate(const Expr& expr);
  void collect_undefined(std::vector<std::shared_ptr<Problem>>* into) { collected_ = into; }
  const std::vector<std::string>& files() const { return files_; }

  // For filters, tests and methods.
  const World& world() const { return world_; }
  const Settings& settings() const { return settings_; }
  const Registry& registry() const { return registry_; }
  Outcome<> step(std::uint64_t count = 1);
  Outcome<> charge(std::size_t bytes);  // memory that a value takes
  Outcome<> charge(const Value& made);
  // An undefined value that acts as an empty one: Jinja2's for an inline if without else, or all
  // when so set.
  bool lenient(const Value& value) const;
  Outcome<> require(const Value& value) const;       // a problem when it is undefined
  Outcome<> require_deep(const Value& value) const;  // ... or holds one
  Outcome<std::string> text_of(const Value& value) const;
  Outcome<bool> truth_of(const Value& value) const;
  Outcome<std::vector<Value>> elements_of(const Value& value) const;  // iterates
  Outcome<std::size_t> length_of(const Value& value) const;
  Outcome<Value> attribute(const Value& object, const std::string& name);
  Outcome<Value> item(const Value& object, const Value& key);
  Outcome<Value> call(const Value& callee, Args args);
  Outcome<Value> call_filter(std::string_view name, const Value& input, Args args);
  Outcome<bool> call_test(std::string_view name, const Value& input, Args args);

  // For runtime objects.
  void keep(std::shared_ptr<Namespace> space) { namespaces_.push_back(std::move(space)); }
  Outcome<Value> call_macro(const class Macro& macro, Args args);
  Outcome<Value> call_block(const std::string& name, std::size_t level, const ScopePtr& around);
  Outcome<Value> run_recursive(const Stmt& loop, const ScopePtr& outside, const Template& tmpl,
                               const Value& items, std::int64_t depth);
  Outcome<Value> host_variable(const Variables& host, std::string_view name);
  Outcome<Value> lookup(Args args, bool want_list);

 private:
  struct Unit {  // one template with what it extends: blocks and the scope of its top level
    ScopePtr scope;
    std::map<std::string, std::vector<std::pair<const Template*, const Stmt*>>, std::less<>> blocks;
  };
  struct ResolveKey {
    const Variables* host;
    std::string name;
    bool through_hostvars;
    bool operator<(const ResolveKey& o) const {
      return std::tie(host, through_hostvars, name) < std::tie(o.host, o.through_hostvars, o.name);
    }
  };

  Outcome<Flow> run(const Body& body);
  Outcome<Flow> run_one(const Stmt& stmt);
  Outcome<Flow> run_statement(const Stmt& stmt);
  Outcome<Flow> run_for(const Stmt& stmt);
  Outcome<> loop_over(const Stmt& stmt, ScopePtr outside, std::vector<Value> items,
                      std::int64_t depth, Flow& flow);
  Outcome<Flow> run_if(const Stmt& stmt);
  Outcome<> run_include(const Stmt& stmt);
  Outcome<> run_import(const Stmt& stmt);
  Outcome<> run_root(const std::shared_ptr<const Template>& tmpl);
  // `around`: what the block sees of the outside; null: the template's own names.
  Outcome<> run_block(const std::string& name, std::size_t level, ScopePtr around);
  Outcome<Value> capture(const Body& body);
  Value finish(Output& captured) const;
  Outcome<> assign(const Expr& target, const Value& value);
  Outcome<> set_name(const std::string& name, const Value& value);
  Value make_macro(const Stmt& stmt, std::string name);

  Outcome<Value> eval(const Expr& expr);
  Outcome<Value> eval_inner(const Expr& expr);
  Outcome<Value> eval_name(const Expr& expr);
  Outcome<Value> eval_call(const Expr& expr, const Value* extra_caller = nullptr);
  Outcome<Value> eval_filter(const Expr& expr, const Value* input);
  Outcome<Value> eval_compare(const Expr& expr);
  Outcome<Args> eval_args(const Expr& expr);
  Outcome<Value> slice(const Value& object, const Expr& expr);
  Outcome<> emit(const Value& value, int line, int column);
  Outcome<> emit_text(std::string_view text, int line, int column, bool moves, bool tainted);

  Outcome<std::shared_ptr<const Template>> load(const std::string& name);
  Outcome<std::shared_ptr<const Template>> load_first(const Value& names);
  Outcome<std::optional<Value>> find_name(const std::string& name);
  Outcome<std::optional<Value>> variable(const Variables& host, std::string_view name);
  std::optional<Value> global(std::string_view name);
  Outcome<Value> resolve_text(const Value& raw);
  // Texts of which something is undefined stay as they are written, as Ansible shows them in
  // `hostvars`.
  Outcome<Value> resolve_what_is_defined(const Value& raw, int depth);
  Outcome<Value> resolve_at(const Value& raw, int depth);
  Outcome<> enter(std::string_view what);
  std::vector<std::string> known_names() const;
  std::uint32_t file_index(const std::string& name);
  std::shared_ptr<Problem> placed(std::shared_ptr<Problem> p, int line, int column);

  const World& world_;
  const Registry& registry_;
  const Variables* variables_;
  Settings settings_;
  ScopePtr scope_;
  Unit* unit_ = nullptr;
  const Template* template_now_ = nullptr;
  Output* out_ = nullptr;
  std::shared_ptr<const Template> parent_;  // what the running top level extends
  bool silenced_ = false;        // the running top level extends something: its output is dropped
  bool literal_concat_ = false;  // pass 1: captured text that looks like a literal is read as one

  std::vector<std::shared_ptr<const Template>> kept_;  // syntax trees that running code points into
  std::map<std::string, std::shared_ptr<const Template>> loaded_;
  std::vector<ScopePtr>
      closures_;  // scopes that macros hold; emptied at the end, for they hold the macros
  std::vector<std::shared_ptr<Namespace>> namespaces_;  // likewise: a namespace may hold itself
  std::map<ResolveKey, Value> resolved_;
  std::vector<ResolveKey> resolving_;
  std::vector<std::string> files_;
  std::unordered_map<std::string, std::uint32_t> file_numbers_;  // in files_
  std::vector<std::shared_ptr<Problem>>* collected_ = nullptr;
  bool taint_seen_ = false;
  bool through_hostvars_ = false;  // what is read there knows no `hostvars` itself
  std::uint64_t steps_ = 0;
  std::size_t charged_ = 0;
  std::size_t total_output_ = 0;
  int depth_ = 0;
  int eval_depth_ = 0;
};

// Compiled against one Interpreter's template; belongs to its render.
class Macro final : public RuntimeObject {
 public:
  std::string_view type_name() const override { return "Macro"; }
  std::string text() const override;
  Outcome<std::optional<Value>> get(Interpreter& in, const Value& key) override;
  bool callable() const override { return true; }
  Outcome<Value> call(Interpreter& in, Args args) override;
  const Stmt* stmt = nullptr;
  const Template* tmpl = nullptr;
  ScopePtr closure;
  std::string name;
};

}  // namespace fleetctl::template_
