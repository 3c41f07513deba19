#include "fleetctl/template/operators.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "fleetctl/template/interpreter.h"
#include "fleetctl/template/moments.h"
#include "fleetctl/value/text.h"

namespace fleetctl::template_ {
namespace {

std::string_view symbol(Op op) {
  switch (op) {
    case Op::kAdd:
      return "+";
    case Op::kSub:
      return "-";
    case Op::kMul:
      return "*";
    case Op::kDiv:
      return "/";
    case Op::kFloorDiv:
      return "//";
    case Op::kMod:
      return "%";
    case Op::kPow:
      return "** or pow()";
    case Op::kLt:
      return "<";
    case Op::kLe:
      return "<=";
    case Op::kGt:
      return ">";
    case Op::kGe:
      return ">=";
    default:
      return "?";
  }
}

tl::unexpected<std::shared_ptr<Problem>> unsupported(Op op, const Value& a, const Value& b) {
  return bad("unsupported operand type(s) for " + std::string(symbol(op)) + ": '" +
             std::string(value::type_name(a)) + "' and '" + std::string(value::type_name(b)) + "'");
}
tl::unexpected<std::shared_ptr<Problem>> too_large() {
  return problem(ProblemKind::kLimit,
                 "the number is too large (integers beyond 64 bits cannot be computed with)");
}

bool is_small(const Value& v) { return v.is_int() || v.is_bool(); }
std::int64_t small(const Value& v) { return v.is_bool() ? (v.as_bool() ? 1 : 0) : v.as_int(); }

Outcome<Value> real_power(double base, double exponent) {
  if (base == 0.0 && exponent < 0) return bad("0.0 cannot be raised to a negative power");
  const double made = std::pow(base, exponent);
  if (std::isfinite(base) && std::isfinite(exponent)) {
    if (std::isnan(made)) return bad("a negative number to a fraction is a complex number");
    if (std::isinf(made)) return bad("Numerical result out of range");
  }
  return Value::real(made);
}

Outcome<Value> power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    return real_power(static_cast<double>(base), static_cast<double>(exponent));
  }
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return too_large();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return too_large();
  }
  return Value::integer(result);
}

Outcome<Value> whole_arithmetic(Op op, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  switch (op) {
    case Op::kAdd:
      return __builtin_add_overflow(a, b, &out) ? Outcome<Value>(too_large()) : Value::integer(out);
    case Op::kSub:
      return __builtin_sub_overflow(a, b, &out) ? Outcome<Value>(too_large()) : Value::integer(out);
    case Op::kMul:
      return __builtin_mul_overflow(a, b, &out) ? Outcome<Value>(too_large()) : Value::integer(out);
    case Op::kDiv:
      if (b == 0) return bad("division by zero");
      return Value::real(static_cast<double>(a) / static_cast<double>(b));
    case Op::kFloorDiv:
    case Op::kMod: {
      if (b == 0) return bad("integer division or modulo by zero");
      if (b == -1) {
        if (op == Op::kMod) return Value::integer(0);
        return __builtin_sub_overflow(std::int64_t{0}, a, &out) ? Outcome<Value>(too_large())
                                                                : Value::integer(out);
      }
      std::int64_t quotient = a / b;
      std::int64_t rest = a % b;
      if (rest != 0 && (rest < 0) != (b < 0)) {
        --quotient;
        rest += b;
      }
      return Value::integer(op == Op::kMod ? rest : quotient);
    }
    default:
      return power(a, b);
  }
}

Outcome<Value> real_arithmetic(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd:
      return Value::real(a + b);
    case Op::kSub:
      return Value::real(a - b);
    case Op::kMul:
      return Value::real(a * b);
    case Op::kDiv:
      if (b == 0.0) return bad("float division by zero");
      return Value::real(a / b);
    case Op::kFloorDiv:
    case Op::kMod: {
      if (b == 0.0) return bad("float floor division by zero");
      double rest = std::fmod(a, b);
      double quotient = (a - rest) / b;
      if (rest != 0.0) {
        if ((b < 0) != (rest < 0)) {
          rest += b;
          quotient -= 1.0;
        }
      } else {
        rest = std::copysign(0.0, b);
      }
      if (op == Op::kMod) return Value::real(rest);
      if (quotient == 0.0) return Value::real(std::copysign(0.0, a / b));
      double floored = std::floor(quotient);
      if (quotient - floored > 0.5) floored += 1.0;
      return Value::real(floored);
    }
    default:
      return real_power(a, b);
  }
}

Outcome<Value> repeat(Interpreter& in, const Value& what, std::int64_t times) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(0, times));
  if (what.is_string()) {
    const std::string& text = what.as_string();
    if (!text.empty() && count > in.world().limits.output_bytes / text.size()) {
      return problem(ProblemKind::kLimit, "a repeated string is too large");
    }
    std::string out;
    out.reserve(text.size() * count);
    for (std::size_t i = 0; i < count; ++i) out += text;
    return Value::string(std::move(out), what.flags());
  }
  const auto& items = what.items();
  if (!items.empty() && count > 1'000'000 / items.size()) {
    return problem(ProblemKind::kLimit, "a repeated list is too large");
  }
  std::vector<Value> out;
  for (std::size_t i = 0; i < count; ++i) out.insert(out.end(), items.begin(), items.end());
  return what.is_list() ? Value::list(std::move(out)) : Value::tuple(std::move(out));
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace

Outcome<Value> binary(Interpreter& in, Op op, const Value& left, const Value& right) {
  TEMPLATE_CHECK(in.require(left));
  TEMPLATE_CHECK(in.require(right));
  if (left.is_number() && right.is_number()) {
    if (is_small(left) && is_small(right)) return whole_arithmetic(op, small(left), small(right));
    if (left.is_float() || right.is_float()) {
      return real_arithmetic(op, value::number_of(left), value::number_of(right));
    }
    return too_large();
  }
  if (auto made = moment_arithmetic(op, left, right)) return std::move(*made);
  if (op == Op::kAdd) {
    if (left.is_string() && right.is_string()) {
      if (left.has(value::kMarkup) || right.has(value::kMarkup)) {
        const auto safe = [](const Value& v) {
          return v.has(value::kMarkup) ? v.as_string() : escape_html(v.as_string());
        };
        return Value::string(safe(left) + safe(right), value::kMarkup);
      }
      return Value::string(left.as_string() + right.as_string());
    }
    if (left.is_sequence() && left.kind() == right.kind()) {
      std::vector<Value> out = left.items();
      out.insert(out.end(), right.items().begin(), right.items().end());
      return left.is_list() ? Value::list(std::move(out)) : Value::tuple(std::move(out));
    }
    if (left.is_string()) {
      return bad("can only concatenate str (not \"" + std::string(value::type_name(right)) +
                 "\") to str");
    }
  }
  if (op == Op::kMul) {
    if ((left.is_string() || left.is_sequence()) && is_small(right)) {
      return repeat(in, left, small(right));
    }
    if ((right.is_string() || right.is_sequence()) && is_small(left)) {
      return repeat(in, right, small(left));
    }
  }
  if (op == Op::kMod && left.is_string()) {
    TEMPLATE_TRY(text, percent_format(in, left.as_string(), right));
    return Value::string(std::move(text));
  }
  return unsupported(op, left, right);
}

Outcome<Value> unary(Op op, const Value& v) {
  if (is_small(v)) {
    std::int64_t out = small(v);
    if (op == Op::kNeg && __builtin_sub_overflow(std::int64_t{0}, out, &out)) {
      return Value::integer_text("9223372036854775808");
    }
    return Value::integer(out);
  }
  if (v.is_float()) return Value::real(op == Op::kNeg ? -v.as_float() : v.as_float());
  if (v.kind() == value::Kind::kBigInt) {
    if (op == Op::kPos) return v;
    const std::string& digits = v.as_string();
    return Value::integer_text(digits[0] == '-' ? digits.substr(1) : "-" + digits);
  }
  return bad("bad operand type for unary " + std::string(op == Op::kNeg ? "-" : "+") + ": '" +
             std::string(value::type_name(v)) + "'");
}

Outcome<bool> contains(Interpreter& in, const Value& container, const Value& item) {
  if (in.lenient(container)) return false;
  TEMPLATE_CHECK(in.require(container));
  TEMPLATE_CHECK(in.require(item));
  if (container.is_string()) {
    if (!item.is_string()) {
      return bad("'in <string>' requires string as left operand, not " +
                 std::string(value::type_name(item)));
    }
    return container.as_string().find(item.as_string()) != std::string::npos;
  }
  if (container.is_dict()) {
    if (!value::hashable(item))
      return bad("unhashable type: '" + std::string(value::type_name(item)) + "'");
    return container.as_dict().find(item) != nullptr;
  }
  if (container.is_sequence()) {
    for (const Value& each : container.items()) {
      TEMPLATE_CHECK(in.require(each));
      if (value::equal(each, item)) return true;
    }
    return false;
  }
  if (const RuntimeObject* object = runtime_object(container)) {
    if (const auto elements = object->elements()) {
      return std::any_of(elements->begin(), elements->end(),
                         [&item](const Value& v) { return value::equal(v, item); });
    }
  }
  return bad("argument of type '" + std::string(value::type_name(container)) + "' is not iterable");
}

Outcome<bool> compare_op(Interpreter& in, Op op, const Value& left, const Value& right) {
  if (op == Op::kIn || op == Op::kNotIn) {
    TEMPLATE_TRY(inside, contains(in, right, left));
    return inside == (op == Op::kIn);
  }
  const bool equality = op == Op::kEq || op == Op::kNe;
  if (!equality || !in.lenient(left)) TEMPLATE_CHECK(in.require(left));
  if (!equality || !in.lenient(right)) TEMPLATE_CHECK(in.require(right));
  if (left.is_object() && right.is_object()) {
    if (const auto made = moment_arithmetic(op, left, right)) return made->as_bool();
  }
  if (op == Op::kEq) return value::equal(left, right);
  if (op == Op::kNe) return !value::equal(left, right);
  const auto order = value::compare(left, right);
  if (!order) {
    return bad("'" + std::string(symbol(op)) + "' not supported between instances of '" +
               std::string(value::type_name(left)) + "' and '" +
               std::string(value::type_name(right)) + "'");
  }
  switch (op) {
    case Op::kLt:
      return *order < 0;
    case Op::kLe:
      return *order <= 0;
    case Op::kGt:
      return *order > 0;
    default:
      return *order >= 0;
  }
}

Outcome<Value> slice_of(const Value& object, const Value& start_v, const Value& stop_v,
                        const Value& step_v) {
  for (const Value* v : {&start_v, &stop_v, &step_v}) {
    if (!v->is_none() && !is_small(*v)) {
      return bad("slice indices must be integers or None or have an __index__ method");
    }
  }
  if (!object.is_string() && !object.is_sequence()) {
    return bad("'" + std::string(value::type_name(object)) + "' object cannot be sliced");
  }
  std::u32string points;
  if (object.is_string()) points = value::decode_utf8(object.as_string());
  const auto size =
      static_cast<std::int64_t>(object.is_string() ? points.size() : object.items().size());
  const std::int64_t step = step_v.is_none() ? 1 : small(step_v);
  if (step == 0) return bad("slice step cannot be zero");
  const auto clamp = [&](const Value& v, std::int64_t preset) {
    if (v.is_none()) return preset;
    std::int64_t i = small(v);
    if (i < 0) i = i < -size ? -1 : i + size;
    const std::int64_t low = step < 0 ? -1 : 0;
    const std::int64_t high = step < 0 ? size - 1 : size;
    return std::clamp(i, low, std::max(low, high));
  };
  std::int64_t start = clamp(start_v, step < 0 ? size - 1 : 0);
  const std::int64_t stop = clamp(stop_v, step < 0 ? -1 : size);
  std::vector<Value> items;
  std::u32string text;
  const std::int64_t stride = std::clamp<std::int64_t>(step, -size - 1, size + 1);
  for (; stride > 0 ? start < stop : start > stop; start += stride) {
    const auto at = static_cast<std::size_t>(start);
    if (object.is_string()) {
      text += points[at];
    } else {
      items.push_back(object.items()[at]);
    }
  }
  if (object.is_string()) return Value::string(value::encode_utf8(text));
  return object.is_list() ? Value::list(std::move(items)) : Value::tuple(std::move(items));
}

Outcome<> sort_by(std::vector<Value>& items, std::vector<Value> keys, bool reverse) {
  std::vector<std::size_t> order(items.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const Value* wrong_a = nullptr;
  const Value* wrong_b = nullptr;
  // A merge sort: it stays within bounds even if the comparison is not an order.
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const Value& x = reverse ? keys[b] : keys[a];
    const Value& y = reverse ? keys[a] : keys[b];
    const auto less = value::compare(x, y);
    if (!less && wrong_a == nullptr) {
      wrong_a = &x;
      wrong_b = &y;
    }
    return less && *less < 0;
  });
  if (wrong_a != nullptr) {
    const Value* a = wrong_a;
    const Value* b = wrong_b;
    while (a->is_sequence() && a->kind() == b->kind()) {  // name the items that differ
      std::size_t i = 0;
      while (i < a->items().size() && i < b->items().size() &&
             value::equal(a->items()[i], b->items()[i]))
        ++i;
      if (i >= a->items().size() || i >= b->items().size()) break;
      const Value* next_a = &a->items()[i];
      b = &b->items()[i];
      a = next_a;
    }
    return bad("'<' not supported between instances of '" + std::string(value::type_name(*b)) +
               "' and '" + std::string(value::type_name(*a)) + "'");
  }
  std::vector<Value> sorted;
  sorted.reserve(items.size());
  for (const std::size_t i : order) sorted.push_back(std::move(items[i]));
  items = std::move(sorted);
  return {};
}

}  // namespace fleetctl::template_
