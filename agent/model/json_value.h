// A JSON value as a tree: what JMESPath expressions work on and make.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "agent/base/result.h"

namespace agent::model {

// Immutable; a copy shares its parts. Texts are UTF-8 where they come from JSON.
class Json {
 public:
  // An integer that JSON writes without a fraction stays one; it equals the double of its value.
  enum class Kind { kNull, kBool, kInt, kDouble, kString, kArray, kObject };
  using Array = std::vector<Json>;
  // In the text's order. A text may have a name twice: find() takes the first.
  using Object = std::vector<std::pair<std::string, Json>>;

  Json() = default;
  explicit Json(bool value) : value_(value) {}
  explicit Json(std::int64_t value) : value_(value) {}
  explicit Json(double value) : value_(value) {}  // finite
  explicit Json(std::string value)
      : value_(std::make_shared<const std::string>(std::move(value))) {}
  explicit Json(Array value) : value_(std::make_shared<const Array>(std::move(value))) {}
  explicit Json(Object value) : value_(std::make_shared<const Object>(std::move(value))) {}
  explicit Json(const char*) = delete;  // would be a bool

  Kind kind() const { return static_cast<Kind>(value_.index()); }
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_number() const { return kind() == Kind::kInt || kind() == Kind::kDouble; }
  bool boolean() const { return std::get<bool>(value_); }
  std::int64_t integer() const { return std::get<std::int64_t>(value_); }
  double number() const {  // of any number
    const auto* whole = std::get_if<std::int64_t>(&value_);
    return whole != nullptr ? static_cast<double>(*whole) : std::get<double>(value_);
  }
  const std::string& string() const {
    return *std::get<std::shared_ptr<const std::string>>(value_);
  }
  const Array& array() const { return *std::get<std::shared_ptr<const Array>>(value_); }
  const Object& object() const { return *std::get<std::shared_ptr<const Object>>(value_); }
  const Json* find(std::string_view name) const;  // of an object; null when there is none

  // Appends the compact JSON text; false when it would be longer than `limit` (`out` is then
  // unfinished).
  bool append_text(std::string& out, std::size_t limit) const;

  // Parts deeper than `depth` are refused.
  static Result<Json> parse(std::string_view text, int depth = 64);

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const Array>, std::shared_ptr<const Object>>
      value_;
};

}  // namespace agent::model
