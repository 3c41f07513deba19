// Questions to services on the system bus (D-Bus), through libsystemd's sd-bus. Nothing here waits
// longer than the time given to open(), whatever the bus does. Time limits are real time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace agent::io {

// One connection. One thread at a time.
class SystemBus {
 public:
  // $DBUS_SYSTEM_BUS_ADDRESS, or the system's socket. `patience` is for all that is asked over it.
  // kNotFound when there is no bus. `stop` outlives the object.
  static Result<SystemBus> open(Duration patience, const std::stop_token& stop);
  SystemBus(SystemBus&&) noexcept;
  ~SystemBus();

  // A text, an object's path, or a number that is not negative (also of a truth value).
  using Value = std::variant<std::string, std::uint64_t>;
  using Row = std::vector<Value>;
  struct Object {
    std::string service, path, interface;
  };
  struct Property {
    Object object;
    std::string name;
  };

  // The structs that a method without arguments answers in an array: at most `most` rows.
  // kUnavailable when the bus or the service does not answer in time, kNotFound when there is no
  // such service, kExhausted, kCancelled.
  Result<std::vector<Row>> table(const Object& object, const std::string& method, std::size_t most);
  // In the order asked; none for what the service does not have. Many are under way at once.
  Result<std::vector<std::optional<Value>>> properties(const std::vector<Property>& wanted);

 private:
  struct State;
  explicit SystemBus(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace agent::io
