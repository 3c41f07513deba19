// Connections to a port of this machine go on from the host: each is a channel of one session, all
// of them moved by one thread. One that nobody reads holds up no other; at most 64 at a time.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/base/file.h"
#include "fleetctl/remote/remote.h"
#include "fleetctl/remote/splice.h"

struct ssh_session_struct;

namespace fleetctl::remote {

// One thread.
class Tunnel {
 public:
  // The session is connected, outlives this, and is nobody else's meanwhile. `complain` hears why
  // the host does not open a connection, once for each reason.
  Tunnel(ssh_session_struct* session, Far to, const Complain& complain);
  ~Tunnel();
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  // Accepts from `listener` until `stop` is set. An error is the end of the session.
  Result<> run(const agent::FileDescriptor& listener, const std::atomic<bool>& stop);

 private:
  struct Connection;
  bool accept_from(const agent::FileDescriptor& listener);
  Splice::Step step(Connection& connection);
  Splice::Step open(Connection& connection);
  void wait(const agent::FileDescriptor& listener) const;

  ssh_session_struct* session_;
  const Far to_;
  const Complain& complain_;
  std::set<std::string> told_;
  std::list<Connection> connections_;
};

}  // namespace fleetctl::remote
