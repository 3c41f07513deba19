// The operator's known_hosts, as far as libssh does not read it: see SSH_KNOWN_HOSTS FILE FORMAT in
// sshd(8).
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace fleetctl::remote {

// The key that a host shows, and what known_hosts says of it.
struct ShownKey {
  enum class State {
    kKnown,
    kUnknown,
    kChanged,    // another one is known
    kOtherType,  // one of another type is known
    kRevoked,    // it must not be used by anybody any more
  };
  State state = State::kUnknown;
  std::string host;            // as known_hosts names it: "puck.incus", "[10.0.0.1]:2222"
  std::string type;            // "ssh-ed25519"
  std::string key;             // base64
  std::string fingerprint;     // "SHA256:..."
  std::string file;            // the operator's known_hosts
  bool has_authority = false;  // that wants hosts like it to show certificates
};

// Appends the key, the host's name hashed, in one write. The folder is made where it is missing.
agent::Result<> add_known_host(const ShownKey& key);

// What the lines with a marker, which libssh skips, say of a host and its key. `host` as in
// ShownKey, `key` in base64. Any text: a line that is not as it should be says nothing.
struct Marked {
  bool revoked = false;    // "@revoked"
  bool authority = false;  // "@cert-authority": hosts like it show certificates
};
Marked marked_in(std::string_view known_hosts, std::string_view host, std::string_view key);

}  // namespace fleetctl::remote
