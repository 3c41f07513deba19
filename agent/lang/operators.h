// What the operators do to values, without places: the evaluator adds them.
#pragma once

#include <cstdint>
#include <string>

#include "agent/lang/lexer.h"
#include "agent/lang/value.h"

namespace agent::lang {

// What is wrong with an operand, as the end of a sentence that starts with the operand: "should be
// bool, got number".
struct OperandFault {
  int operand = 0;  // 0: the left or only one, 1: the right one
  std::string message;
};

tl::expected<Value, OperandFault> apply(TokenKind op, const Value& operand);
tl::expected<Value, OperandFault> apply(TokenKind op, const Value& left, const Value& right);

// A number as the language turns it into text; `number` is one.
std::string number_text(const Value& number);
// Go's conversions of a number, which wrap and cut off.
std::int64_t to_int(const Value& number);

}  // namespace agent::lang
