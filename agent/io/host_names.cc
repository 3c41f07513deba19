#include "agent/io/host_names.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "agent/base/strings.h"

namespace agent::io {
namespace {

constexpr Duration kKeepNames = std::chrono::minutes(10);
constexpr Duration kKeepFailures = std::chrono::minutes(1);
// Datagrams may come from any number of forged addresses.
constexpr std::size_t kMostWaiting = 256;
constexpr Duration kPause = std::chrono::milliseconds(50);  // between two starts, on average
constexpr Duration kBurst = std::chrono::seconds(1);
constexpr std::size_t kMostBytes = 4096;

// "10.0.0.7        puck.example.org puck" -> "puck.example.org,puck"
std::string names_of(std::string_view answer) {
  answer = answer.substr(0, answer.find('\n'));
  std::string out;
  bool first = true;
  for (const std::string_view word : split(answer, ' ')) {
    if (trim(word).empty()) continue;
    if (std::exchange(first, false)) continue;  // the address
    if (!out.empty()) out += ',';
    out += trim(word);
  }
  return out;
}

}  // namespace

HostNames::~HostNames() {
  for (auto& [token, asked] : asked_) poller_.remove(asked.child.out.get());
}

std::optional<std::string_view> HostNames::find(const std::string& address) {
  const Mono now = clock_.mono();
  const auto known = known_.find(address);
  if (known != known_.end() && now < known->second.until) return known->second.names;
  if (open_.count(address) == 0 && waiting_.size() < kMostWaiting) {
    open_.insert(address);
    waiting_.push_back(address);
    start();
  }
  // An old answer is better than none while it is asked again.
  if (known != known_.end()) return known->second.names;
  return std::nullopt;
}

void HostNames::start() {
  while (!waiting_.empty() && asked_.size() < kAtOnce) {
    const Mono now = clock_.mono();
    if (now < next_start_) return;
    next_start_ = std::max(next_start_, now - kBurst) + kPause;
    std::uint64_t token = first_token_;
    while (asked_.count(token) > 0) ++token;
    std::string address = std::move(waiting_.front());
    waiting_.pop_front();
    Spawn spawn;
    spawn.argv = {"getent", "hosts", address};
    auto child = Child::start(spawn);
    if (child) child->in.reset();
    const bool polled = child && ::fcntl(child->out.get(), F_SETFL, O_NONBLOCK) == 0 &&
                        poller_.add(child->out.get(), token);
    if (!polled) {
      known_[address] = {"", now + kKeepFailures};
      open_.erase(address);
      continue;
    }
    asked_.emplace(token, Asked{std::move(*child), std::move(address), "", now + kPatience});
  }
}

void HostNames::ready(std::uint64_t token) {
  const auto it = asked_.find(token);
  if (it == asked_.end()) return;
  char bytes[1024];
  const ssize_t n = ::read(it->second.child.out.get(), bytes, sizeof bytes);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n > 0) {
    it->second.answer.append(bytes, static_cast<std::size_t>(n));
    if (it->second.answer.size() < kMostBytes) return;
  }
  finish(it, names_of(it->second.answer));
}

void HostNames::finish(std::map<std::uint64_t, Asked>::iterator it, std::string names) {
  poller_.remove(it->second.child.out.get());
  const Mono now = clock_.mono();
  if (known_.size() >= limit_) {
    // The one that is forgotten first anyway.
    auto oldest = known_.begin();
    for (auto other = known_.begin(); other != known_.end(); ++other) {
      if (other->second.until < oldest->second.until) oldest = other;
    }
    if (oldest != known_.end()) known_.erase(oldest);
  }
  const Duration keep = names.empty() ? kKeepFailures : kKeepNames;
  known_[it->second.address] = {std::move(names), now + keep};
  open_.erase(it->second.address);
  asked_.erase(it);  // ends the child, if it is still there
  start();
}

void HostNames::tick() {
  const Mono now = clock_.mono();
  for (auto it = asked_.begin(); it != asked_.end();) {
    const auto next = std::next(it);
    if (it->second.until <= now) finish(it, "");
    it = next;
  }
  start();
}

}  // namespace agent::io
