// One channel of a session on a thread of its own: how a connection goes through a jump host.
#pragma once

#include <thread>

#include "agent/base/file.h"
#include "fleetctl/remote/splice.h"

struct ssh_session_struct;

namespace fleetctl::remote {

class Relay {
 public:
  // Ends when one side does, and with the object. Session and channel are connected, outlive it,
  // and are nobody else's meanwhile; `end` is non-blocking.
  Relay(ssh_session_struct* session, ssh_channel_struct* channel, agent::FileDescriptor end);
  ~Relay() = default;
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

 private:
  void run(const std::stop_token& stop);
  bool step();
  void wait();

  ssh_session_struct* session_;
  Splice splice_;
  std::jthread thread_;  // the last member: it ends before the others go
};

}  // namespace fleetctl::remote
