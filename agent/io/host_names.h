// The names of addresses, found out aside: `getent hosts` asks whatever the host is set up to ask
// (/etc/hosts, DNS), in a child that is killed when it takes too long. Nobody ever waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "agent/base/clock.h"
#include "agent/base/process.h"
#include "agent/io/socket.h"

namespace agent::io {

// Belongs to the thread that waits on the poller. References outlive it.
class HostNames {
 public:
  static constexpr Duration kPatience = std::chrono::seconds(2);  // with one question

  // Its descriptors get tokens from `first_token` on; at most kAtOnce of them are in use.
  HostNames(Poller& poller, Clock& clock, std::uint64_t first_token)
      : poller_(poller), clock_(clock), first_token_(first_token) {}
  ~HostNames();

  static constexpr std::uint64_t kAtOnce = 4;
  bool owns(std::uint64_t token) const {
    return token >= first_token_ && token < first_token_ + kAtOnce;
  }

  // Most addresses to remember.
  void set_limit(std::size_t limit) { limit_ = limit; }

  // The names, joined by commas, "" when it has none; none as long as that is not known.
  std::optional<std::string_view> find(const std::string& address);
  // A token of ours is ready.
  void ready(std::uint64_t token);
  // About once a second: gives up what takes too long.
  void tick();

 private:
  struct Known {
    std::string names;
    Mono until;
  };
  struct Asked {
    Child child;
    std::string address;
    std::string answer;
    Mono until;
  };
  void start();
  void finish(std::map<std::uint64_t, Asked>::iterator it, std::string names);

  Poller& poller_;
  Clock& clock_;
  const std::uint64_t first_token_;
  std::size_t limit_ = 128;
  std::unordered_map<std::string, Known> known_;
  std::deque<std::string> waiting_;
  std::set<std::string> open_;  // waiting or asked
  std::map<std::uint64_t, Asked> asked_;
  Mono next_start_{};
};

}  // namespace agent::io
