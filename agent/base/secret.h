// Text that must never be shown: no operator<<, no formatter, no implicit conversion. Show
// kSecretText instead.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace agent {

inline constexpr std::string_view kSecretText = "(secret)";

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  // The one way to the text; callers hand it to the wire or to a cipher, never to a person.
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  bool operator==(const Secret&) const = default;

 private:
  std::string value_;
};

}  // namespace agent
