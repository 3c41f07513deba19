// What a rendered configuration says about the host that it is for, as far as it is written out:
// names of other components and calls are not followed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/lang/ast.h"

namespace fleetctl::command {

struct SyslogListener {
  std::string host;  // "" or an address to listen on
  int port = 0;
  std::string protocol;   // "tcp", "udp"
  std::string component;  // "loki.source.syslog.apps"

  // Whether it hears what is sent to the loopback address.
  bool is_local() const;
};

struct Uses {
  std::vector<SyslogListener> listeners;
  bool every_listener = true;    // no: the address of one is not written out, or may be imported
  bool journal = false;          // reads the journal
  bool docker = false;           // reads Docker's socket
  bool every_container = false;  // reads the log of each container through it

  // Whether what is sent to this port of the loopback address is heard; "" is any protocol.
  bool hears(int port, std::string_view protocol) const;
};

Uses uses_of(const agent::lang::File& configuration);
Uses uses_of(std::string_view configuration);  // one that was checked before

// An attribute of the block; null when it has none.
const agent::lang::Expr* attribute(const agent::lang::BlockNode& block, std::string_view name);
// The text of a string that is written out; "" of anything else.
std::string text_of(const agent::lang::Expr* expression);

}  // namespace fleetctl::command
