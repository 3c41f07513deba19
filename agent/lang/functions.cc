#include "agent/lang/functions.h"

#include "agent/lang/operators.h"
#include "agent/lang/stdlib.h"

namespace agent::lang {

using Kind = Value::Kind;

Result<> expect_count(const Arguments& arguments, std::size_t least, std::size_t most) {
  if (arguments.size() >= least && arguments.size() <= most) return {};
  std::string expected = std::to_string(least);
  if (most != least) expected += " to " + std::to_string(most);
  return fail(ErrorCode::kInvalid, "expected " + expected +
                                       (expected == "1" ? " argument" : " arguments") + ", got " +
                                       std::to_string(arguments.size()));
}

tl::unexpected<Error> wrong_argument(std::size_t index, std::string_view expected,
                                     const Value& got) {
  std::string message = "argument " + std::to_string(index + 1) + " should be " +
                        std::string(expected) + ", got " + std::string(got.kind_name());
  if (got.kind() == Kind::kSecret && expected == "string")
    message += "; convert.nonsensitive would show it";
  return fail(ErrorCode::kInvalid, std::move(message));
}

tl::unexpected<Error> too_large() { return fail(ErrorCode::kExhausted, "the result is too large"); }

Result<std::string> text_argument(const Arguments& arguments, std::size_t index) {
  const Value& value = arguments[index];
  if (value.kind() == Kind::kString) return value.string();
  if (value.is_number()) return number_text(value);
  if (value.is_null()) return std::string();
  return wrong_argument(index, "string", value);
}

Result<bool> bool_argument(const Arguments& arguments, std::size_t index) {
  const Value& value = arguments[index];
  if (value.kind() == Kind::kBool) return value.boolean();
  if (value.is_null()) return false;
  return wrong_argument(index, "bool", value);
}

Result<const Value::List*> list_argument(const Arguments& arguments, std::size_t index) {
  const Value& value = arguments[index];
  if (value.kind() == Kind::kList) return &value.list();
  return wrong_argument(index, "list", value);
}

}  // namespace agent::lang
