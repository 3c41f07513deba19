// The syntax tree of a JMESPath expression: what the parser makes and the evaluation walks.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/model/jmespath.h"

namespace agent::model {

struct JmesFunction;

struct JmesPath::Node {
  enum class Kind {
    kCurrent,          // @, and where nothing stands
    kRoot,             // $
    kField,            // name
    kIndex,            // [0]
    kSlice,            // [0:2:1]
    kLiteral,          // `1`, 'text'
    kThen,             // a.b, a[0], a | b: the second on what the first gives
    kFlatten,          // a[]
    kListProjection,   // a[*].b: the second on each element of the first
    kValueProjection,  // a.*.b
    kFilter,           // a[?c].b: a, b, c
    kList,             // [a, b]
    kHash,             // {x: a, y: b}; names in `names`
    kOr,
    kAnd,
    kNot,
    kEqual,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kCall,        // f(a, b)
    kExpression,  // &a
  };
  Kind kind = Kind::kCurrent;
  std::string name;                  // kField
  std::vector<std::string> names;    // kHash
  std::optional<std::int64_t> from;  // kSlice; kIndex's index
  std::optional<std::int64_t> to;
  std::int64_t step = 1;
  Json literal;
  const JmesFunction* function = nullptr;  // kCall; of a static table
  bool of_slice = false;  // kListProjection behind [a:b], which takes a part of a string as well
  int depth = 1;
  std::vector<Node> children;
};

class JmesEvaluation;

// A function's argument: a value, or the expression behind &.
struct JmesArgument {
  Json value;
  const JmesPath::Node* expression = nullptr;
};

struct JmesFunction {
  // Types that an argument may have, as bits.
  enum Type : unsigned {
    kNull = 1,
    kBool = 2,
    kNumber = 4,
    kString = 8,
    kArray = 16,
    kObject = 32,
    kNumbers = 64,   // an array of numbers
    kStrings = 128,  // an array of strings
    kExpression = 256,
    kAny = kNull | kBool | kNumber | kString | kArray | kObject,
  };
  std::string_view name;
  std::array<unsigned, 4> types;  // of the arguments; the first one's also of those beyond
  std::size_t least;              // how many arguments
  std::size_t most;               // SIZE_MAX: any number
  Result<Json> (*call)(JmesEvaluation&, const std::vector<JmesArgument>&);
};

// Null when there is none of that name.
const JmesFunction* find_jmes_function(std::string_view name);
std::vector<std::string_view> jmes_function_names();
// Says which of the function's types `value` has.
unsigned jmes_types_of(const Json& value);
std::string jmes_type_name(const Json& value);  // "number", "array", ...
bool jmes_is_true(const Json& value);

Result<JmesPath::Node> parse_jmespath(std::string_view expression);

// One evaluation, with what it may still use up.
class JmesEvaluation {
 public:
  explicit JmesEvaluation(const Json& document) : document_(document) {}
  Result<Json> run(const JmesPath::Node& node, const Json& value);
  // Counts `steps` of work; an error when there was too much.
  Result<> spend(std::size_t steps);
  Result<bool> equal(const Json& a, const Json& b);
  // The JSON text, or the string itself.
  Result<std::string> text(const Json& value);

 private:
  Result<Json> project(const JmesPath::Node& node, const Json::Array& items);
  Result<Json> slice(const JmesPath::Node& node, const Json& value);
  Result<Json> call(const JmesPath::Node& node, const Json& value);
  Result<Json> compare(const JmesPath::Node& node, const Json& value);

  const Json& document_;
  std::size_t left_ = 1'000'000;
};

}  // namespace agent::model
