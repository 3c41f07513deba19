#include "fleetctl/command/listeners_in_use.h"

#include <algorithm>

#include "fleetctl/command/host_run.h"

namespace fleetctl::command {
namespace {

constexpr std::size_t kNamed = 3;  // containers; of more only the number
constexpr std::size_t kComponentLimit = 128;

}  // namespace

ListenersInUse::ListenersInUse(std::string_view present, std::string_view wanted) {
  Uses now = uses_of(present);
  if (now.listeners.empty()) return;
  const Uses then = uses_of(wanted);
  if (!then.every_listener) return;
  for (SyslogListener& listener : now.listeners)
    if (listener.is_local() && !then.hears(listener.port, listener.protocol))
      going_.push_back(std::move(listener));
}

agent::Result<> ListenersInUse::hear(std::string_view line) {
  const auto log = plan::read_container_log(line);
  if (!log) return agent::fail(log.error());
  if (!*log) return {};
  const auto lost = std::find_if(going_.begin(), going_.end(), [&](const SyslogListener& one) {
    return one.port == (*log)->port && one.protocol == (*log)->protocol;
  });
  if (lost != going_.end())
    users_.push_back("'" + (*log)->container + "' to " + std::to_string(lost->port) + "/" +
                     lost->protocol + " (" + lost->component.substr(0, kComponentLimit) + ")");
  return {};
}

std::string ListenersInUse::refusal() const {
  if (users_.empty()) return {};
  std::string text = "running containers log to listeners that would go: ";
  for (std::size_t i = 0; i < std::min(users_.size(), kNamed); ++i)
    text += (i > 0 ? ", " : "") + users_[i];
  if (users_.size() > kNamed) text += " and " + std::to_string(users_.size() - kNamed) + " more";
  text += "; let them log elsewhere first, or give --drop-listeners";
  std::replace(text.begin(), text.end(), '\n', '?');
  std::replace(text.begin(), text.end(), '\t', '?');
  return printable(text);
}

}  // namespace fleetctl::command
