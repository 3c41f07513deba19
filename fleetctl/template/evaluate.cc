// Expressions, and the calls of filters, tests, methods and macros.
#include <algorithm>

#include "agent/base/strings.h"
#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/objects.h"
#include "fleetctl/template/operators.h"
#include "fleetctl/template/parser.h"
#include "fleetctl/template/restore.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {

std::string_view strip_collection(std::string_view name) {
  for (const std::string_view prefix : {"ansible.builtin.", "ansible.legacy.", "ansible.utils.",
                                        "ansible.netcommon.", "community.general."}) {
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  }
  return name;
}

namespace {

constexpr int kMaxNested = 1200;

// The first undefined value in v, or nullptr.
const Value* find_undefined(const Value& v, int depth) {
  if (v.is_undefined()) {
    const auto* why = dynamic_cast<const Undefined*>(v.as_object().get());
    return why != nullptr && why->lenient ? nullptr : &v;
  }
  if (depth > 100) return nullptr;
  if (v.is_sequence()) {
    for (const Value& item : v.items()) {
      if (const Value* found = find_undefined(item, depth + 1)) return found;
    }
  } else if (v.is_dict()) {
    for (const auto& [key, item] : v.as_dict()) {
      if (const Value* found = find_undefined(item, depth + 1)) return found;
    }
  }
  return nullptr;
}

bool taints(const Value& v, const Args& args) {
  if (value::tainted_deep(v)) return true;
  for (const Value& a : args.positional) {
    if (value::tainted_deep(a)) return true;
  }
  for (const auto& [name, a] : args.named) {
    if (value::tainted_deep(a)) return true;
  }
  return false;
}

// Marks what was computed from secrets.
void taint(Value& made, const Value& input) {
  if (made.is_sequence() || made.is_dict()) {
    if (input.is_string() && input.has(value::kTainted))
      value::set_flag_deep(made, value::kTainted);
  } else if (made.is_string() || made.is_number()) {
    made.set_flag(value::kTainted);
  }
}

std::uint8_t taint_flag(bool tainted) {
  return tainted ? static_cast<std::uint8_t>(value::kTainted) : std::uint8_t{0};
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> out;
  if (text.empty()) return out;
  for (const std::string_view word : agent::split(text, ' ')) out.push_back(word);
  return out;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string_view>& candidates) {
  const std::string_view near = agent::nearest(name, candidates);
  return near.empty() ? "" : ", did you mean '" + std::string(near) + "'?";
}

// Sorts the arguments of a filter or test into its parameters as Python would.
Outcome<Call> bind_arguments(Interpreter& in, std::string_view what, std::string_view name,
                             std::string_view parameters, unsigned flags, const Value& input,
                             Args args) {
  Call call{in, input, {}, {}, {}};
  std::vector<std::string_view> names = words(parameters);
  bool rest = false;
  bool keywords = false;
  while (!names.empty() && names.back()[0] == '*') {
    (names.back() == "**" ? keywords : rest) = true;
    names.pop_back();
  }
  const auto wrong = [&](const std::string& why) {
    return bad(std::string(what) + " '" + std::string(name) + "' " + why);
  };
  call.args.resize(names.size());
  for (std::size_t i = 0; i < args.positional.size(); ++i) {
    if (i < names.size()) {
      call.args[i] = std::move(args.positional[i]);
    } else if (rest) {
      call.rest.push_back(std::move(args.positional[i]));
    } else {
      return wrong("takes at most " + std::to_string(names.size()) + " arguments");
    }
  }
  for (auto& [key, v] : args.named) {
    const auto at = std::find(names.begin(), names.end(), key);
    if (at != names.end()) {
      auto& slot = call.args[static_cast<std::size_t>(at - names.begin())];
      if (slot) return wrong("got multiple values for argument '" + key + "'");
      slot = std::move(v);
    } else if (keywords) {
      call.more.emplace_back(key, std::move(v));
    } else {
      return wrong("got an unexpected keyword argument '" + key + "'" + did_you_mean(key, names));
    }
  }
  if ((flags & kTakesUndefined) == 0 && !in.lenient(input)) {
    TEMPLATE_CHECK(in.require(input));
  }
  if ((flags & kLazyArguments) == 0) {
    for (const auto& slot : call.args) {
      if (slot) TEMPLATE_CHECK(in.require(*slot));
    }
    for (const Value& v : call.rest) TEMPLATE_CHECK(in.require(v));
  }
  return call;
}

}  // namespace

Outcome<Value> Interpreter::eval(const Expr& expr) {
  if (++eval_depth_ > kMaxNested) {
    --eval_depth_;
    return pass_on(placed(std::move(problem(ProblemKind::kLimit, "recursion is too deep").value()),
                          expr.line, expr.column));
  }
  Outcome<Value> v = eval_inner(expr);
  --eval_depth_;
  if (!v) return pass_on(placed(std::move(v.error()), expr.line, expr.column));
  return v;
}

Outcome<Value> Interpreter::eval_name(const Expr& expr) {
  TEMPLATE_TRY(found, find_name(expr.name));
  if (found) return std::move(*found);
  return undefined(expr.name, "'" + expr.name + "' is undefined");
}

Outcome<Value> Interpreter::eval_inner(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kConst:
      return expr.constant;
    case ExprKind::kName:
      return eval_name(expr);
    case ExprKind::kTuple:
    case ExprKind::kList: {
      std::vector<Value> items;
      items.reserve(expr.kids.size());
      for (const ExprPtr& kid : expr.kids) {
        TEMPLATE_TRY(element, eval(*kid));
        items.push_back(std::move(element));
      }
      TEMPLATE_CHECK(charge(items.size() * sizeof(Value)));
      return expr.kind == ExprKind::kList ? Value::list(std::move(items))
                                          : Value::tuple(std::move(items));
    }
    case ExprKind::kDict: {
      value::Dict dict;
      for (std::size_t i = 0; i + 1 < expr.kids.size(); i += 2) {
        TEMPLATE_TRY(key, eval(*expr.kids[i]));
        TEMPLATE_TRY(dict_item, eval(*expr.kids[i + 1]));
        TEMPLATE_CHECK(require(key));
        if (!value::hashable(key)) {
          return bad("unhashable type: '" + std::string(value::type_name(key)) + "'");
        }
        dict.set(std::move(key), std::move(dict_item));
      }
      return Value::dict(std::move(dict));
    }
    case ExprKind::kGetattr: {
      TEMPLATE_TRY(object, eval(*expr.kids[0]));
      return attribute(object, expr.name);
    }
    case ExprKind::kGetitem: {
      TEMPLATE_TRY(object, eval(*expr.kids[0]));
      if (expr.kids[1]->kind == ExprKind::kSlice) return slice(object, *expr.kids[1]);
      TEMPLATE_TRY(key, eval(*expr.kids[1]));
      return item(object, key);
    }
    case ExprKind::kSlice:
      return bad("a slice cannot be used here");
    case ExprKind::kCall:
      return eval_call(expr);
    case ExprKind::kFilter:
      return eval_filter(expr, nullptr);
    case ExprKind::kTest: {
      TEMPLATE_TRY(tested, eval(*expr.kids[0]));
      TEMPLATE_TRY(args, eval_args(expr));
      TEMPLATE_TRY(yes, call_test(expr.name, tested, std::move(args)));
      return Value::boolean(yes);
    }
    case ExprKind::kUnary: {
      TEMPLATE_TRY(operand, eval(*expr.kids[0]));
      if (expr.op == Op::kNot) {
        TEMPLATE_TRY(yes, truth_of(operand));
        return Value::boolean(!yes);
      }
      TEMPLATE_CHECK(require(operand));
      return unary(expr.op, operand);
    }
    case ExprKind::kBinary: {
      TEMPLATE_TRY(left, eval(*expr.kids[0]));
      TEMPLATE_TRY(right, eval(*expr.kids[1]));
      TEMPLATE_TRY(made, binary(*this, expr.op, left, right));
      TEMPLATE_CHECK(charge(made));
      if (taint_seen_ && (value::tainted_deep(left) || value::tainted_deep(right))) {
        taint(made, left);
      }
      return std::move(made);
    }
    case ExprKind::kConcat: {
      std::string all;
      bool tainted = false;
      for (const ExprPtr& kid : expr.kids) {
        TEMPLATE_TRY(part, eval(*kid));
        TEMPLATE_TRY(part_text, text_of(part));
        tainted = tainted || (taint_seen_ && value::tainted_deep(part));
        all += part_text;
        if (all.size() > world_.limits.output_bytes) break;
      }
      TEMPLATE_CHECK(charge(all.size()));
      return Value::string(std::move(all), taint_flag(tainted));
    }
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      TEMPLATE_TRY(left, eval(*expr.kids[0]));
      TEMPLATE_TRY(yes, truth_of(left));
      if (yes == (expr.kind == ExprKind::kOr)) return std::move(left);
      return eval(*expr.kids[1]);
    }
    case ExprKind::kCompare:
      return eval_compare(expr);
    case ExprKind::kCond: {
      TEMPLATE_TRY(test, eval(*expr.kids[0]));
      TEMPLATE_TRY(yes, truth_of(test));
      if (yes) return eval(*expr.kids[1]);
      if (expr.kids[2]) return eval(*expr.kids[2]);
      auto nothing = std::make_shared<Undefined>(
          "", "the inline if-expression evaluated to false and no else section was defined.");
      nothing->lenient = true;
      return Value::undefined(std::move(nothing));
    }
    case ExprKind::kNamespace:
      break;
  }
  return bad("this cannot be evaluated");
}

Outcome<Value> Interpreter::eval_compare(const Expr& expr) {
  TEMPLATE_TRY(first, eval(*expr.kids[0]));
  Value left = std::move(first);
  for (std::size_t i = 0; i < expr.ops.size(); ++i) {
    TEMPLATE_TRY(right, eval(*expr.kids[i + 1]));
    TEMPLATE_TRY(holds, compare_op(*this, expr.ops[i], left, right));
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Outcome<Args> Interpreter::eval_args(const Expr& expr) {
  Args args;
  for (std::size_t i = 1; i < expr.kids.size(); ++i) {
    TEMPLATE_TRY(argument, eval(*expr.kids[i]));
    args.positional.push_back(std::move(argument));
  }
  for (const auto& [name, kid] : expr.named) {
    TEMPLATE_TRY(argument, eval(*kid));
    args.named.emplace_back(name, std::move(argument));
  }
  if (expr.star) {
    TEMPLATE_TRY(more, eval(*expr.star));
    TEMPLATE_TRY(elements, elements_of(more));
    for (Value& v : elements) args.positional.push_back(std::move(v));
  }
  if (expr.star_star) {
    TEMPLATE_TRY(more, eval(*expr.star_star));
    TEMPLATE_CHECK(require(more));
    if (!more.is_dict()) return bad("argument after ** must be a mapping");
    for (const auto& [key, v] : more.as_dict()) {
      if (!key.is_string()) return bad("keywords must be strings");
      args.named.emplace_back(key.as_string(), v);
    }
  }
  return args;
}

Outcome<Value> Interpreter::eval_call(const Expr& expr, const Value* extra_caller) {
  const Expr& callee = *expr.kids[0];
  if (callee.kind == ExprKind::kGetattr) {
    TEMPLATE_TRY(object, eval(*callee.kids[0]));
    TEMPLATE_CHECK(require(object));
    if (has_method(object, callee.name)) {
      TEMPLATE_TRY(args, eval_args(expr));
      TEMPLATE_CHECK(step());
      const bool tainted = taint_seen_ && taints(object, args);
      TEMPLATE_TRY(made, call_method(*this, object, callee.name, std::move(args)));
      TEMPLATE_CHECK(charge(made));
      if (tainted) taint(made, object);
      return std::move(made);
    }
    TEMPLATE_TRY(method, attribute(object, callee.name));
    TEMPLATE_CHECK(require(method));
    TEMPLATE_TRY(args, eval_args(expr));
    if (extra_caller != nullptr) args.named.emplace_back("caller", *extra_caller);
    return call(method, std::move(args));
  }
  TEMPLATE_TRY(function, eval(callee));
  TEMPLATE_CHECK(require(function));
  TEMPLATE_TRY(args, eval_args(expr));
  if (extra_caller != nullptr) args.named.emplace_back("caller", *extra_caller);
  auto result = call(function, std::move(args));
  if (!result && result.error()->place.line != 0 && result.error()->through.size() < 20) {
    result.error()->through.push_back(
        {template_now_ != nullptr ? template_now_->name : "", expr.line, expr.column});
  }
  return result;
}

Outcome<Value> Interpreter::call(const Value& callee, Args args) {
  TEMPLATE_CHECK(step());
  Value copy = callee;  // keeps the object alive
  RuntimeObject* object = runtime_object(copy);
  if (callee.is_undefined()) TEMPLATE_CHECK(require(callee));
  if (object == nullptr || !object->callable()) {
    return bad("'" + std::string(value::type_name(callee)) + "' object is not callable");
  }
  return object->call(*this, std::move(args));
}

// `input` overrides the innermost one, for filter blocks.
Outcome<Value> Interpreter::eval_filter(const Expr& expr, const Value* input) {
  Value in_value;
  if (!expr.kids[0]) {
    if (input == nullptr) return bad("the filter has no input");
    in_value = *input;
  } else if (input != nullptr && expr.kids[0]->kind == ExprKind::kFilter) {
    TEMPLATE_TRY(inner, eval_filter(*expr.kids[0], input));
    in_value = std::move(inner);
  } else {
    TEMPLATE_TRY(inner, eval(*expr.kids[0]));
    in_value = std::move(inner);
  }
  TEMPLATE_TRY(args, eval_args(expr));
  auto result = call_filter(expr.name, in_value, std::move(args));
  if (!result) return pass_on(placed(std::move(result.error()), expr.line, expr.column));
  return result;
}

Outcome<Value> Interpreter::call_filter(std::string_view full_name, const Value& input, Args args) {
  TEMPLATE_CHECK(step());
  const std::string_view name = strip_collection(full_name);
  const FilterRow* row = registry_.filter(name);
  if (row == nullptr) {
    return problem(ProblemKind::kSyntax, "No filter named '" + std::string(full_name) + "'" +
                                             did_you_mean(name, registry_.filter_names()));
  }
  const bool tainted = taint_seen_ && (row->flags & kSelects) == 0 && taints(input, args);
  TEMPLATE_TRY(bound, bind_arguments(*this, "filter", name, row->parameters, row->flags, input,
                                     std::move(args)));
  auto made = row->function(bound);
  if (!made) {
    if (made.error()->kind == ProblemKind::kRuntime &&
        made.error()->message.find(std::string(name) + ":") == std::string::npos) {
      made.error()->message.insert(0, std::string(name) + ": ");
    }
    return made;
  }
  TEMPLATE_CHECK(charge(*made));
  if (tainted) taint(*made, input);
  if ((row->flags & kKeepsText) != 0 && made->is_string()) made->set_flag(value::kVerbatim);
  return made;
}

Outcome<bool> Interpreter::call_test(std::string_view full_name, const Value& input, Args args) {
  TEMPLATE_CHECK(step());
  const std::string_view name = strip_collection(full_name);
  const TestRow* row = registry_.test(name);
  if (row == nullptr) {
    return problem(ProblemKind::kSyntax, "No test named '" + std::string(full_name) + "'" +
                                             did_you_mean(name, registry_.test_names()));
  }
  TEMPLATE_TRY(bound, bind_arguments(*this, "test", name, row->parameters, row->flags, input,
                                     std::move(args)));
  return row->function(bound);
}

bool Interpreter::lenient(const Value& v) const {
  if (!v.is_undefined()) return false;
  const auto* why = dynamic_cast<const Undefined*>(v.as_object().get());
  return settings_.lenient_undefined || (why != nullptr && why->lenient);
}

Outcome<> Interpreter::require(const Value& v) const {
  if (!v.is_undefined()) return {};
  const auto* why = dynamic_cast<const Undefined*>(v.as_object().get());
  auto p = std::make_shared<Problem>();
  p->kind = ProblemKind::kUndefined;
  p->message = why != nullptr ? why->message : "an undefined value is used";
  p->name = why != nullptr ? why->name : "";
  return pass_on(std::move(p));
}

Outcome<> Interpreter::require_deep(const Value& v) const {
  if (const Value* found = find_undefined(v, 0)) return require(*found);
  return {};
}

Outcome<std::string> Interpreter::text_of(const Value& v) const {
  if (v.is_string()) return v.as_string();
  if (lenient(v)) return std::string();
  if (!settings_.lenient_undefined) {
    if (const Value* found = find_undefined(v, 0)) TEMPLATE_CHECK(require(*found));
  }
  return value::str(v, world_.limits.output_bytes);
}

Outcome<bool> Interpreter::truth_of(const Value& v) const {
  if (!lenient(v)) TEMPLATE_CHECK(require(v));
  return value::truthy(v);
}

Outcome<std::vector<Value>> Interpreter::elements_of(const Value& v) const {
  if (v.is_undefined()) {
    if (lenient(v)) return std::vector<Value>();
    TEMPLATE_CHECK(require(v));
  }
  if (v.is_sequence()) return v.items();
  std::vector<Value> out;
  if (v.is_dict()) {
    for (const auto& [key, ignored] : v.as_dict()) out.push_back(key);
    return out;
  }
  if (v.is_string()) {
    if (v.as_string().size() > (1U << 20)) {
      return problem(ProblemKind::kLimit, "a string of more than 1 MiB is iterated");
    }
    for (const char32_t c : value::decode_utf8(v.as_string())) {
      std::string one;
      value::append_utf8(one, c);
      out.push_back(Value::string(std::move(one), taint_flag(v.has(value::kTainted))));
    }
    return out;
  }
  if (const RuntimeObject* object = runtime_object(v)) {
    if (auto elements = object->elements()) return std::move(*elements);
  }
  return bad("'" + std::string(value::type_name(v)) + "' object is not iterable");
}

Outcome<std::size_t> Interpreter::length_of(const Value& v) const {
  if (!lenient(v)) TEMPLATE_CHECK(require(v));
  if (v.is_undefined()) return std::size_t{0};
  if (v.is_string()) return value::count_code_points(v.as_string());
  if (v.is_sequence()) return v.items().size();
  if (v.is_dict()) return v.as_dict().size();
  if (const RuntimeObject* object = runtime_object(v)) {
    if (const auto elements = object->elements()) return elements->size();
  }
  return bad("object of type '" + std::string(value::type_name(v)) + "' has no len()");
}

Outcome<Value> Interpreter::attribute(const Value& object, const std::string& name) {
  if (object.is_undefined()) {
    if (lenient(object)) TEMPLATE_CHECK(require(object));
    return object;
  }
  if (has_method(object, name)) return make_bound_method(object, name);
  if (const Value* found = object.get(name)) return *found;
  if (object.is_tuple() && object.items().size() == 2) {  // what groupby yields has names
    if (name == "grouper") return object.items()[0];
    if (name == "list") return object.items()[1];
  }
  Value copy = object;
  if (RuntimeObject* runtime = runtime_object(copy)) {
    TEMPLATE_TRY(found, runtime->get(*this, Value::string(name)));
    if (found) return std::move(*found);
  }
  return undefined_attribute(object, Value::string(name));
}

Outcome<Value> Interpreter::item(const Value& object, const Value& key) {
  if (object.is_undefined()) {
    if (lenient(object)) TEMPLATE_CHECK(require(object));
    return object;
  }
  TEMPLATE_CHECK(require(key));
  if (object.is_dict()) {
    if (value::hashable(key)) {
      if (const Value* found = object.as_dict().find(key)) return *found;
    }
  } else if ((object.is_sequence() || object.is_string()) && (key.is_int() || key.is_bool())) {
    std::int64_t at = key.is_bool() ? (key.as_bool() ? 1 : 0) : key.as_int();
    TEMPLATE_TRY(size, length_of(object));
    const auto count = static_cast<std::int64_t>(size);
    if (at < 0) at += count;
    if (at >= 0 && at < count) {
      const auto index = static_cast<std::size_t>(at);
      if (object.is_sequence()) return object.items()[index];
      std::string one;
      value::append_utf8(one, value::decode_utf8(object.as_string())[index]);
      return Value::string(std::move(one), taint_flag(object.has(value::kTainted)));
    }
  }
  Value copy = object;
  if (RuntimeObject* runtime = runtime_object(copy)) {
    TEMPLATE_TRY(found, runtime->get(*this, key));
    if (found) return std::move(*found);
  } else if (object.is_tuple() && object.items().size() == 2 && key.is_string() &&
             (key.as_string() == "grouper" || key.as_string() == "list")) {
    return attribute(object, key.as_string());
  } else if (key.is_string() && has_method(object, key.as_string())) {
    return make_bound_method(object, key.as_string());
  }
  return undefined_attribute(object, key);
}

Outcome<Value> Interpreter::slice(const Value& object, const Expr& expr) {
  if (object.is_undefined() && !lenient(object)) return object;
  Value bounds[3];
  for (std::size_t i = 0; i < 3; ++i) {
    if (!expr.kids[i]) continue;
    TEMPLATE_TRY(bound, eval(*expr.kids[i]));
    TEMPLATE_CHECK(require(bound));
    bounds[i] = std::move(bound);
  }
  TEMPLATE_TRY(part, slice_of(object, bounds[0], bounds[1], bounds[2]));
  TEMPLATE_CHECK(charge(part));
  if (object.has(value::kTainted)) part.set_flag(value::kTainted);
  return std::move(part);
}

std::optional<Value> Interpreter::global(std::string_view name) {
  if (name == "hostvars" && world_.hosts != nullptr && !through_hostvars_)
    return make_hostvars(*world_.hosts);
  if (name == "vars" && scope_) {
    value::Dict all;
    for (const std::string& each : variables_->names()) {
      if (const Value* raw = variables_->find(each)) all.set(each, *raw);
    }
    return Value::dict(std::move(all));
  }
  return global_function(name);
}

}  // namespace fleetctl::template_
