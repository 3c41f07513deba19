#include "agent/io/system_bus.h"

#include <poll.h>
#include <systemd/sd-bus.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <utility>

namespace agent::io {
namespace {

// dbus-daemon's default limit of calls without an answer is 128 for a connection.
constexpr int kAtOnce = 64;

struct MessageOwner {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Message = std::unique_ptr<sd_bus_message, MessageOwner>;

struct SlotOwner {
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
};
using Slot = std::unique_ptr<sd_bus_slot, SlotOwner>;

// The next value of a message, as far as we know its type; the rest is passed over. A negative
// errno is a message that is broken.
int read_value(sd_bus_message* message, std::optional<SystemBus::Value>& out) {
  char type = 0;
  const int some = sd_bus_message_peek_type(message, &type, nullptr);
  if (some <= 0) return some < 0 ? some : -EBADMSG;
  const auto number = [&](auto value) {
    const int read = sd_bus_message_read_basic(message, type, &value);
    if (read > 0 && value >= 0) out = static_cast<std::uint64_t>(value);
    return read;
  };
  switch (type) {
    case SD_BUS_TYPE_STRING:
    case SD_BUS_TYPE_OBJECT_PATH:
    case SD_BUS_TYPE_SIGNATURE: {
      const char* text = nullptr;
      const int read = sd_bus_message_read_basic(message, type, &text);
      if (read > 0) out = std::string(text);
      return read;
    }
    case SD_BUS_TYPE_BOOLEAN:
      return number(int{});
    case SD_BUS_TYPE_BYTE:
      return number(std::uint8_t{});
    case SD_BUS_TYPE_UINT16:
      return number(std::uint16_t{});
    case SD_BUS_TYPE_INT16:
      return number(std::int16_t{});
    case SD_BUS_TYPE_UINT32:
      return number(std::uint32_t{});
    case SD_BUS_TYPE_INT32:
      return number(std::int32_t{});
    case SD_BUS_TYPE_UINT64:
      return number(std::uint64_t{});
    case SD_BUS_TYPE_INT64:
      return number(std::int64_t{});
    default:
      return sd_bus_message_skip(message, nullptr);
  }
}

// A call that is under way; the answer is read inside sd_bus_process.
struct Call {
  std::function<int(sd_bus_message* answer)> read;  // a negative errno: broken
  Slot slot;
  bool done = false;
  std::optional<Error> error;
};

int on_answer(sd_bus_message* answer, void* data, sd_bus_error*) {
  Call& call = *static_cast<Call*>(data);
  call.done = true;
  if (const sd_bus_error* error = sd_bus_message_get_error(answer)) {
    const int number = sd_bus_message_get_errno(answer);
    const bool late = number == ETIMEDOUT || number == ECONNRESET;
    const bool missing = sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) != 0;
    call.error = Error{late      ? ErrorCode::kUnavailable
                       : missing ? ErrorCode::kNotFound
                                 : ErrorCode::kIo,
                       error->message == nullptr ? error->name : error->message};
  } else if (const int read = call.read(answer); read < 0) {
    call.error = Error{ErrorCode::kInvalid, "the answer: " + errno_text(-read)};
  }
  return 0;
}

}  // namespace

struct SystemBus::State {
  sd_bus* bus = nullptr;
  Mono deadline;
  std::stop_token stop;

  State(Mono until, std::stop_token stopped) : deadline(until), stop(std::move(stopped)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { sd_bus_close_unref(bus); }

  static Mono now() { return SystemClock().mono(); }  // sd-bus' limits are real time, too

  // Starts a call; what `fill` writes are its arguments.
  Result<> start(Call& call, const Object& object, const char* method,
                 const std::function<int(sd_bus_message*)>& fill) const {
    sd_bus_message* raw = nullptr;
    int done = sd_bus_message_new_method_call(
        bus, &raw, object.service.c_str(), object.path.c_str(), object.interface.c_str(), method);
    const Message message(raw);
    if (done >= 0) done = fill(raw);
    sd_bus_slot* slot = nullptr;
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(deadline - now());
    if (done >= 0)
      done = sd_bus_call_async(bus, &slot, raw, on_answer, &call,
                               static_cast<std::uint64_t>(std::max<std::int64_t>(left.count(), 1)));
    if (done < 0) return fail_errno("system bus", -done);
    call.slot.reset(slot);
    return {};
  }

  // Moves messages until `ready`, the deadline or a stop.
  Result<> drive(const std::function<bool()>& ready) const {
    while (!ready()) {
      const int moved = sd_bus_process(bus, nullptr);
      if (moved < 0) return fail_errno("system bus", -moved);
      if (moved > 0) continue;
      if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now());
      if (left.count() <= 0) return fail(ErrorCode::kUnavailable, "system bus: no answer in time");
      const int events = sd_bus_get_events(bus);
      pollfd wait{sd_bus_get_fd(bus), static_cast<short>(std::max(events, 0)), 0};
      // A stop is noticed within a tenth of a second.
      ::poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 100)));
    }
    return {};
  }
};

SystemBus::SystemBus(std::unique_ptr<State> state) : state_(std::move(state)) {}
SystemBus::SystemBus(SystemBus&&) noexcept = default;
SystemBus::~SystemBus() = default;

Result<SystemBus> SystemBus::open(Duration patience, const std::stop_token& stop) {
  auto state = std::make_unique<State>(State::now() + patience, stop);
  const int opened = sd_bus_open_system(&state->bus);
  if (opened < 0) return fail_errno("system bus", -opened);
  return SystemBus(std::move(state));
}

Result<std::vector<SystemBus::Row>> SystemBus::table(const Object& object,
                                                     const std::string& method, std::size_t most) {
  std::vector<Row> rows;
  bool too_many = false;
  Call call;
  call.read = [&](sd_bus_message* answer) {
    int read = sd_bus_message_enter_container(answer, SD_BUS_TYPE_ARRAY, nullptr);
    while (read > 0 && sd_bus_message_at_end(answer, 0) == 0) {
      if (rows.size() == most) {
        too_many = true;
        return 0;
      }
      read = sd_bus_message_enter_container(answer, SD_BUS_TYPE_STRUCT, nullptr);
      Row row;
      while (read > 0 && sd_bus_message_at_end(answer, 0) == 0) {
        std::optional<Value> value;
        read = read_value(answer, value);
        row.push_back(value.value_or(Value()));
      }
      if (read > 0) read = sd_bus_message_exit_container(answer);
      rows.push_back(std::move(row));
    }
    return read;
  };
  auto done = state_->start(call, object, method.c_str(), [](sd_bus_message*) { return 0; });
  if (done) done = state_->drive([&] { return call.done; });
  if (done && call.error) done = fail(std::move(*call.error));
  if (done && too_many)
    done = fail(ErrorCode::kExhausted, "more than " + std::to_string(most) + " rows");
  if (!done) return fail(std::move(done.error()).within(object.service + " " + method));
  return rows;
}

Result<std::vector<std::optional<SystemBus::Value>>> SystemBus::properties(
    const std::vector<Property>& wanted) {
  std::vector<std::optional<Value>> out(wanted.size());
  std::vector<std::unique_ptr<Call>> calls;
  calls.reserve(wanted.size());
  std::size_t answered = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    calls.push_back(std::make_unique<Call>());
    calls.back()->read = [&value = out[i]](sd_bus_message* answer) {
      const int read = sd_bus_message_enter_container(answer, SD_BUS_TYPE_VARIANT, nullptr);
      return read > 0 ? read_value(answer, value) : read;
    };
    const Object properties{wanted[i].object.service, wanted[i].object.path,
                            "org.freedesktop.DBus.Properties"};
    auto done = state_->start(*calls.back(), properties, "Get", [&](sd_bus_message* message) {
      const int added = sd_bus_message_append_basic(message, SD_BUS_TYPE_STRING,
                                                    wanted[i].object.interface.c_str());
      return added < 0
                 ? added
                 : sd_bus_message_append_basic(message, SD_BUS_TYPE_STRING, wanted[i].name.c_str());
    });
    const bool last = i + 1 == wanted.size();
    const auto ready = [&] {
      while (answered < calls.size() && calls[answered]->done) ++answered;
      return calls.size() - answered < (last ? std::size_t{1} : std::size_t{kAtOnce});
    };
    if (done) done = state_->drive(ready);
    if (!done) return fail(std::move(done.error()));
  }
  // A service that went away in between fails the whole; one property that it lacks does not.
  for (const auto& call : calls)
    if (call->error && call->error->code == ErrorCode::kUnavailable)
      return fail(std::move(*call->error));
  return out;
}

}  // namespace agent::io
