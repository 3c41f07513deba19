// Bytes between one socket and one SSH channel, both ways, as far as they can be moved now.
#pragma once

#include <poll.h>

#include <string>

#include "agent/base/file.h"

struct ssh_channel_struct;

namespace fleetctl::remote {

// The thread of the channel's session.
class Splice {
 public:
  // The channel is open, its session does not block, and it outlives this; `end` does not block.
  Splice(ssh_channel_struct* channel, agent::FileDescriptor end)
      : channel_(channel), end_(std::move(end)) {}

  enum class Step {
    kMoved,  // there may be more
    kWaits,
    kEnded,  // by the host, or since the socket's other side is gone
  };
  // A bounded piece each way. What the socket's other side has no more to send is told to the host,
  // whose answer may go on.
  Step step();
  // What of the socket the next step has to wait for.
  pollfd awaited() const;
  // Whether it takes more from the host.
  bool has_room() const;
  const agent::FileDescriptor& end() const { return end_; }

 private:
  bool move(bool& moved);

  ssh_channel_struct* channel_;
  agent::FileDescriptor end_;
  std::string to_end_, to_channel_;
  bool read_all_ = false;  // of the socket
  bool told_so_ = false;
};

}  // namespace fleetctl::remote
