// discovery.docker: the containers of a Docker daemon as targets.
//
// One stream of events tells of changes; a list is asked for after each (and every
// refresh_interval, should an event be missed). A container that has just exited stays a target for
// one refresh_interval, so that whoever reads its log can begin; what exited while nobody listened
// (the agent or the daemon was down) is found by its time of exit.
#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "agent/base/duration.h"
#include "agent/base/file.h"
#include "agent/base/mutex.h"
#include "agent/component/component.h"
#include "agent/component/docker_args.h"
#include "agent/component/http_args.h"
#include "agent/discovery/docker_targets.h"
#include "agent/io/http_fetch.h"
#include "agent/io/http_streams.h"
#include "agent/wire/docker_api.h"

namespace agent::discovery {
namespace {

constexpr Duration kRetry = std::chrono::milliseconds(500);
constexpr Duration kRetryRefused =
    std::chrono::seconds(30);  // the daemon, or a proxy before it, forbids events
constexpr Duration kListGap = std::chrono::milliseconds(100);
// On a host where this component never ran: how far back a container may have exited and still be
// read.
constexpr Duration kFirstLook = std::chrono::hours(1);
constexpr Duration kAliveStep = std::chrono::seconds(60);
constexpr std::size_t kMaxList = 32U << 20;
constexpr std::size_t kMaxInspections = 200;
// Changes of what the targets say; exec and health events, by far the most, are not asked for.
constexpr std::string_view kEvents =
    R"({"type":["container","network"],"event":["start","die","destroy","rename","connect","disconnect"]})";

struct FilterArgs {
  std::string name;
  std::vector<std::string> values;
  static component::Schema<FilterArgs> schema() {
    return component::Schema<FilterArgs>()
        .required("name", &FilterArgs::name, "What to filter by: name, label, status, network ...")
        .required("values", &FilterArgs::values, "Values, any of which has to fit.");
  }
};

struct DiscoveryDockerArgs {
  std::string host;
  std::int64_t port = 80;
  std::string host_networking_host = "localhost";
  Duration refresh_interval = std::chrono::minutes(1);
  bool match_first_network = true;
  component::HttpClientArgs client;
  std::vector<FilterArgs> filters;

  static component::Schema<DiscoveryDockerArgs> schema() {
    return component::Schema<DiscoveryDockerArgs>()
        .required("host", &DiscoveryDockerArgs::host,
                  "Where the daemon listens: unix:///var/run/docker.sock, tcp://host:port, http:// "
                  "or https://.")
        .optional("port", &DiscoveryDockerArgs::port,
                  "Port in __address__ of containers without a TCP port of their own.")
        .optional("host_networking_host", &DiscoveryDockerArgs::host_networking_host,
                  "__address__ of containers in host networking.")
        .optional("refresh_interval", &DiscoveryDockerArgs::refresh_interval,
                  "Time between full lists. New containers are noticed by events, at once; the "
                  "lists catch what an "
                  "event did not tell. Also the time for which an exited container stays a target.")
        .optional("match_first_network", &DiscoveryDockerArgs::match_first_network,
                  "Of a container in several networks only the first by name becomes a target.")
        .include(&DiscoveryDockerArgs::client)
        .block("filter", &DiscoveryDockerArgs::filters,
               "Which containers to discover, in the words of the Docker API. Several blocks must "
               "all fit.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    component::validate_docker_daemon(body, host, refresh_interval, client, diagnostics);
    client.validate(body, diagnostics);
  }
};

struct Settings {
  DiscoveryDockerArgs args;
  io::HttpOrigin origin;
  io::HttpOptions http;
};

struct Counters {
  explicit Counters(const component::Metrics& metrics)
      : failures(metrics.counter("prometheus_sd_refresh_failures_total", "Lists that failed.",
                                 {{"mechanism", "docker"}})),
        took(metrics.histogram("prometheus_sd_refresh_duration_histogram_seconds",
                               "Seconds from asking for a list to its targets.",
                               component::default_buckets(), {{"mechanism", "docker"}})),
        requests(metrics.counter("discovery_docker_api_requests_total", "Requests to the daemon.")),
        events(metrics.counter("discovery_docker_events_total", "Events received.")),
        targets(metrics.gauge("discovery_docker_targets", "Targets exported.")) {}
  const component::Counter failures;
  const component::Histogram took;
  const component::Counter requests;
  const component::Counter events;
  const component::Gauge targets;
};

// Wall time until which this component listened to the daemon, kept over restarts.
class LastAlive {
 public:
  LastAlive(const Clock& clock, std::filesystem::path file)
      : clock_(clock), file_(std::move(file)), ns_(clock.wall_ns() - kFirstLook.count()) {
    const auto text = read_file(file_, 64);
    if (!text) return;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error == std::errc() && value > 0) ns_ = value;
  }
  std::int64_t ns() const { return ns_; }
  void now() { ns_ = clock_.wall_ns(); }
  Result<> save() {
    std::error_code ignored;
    std::filesystem::create_directories(file_.parent_path(), ignored);
    return write_file_atomic(file_, std::to_string(ns_) + "\n");
  }

 private:
  const Clock& clock_;
  const std::filesystem::path file_;
  std::int64_t ns_;
};

// A conversation with one daemon, as long as the settings hold. Runs on the component's thread.
class Session {
 public:
  Session(component::Host& host, const Settings& settings, const Counters& counters,
          LastAlive& alive, io::HttpStreams& streams)
      : host_(host),
        settings_(settings),
        counters_(counters),
        alive_(alive),
        streams_(streams),
        list_due_(now()) {
    std::vector<std::pair<std::string, std::vector<std::string>>> filters;
    for (const FilterArgs& filter : settings.args.filters) {
      // By state it is filtered here, or a container that has just exited would not be seen.
      if (filter.name == "status") {
        if (!states_) states_.emplace();
        states_->insert(filter.values.begin(), filter.values.end());
      } else {
        filters.emplace_back(filter.name, filter.values);
      }
    }
    list_url_ = "/containers/json?all=1";
    if (!filters.empty())
      list_url_ += "&filters=" + io::percent_encode(wire::docker_filters(filters));
  }

  // Does what is due; says how long nothing will be.
  Duration step() {
    const Mono time = now();
    if (!events_open_ && time >= events_due_) open_events();
    if (!listing_ && inspecting_ == 0 && time >= std::max(list_due_, last_list_ + kListGap))
      start_list();
    if (listed_ && !linger_.empty()) forget_lingering(time);
    if (listening() && time >= save_due_) {
      alive_.now();
      save_due_ = time + kAliveStep;
      if (const auto saved = alive_.save(); !saved)
        host_.log.limited(Level::kWarn, "cannot keep the time of the last contact",
                          {{"error", saved.error().message}});
    }
    // A time that nothing above acts on must not end the wait: the thread would spin.
    Mono next = time + std::chrono::seconds(60);
    if (listening()) next = std::min(next, save_due_);
    if (!events_open_) next = std::min(next, events_due_);
    if (!listing_ && inspecting_ == 0)
      next = std::min(next, std::max(list_due_, last_list_ + kListGap));
    if (listed_)
      for (const auto& [id, until] : linger_) next = std::min(next, until);
    return std::max(next - now(), Duration::zero());
  }

  void end() {
    if (!listening()) return;
    alive_.now();
    (void)alive_.save();
  }

 private:
  Mono now() const { return host_.clock.mono(); }
  bool listening() const { return events_ready_ && listed_; }
  io::HttpRequest request(const std::string& path) const {
    counters_.requests->increment();
    io::HttpRequest out;
    out.url = settings_.origin.base_url + path;
    out.max_body = kMaxList;
    return out;
  }

  void open_events() {
    events_open_ = true;
    events_refused_ = false;
    parser_ = {};
    io::HttpRequest wanted = request("/events?filters=" + io::percent_encode(kEvents));
    wanted.timeout = Duration::zero();
    io::HttpStreams::Callbacks callbacks;
    callbacks.on_headers = [this](int status, const io::HttpHeaders&) {
      if (status != 200) {
        events_refused_ = true;
        host_.log.limited(Level::kWarn, "the daemon gives no events, only lists tell of containers",
                          {{"status", status}});
        return false;
      }
      events_ready_ = true;
      list_due_ = now();  // what happened before the events began
      return true;
    };
    callbacks.on_data = [this](std::string_view data) {
      parser_.feed(data, [this](const wire::DockerEvent& event) { on_event(event); });
      return true;
    };
    callbacks.on_end = [this](Result<> end) {
      events_open_ = false;
      if (events_ready_) alive_.now();
      events_ready_ = false;
      events_due_ = now() + (events_refused_ ? kRetryRefused : kRetry);
      if (!events_refused_) {
        host_.log.limited(
            Level::kWarn, "the stream of events ended",
            {{"error", end ? std::string("the daemon closed it") : end.error().message}});
        list_due_ = now();
      }
    };
    streams_.add(std::move(wanted), std::move(callbacks));
  }

  void on_event(const wire::DockerEvent& event) {
    counters_.events->increment();
    if (event.type == "network") networks_known_ = false;
    if (event.type == "container" && (event.action == "start" || event.action == "die"))
      linger(event.id);
    list_due_ = now();
  }

  // The container is a target for a while, even when it is not running.
  void linger(const std::string& id) { linger_[id] = now() + settings_.args.refresh_interval; }

  void start_list() {
    listing_ = true;
    last_list_ = now();
    list_due_ = last_list_ + settings_.args.refresh_interval;
    io::fetch(streams_, request(list_url_), [this](Result<io::HttpResponse> response) {
      listing_ = false;
      auto list = body_of(std::move(response), wire::parse_docker_containers);
      if (!list) return failed(std::move(list.error()));
      containers_ = std::move(*list);
      if (networks_known_ && !unknown_network()) return inspect_exited();
      listing_ = true;
      fetch_networks();
    });
  }

  void fetch_networks() {
    io::fetch(streams_, request("/networks"), [this](Result<io::HttpResponse> response) {
      listing_ = false;
      auto networks = body_of(std::move(response), wire::parse_docker_networks);
      if (networks) {
        networks_.clear();
        for (wire::DockerNetwork& network : *networks) networks_[network.id] = std::move(network);
      } else {
        // A proxy may forbid it. The targets then lack what only the network knows.
        host_.log.limited(Level::kWarn, "cannot list networks",
                          {{"error", networks.error().message}});
      }
      networks_known_ = true;
      asked_networks_.clear();
      for (const auto& container : containers_)
        for (const auto& endpoint : container.endpoints)
          asked_networks_.insert(endpoint.network_id);
      inspect_exited();
    });
  }

  bool unknown_network() const {
    for (const auto& container : containers_)
      for (const auto& endpoint : container.endpoints)
        if (!endpoint.network_id.empty() &&
            networks_.find(endpoint.network_id) == networks_.end() &&
            !asked_networks_.contains(endpoint.network_id))
          return true;
    return false;
  }

  template <class T>
  Result<T> body_of(Result<io::HttpResponse> response, Result<T> (*parse)(std::string_view)) {
    if (!response) return fail(std::move(response.error()));
    if (response->status != 200)
      return fail(ErrorCode::kUnavailable, "status " + std::to_string(response->status) + ": " +
                                               wire::docker_error_message(response->body));
    return parse(response->body);
  }

  void observe_list() {
    counters_.took->observe(std::chrono::duration<double>(now() - last_list_).count());
  }

  void failed(Error error) {
    counters_.failures->increment();
    observe_list();
    listed_ = false;
    list_due_ = now() + kRetry;
    host_.health.bad(
        std::move(error).within("list the containers of " + settings_.args.host).message);
  }

  // After a silence: which of the exited containers lived in it?
  void inspect_exited() {
    if (!listed_) {
      for (const auto& container : containers_) {
        if (container.alive() || container.state == "created" || linger_.contains(container.id))
          continue;
        if (last_targets_.contains(container.id)) {
          linger(container.id);
          continue;
        }
        if (inspecting_ == kMaxInspections) break;
        ++inspecting_;
        io::fetch(
            streams_, request("/containers/" + container.id + "/json"),
            [this, id = container.id, since = alive_.ns()](Result<io::HttpResponse> response) {
              const auto one = body_of(std::move(response), wire::parse_docker_inspection);
              if (one && one->finished_ns > since) linger(id);
              if (--inspecting_ == 0) complete();
            });
      }
    }
    if (inspecting_ == 0) complete();
  }

  void complete() {
    listed_ = true;
    host_.health.good();
    publish();
    observe_list();
  }

  bool wanted(const wire::DockerContainer& container) const {
    if (states_ && states_->contains(container.state)) return true;
    if (states_ ? states_->contains("running") && linger_.contains(container.id)
                : linger_.contains(container.id))
      return container.state != "created";
    return !states_ && container.alive();
  }

  void publish() {
    DockerTargetOptions options;
    options.port = settings_.args.port;
    options.host_networking_host = settings_.args.host_networking_host;
    options.match_first_network = settings_.args.match_first_network;
    std::map<std::string, std::vector<model::Target>, std::less<>> by_container;
    for (const auto& container : containers_) {
      if (!wanted(container)) continue;
      // An exited container has lost its addresses; its targets stay what they were.
      const auto before = last_targets_.find(container.id);
      by_container[container.id] = !container.alive() && before != last_targets_.end()
                                       ? std::move(before->second)
                                       : docker_targets(container, containers_, networks_, options);
    }
    last_targets_ = std::move(by_container);
    std::vector<model::Target> targets;
    for (const auto& [id, some] : last_targets_)
      targets.insert(targets.end(), some.begin(), some.end());
    counters_.targets->set(static_cast<double>(targets.size()));
    if (published_ && *published_ == targets) return;
    host_.exports({{"targets", component::targets_value(targets)}});
    published_ = std::move(targets);
  }

  void forget_lingering(Mono time) {
    const std::size_t before = linger_.size();
    for (auto it = linger_.begin(); it != linger_.end();)
      it = it->second <= time ? linger_.erase(it) : std::next(it);
    if (linger_.size() != before) publish();
  }

  component::Host& host_;
  const Settings& settings_;
  const Counters& counters_;
  LastAlive& alive_;
  io::HttpStreams& streams_;
  std::string list_url_;
  std::optional<std::set<std::string, std::less<>>> states_;  // by a filter "status"

  bool events_open_ = false;
  bool events_ready_ = false;
  bool events_refused_ = false;
  Mono events_due_{};
  wire::DockerEvents parser_;

  bool listing_ = false;
  bool listed_ = false;  // the last list came
  Mono list_due_;
  Mono last_list_ = Mono::min() + std::chrono::hours(1);
  std::size_t inspecting_ = 0;
  Mono save_due_{};
  bool networks_known_ = false;
  DockerNetworks networks_;
  std::set<std::string> asked_networks_;  // ids that were in use at the last list of networks
  std::vector<wire::DockerContainer> containers_;
  std::map<std::string, Mono> linger_;
  std::map<std::string, std::vector<model::Target>, std::less<>> last_targets_;
  std::optional<std::vector<model::Target>> published_;
};

class DiscoveryDocker final : public component::Configured<DiscoveryDockerArgs>,
                              public component::Worker {
 public:
  explicit DiscoveryDocker(component::Host host)
      : host_(std::move(host)),
        counters_(host_.metrics),
        alive_(host_.clock, host_.data_dir / "last_alive") {
    host_.exports({{"targets", lang::Value(lang::Value::List{})}});
  }

  using Configured::prepare;
  Result<component::Commit> prepare(DiscoveryDockerArgs args) override {
    auto origin = io::parse_origin(args.host);
    if (!origin) return fail(std::move(origin.error()));
    auto settings = std::make_shared<Settings>();
    settings->origin = std::move(*origin);
    settings->http = args.client.options();
    settings->http.unix_socket = settings->origin.unix_socket;
    settings->args = std::move(args);
    return component::Commit([this, settings] {
      MutexLock lock(mutex_);
      settings_ = settings;
      if (streams_) streams_->wakeup();
    });
  }

  Result<> run(std::stop_token stop) override {
    while (!stop.stop_requested()) {
      std::shared_ptr<const Settings> settings;
      std::shared_ptr<io::HttpStreams> streams;
      {
        MutexLock lock(mutex_);
        settings = settings_;
        streams = std::make_shared<io::HttpStreams>(settings->http);
        streams_ = streams;
      }
      Session session(host_, *settings, counters_, alive_, *streams);
      while (!stop.stop_requested() && current(*settings)) streams->poll(session.step(), stop);
      session.end();
      MutexLock lock(mutex_);
      streams_.reset();
    }
    return {};
  }

  void debug_info(component::DebugWriter& out) const override {
    out.value("targets", std::to_string(static_cast<std::int64_t>(counters_.targets->value())));
    out.value("events", std::to_string(static_cast<std::int64_t>(counters_.events->value())));
  }

 private:
  bool current(const Settings& settings) const {
    MutexLock lock(mutex_);
    return settings_.get() == &settings;
  }

  component::Host host_;
  const Counters counters_;
  LastAlive alive_;  // of the thread
  mutable Mutex mutex_;
  std::shared_ptr<const Settings> settings_ GUARDED_BY(mutex_);
  std::shared_ptr<io::HttpStreams> streams_ GUARDED_BY(mutex_);
};

}  // namespace

component::Declaration discovery_docker() {
  return component::declare<DiscoveryDocker>(
      "discovery.docker", "Finds the containers of a Docker daemon.",
      {{"targets", "list(map(string))", "One target per container, network and TCP port."}});
}

}  // namespace agent::discovery
