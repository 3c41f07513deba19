#include "fleetctl/template/objects.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "agent/base/clock.h"
#include "fleetctl/template/moments.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

constexpr std::int64_t kMaxRange = 1'000'000;

using Found = Outcome<std::optional<Value>>;
Found found(Value v) { return std::optional<Value>(std::move(v)); }

Value whole(std::size_t n) { return Value::integer(static_cast<std::int64_t>(n)); }

class Super final : public RuntimeObject {
 public:
  Super(std::string block, std::size_t level, ScopePtr around)
      : block_(std::move(block)), level_(level), around_(std::move(around)) {}
  std::string_view type_name() const override { return "BlockReference"; }
  std::string text() const override { return "<BlockReference '" + block_ + "'>"; }
  bool callable() const override { return true; }
  Outcome<Value> call(Interpreter& in, Args) override {
    return in.call_block(block_, level_, around_);
  }
  // super.super: one level further up.
  Found get(Interpreter&, const Value& key) override {
    if (key.is_string() && key.as_string() == "super") {
      return found(Value::object(std::make_shared<Super>(block_, level_ + 1, around_)));
    }
    return std::optional<Value>();
  }

 private:
  std::string block_;
  std::size_t level_;
  ScopePtr around_;
};

class Self final : public RuntimeObject {
 public:
  std::string_view type_name() const override { return "TemplateReference"; }
  std::string text() const override { return "<TemplateReference>"; }
  Found get(Interpreter&, const Value& key) override {
    if (!key.is_string()) return std::optional<Value>();
    return found(Value::object(std::make_shared<Super>(key.as_string(), 0, nullptr)));
  }
};

class BoundMethod final : public RuntimeObject {
 public:
  BoundMethod(Value object, std::string name)
      : object_(std::move(object)), name_(std::move(name)) {}
  std::string_view type_name() const override { return "builtin_function_or_method"; }
  std::string text() const override {
    return "<built-in method " + name_ + " of " + std::string(value::type_name(object_)) +
           " object>";
  }
  bool callable() const override { return true; }
  Outcome<Value> call(Interpreter& in, Args args) override {
    return template_::call_method(in, object_, name_, std::move(args));
  }

 private:
  Value object_;
  std::string name_;
};

class HostVars final : public RuntimeObject {
 public:
  explicit HostVars(const Variables& variables) : variables_(variables) {}
  std::string_view type_name() const override { return "HostVarsVars"; }
  std::string text() const override { return "<HostVarsVars>"; }
  Found get(Interpreter& in, const Value& key) override {
    if (!key.is_string() || variables_.find(key.as_string()) == nullptr)
      return std::optional<Value>();
    TEMPLATE_TRY(v, in.host_variable(variables_, key.as_string()));
    return found(std::move(v));
  }
  std::optional<std::vector<Value>> elements() const override {
    std::vector<Value> out;
    for (std::string& name : variables_.names()) out.push_back(Value::string(std::move(name)));
    return out;
  }

 private:
  const Variables& variables_;
};

class AllHosts final : public RuntimeObject {
 public:
  explicit AllHosts(const Hosts& hosts) : hosts_(hosts) {}
  std::string_view type_name() const override { return "HostVars"; }
  std::string text() const override { return "<HostVars>"; }
  Found get(Interpreter&, const Value& key) override {
    const Variables* host = key.is_string() ? hosts_.find(key.as_string()) : nullptr;
    if (host == nullptr) return std::optional<Value>();
    return found(Value::object(std::make_shared<HostVars>(*host)));
  }
  std::optional<std::vector<Value>> elements() const override {
    std::vector<Value> out;
    for (std::string& name : hosts_.names()) out.push_back(Value::string(std::move(name)));
    return out;
  }

 private:
  const Hosts& hosts_;
};

class Cycler final : public RuntimeObject {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {}
  std::string_view type_name() const override { return "Cycler"; }
  std::string text() const override { return "<Cycler>"; }
  Found get(Interpreter&, const Value& key) override {
    if (key.is_string() && key.as_string() == "current") return found(items_[at_]);
    return std::optional<Value>();
  }
  bool has_method(std::string_view name) const override {
    return name == "next" || name == "reset";
  }
  Outcome<Value> call_method(Interpreter&, std::string_view name, Args) override {
    if (name == "reset") {
      at_ = 0;
      return Value();
    }
    Value v = items_[at_];
    at_ = (at_ + 1) % items_.size();
    return v;
  }

 private:
  std::vector<Value> items_;
  std::size_t at_ = 0;
};

class Joiner final : public RuntimeObject {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  std::string_view type_name() const override { return "Joiner"; }
  std::string text() const override { return "<Joiner>"; }
  bool callable() const override { return true; }
  Outcome<Value> call(Interpreter&, Args) override {
    if (!std::exchange(used_, true)) return Value::string("");
    return separator_;
  }

 private:
  Value separator_;
  bool used_ = false;
};

using Native = Outcome<Value> (*)(Interpreter& in, Args& args);
class Function final : public RuntimeObject {
 public:
  Function(std::string_view name, Native native) : name_(name), native_(native) {}
  std::string_view type_name() const override { return "function"; }
  std::string text() const override { return "<function " + std::string(name_) + ">"; }
  bool callable() const override { return true; }
  Outcome<Value> call(Interpreter& in, Args args) override { return native_(in, args); }

 private:
  std::string_view name_;
  Native native_;
};

Outcome<Value> range(Interpreter& in, Args& args) {
  std::array<std::int64_t, 3> n{0, 0, 1};
  const std::size_t count = args.positional.size();
  if (count < 1 || count > 3) return bad("range expects 1 to 3 arguments");
  for (std::size_t i = 0; i < count; ++i) {
    const Value& v = args.positional[i];
    TEMPLATE_CHECK(in.require(v));
    if (!v.is_int() && !v.is_bool()) {
      return bad("'" + std::string(value::type_name(v)) +
                 "' object cannot be interpreted as an integer");
    }
    n[count == 1 ? 1 : i] = v.is_bool() ? (v.as_bool() ? 1 : 0) : v.as_int();
  }
  if (n[2] == 0) return bad("range() arg 3 must not be zero");
  std::vector<Value> out;
  const auto far = [](std::int64_t v) { return v > (1LL << 60) || v < -(1LL << 60); };
  if (far(n[0]) || far(n[1]) || far(n[2])) {
    return problem(ProblemKind::kLimit, "range is too large");
  }
  for (std::int64_t i = n[0]; n[2] > 0 ? i < n[1] : i > n[1]; i += n[2]) {
    if (static_cast<std::int64_t>(out.size()) >= kMaxRange) {
      return problem(ProblemKind::kLimit,
                     "range of more than " + std::to_string(kMaxRange) + " numbers");
    }
    out.push_back(Value::integer(i));
  }
  TEMPLATE_CHECK(in.charge(out.size() * sizeof(Value)));
  return Value::list(std::move(out));
}

Outcome<Value> make_dict(Interpreter& in, Args& args) {
  value::Dict dict;
  if (args.positional.size() > 1) return bad("dict expected at most 1 argument");
  for (const Value& v : args.positional) {
    TEMPLATE_CHECK(in.require(v));
    if (v.is_dict()) {
      dict = v.as_dict();
      continue;
    }
    TEMPLATE_TRY(pairs, in.elements_of(v));
    for (const Value& pair : pairs) {
      TEMPLATE_TRY(both, in.elements_of(pair));
      if (both.size() != 2) return bad("dictionary update sequence elements must be pairs");
      if (!value::hashable(both[0]))
        return bad("unhashable type: '" + std::string(value::type_name(both[0])) + "'");
      dict.set(both[0], both[1]);
    }
  }
  for (const auto& [key, v] : args.named) dict.set(key, v);
  return Value::dict(std::move(dict));
}

Outcome<Value> make_namespace(Interpreter& in, Args& args) {
  TEMPLATE_TRY(attributes, make_dict(in, args));
  auto space = std::make_shared<Namespace>();
  space->attributes = attributes.as_dict();
  in.keep(space);
  return Value::object(std::move(space));
}

Outcome<Value> make_cycler(Interpreter&, Args& args) {
  if (args.positional.empty()) return bad("at least one item has to be provided");
  return Value::object(std::make_shared<Cycler>(std::move(args.positional)));
}

Outcome<Value> make_joiner(Interpreter&, Args& args) {
  Value separator = Value::string(", ");
  if (!args.positional.empty()) separator = args.positional[0];
  for (const auto& [key, v] : args.named) {
    if (key == "sep") separator = v;
  }
  return Value::object(std::make_shared<Joiner>(std::move(separator)));
}

Outcome<Value> lookup(Interpreter& in, Args& args) { return in.lookup(std::move(args), false); }
Outcome<Value> query(Interpreter& in, Args& args) { return in.lookup(std::move(args), true); }

Outcome<Value> undef(Interpreter& in, Args& args) {
  std::string hint = "Mandatory variable has not been overridden";
  const auto take = [&](const Value& v) -> Outcome<> {
    TEMPLATE_TRY(text, in.text_of(v));
    if (!text.empty()) hint = text;
    return {};
  };
  if (!args.positional.empty()) TEMPLATE_CHECK(take(args.positional[0]));
  for (const auto& [key, v] : args.named) {
    if (key == "hint") TEMPLATE_CHECK(take(v));
  }
  return undefined("", hint);
}

Outcome<Value> now(Interpreter& in, Args& args) {
  if (in.world().clock == nullptr) return bad("now() is not allowed here");
  bool utc = false;
  std::string format;
  for (std::size_t i = 0; i < args.positional.size(); ++i) {
    if (i == 0) utc = value::truthy(args.positional[i]);
    if (i == 1) format = value::str(args.positional[i]);
  }
  for (const auto& [key, v] : args.named) {
    if (key == "utc") utc = value::truthy(v);
    if (key == "fmt") format = value::str(v);
  }
  if (format.size() > 1000) return bad("now(): the format is too long");
  const std::int64_t microseconds = in.world().clock->wall_ns() / 1000;
  const auto seconds = static_cast<std::time_t>(microseconds / 1'000'000);
  std::tm parts{};
  if (utc) {
    gmtime_r(&seconds, &parts);
  } else {
    localtime_r(&seconds, &parts);
  }
  if (format.empty())
    return make_moment(std::int64_t{timegm(&parts)} * 1'000'000 + microseconds % 1'000'000);
  return Value::string(format_time(format, parts));
}

struct Global {
  std::string_view name;
  Native native;
};
constexpr std::array kGlobals{Global{"range", range},
                              Global{"dict", make_dict},
                              Global{"namespace", make_namespace},
                              Global{"cycler", make_cycler},
                              Global{"joiner", make_joiner},
                              Global{"lookup", lookup},
                              Global{"query", query},
                              Global{"q", query},
                              Global{"undef", undef},
                              Global{"now", now}};

}  // namespace

// Base classes.

Outcome<std::optional<Value>> RuntimeObject::get(Interpreter&, const Value&) {
  return std::optional<Value>();
}
Outcome<Value> RuntimeObject::call(Interpreter&, Args) {
  return bad("'" + std::string(type_name()) + "' object is not callable");
}
Outcome<Value> RuntimeObject::call_method(Interpreter&, std::string_view name, Args) {
  return bad("'" + std::string(type_name()) + "' object has no attribute '" + std::string(name) +
             "'");
}
const RuntimeObject* runtime_object(const Value& value) {
  if (!value.is_object()) return nullptr;
  return dynamic_cast<const RuntimeObject*>(value.as_object().get());
}
RuntimeObject* runtime_object(Value& value) {
  if (!value.is_object()) return nullptr;
  return dynamic_cast<RuntimeObject*>(value.as_object().get());
}

Value undefined(std::string name, std::string message) {
  return Value::undefined(std::make_shared<Undefined>(std::move(name), std::move(message)));
}

Value undefined_attribute(const Value& object, const Value& key) {
  const std::string type =
      object.is_none() ? "None" : std::string(value::type_name(object)) + " object";
  if (!key.is_string()) {
    return undefined("", type + " has no element " + value::repr(key, 200));
  }
  return undefined(key.as_string(), value::repr_string(type) + " has no attribute " +
                                        value::repr_string(key.as_string()));
}

std::string Namespace::text() const {
  return "<Namespace " + value::repr(Value::dict(attributes)) + ">";
}
Outcome<std::optional<Value>> Namespace::get(Interpreter&, const Value& key) {
  const Value* v = attributes.find(key);
  return v != nullptr ? std::optional<Value>(*v) : std::nullopt;
}

std::string Macro::text() const { return "<Macro " + value::repr_string(name) + ">"; }
Outcome<Value> Macro::call(Interpreter& in, Args args) {
  return in.call_macro(*this, std::move(args));
}
Outcome<std::optional<Value>> Macro::get(Interpreter&, const Value& key) {
  if (!key.is_string()) return std::optional<Value>();
  const std::string& attribute = key.as_string();
  if (attribute == "name") return found(Value::string(name));
  if (attribute == "arguments") {
    std::vector<Value> names;
    for (const auto& [param, preset] : stmt->params) names.push_back(Value::string(param));
    return found(Value::tuple(std::move(names)));
  }
  if (attribute == "catch_kwargs") return found(Value::boolean(stmt->uses_kwargs));
  if (attribute == "catch_varargs") return found(Value::boolean(stmt->uses_varargs));
  if (attribute == "caller") return found(Value::boolean(stmt->uses_caller));
  return std::optional<Value>();
}

Outcome<std::optional<Value>> Module::get(Interpreter&, const Value& key) {
  const Value* v = exports.find(key);
  return v != nullptr ? std::optional<Value>(*v) : std::nullopt;
}

std::string Loop::text() const {
  return "<LoopContext " + std::to_string(index + 1) + "/" + std::to_string(items.size()) + ">";
}

Outcome<std::optional<Value>> Loop::get(Interpreter&, const Value& key) {
  if (!key.is_string()) return std::optional<Value>();
  const std::string& name = key.as_string();
  const std::size_t size = items.size();
  if (name == "index") return found(whole(index + 1));
  if (name == "index0") return found(whole(index));
  if (name == "revindex") return found(whole(size - index));
  if (name == "revindex0") return found(whole(size - index - 1));
  if (name == "first") return found(Value::boolean(index == 0));
  if (name == "last") return found(Value::boolean(index + 1 == size));
  if (name == "length") return found(whole(size));
  if (name == "depth") return found(Value::integer(depth + 1));
  if (name == "depth0") return found(Value::integer(depth));
  if (name == "previtem") {
    return found(index > 0 ? items[index - 1] : undefined("", "there is no previous item"));
  }
  if (name == "nextitem") {
    return found(index + 1 < size ? items[index + 1] : undefined("", "there is no next item"));
  }
  return std::optional<Value>();
}

Outcome<Value> Loop::call(Interpreter& in, Args args) {
  if (args.positional.size() != 1) return bad("loop() expects one iterable");
  if (!outside) {
    return bad("The loop must have the 'recursive' marker to be called recursively.");
  }
  return in.run_recursive(*stmt, outside, *tmpl, args.positional[0], depth + 1);
}

bool Loop::has_method(std::string_view name) const { return name == "cycle" || name == "changed"; }

Outcome<Value> Loop::call_method(Interpreter&, std::string_view name, Args args) {
  if (name == "cycle") {
    if (args.positional.empty()) return bad("no items for cycling given");
    return args.positional[index % args.positional.size()];
  }
  if (seen && value::equal(Value::list(*seen), Value::list(args.positional))) {
    return Value::boolean(false);
  }
  seen = std::move(args.positional);
  return Value::boolean(true);
}

Value make_self() { return Value::object(std::make_shared<Self>()); }
Value make_super(std::string block, std::size_t level, bool exists, ScopePtr around) {
  if (!exists) {
    return undefined("super", "there is no parent block called '" + block + "'.");
  }
  return Value::object(std::make_shared<Super>(std::move(block), level + 1, std::move(around)));
}
Value make_hostvars(const Hosts& hosts) { return Value::object(std::make_shared<AllHosts>(hosts)); }
Value make_bound_method(Value object, std::string name) {
  return Value::object(std::make_shared<BoundMethod>(std::move(object), std::move(name)));
}

std::optional<Value> global_function(std::string_view name) {
  for (const Global& global : kGlobals) {
    if (global.name == name) return Value::object(std::make_shared<Function>(name, global.native));
  }
  return std::nullopt;
}

}  // namespace fleetctl::template_
