// What a host is sent so that it writes marked lines where its agent reads, and what it answers. A
// fixed script of POSIX sh; only the words below vary.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace fleetctl::plan {

struct DeliveryProbe {
  std::string nonce;  // begins each line of the answer
  std::string mark;   // letters, digits and '-': begins each line that is written
  bool journal = false;
  bool containers = false;
  unsigned life = 60;  // seconds that the container lasts, if nothing ends it
};
// What to send to `sh -s`. The lines that it writes are "<mark>-journal" and "<mark>-containers".
std::string delivery_probe_script(const DeliveryProbe& probe);

// Reads the answer as it comes. `tell` gets, in order: ("node", name), ("sent", path), ("skipped",
// path + " " + why), ("failed", the same), ("end", "."). Lines without the nonce go by.
class DeliveryAnswer {
 public:
  using Tell = std::function<void(std::string_view what, std::string_view text)>;
  DeliveryAnswer(std::string nonce, Tell tell) : nonce_(std::move(nonce)), tell_(std::move(tell)) {}
  // False when there is more than any host has to say.
  bool add(std::string_view bytes);

 private:
  std::string nonce_;
  Tell tell_;
  std::string line_;
  std::size_t seen_ = 0;
};

}  // namespace fleetctl::plan
