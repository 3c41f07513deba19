#include "agent/exporter/cadvisor/docker.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "agent/base/strings.h"

namespace agent::exporter::cadvisor {
namespace {

constexpr Duration kListTimeout = std::chrono::seconds(2);
constexpr Duration kInspectionsTimeout = std::chrono::seconds(2);  // of all in one scrape
constexpr Duration kSizesTimeout = std::chrono::seconds(3);
constexpr Duration kSizesEvery = std::chrono::minutes(5);
constexpr Duration kSizesOfNewOnes = std::chrono::minutes(1);  // after those before
constexpr Duration kDaemonEvery = std::chrono::minutes(10);
// A daemon that hangs is left alone for so long, so that not every scrape waits for it.
constexpr Duration kQuiet = std::chrono::seconds(30);
constexpr std::size_t kMaxBody = 32U << 20;
constexpr std::size_t kMaxLabels = 256;
constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxValue = 4096;

std::string bounded(std::string_view text, std::size_t limit) {
  return to_valid_utf8(utf8_head(text, limit));
}

// "/web", and for each container that is linked to it "/other/alias".
std::string_view without_slash(std::string_view name) {
  return name.starts_with('/') ? name.substr(1) : name;
}

}  // namespace

int health_of(std::string_view status) {
  if (status.ends_with("(healthy)")) return 1;
  if (status.ends_with("(unhealthy)") || status.ends_with("(health: starting)")) return 0;
  return -1;
}

model::Labels container_labels(const wire::DockerContainer& listed,
                               const wire::DockerInspection& inspected,
                               const DockerOptions& options) {
  const auto wanted = [&](const std::string& name) {
    return options.all_labels ||
           std::find(options.labels.begin(), options.labels.end(), name) != options.labels.end();
  };
  // By the original name, so that which of two stays does not depend on the daemon's order.
  std::map<std::string, std::string> originals;
  for (const auto& [name, value] : listed.labels)
    if (wanted(name) && originals.size() < kMaxLabels)
      originals.emplace("container_label_" + name, value);
  // Only when it is asked for by name: with it every restart would begin new series, and nothing
  // could be reckoned over it.
  if (inspected.restarts > 0 && std::find(options.labels.begin(), options.labels.end(),
                                          "restartcount") != options.labels.end())
    originals["container_label_restartcount"] = std::to_string(inspected.restarts);
  for (const std::string& variable : inspected.environment) {
    const std::size_t equals = variable.find('=');
    if (equals == std::string::npos || originals.size() >= kMaxLabels) continue;
    std::string name = variable.substr(0, equals);
    const bool allowed = std::any_of(
        options.environment.begin(), options.environment.end(),
        [&](const std::string& start) { return !start.empty() && name.starts_with(start); });
    if (!allowed) continue;
    for (char& c : name)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    originals.emplace("container_env_" + name, variable.substr(equals + 1));
  }
  model::LabelBuilder out;
  for (const auto& [name, value] : originals) {
    const std::string clean =
        model::sanitize_label_name(std::string_view(name).substr(0, kMaxName));
    if (out.get(clean).empty()) out.set(clean, bounded(value, kMaxValue));
  }
  out.set("name", bounded(without_slash(listed.name), kMaxValue));
  out.set("image", bounded(inspected.image.empty() ? listed.image : inspected.image, kMaxValue));
  return std::move(out).take();
}

Docker::Docker(DockerOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock), client_(options_.http) {}

const Container* Docker::find(std::string_view id) const {
  const auto found = containers_.find(id);
  return found == containers_.end() ? nullptr : &found->second;
}

template <class T>
Result<T> Docker::ask(const std::string& path, Duration timeout,
                      Result<T> (*parse)(std::string_view), const std::stop_token& stop) {
  io::HttpRequest request;
  request.url = options_.origin.base_url + path;
  request.timeout = timeout;
  request.max_body = kMaxBody;
  const Mono before = clock_.mono();
  auto response = client_.send(request, stop);
  if (!response) {
    // What took so long was no refusal.
    if (clock_.mono() - before >= timeout * 9 / 10) quiet_until_ = clock_.mono() + kQuiet;
    return fail(std::move(response.error()));
  }
  answered_ = true;
  if (response->status != 200)
    return fail(ErrorCode::kUnavailable, "GET " + path + ": status " +
                                             std::to_string(response->status) + ": " +
                                             wire::docker_error_message(response->body));
  return parse(response->body);
}

Result<> Docker::ask_sizes(const std::stop_token& stop) {
  last_sizes_ = clock_.mono();
  sizes_due_ = last_sizes_ + kSizesEvery;
  const auto sizes =
      ask("/containers/json?size=1", kSizesTimeout, wire::parse_docker_containers, stop);
  if (!sizes) return fail(sizes.error());
  for (const wire::DockerContainer& one : *sizes) {
    const auto known = containers_.find(one.id);
    if (known == containers_.end()) continue;
    known->second.own_bytes =
        one.own_bytes < 0 ? Value() : Value(static_cast<double>(one.own_bytes));
  }
  return {};
}

Result<> Docker::refresh(const std::vector<Cgroup>& groups, const std::stop_token& stop) {
  std::map<std::string_view, std::uint64_t> instances;
  for (const Cgroup& group : groups)
    if (const std::string_view id = docker_id(group.path); !id.empty())
      instances.emplace(id, group.instance);
  std::erase_if(containers_, [&](const auto& one) { return !instances.contains(one.first); });

  // A host without Docker is none that fails.
  const std::string& socket = options_.origin.unix_socket;
  std::error_code error;
  if (!answered_ && !socket.empty() && !std::filesystem::exists(socket, error) && !error) return {};
  if (clock_.mono() < quiet_until_)
    return fail(last_failure_.value_or(Error{ErrorCode::kUnavailable, "it does not answer"}));
  const auto failed = [&](Error why) {
    last_failure_ = why;
    return fail(std::move(why));
  };
  if (clock_.mono() >= daemon_due_) {
    auto daemon = ask("/info", kListTimeout, wire::parse_docker_info, stop);
    // A proxy may forbid it; what it tells is not worth more.
    if (!daemon && !answered_) return failed(std::move(daemon.error()));
    if (daemon) daemon_ = std::move(*daemon);
    daemon_due_ = clock_.mono() + kDaemonEvery;
  }
  if (instances.empty()) return {};
  const auto list = ask("/containers/json", kListTimeout, wire::parse_docker_containers, stop);
  if (!list) return failed(list.error());

  const Mono inspections_end = clock_.mono() + kInspectionsTimeout;
  Result<> outcome;
  for (const wire::DockerContainer& listed : *list) {
    const auto instance = instances.find(listed.id);
    if (instance == instances.end()) continue;
    Container& one = containers_[listed.id];
    one.health = health_of(listed.status);
    if (one.instance == instance->second && one.name == listed.name) continue;
    // What there is no time for, the next scrape does.
    const Mono time = clock_.mono();
    if (time >= inspections_end || time < quiet_until_ || stop.stop_requested()) continue;
    auto inspected = ask("/containers/" + listed.id + "/json", kListTimeout,
                         wire::parse_docker_inspection, stop);
    if (!inspected) {
      outcome = failed(inspected.error());
      inspected = wire::DockerInspection();
    } else {
      one.instance = instance->second;
      sizes_due_ = std::min(sizes_due_, last_sizes_ + kSizesOfNewOnes);
    }
    one.name = listed.name;
    one.image = inspected->image;
    one.network_mode =
        inspected->network_mode.empty() ? listed.network_mode : inspected->network_mode;
    one.started_ns = inspected->started_ns;
    one.pid = inspected->pid;
    one.labels = container_labels(listed, *inspected, options_);
  }
  if (options_.sizes && clock_.mono() >= std::max(sizes_due_, quiet_until_) &&
      !stop.stop_requested()) {
    if (auto sizes = ask_sizes(stop); !sizes) outcome = failed(sizes.error());
  }
  return outcome;
}

}  // namespace agent::exporter::cadvisor
