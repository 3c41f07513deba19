#include "agent/wire/docker_api.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/base/strings.h"
#include "agent/wire/docker_stream.h"

namespace agent::wire {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxBody = 64U << 20;
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxEvent = 1U << 20;

// The parser recurses not at all, the destructor does: depth is bounded.
Result<Json> parse(std::string_view text) {
  if (text.size() > kMaxBody)
    return fail(ErrorCode::kExhausted, "the answer is longer than 64 MiB");
  bool too_deep = false;
  const Json::parser_callback_t limit = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > static_cast<int>(kMaxDepth);
    return !too_deep;
  };
  Json json = Json::parse(text.begin(), text.end(), limit, /*allow_exceptions=*/false);
  if (json.is_discarded() || too_deep) return fail(ErrorCode::kInvalid, "the answer is not JSON");
  return json;
}

const Json& member(const Json& object, const char* name) {
  static const Json* const kNull = new Json();
  if (!object.is_object()) return *kNull;
  const auto it = object.find(name);
  return it == object.end() ? *kNull : *it;
}

std::string text(const Json& value) {
  return value.is_string() ? value.get_ref<const std::string&>() : std::string();
}
bool truth(const Json& value) { return value.is_boolean() && value.get<bool>(); }
std::int64_t integer(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    return number > static_cast<std::uint64_t>(INT64_MAX) ? 0 : static_cast<std::int64_t>(number);
  }
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}
int port(const Json& value) {
  const std::int64_t number = integer(value);
  return number > 0 && number < 65536 ? static_cast<int>(number) : 0;
}

DockerLabels labels(const Json& object) {
  DockerLabels out;
  if (!object.is_object()) return out;
  for (const auto& [key, value] : object.items())
    if (value.is_string()) out.emplace_back(key, value.get<std::string>());
  return out;
}

DockerContainer container(const Json& json) {
  DockerContainer out;
  out.id = text(member(json, "Id"));
  const Json& names = member(json, "Names");
  if (names.is_array() && !names.empty()) out.name = text(names.front());
  out.state = text(member(json, "State"));
  out.status = text(member(json, "Status"));
  out.image = text(member(json, "Image"));
  const Json& own_bytes = member(json, "SizeRw");
  if (own_bytes.is_number_integer()) out.own_bytes = integer(own_bytes);
  out.network_mode = text(member(member(json, "HostConfig"), "NetworkMode"));
  out.labels = labels(member(json, "Labels"));
  const Json& ports = member(json, "Ports");
  if (ports.is_array()) {
    for (const Json& p : ports)
      out.ports.push_back({text(member(p, "IP")), port(member(p, "PrivatePort")),
                           port(member(p, "PublicPort")), text(member(p, "Type"))});
  }
  const Json& networks = member(member(json, "NetworkSettings"), "Networks");
  if (networks.is_object()) {
    for (const auto& [name, endpoint] : networks.items()) {
      if (!endpoint.is_object()) continue;
      out.endpoints.push_back(
          {name, text(member(endpoint, "NetworkID")), text(member(endpoint, "IPAddress"))});
    }
  }
  std::sort(out.endpoints.begin(), out.endpoints.end(),
            [](const DockerEndpoint& a, const DockerEndpoint& b) { return a.network < b.network; });
  return out;
}

DockerEvent event(const Json& json) {
  DockerEvent out;
  out.type = text(member(json, "Type"));
  out.action = text(member(json, "Action"));
  out.id = text(member(member(json, "Actor"), "ID"));
  if (out.id.empty()) out.id = text(member(json, "id"));
  out.time_ns = integer(member(json, "timeNano"));
  return out;
}

}  // namespace

Result<std::vector<DockerContainer>> parse_docker_containers(std::string_view json) {
  auto parsed = parse(json);
  if (!parsed) return fail(std::move(parsed.error()));
  if (!parsed->is_array()) return fail(ErrorCode::kInvalid, "the answer is no list of containers");
  std::vector<DockerContainer> out;
  for (const Json& element : *parsed) {
    DockerContainer one = container(element);
    if (!one.id.empty()) out.push_back(std::move(one));
  }
  return out;
}

Result<DockerInspection> parse_docker_inspection(std::string_view json) {
  auto parsed = parse(json);
  if (!parsed) return fail(std::move(parsed.error()));
  DockerInspection out;
  out.id = text(member(*parsed, "Id"));
  if (out.id.empty()) return fail(ErrorCode::kInvalid, "the answer is no container");
  out.name = text(member(*parsed, "Name"));
  const Json& state = member(*parsed, "State");
  out.running = truth(member(state, "Running"));
  out.pid = integer(member(state, "Pid"));
  out.restarts = integer(member(*parsed, "RestartCount"));
  out.started_ns = parse_docker_time(text(member(state, "StartedAt"))).value_or(0);
  out.finished_ns = parse_docker_time(text(member(state, "FinishedAt"))).value_or(0);
  const Json& config = member(*parsed, "Config");
  out.tty = truth(member(config, "Tty"));
  out.image = text(member(config, "Image"));
  const Json& environment = member(config, "Env");
  if (environment.is_array())
    for (const Json& one : environment) out.environment.push_back(text(one));
  out.network_mode = text(member(member(*parsed, "HostConfig"), "NetworkMode"));
  out.labels = labels(member(config, "Labels"));
  out.log_driver = text(member(member(member(*parsed, "HostConfig"), "LogConfig"), "Type"));
  return out;
}

Result<DockerDaemon> parse_docker_info(std::string_view json) {
  auto parsed = parse(json);
  if (!parsed) return fail(std::move(parsed.error()));
  return DockerDaemon{text(member(*parsed, "ServerVersion")),
                      text(member(*parsed, "DockerRootDir"))};
}

Result<std::vector<DockerNetwork>> parse_docker_networks(std::string_view json) {
  auto parsed = parse(json);
  if (!parsed) return fail(std::move(parsed.error()));
  if (!parsed->is_array()) return fail(ErrorCode::kInvalid, "the answer is no list of networks");
  std::vector<DockerNetwork> out;
  for (const Json& n : *parsed) {
    if (text(member(n, "Id")).empty()) continue;
    out.push_back({text(member(n, "Id")), text(member(n, "Name")), text(member(n, "Scope")),
                   truth(member(n, "Internal")), truth(member(n, "Ingress")),
                   labels(member(n, "Labels"))});
  }
  return out;
}

Result<DockerEvent> parse_docker_event(std::string_view json) {
  auto parsed = parse(json);
  if (!parsed) return fail(std::move(parsed.error()));
  return event(*parsed);
}

std::string docker_error_message(std::string_view body) {
  if (body.size() <= kMaxEvent) {
    if (const auto parsed = parse(body)) {
      if (const std::string message = text(member(*parsed, "message")); !message.empty())
        return message;
    }
  }
  return to_valid_utf8(trim(body.substr(0, 200)));
}

void DockerEvents::feed(std::string_view bytes,
                        const std::function<void(const DockerEvent&)>& sink) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (!skipping_ && rest_.size() + piece.size() > kMaxEvent) skipping_ = true;
    if (!skipping_) rest_.append(piece);
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    if (!std::exchange(skipping_, false) && !trim(rest_).empty()) {
      if (const auto one = parse_docker_event(rest_)) sink(*one);
    }
    rest_.clear();
  }
}

std::string docker_filters(
    const std::vector<std::pair<std::string, std::vector<std::string>>>& filters) {
  std::map<std::string, std::vector<std::string>> merged;
  for (const auto& [name, values] : filters)
    for (const std::string& value : values) merged[name].push_back(value);
  std::string out = "{";
  for (const auto& [name, values] : merged) {
    if (out.size() > 1) out += ',';
    append_json_string(out, name);
    out += ":[";
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0) out += ',';
      append_json_string(out, values[i]);
    }
    out += ']';
  }
  return out + "}";
}

}  // namespace agent::wire
