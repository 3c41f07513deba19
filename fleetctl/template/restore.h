// Puts a variable back to what it was when the scope ends.
#pragma once

#include <utility>

namespace fleetctl::template_ {

template <class T>
class Restore {
 public:
  Restore(T& member, T now) : member_(member), before_(std::exchange(member, std::move(now))) {}
  explicit Restore(T& member) : member_(member), before_(member) {}
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;
  ~Restore() { member_ = std::move(before_); }

 private:
  T& member_;
  T before_;
};

}  // namespace fleetctl::template_
