// SSH through libssh: strict host keys, keys with their certificates, agent and password,
// ~/.ssh/config as far as libssh reads it (HostName, Port, User, IdentityFile, ProxyCommand,
// UserKnownHostsFile, Include, ...) plus IdentitiesOnly, StrictHostKeyChecking and ProxyJump, read
// here: each jump is a connection of ours, with the same checks of its host key. No agent
// forwarding, no terminal, no environment is sent.
#pragma once

#include <functional>
#include <memory>
#include <semaphore>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/mutex.h"
#include "agent/base/secret.h"
#include "fleetctl/remote/known_hosts.h"
#include "fleetctl/remote/private_keys.h"
#include "fleetctl/remote/relay.h"
#include "fleetctl/remote/remote.h"
#include "fleetctl/remote/ssh_options.h"

namespace fleetctl::remote {

// What connections of one run share. Thread-safe; outlives them.
class SshContext {
 public:
  SshContext();
  ~SshContext();
  SshContext(const SshContext&) = delete;
  SshContext& operator=(const SshContext&) = delete;

  agent::Mutex known_hosts;  // held while the file is written
  PrivateKeys private_keys;
  // Handshakes with jump hosts at a time: sshd drops some of more than ten (MaxStartups).
  std::counting_semaphore<8> jump_handshakes{8};
};

struct SshTarget {
  std::string address;
  std::uint16_t port = 0;  // 0: ~/.ssh/config or 22
  std::string user;        // "": ~/.ssh/config or the login name
  agent::Secret password;  // "": none
  std::string private_key;
  SshOptions options;
  bool host_key_checking = true;
  Duration connect_timeout =
      std::chrono::seconds(10);  // per step: TCP, handshake, each authentication
  unsigned jumps = 0;            // hosts that are reached through this one
  unsigned verbose = 0;          // 2, 3: libssh tells on standard error what it does
};

// A host of ProxyJump: [ssh://][user@]host[:port].
agent::Result<SshTarget> parse_jump(std::string_view text);

class Ssh final : public Remote {
 public:
  Ssh(const Clock& clock, SshContext& context, SshTarget target);
  ~Ssh() override;
  Result<> connect(Mono deadline) override;
  // Instead of connect(): the handshake alone, nobody logs in. Jump hosts are checked and logged
  // in to as ever.
  Result<ShownKey> host_key(Mono deadline);
  Result<int> exec(const std::string& command, Dialogue& dialogue, Mono deadline) override;
  Result<> forward(const agent::FileDescriptor& listener, const Far& to,
                   const std::atomic<bool>& stop, const Complain& complain) override;
  std::vector<std::string> warnings() const override { return warnings_; }

 private:
  struct Session;  // libssh's objects
  using Steps = std::function<int()>;
  Result<> until_done(const Steps& step, const std::string& what, Mono deadline);
  Result<> jump(Mono deadline);
  Result<agent::FileDescriptor> open_forward(const std::string& host, unsigned port, Mono deadline);
  Result<> configure();
  Result<> open_socket(Mono deadline);
  Result<> handshake(Mono deadline);
  Result<ShownKey> shown_key();
  Result<> check_host_key();
  Result<> authenticate();
  Result<bool> try_key(const std::string& path, bool asks);
  Result<> open_channel(const std::string& command, Mono deadline);
  Error last_error(const std::string& what) const;

  const Clock& clock_;
  SshContext& context_;
  SshTarget target_;
  bool identities_only_ = false;
  HostKeys host_keys_ = HostKeys::kStrict;
  std::vector<std::string> warnings_;
  std::vector<std::string> tried_;
  std::vector<std::string> locked_;  // named keys with a passphrase that nobody said yet
  std::string proxy_jump_;           // "": straight to the host
  std::unique_ptr<Ssh> jump_;        // the connection to the last host before this one
  std::unique_ptr<Session> session_;
  std::unique_ptr<Relay> relay_;  // of the connection that goes through this one
};

}  // namespace fleetctl::remote
