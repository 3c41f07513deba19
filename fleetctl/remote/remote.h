// Running one command on a host and talking with it. Who talks does not know how the host is
// reached.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/result.h"

namespace fleetctl::remote {

using agent::Clock;
using agent::Duration;
using agent::Error;
using agent::ErrorCode;
using agent::Mono;
using agent::Result;

// What is to be written to the command's standard input, in order; then perhaps its end. One
// thread.
class Input {
 public:
  using Shared = std::shared_ptr<const std::string>;  // large data that many hosts get
  void send(std::string bytes) { send(std::make_shared<const std::string>(std::move(bytes))); }
  void send(Shared bytes);
  void close() { closed_ = true; }

  // For the transports: the bytes that are next, and that `count` of them have gone out.
  std::string_view next() const;
  void consume(std::size_t count);
  bool empty() const { return parts_.empty(); }
  bool closed() const { return closed_; }

 private:
  std::deque<Shared> parts_;
  std::size_t offset_ = 0;  // into the first part
  bool closed_ = false;
};

// Our side of a command. Called by the thread that is in Remote::exec. An error that it returns
// ends the exec with it.
class Dialogue {
 public:
  virtual ~Dialogue() = default;
  virtual void on_start(Input& input) = 0;
  virtual Result<> on_output(std::string_view bytes, Input& input) = 0;
  virtual Result<> on_error_output(std::string_view bytes, Input& input) = 0;
};

// Where a connection leads that goes on from the host.
struct Far {
  std::string host;  // as the host reaches it
  std::uint16_t port = 0;
  std::string socket = {};  // not empty: this path on the host instead
};
using Complain = std::function<void(const std::string& why)>;

// One host, one thread. The destructor closes the connection.
class Remote {
 public:
  virtual ~Remote() = default;
  // Its errors mean that the host was not reached: no route, refused, wrong key, not let in.
  // Nothing was touched.
  virtual Result<> connect(Mono deadline) = 0;
  // Runs `command` by the login shell and lets `dialogue` talk with it. The exit status; 128 + N
  // when signal N ended it. Errors: the dialogue's own; kUnavailable when the connection broke or
  // `deadline` passed.
  virtual Result<int> exec(const std::string& command, Dialogue& dialogue, Mono deadline) = 0;
  // What connects to `listener`, which does not block, is connected with `to`, until `stop` is set.
  // `complain` hears why that fails, once for each reason. An error: the connection to the host
  // broke, or has no such thing as tunnels. After connect(), and after any exec().
  virtual Result<> forward(const agent::FileDescriptor& listener, const Far& to,
                           const std::atomic<bool>& stop, const Complain& complain);
  // What the operator should know about the connection, one line each; after connect().
  virtual std::vector<std::string> warnings() const { return {}; }
};

}  // namespace fleetctl::remote
