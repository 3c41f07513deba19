// A value of the configuration language. Immutable and cheap to copy (lists and objects are
// shared), hence safe to hand between threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "agent/base/result.h"
#include "agent/base/secret.h"

namespace agent::lang {

class Value;

// A thing that configurations can only pass on: a receiver, relabel rules. `type` is its name in
// the language's documents ("LogsReceiver"); two capsules are equal when they hold the same object.
struct Capsule {
  std::string_view type;  // a string literal
  std::shared_ptr<void> object;
  bool operator==(const Capsule&) const = default;
};

// Stands in for a value that is not known yet while a configuration is only checked: an export of a
// component that does not run. `type` is the export's type name, "" when nothing is known.
struct Placeholder {
  std::string type;
  bool operator==(const Placeholder&) const = default;
};

struct Function {
  std::string_view name;  // a string literal
  std::function<Result<Value>(const std::vector<Value>& args)> call;
};

class Value {
 public:
  using List = std::vector<Value>;
  using Member = std::pair<std::string, Value>;
  using Object = std::vector<Member>;  // in source order, keys unique

  enum class Kind {
    kNull,
    kBool,
    kInt,
    kUint,
    kFloat,
    kString,
    kSecret,
    kList,
    kObject,
    kCapsule,
    kFunction,
    kPlaceholder
  };

  Value() = default;  // null
  Value(bool b) : data_(b) {}
  Value(int i) : data_(static_cast<std::int64_t>(i)) {}
  Value(std::int64_t i) : data_(i) {}
  Value(std::uint64_t u) : data_(u) {}
  Value(double d) : data_(d) {}
  Value(std::string s) : data_(std::make_shared<const std::string>(std::move(s))) {}
  Value(std::string_view s) : Value(std::string(s)) {}
  Value(const char* s) : Value(std::string(s)) {}
  Value(Secret s) : data_(std::make_shared<const Secret>(std::move(s))) {}
  Value(List l) : data_(std::make_shared<const List>(std::move(l))) {}
  // Of members with one key the last one counts.
  Value(Object o);
  Value(Capsule c) : data_(std::move(c)) {}
  Value(Function f) : data_(std::make_shared<const Function>(std::move(f))) {}
  Value(Placeholder p) : data_(std::make_shared<const Placeholder>(std::move(p))) {}

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_number() const {
    return kind() == Kind::kInt || kind() == Kind::kUint || kind() == Kind::kFloat;
  }
  bool is_placeholder() const { return kind() == Kind::kPlaceholder; }
  // The language's word for the kind: "null", "bool", "number", "string", "secret", "list",
  // "object", "capsule" ...
  std::string_view kind_name() const;

  // Each asks for the right kind() first.
  bool boolean() const { return std::get<bool>(data_); }
  std::int64_t integer() const { return std::get<std::int64_t>(data_); }
  std::uint64_t unsigned_integer() const { return std::get<std::uint64_t>(data_); }
  double floating() const { return std::get<double>(data_); }
  double as_double() const;  // of any number
  const std::string& string() const { return *std::get<std::shared_ptr<const std::string>>(data_); }
  const Secret& secret() const { return *std::get<std::shared_ptr<const Secret>>(data_); }
  const List& list() const { return *std::get<std::shared_ptr<const List>>(data_); }
  const Object& object() const { return *std::get<std::shared_ptr<const Object>>(data_); }
  const Capsule& capsule() const { return std::get<Capsule>(data_); }
  const Function& function() const { return *std::get<std::shared_ptr<const Function>>(data_); }
  const Placeholder& placeholder() const {
    return *std::get<std::shared_ptr<const Placeholder>>(data_);
  }
  // Member `key` of an object, or nullptr.
  const Value* find(std::string_view key) const;

  // Deep; numbers compare by value (1 == 1.0), values of different kinds are unequal, functions
  // never equal.
  bool operator==(const Value& other) const;

  // As a configuration would write it, for people: strings quoted, secrets as (secret), capsules as
  // capsule("type").
  std::string text() const;

 private:
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double,
               std::shared_ptr<const std::string>, std::shared_ptr<const Secret>,
               std::shared_ptr<const List>, std::shared_ptr<const Object>, Capsule,
               std::shared_ptr<const Function>, std::shared_ptr<const Placeholder>>
      data_;
};

}  // namespace agent::lang
