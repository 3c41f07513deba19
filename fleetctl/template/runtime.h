// What templates hold beside plain values, and how filters, tests and methods are called.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fleetctl/template/outcome.h"
#include "fleetctl/value/value.h"

namespace fleetctl::template_ {

using value::Value;
class Interpreter;

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// Macros, loops, namespaces, modules, bound methods.
class RuntimeObject : public value::Object {
 public:
  // An attribute or item; nullopt: there is none.
  virtual Outcome<std::optional<Value>> get(Interpreter& in, const Value& key);
  virtual bool callable() const { return false; }
  virtual Outcome<Value> call(Interpreter& in, Args args);
  virtual bool has_method(std::string_view) const { return false; }
  virtual Outcome<Value> call_method(Interpreter& in, std::string_view name, Args args);
  virtual std::optional<std::vector<Value>> elements() const { return std::nullopt; }
};
const RuntimeObject* runtime_object(const Value& value);
RuntimeObject* runtime_object(Value& value);

class Undefined final : public RuntimeObject {
 public:
  Undefined(std::string name_, std::string message_)
      : name(std::move(name_)), message(std::move(message_)) {}
  std::string_view type_name() const override { return "Undefined"; }
  std::string text() const override { return "Undefined"; }
  bool lenient = false;  // acts as empty text
  std::string name;      // what is missing; "" when it has no name
  std::string message;   // "'x' is undefined", "'dict object' has no attribute 'x'"
};
Value undefined(std::string name, std::string message);
Value undefined_attribute(const Value& object, const Value& key);

class Namespace final : public RuntimeObject {
 public:
  std::string_view type_name() const override { return "Namespace"; }
  std::string text() const override;
  Outcome<std::optional<Value>> get(Interpreter& in, const Value& key) override;
  value::Dict attributes;
};

// One call of a filter or test, its arguments sorted into the row's parameters.
struct Call {
  Interpreter& in;
  Value input;
  std::vector<std::optional<Value>> args;
  std::vector<Value> rest;  // beyond the parameters, where the row allows them
  std::vector<std::pair<std::string, Value>> more;  // keywords beyond the parameters

  bool has(std::size_t i) const { return i < args.size() && args[i].has_value(); }
  bool given(std::size_t i) const { return has(i) && !args[i]->is_none(); }
  Value get(std::size_t i) const { return has(i) ? *args[i] : Value(); }
  bool flag(std::size_t i, bool preset) const { return has(i) ? value::truthy(*args[i]) : preset; }
  Outcome<std::int64_t> integer(std::size_t i, std::int64_t preset) const;
  Outcome<std::string> text(std::size_t i, std::string_view preset) const;  // any type, as str()
};

enum RowFlag : unsigned {
  kTakesUndefined = 1,  // the input may be undefined
  kLazyArguments = 2,   // so may arguments
  kSelects = 4,         // the result is a part of the input and has its own taint
  kKeepsText = 8,       // Ansible does not read the result as a literal
};

using FilterFunction = Outcome<Value> (*)(Call& call);
struct FilterRow {
  std::string_view name;
  FilterFunction function;
  std::string_view parameters;  // names; a last "*" takes more positionals, "**" also keywords
  unsigned flags = 0;
};
using TestFunction = Outcome<bool> (*)(Call& call);
struct TestRow {
  std::string_view name;
  TestFunction function;
  std::string_view parameters;
  unsigned flags = 0;
};

// All filters and tests by name.
class Registry {
 public:
  Registry();
  const FilterRow* filter(std::string_view name) const;
  const TestRow* test(std::string_view name) const;
  std::vector<std::string_view> filter_names() const;
  std::vector<std::string_view> test_names() const;

 private:
  std::unordered_map<std::string_view, const FilterRow*> filters_;
  std::unordered_map<std::string_view, const TestRow*> tests_;
};

// The name of a filter, test or lookup without a collection's name in front.
std::string_view strip_collection(std::string_view name);

// One per file in filters/, and tests.cc.
std::span<const FilterRow> string_filters();
std::span<const FilterRow> list_filters();
std::span<const FilterRow> number_filters();
std::span<const FilterRow> format_filters();
std::span<const FilterRow> regex_filters();
std::span<const FilterRow> mapping_filters();
std::span<const FilterRow> system_filters();
std::span<const FilterRow> file_filters();
std::span<const FilterRow> link_filters();
std::span<const FilterRow> address_filters();
std::span<const TestRow> all_tests();

}  // namespace fleetctl::template_
