// A host that is not there: what would be run and sent is written down, and answers come from a
// list. Tests of commands read as a transcript of the deploy.
#pragma once

#include <string>
#include <vector>

#include "fleetctl/remote/remote.h"

namespace fleetctl::remote {

class Printing final : public Remote {
 public:
  // `reply` is handed to the dialogue once the input since the last reply ends with `after` (""
  // matches at once).
  struct Answer {
    std::string after;
    std::string reply;
  };
  // Appends to `transcript`, which outlives this: "exec COMMAND", then "> " before each line sent;
  // what is not text shows as its size.
  Printing(std::string& transcript, std::vector<Answer> answers, int status = 0)
      : transcript_(transcript), answers_(std::move(answers)), status_(status) {}

  Result<> connect(Mono) override { return {}; }
  Result<int> exec(const std::string& command, Dialogue& dialogue, Mono deadline) override;

 private:
  std::string& transcript_;
  std::vector<Answer> answers_;
  int status_;
};

}  // namespace fleetctl::remote
