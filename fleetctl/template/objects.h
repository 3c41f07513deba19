// The objects that templates meet: loops, modules, self, super, hostvars, and the global functions.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/runtime.h"

namespace fleetctl::template_ {

// `loop` inside a for loop.
class Loop final : public RuntimeObject {
 public:
  std::string_view type_name() const override { return "LoopContext"; }
  std::string text() const override;
  Outcome<std::optional<Value>> get(Interpreter& in, const Value& key) override;
  bool callable() const override { return true; }
  Outcome<Value> call(Interpreter& in, Args args) override;
  bool has_method(std::string_view method) const override;
  Outcome<Value> call_method(Interpreter& in, std::string_view method, Args args) override;

  std::vector<Value> items;
  std::size_t index = 0;
  std::int64_t depth = 0;  // from 0
  const Stmt* stmt = nullptr;
  const Template* tmpl = nullptr;
  ScopePtr outside;                        // only while the loop runs, and only of a recursive one
  std::optional<std::vector<Value>> seen;  // by changed()
};

class Module final : public RuntimeObject {
 public:
  std::string_view type_name() const override { return "TemplateModule"; }
  std::string text() const override { return body; }
  Outcome<std::optional<Value>> get(Interpreter& in, const Value& key) override;
  std::string name;
  std::string body;
  value::Dict exports;
};

Value make_self();
// What `super` is in a block on `level` of its chain of overridden ones; `around` is what the block
// sees of the outside.
Value make_super(std::string block, std::size_t level, bool exists, ScopePtr around);
Value make_hostvars(const Hosts& hosts);
Value make_bound_method(Value object, std::string name);
// range, dict, namespace, cycler, joiner, lipsum, lookup, query, q, now, undef; nullopt: no such
// global.
std::optional<Value> global_function(std::string_view name);

}  // namespace fleetctl::template_
