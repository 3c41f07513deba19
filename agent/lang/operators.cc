#include "agent/lang/operators.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "agent/base/strings.h"
namespace agent::lang {
namespace {

using Kind = Value::Kind;
using Outcome = tl::expected<Value, OperandFault>;

tl::unexpected<OperandFault> fault(int operand, std::string message) {
  return tl::unexpected<OperandFault>(OperandFault{operand, std::move(message)});
}

bool is_text(const Value& v) { return v.kind() == Kind::kString || v.kind() == Kind::kSecret; }
const std::string& text_of(const Value& v) {
  return v.kind() == Kind::kSecret ? v.secret().reveal() : v.string();
}

std::uint64_t bits(const Value& v) {
  return v.kind() == Kind::kUint ? v.unsigned_integer() : static_cast<std::uint64_t>(to_int(v));
}
Value int_of(std::uint64_t bits) { return Value(static_cast<std::int64_t>(bits)); }

bool equal(const Value& a, const Value& b) {
  // A secret compares with a string by its text; everything else as values do.
  if (is_text(a) && is_text(b)) return text_of(a) == text_of(b);
  return a == b;
}

// -1, 0, 1; 2 when they are not ordered (NaN).
int compare(const Value& a, const Value& b) {
  if (a.kind() == Kind::kFloat || b.kind() == Kind::kFloat) {
    const double x = a.as_double();
    const double y = b.as_double();
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
  }
  const bool a_negative = a.kind() == Kind::kInt && a.integer() < 0;
  const bool b_negative = b.kind() == Kind::kInt && b.integer() < 0;
  if (a_negative != b_negative) return a_negative ? -1 : 1;
  const std::uint64_t x = bits(a);
  const std::uint64_t y = bits(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

std::uint64_t power(std::uint64_t base, std::uint64_t exponent) {
  std::uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result *= base;
    base *= base;
  }
  return result;
}

bool is_zero(const Value& v) { return v.kind() == Kind::kFloat ? v.floating() == 0 : bits(v) == 0; }

Outcome arithmetic(TokenKind op, const Value& a, const Value& b) {
  if ((op == TokenKind::kDivide || op == TokenKind::kModulo) && is_zero(b))
    return fault(1, "is zero: division by zero");
  if (a.kind() == Kind::kFloat || b.kind() == Kind::kFloat) {
    const double x = a.as_double();
    const double y = b.as_double();
    switch (op) {
      case TokenKind::kPlus:
        return Value(x + y);
      case TokenKind::kMinus:
        return Value(x - y);
      case TokenKind::kTimes:
        return Value(x * y);
      case TokenKind::kDivide:
        return Value(x / y);
      case TokenKind::kModulo:
        return Value(std::fmod(x, y));
      default:
        return Value(std::pow(x, y));
    }
  }
  const std::uint64_t x = bits(a);
  const std::uint64_t y = bits(b);
  if (op == TokenKind::kPower && b.kind() == Kind::kInt && b.integer() < 0)
    return Value(std::pow(a.as_double(), b.as_double()));
  // An int and a uint together are ints. Overflow wraps, hence the arithmetic without a sign.
  if (a.kind() == Kind::kInt || b.kind() == Kind::kInt) {
    const auto i = static_cast<std::int64_t>(x);
    const auto j = static_cast<std::int64_t>(y);
    switch (op) {
      case TokenKind::kPlus:
        return int_of(x + y);
      case TokenKind::kMinus:
        return int_of(x - y);
      case TokenKind::kTimes:
        return int_of(x * y);
      case TokenKind::kDivide:
        return j == -1 ? int_of(0 - x) : Value(i / j);
      case TokenKind::kModulo:
        return j == -1 ? Value(0) : Value(i % j);
      default:
        return int_of(power(x, y));
    }
  }
  switch (op) {
    case TokenKind::kPlus:
      return Value(x + y);
    case TokenKind::kMinus:
      return Value(x - y);
    case TokenKind::kTimes:
      return Value(x * y);
    case TokenKind::kDivide:
      return Value(x / y);
    case TokenKind::kModulo:
      return Value(x % y);
    default:
      return Value(power(x, y));
  }
}

Outcome logic(TokenKind op, const Value& a, const Value& b) {
  for (int i = 0; i < 2; ++i) {
    const Value& v = i == 0 ? a : b;
    if (v.kind() != Kind::kBool)
      return fault(i, "should be bool, got " + std::string(v.kind_name()));
  }
  return Value(op == TokenKind::kAnd ? a.boolean() && b.boolean() : a.boolean() || b.boolean());
}

Outcome order(TokenKind op, const Value& a, const Value& b) {
  for (int i = 0; i < 2; ++i) {
    const Value& v = i == 0 ? a : b;
    if (!v.is_number() && v.kind() != Kind::kString)
      return fault(i, "should be number or string, got " + std::string(v.kind_name()));
  }
  if (a.is_number() != b.is_number())
    return fault(1,
                 "should be " + std::string(a.kind_name()) + ", got " + std::string(b.kind_name()));
  int sign = 0;
  if (a.is_number()) {
    sign = compare(a, b);
  } else {
    const int c = a.string().compare(b.string());
    sign = c < 0 ? -1 : c > 0 ? 1 : 0;
  }
  switch (op) {
    case TokenKind::kLess:
      return Value(sign == -1);
    case TokenKind::kLessEqual:
      return Value(sign == -1 || sign == 0);
    case TokenKind::kGreater:
      return Value(sign == 1);
    default:
      return Value(sign == 1 || sign == 0);
  }
}

Outcome add(const Value& a, const Value& b) {
  for (int i = 0; i < 2; ++i) {
    const Value& v = i == 0 ? a : b;
    if (!v.is_number() && !is_text(v))
      return fault(i, "should be number or string, got " + std::string(v.kind_name()));
  }
  if (a.is_number() != b.is_number())
    return fault(1,
                 "should be " + std::string(a.kind_name()) + ", got " + std::string(b.kind_name()));
  if (a.is_number()) return arithmetic(TokenKind::kPlus, a, b);
  std::string joined = text_of(a) + text_of(b);
  if (a.kind() == Kind::kSecret || b.kind() == Kind::kSecret)
    return Value(Secret(std::move(joined)));
  return Value(std::move(joined));
}

}  // namespace

std::int64_t to_int(const Value& number) {
  switch (number.kind()) {
    case Kind::kInt:
      return number.integer();
    case Kind::kUint:
      return static_cast<std::int64_t>(number.unsigned_integer());
    default: {
      const double d = number.floating();
      // What does not fit becomes the smallest int, as on amd64.
      if (!(d >= -9223372036854775808.0 && d < 9223372036854775808.0))
        return std::numeric_limits<std::int64_t>::min();
      return static_cast<std::int64_t>(d);
    }
  }
}

std::string number_text(const Value& number) {
  switch (number.kind()) {
    case Kind::kInt:
      return std::to_string(number.integer());
    case Kind::kUint:
      return std::to_string(number.unsigned_integer());
    default: {
      const double d = number.floating();
      if (std::isnan(d)) return "NaN";
      if (d == 0) return std::signbit(d) ? "-0" : "0";
      if (std::isinf(d)) return d < 0 ? "-Inf" : "+Inf";
      return plain_number(d);
    }
  }
}

Outcome apply(TokenKind op, const Value& operand) {
  if (operand.is_placeholder()) return Value(Placeholder{});
  if (op == TokenKind::kNot) {
    if (operand.kind() != Kind::kBool)
      return fault(0, "should be bool, got " + std::string(operand.kind_name()));
    return Value(!operand.boolean());
  }
  if (!operand.is_number())
    return fault(0, "should be number, got " + std::string(operand.kind_name()));
  if (operand.kind() == Kind::kFloat) return Value(-operand.floating());
  return int_of(0 - bits(operand));
}

Outcome apply(TokenKind op, const Value& left, const Value& right) {
  if (left.is_placeholder() || right.is_placeholder()) return Value(Placeholder{});
  switch (op) {
    case TokenKind::kEqual:
      return Value(equal(left, right));
    case TokenKind::kNotEqual:
      return Value(!equal(left, right));
    case TokenKind::kAnd:
    case TokenKind::kOr:
      return logic(op, left, right);
    case TokenKind::kLess:
    case TokenKind::kLessEqual:
    case TokenKind::kGreater:
    case TokenKind::kGreaterEqual:
      return order(op, left, right);
    case TokenKind::kPlus:
      return add(left, right);
    default:
      for (int i = 0; i < 2; ++i) {
        const Value& v = i == 0 ? left : right;
        if (!v.is_number()) return fault(i, "should be number, got " + std::string(v.kind_name()));
      }
      return arithmetic(op, left, right);
  }
}

}  // namespace agent::lang
