#include "agent/wire/docker_api.h"

#include <algorithm>
#include <map>
#include <optional>

#include "agent/base/strings.h"
#include "agent/wire/docker_stream.h"
#include "agent/wire/json.h"

namespace agent::wire {
namespace {

constexpr std::size_t kMaxBody = 64U << 20;
constexpr std::size_t kMaxEvent = 1U << 20;

// A member of a member that may not be there.
using Json = std::optional<JsonNode>;
using Kind = JsonNode::Kind;

Result<JsonNode> parse(JsonDocument& document, std::string_view text) {
  if (text.size() > kMaxBody)
    return fail(ErrorCode::kExhausted, "the answer is longer than 64 MiB");
  const Json json = document.parse(text);
  if (!json) return fail(ErrorCode::kInvalid, "the answer is not JSON");
  return *json;
}

bool is(const Json& value, Kind kind) { return value && value->kind() == kind; }

Json member(const Json& object, std::string_view name) {
  return is(object, Kind::kObject) ? object->find(name) : std::nullopt;
}

std::string text(const Json& value) {
  return is(value, Kind::kString) ? std::string(value->string()) : std::string();
}
bool truth(const Json& value) { return is(value, Kind::kBool) && value->boolean(); }
// Larger numbers than fit are no numbers.
std::int64_t integer(const Json& value, std::int64_t otherwise = 0) {
  return is(value, Kind::kInt) ? value->integer() : otherwise;
}
int port(const Json& value) {
  const std::int64_t number = integer(value);
  return number > 0 && number < 65536 ? static_cast<int>(number) : 0;
}
std::vector<JsonNode> elements(const Json& list) {
  return is(list, Kind::kArray) ? list->elements() : std::vector<JsonNode>();
}

DockerLabels labels(const Json& object) {
  DockerLabels out;
  if (!is(object, Kind::kObject)) return out;
  for (const auto& [key, value] : object->members())
    if (value.kind() == Kind::kString) out.emplace_back(key, value.string());
  return out;
}

DockerContainer container(const JsonNode& json) {
  DockerContainer out;
  out.id = text(member(json, "Id"));
  if (const Json names = member(json, "Names"); is(names, Kind::kArray))
    out.name = text(names->at(0));
  out.state = text(member(json, "State"));
  out.status = text(member(json, "Status"));
  out.image = text(member(json, "Image"));
  // A container that has written nothing has no SizeRw, which would be 0, beside SizeRootFs.
  out.own_bytes =
      integer(member(json, "SizeRw"), is(member(json, "SizeRootFs"), Kind::kInt) ? 0 : -1);
  out.network_mode = text(member(member(json, "HostConfig"), "NetworkMode"));
  out.labels = labels(member(json, "Labels"));
  for (const JsonNode& p : elements(member(json, "Ports")))
    out.ports.push_back({text(member(p, "IP")), port(member(p, "PrivatePort")),
                         port(member(p, "PublicPort")), text(member(p, "Type"))});
  const Json networks = member(member(json, "NetworkSettings"), "Networks");
  if (is(networks, Kind::kObject)) {
    for (const auto& [name, endpoint] : networks->members()) {
      if (endpoint.kind() != Kind::kObject) continue;
      out.endpoints.push_back({std::string(name), text(member(endpoint, "NetworkID")),
                               text(member(endpoint, "IPAddress"))});
    }
  }
  std::sort(out.endpoints.begin(), out.endpoints.end(),
            [](const DockerEndpoint& a, const DockerEndpoint& b) { return a.network < b.network; });
  return out;
}

// The folder that containers' own files are in. With the image store of containerd that is
// containerd's: of the host's own one, wherever Docker keeps its data, or of one that the daemon
// has started for itself. (Engine 29; dockerd's libcontainerd/supervisor.)
std::string files_folder(const JsonNode& info) {
  std::string folder = text(member(info, "DockerRootDir"));
  const std::vector<JsonNode> status = elements(member(info, "DriverStatus"));
  const bool containerd = std::any_of(status.begin(), status.end(), [](const JsonNode& pair) {
    return pair.kind() == Kind::kArray && text(pair.at(0)) == "driver-type" &&
           text(pair.at(1)) == "io.containerd.snapshotter.v1";
  });
  if (!containerd) return folder;
  const std::string address = text(member(member(info, "Containerd"), "Address"));
  constexpr std::string_view kSocket = "/containerd/containerd.sock";
  const bool own = std::string_view(address).ends_with(kSocket) &&
                   address.substr(0, address.size() - kSocket.size()) != "/run" &&
                   address.substr(0, address.size() - kSocket.size()) != "/var/run";
  return own && !folder.empty() ? folder + "/containerd/daemon" : "/var/lib/containerd";
}

DockerEvent event(const JsonNode& json) {
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
  JsonDocument document;
  const auto parsed = parse(document, json);
  if (!parsed) return fail(parsed.error());
  if (parsed->kind() != Kind::kArray)
    return fail(ErrorCode::kInvalid, "the answer is no list of containers");
  std::vector<DockerContainer> out;
  for (const JsonNode& element : parsed->elements()) {
    DockerContainer one = container(element);
    if (!one.id.empty()) out.push_back(std::move(one));
  }
  return out;
}

Result<DockerInspection> parse_docker_inspection(std::string_view json) {
  JsonDocument document;
  const auto parsed = parse(document, json);
  if (!parsed) return fail(parsed.error());
  DockerInspection out;
  out.id = text(member(*parsed, "Id"));
  if (out.id.empty()) return fail(ErrorCode::kInvalid, "the answer is no container");
  out.name = text(member(*parsed, "Name"));
  const Json state = member(*parsed, "State");
  out.running = truth(member(state, "Running"));
  out.pid = integer(member(state, "Pid"));
  out.restarts = integer(member(*parsed, "RestartCount"));
  out.started_ns = parse_docker_time(text(member(state, "StartedAt"))).value_or(0);
  out.finished_ns = parse_docker_time(text(member(state, "FinishedAt"))).value_or(0);
  const Json config = member(*parsed, "Config");
  out.tty = truth(member(config, "Tty"));
  out.image = text(member(config, "Image"));
  for (const JsonNode& one : elements(member(config, "Env"))) out.environment.push_back(text(one));
  out.network_mode = text(member(member(*parsed, "HostConfig"), "NetworkMode"));
  out.labels = labels(member(config, "Labels"));
  out.log_driver = text(member(member(member(*parsed, "HostConfig"), "LogConfig"), "Type"));
  return out;
}

Result<DockerDaemon> parse_docker_info(std::string_view json) {
  JsonDocument document;
  const auto parsed = parse(document, json);
  if (!parsed) return fail(parsed.error());
  return DockerDaemon{text(member(*parsed, "ServerVersion")), files_folder(*parsed)};
}

Result<std::vector<DockerNetwork>> parse_docker_networks(std::string_view json) {
  JsonDocument document;
  const auto parsed = parse(document, json);
  if (!parsed) return fail(parsed.error());
  if (parsed->kind() != Kind::kArray)
    return fail(ErrorCode::kInvalid, "the answer is no list of networks");
  std::vector<DockerNetwork> out;
  for (const JsonNode& n : parsed->elements()) {
    if (text(member(n, "Id")).empty()) continue;
    out.push_back({text(member(n, "Id")), text(member(n, "Name")), text(member(n, "Scope")),
                   truth(member(n, "Internal")), truth(member(n, "Ingress")),
                   labels(member(n, "Labels"))});
  }
  return out;
}

Result<DockerEvent> parse_docker_event(std::string_view json) {
  JsonDocument document;
  const auto parsed = parse(document, json);
  if (!parsed) return fail(parsed.error());
  return event(*parsed);
}

std::string docker_error_message(std::string_view body) {
  if (body.size() <= kMaxEvent) {
    JsonDocument document;
    if (const auto parsed = parse(document, body)) {
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
