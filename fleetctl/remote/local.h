// ansible_connection: local - the command runs on this very machine.
#pragma once

#include "fleetctl/remote/remote.h"

namespace fleetctl::remote {

class Local final : public Remote {
 public:
  explicit Local(const Clock& clock) : clock_(clock) {}
  Result<> connect(Mono) override { return {}; }
  Result<int> exec(const std::string& command, Dialogue& dialogue, Mono deadline) override;

 private:
  const Clock& clock_;
};

}  // namespace fleetctl::remote
