// Text that must never be shown and whose memory is overwritten when it ends: passwords and what
// they open. No operator<<, no formatter, no implicit conversion.
#pragma once

#include <string.h>

#include <string>
#include <utility>

namespace agent {

// Overwrites the text, in a way that no compiler leaves out, and makes it empty.
inline void wipe(std::string& text) {
  text.resize(text.capacity());
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

class Wiped {
 public:
  Wiped() = default;
  explicit Wiped(std::string value) : value_(std::move(value)) {}
  Wiped(const Wiped&) = default;
  Wiped(Wiped&&) noexcept = default;
  Wiped& operator=(Wiped other) noexcept {
    value_.swap(other.value_);
    return *this;
  }
  ~Wiped() { wipe(value_); }
  // Callers hand it to a cipher or to a file of the person, never to a log.
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  bool operator==(const Wiped&) const = default;

 private:
  std::string value_;
};

}  // namespace agent
