// SSH through the program `ssh` of this machine, for what libssh cannot: PKCS#11 tokens, GSSAPI, or
// an ssh_config that only OpenSSH understands. The same rules: host keys are checked, no agent
// forwarding, no terminal, nothing of the environment is sent, and nobody is asked for anything.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/base/process.h"
#include "fleetctl/remote/remote.h"
#include "fleetctl/remote/ssh.h"

namespace fleetctl::remote {

// The words to run; no shell reads them here, and on the host they are one command of its login
// shell. Errors: a host, user or file that ssh might take for something else; a password.
Result<std::vector<std::string>> openssh_words(const SshTarget& target);

// It has no tunnels. The calling program ignores SIGPIPE.
class OpenSsh final : public Remote {
 public:
  OpenSsh(const Clock& clock, SshTarget target) : clock_(clock), target_(std::move(target)) {}
  // Until a shell on the host says that it is there.
  Result<> connect(Mono deadline) override;
  // The first one in the connection that connect() made, each further one in one of its own. The
  // command is read by /bin/sh.
  Result<int> exec(const std::string& command, Dialogue& dialogue, Mono deadline) override;
  std::vector<std::string> warnings() const override;

 private:
  const Clock& clock_;
  const SshTarget target_;
  std::optional<agent::Child> child_;  // whose shell waits for a command
  std::vector<std::string> learnt_;    // the host keys that ssh wrote down
};

}  // namespace fleetctl::remote
