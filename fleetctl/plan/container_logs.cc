#include "fleetctl/plan/container_logs.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "agent/base/strings.h"
#include "fleetctl/plan/host_words.h"

namespace fleetctl::plan {
namespace {

using nlohmann::json;

constexpr std::size_t kNameLimit = 128;

}  // namespace

std::optional<LogAddress> log_address_in(std::string_view text) {
  for (const std::string_view scheme : {"tcp+tls://", "tcp://", "udp://"}) {
    const std::size_t at = text.find(scheme);
    if (at == std::string_view::npos) continue;
    std::string_view rest = text.substr(at + scheme.size());
    for (const std::string_view host : {"127.0.0.1:", "localhost:", "[::1]:"}) {
      if (!rest.starts_with(host)) continue;
      rest.remove_prefix(host.size());
      const std::size_t end =
          rest.starts_with("{{") ? rest.find("}}") : rest.find_first_not_of("0123456789");
      if (rest.starts_with("{{") && end == std::string_view::npos) return std::nullopt;
      return LogAddress{std::string(scheme.substr(0, 3)),
                        rest.substr(0, rest.starts_with("{{") ? end + 2 : end)};
    }
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<int> port_of(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

agent::Result<std::optional<ContainerLog>> read_container_log(std::string_view line) {
  const json document = json::parse(bounded_json(line), nullptr, false);
  if (!document.is_array() || document.size() != 2 || !document[0].is_string() ||
      !document[1].is_object())
    return agent::fail(agent::ErrorCode::kInvalid, "what Docker told of a container is no answer");
  const auto type = document[1].find("Type");
  const auto config = document[1].find("Config");
  if (type == document[1].end() || *type != "syslog" || config == document[1].end() ||
      !config->is_object())
    return std::optional<ContainerLog>();
  const auto address = config->find("syslog-address");
  if (address == config->end() || !address->is_string()) return std::optional<ContainerLog>();
  const auto text = address->get<std::string>();
  const auto where = log_address_in(text);
  const auto port = where ? port_of(where->port) : std::nullopt;
  if (!port) return std::optional<ContainerLog>();
  std::string name = document[0].get<std::string>();
  if (name.starts_with('/')) name.erase(0, 1);
  return std::optional(ContainerLog{std::string(agent::utf8_head(one_line(name), kNameLimit)),
                                    where->protocol, *port});
}

}  // namespace fleetctl::plan
