// loki.source.docker: the logs of Docker containers.
//
// One follow stream per container, all of them on the component's one thread; a stream of events
// tells when a stopped container starts again and when one is removed. When a follow stream ends
// the container is inspected: alive, it is followed again; dead, its log is read once more to the
// end, so that what a short life wrote is complete. The cursor (docker_cursor.h) is stored by
// container id when entries are settled, and kept until the daemon says that the container is
// destroyed, or does not know it for 30 days.
//
// The labels of each container are stored too, until its log was delivered to the end: a container
// that ends while the pipeline is blocked, or the agent away, is read when there is nobody left who
// names it as a target.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/mutex.h"
#include "agent/component/component.h"
#include "agent/component/docker_args.h"
#include "agent/component/http_args.h"
#include "agent/component/receiver.h"
#include "agent/component/relabel_args.h"
#include "agent/io/http_fetch.h"
#include "agent/io/http_streams.h"
#include "agent/io/legacy_positions.h"
#include "agent/io/positions.h"
#include "agent/source/delivery.h"
#include "agent/source/docker_cursor.h"
#include "agent/source/docker_labels.h"
#include "agent/source/long_line.h"
#include "agent/wire/docker_api.h"
#include "agent/wire/docker_stream.h"

namespace agent::source {
namespace {

constexpr Duration kRetry = std::chrono::milliseconds(500);
constexpr Duration kLongestRetry = std::chrono::seconds(30);
constexpr Duration kRetryRefused = std::chrono::seconds(30);
constexpr Duration kHousekeeping = std::chrono::milliseconds(250);
constexpr Duration kRelist = std::chrono::minutes(5);  // a belt, should an event be missed
constexpr Duration kLongBlock =
    std::chrono::seconds(2);  // after which the daemon may have dropped events
constexpr Duration kUnseen = std::chrono::hours(24 * 30);
constexpr std::size_t kMaxInspections = 64;  // at a time
constexpr std::size_t kMaxList = 32U << 20;
constexpr std::size_t kMaxLegacy = 64U << 20;
constexpr std::string_view kEvents = R"({"type":["container"],"event":["start","destroy"]})";

struct LokiSourceDockerArgs {
  std::string host;
  std::optional<std::vector<model::Target>> targets;
  std::vector<std::shared_ptr<component::LogReceiver>> forward_to;
  component::StringMap labels;
  std::shared_ptr<model::RelabelRules> relabel_rules;
  Duration refresh_interval = std::chrono::minutes(1);
  std::string legacy_positions_file;
  component::HttpClientArgs client;

  static component::Schema<LokiSourceDockerArgs> schema() {
    return component::Schema<LokiSourceDockerArgs>()
        .required("host", &LokiSourceDockerArgs::host,
                  "Where the daemon listens: unix:///var/run/docker.sock, tcp://host:port, http:// "
                  "or https://.")
        .optional(
            "targets", &LokiSourceDockerArgs::targets,
            "Containers to read, as discovery.docker exports them; each needs "
            "__meta_docker_container_id. "
            "Without this argument all containers of the daemon are read, and stages find "
            "container_name, container_id, container_label_<name> and stream among the extracted "
            "values.")
        .required("forward_to", &LokiSourceDockerArgs::forward_to,
                  "Receivers that get the entries.")
        .optional("labels", &LokiSourceDockerArgs::labels,
                  "Labels for all entries; they win over those of targets.")
        .optional("relabel_rules", &LokiSourceDockerArgs::relabel_rules,
                  "Rules for the labels of each stream of a container; "
                  "__meta_docker_container_log_stream is stdout "
                  "or stderr.")
        .optional("refresh_interval", &LokiSourceDockerArgs::refresh_interval,
                  "How often stopped containers are looked at when the daemon gives no events.")
        .optional("legacy_positions_file", &LokiSourceDockerArgs::legacy_positions_file,
                  "Positions file of Promtail, for a first start without positions of our own. Not "
                  "an argument of Alloy.")
        .block("http_client_config", &LokiSourceDockerArgs::client,
               "Options for http:// and https:// hosts.")
        .ignored("positions_path", "Positions are kept in the component's data folder.");
  }
  void validate(const lang::Body& body, lang::Diagnostics& diagnostics) const {
    component::validate_docker_daemon(body, host, refresh_interval, client, diagnostics);
  }
};

using LabelsOf = std::shared_ptr<const DockerEntryLabels>;

struct Settings {
  io::HttpOrigin origin;
  io::HttpOptions http;
  std::string host;
  Duration refresh_interval{};
  std::string legacy_file;
  bool discover = false;                   // no targets given
  std::map<std::string, LabelsOf> wanted;  // by container id, of the targets
  model::Labels labels;
  std::shared_ptr<model::RelabelRules> rules;
};

struct Counters {
  explicit Counters(const component::Metrics& metrics)
      : entries(metrics.counter("loki_source_docker_target_entries_total", "Entries passed on.")),
        parsing_errors(metrics.counter("loki_source_docker_target_parsing_errors_total",
                                       "Messages without a readable time, dropped.")),
        active(metrics.gauge("loki_source_docker_targets_active", "Containers that are read.")),
        unreadable(metrics.gauge("loki_source_docker_targets_unreadable",
                                 "Containers whose log driver cannot be read.")),
        cut(metrics.counter("loki_source_docker_lines_cut_total",
                            "Lines longer than the limit, cut.")),
        dropped_by_rule(metrics.counter("loki_source_docker_entries_dropped_total",
                                        "Entries dropped, by reason.", {{"reason", "rule"}})),
        dropped_unlabelled(metrics.counter("loki_source_docker_entries_dropped_total",
                                           "Entries dropped, by reason.",
                                           {{"reason", "no_labels"}})),
        requests(
            metrics.counter("loki_source_docker_api_requests_total", "Requests to the daemon.")),
        last_read(metrics.gauge("loki_source_docker_last_read_timestamp_seconds",
                                "When an entry was last read.")),
        last_acked(metrics.gauge("loki_source_docker_last_acked_timestamp_seconds",
                                 "When the delivery of entries was last confirmed.")) {}
  const component::Counter entries;
  const component::Counter parsing_errors;
  const component::Gauge active;
  const component::Gauge unreadable;
  const component::Counter cut;
  const component::Counter dropped_by_rule;
  const component::Counter dropped_unlabelled;
  const component::Counter requests;
  const component::Gauge last_read;
  const component::Gauge last_acked;
};

// One container.
struct Reader {
  enum class State {
    kDue,         // to be inspected, at `due`
    kInspecting,  //
    kReading,     //
    kResting,     // stopped and read to its end, or nothing to be had; until it starts
  };
  explicit Reader(std::string container) : id(std::move(container)) {}

  const std::string id;
  LabelsOf labels;
  bool wanted = true;
  bool gone = false;  // the daemon destroyed it

  // Delivery.
  model::AckWindow<DockerCursor> window;
  DockerCursor read;    // of the last message passed on
  DockerCursor stored;  // of the last one settled

  // The conversation about it.
  State state = State::kDue;
  Mono due{};
  Duration pause = kRetry;
  io::HttpStreams::Id request = 0;
  bool follow = false;
  bool started_again = false;  // since the inspection
  bool broken = false;         // the stream was given up here
  bool fruitful = false;       // the stream gave messages
  int status = 0;
  std::string refusal;
  bool reported = false;
  bool unreadable = false;  // its log driver
  std::unique_ptr<wire::DockerStream> parser;
  std::optional<DockerResume> resume;
  std::uint64_t cut = 0;
  std::uint64_t bad_times = 0;
};

using Readers = std::map<std::string, std::unique_ptr<Reader>, std::less<>>;

// A conversation with one daemon. Runs on the component's thread.
class Session {
 public:
  Session(component::Host& host, const Counters& counters, io::Positions& positions,
          io::Positions& unread, Readers& readers, component::LogFanout& forward,
          const Delivery& delivery, io::HttpStreams& streams, const std::stop_token& stop)
      : host_(host),
        counters_(counters),
        positions_(positions),
        unread_(unread),
        readers_(readers),
        forward_(forward),
        delivery_(delivery),
        streams_(streams),
        stop_(stop) {
    for (auto& [id, reader] : readers_) {
      reader->request = 0;
      reader->parser.reset();
      set_due(*reader, Duration::zero());
    }
  }

  void configure(std::shared_ptr<const Settings> settings) {
    settings_ = std::move(settings);
    if (settings_->discover) {
      discover();
    } else {
      want(settings_->wanted);
    }
  }

  // Does what is due; says how long nothing will be.
  Duration step() {
    const Mono time = now();
    if (!events_open_ && time >= events_due_) open_events();
    if ((list_wanted_ || time >= next_list_) && !listing_ && daemon_there()) list();
    if (time >= next_keeping_) keep_house(time);
    if (time >= next_inspection_) inspect_due(time);
    Mono next = std::min(next_keeping_, next_inspection_);
    if (daemon_there() && !listing_) next = std::min(next, next_list_);
    if (!events_open_) next = std::min(next, events_due_);
    return std::clamp<Duration>(next - now(), Duration::zero(), std::chrono::seconds(60));
  }

  // The daemon answers: worth asking.
  bool daemon_there() const { return events_ready_ || events_refused_; }

 private:
  Mono now() const { return host_.clock.mono(); }
  io::HttpRequest request(const std::string& path) const {
    counters_.requests->increment();
    io::HttpRequest out;
    out.url = settings_->origin.base_url + path;
    out.max_body = kMaxList;
    return out;
  }

  // --- which containers

  void want(const std::map<std::string, LabelsOf>& wanted) {
    for (auto& [id, reader] : readers_) {
      if (wanted.contains(id) || !reader->wanted) continue;
      reader->wanted = false;
      // Still running: no longer wanted. Stopped: what it left is read first.
      if (reader->state != Reader::State::kResting) look_again(*reader);
      next_keeping_ = now();
    }
    std::size_t active = 0;
    for (const auto& [id, labels] : wanted) {
      auto& reader = readers_[id];
      if (reader == nullptr) {
        reader = make_reader(id);
      } else if (!reader->wanted) {
        reader->wanted = true;
        if (reader->state == Reader::State::kResting) set_due(*reader, Duration::zero());
      }
      reader->labels = labels;
      ++active;
    }
    counters_.active->set(static_cast<double>(active));
    // Those that were targets, are none any more, and may have left something.
    for (const auto& [id, record] : unread_.all()) {
      if (readers_.contains(id)) continue;
      auto labels = parse_entry_labels(record, host_.labels);
      if (!labels) {
        unread_.erase(id);
        continue;
      }
      auto& reader = readers_[id] = make_reader(id);
      reader->wanted = false;
      reader->labels = std::make_shared<DockerEntryLabels>(std::move(*labels));
    }
  }

  std::unique_ptr<Reader> make_reader(const std::string& id) {
    auto reader = std::make_unique<Reader>(id);
    if (const auto text = positions_.get(id)) {
      if (const auto cursor = DockerCursor::parse(*text)) reader->stored = reader->read = *cursor;
      positions_.touch(id);
    }
    set_due(*reader, Duration::zero());
    return reader;
  }

  // Without targets: all that live, and what lived and was not read to its end.
  void discover() {
    std::map<std::string, LabelsOf> wanted;
    for (const wire::DockerContainer& container : containers_) {
      if (!container.alive() && !started_.contains(container.id) && !positions_.get(container.id) &&
          !readers_.contains(container.id))
        continue;
      auto labels = std::make_shared<DockerEntryLabels>(docker_entry_labels(
          docker_own_target(container), settings_->labels, settings_->rules.get(), host_.labels));
      add_docker_context(container, host_.labels, *labels);
      wanted.emplace(container.id, std::move(labels));
    }
    want(wanted);
  }

  void list() {
    list_wanted_ = false;
    listing_ = true;
    next_list_ = now() + kRelist;
    io::fetch(streams_, request("/containers/json?all=1"),
              [this](Result<io::HttpResponse> response) {
                listing_ = false;
                if (!response || response->status != 200)
                  return;  // the events end, or the inspections say why
                auto containers = wire::parse_docker_containers(response->body);
                if (!containers) return;
                containers_ = std::move(*containers);
                for (const auto& container : containers_) {
                  positions_.touch(container.id);
                  const auto it = readers_.find(container.id);
                  if (container.alive() && it != readers_.end() &&
                      it->second->state == Reader::State::kResting && !it->second->reported)
                    set_due(*it->second, Duration::zero());
                }
                positions_.prune(kUnseen);
                if (settings_->discover) discover();
              });
  }

  // --- events

  void open_events() {
    events_open_ = true;
    events_refused_ = false;
    parser_ = {};
    io::HttpRequest wanted = request("/events?filters=" + io::percent_encode(kEvents));
    wanted.timeout = Duration::zero();
    io::HttpStreams::Callbacks callbacks;
    callbacks.on_headers = [this](int status, const io::HttpHeaders&) {
      events_refused_ = status != 200;
      events_ready_ = !events_refused_;
      if (events_refused_)
        host_.log.limited(
            Level::kWarn,
            "the daemon gives no events, stopped containers are looked at from time to time",
            {{"status", status}});
      // Whatever happened before.
      list_wanted_ = true;
      for (auto& [id, reader] : readers_) look_again(*reader);
      host_.health.good();
      return events_ready_;
    };
    callbacks.on_data = [this](std::string_view data) {
      parser_.feed(data, [this](const wire::DockerEvent& event) { on_event(event); });
      return true;
    };
    callbacks.on_end = [this](Result<> end) {
      events_open_ = false;
      events_ready_ = false;
      events_due_ = now() + (events_refused_ ? kRetryRefused : kRetry);
      if (events_refused_) return;
      const std::string why = end ? "the daemon ended the stream of events" : end.error().message;
      host_.log.limited(Level::kWarn, "no contact to the daemon",
                        {{"host", settings_->host}, {"error", why}});
      host_.health.bad(settings_->host + ": " + why);
    };
    streams_.add(std::move(wanted), std::move(callbacks));
  }

  void on_event(const wire::DockerEvent& event) {
    if (event.type != "container") return;
    const auto it = readers_.find(event.id);
    if (event.action == "start") {
      if (it != readers_.end()) look_again(*it->second);
      if (settings_->discover) {
        started_.insert(event.id);
        list_wanted_ = true;
      }
    } else if (event.action == "destroy") {
      started_.erase(event.id);
      if (it != readers_.end()) {
        it->second->gone = true;
        next_keeping_ = now();
      } else {
        positions_.erase(event.id);
      }
    }
  }

  // --- one container: inspect, read

  void set_due(Reader& reader, Duration after) {
    reader.state = Reader::State::kDue;
    reader.due = now() + after;
    next_inspection_ = std::min(next_inspection_, reader.due);
  }

  void look_again(Reader& reader) {
    if (reader.state == Reader::State::kResting || reader.state == Reader::State::kDue) {
      set_due(reader, Duration::zero());
    } else {
      reader.started_again = true;
      if (!reader.wanted && reader.state == Reader::State::kReading) check_unwanted(reader);
    }
  }

  void try_later(Reader& reader) {
    set_due(reader, reader.pause);
    reader.pause = std::min(reader.pause * 2, kLongestRetry);
  }

  void inspect_due(Mono time) {
    next_inspection_ = time + std::chrono::hours(1);
    if (!daemon_there()) {
      next_inspection_ = time + kRetry;
      return;
    }
    for (auto& [id, reader] : readers_) {
      if (reader->state == Reader::State::kResting && events_refused_)
        next_inspection_ = std::min(next_inspection_, time + settings_->refresh_interval);
      if (reader->state != Reader::State::kDue) continue;
      if (reader->due > time) {
        next_inspection_ = std::min(next_inspection_, reader->due);
      } else if (inspecting_ < kMaxInspections) {
        inspect(*reader);
      }
    }
  }

  void inspect(Reader& reader) {
    ++inspecting_;
    reader.state = Reader::State::kInspecting;
    reader.started_again = false;
    io::fetch(streams_, request("/containers/" + reader.id + "/json"),
              [this, id = reader.id](Result<io::HttpResponse> response) {
                --inspecting_;
                next_inspection_ = std::min(next_inspection_, now());  // the next in the queue
                if (const auto it = readers_.find(id); it != readers_.end())
                  inspected(*it->second, std::move(response));
              });
  }

  void inspected(Reader& reader, Result<io::HttpResponse> response) {
    if (response && response->status == 404) {
      reader.gone = true;
      reader.state = Reader::State::kResting;
      next_keeping_ = now();
      return;
    }
    Result<wire::DockerInspection> one = fail(ErrorCode::kUnavailable, "");
    if (!response) {
      host_.health.bad("inspect a container of " + settings_->host + ": " +
                       response.error().message);
      one = fail(std::move(response.error()));
    } else if (response->status != 200) {
      one = fail(ErrorCode::kUnavailable, wire::docker_error_message(response->body));
    } else {
      one = wire::parse_docker_inspection(response->body);
    }
    if (!one) {
      host_.log.limited(Level::kWarn, "cannot inspect a container",
                        {{"container", reader.id}, {"error", one.error().message}});
      return try_later(reader);
    }
    host_.health.good();
    if (one->running && !reader.wanted) {
      reader.state = Reader::State::kResting;
      next_keeping_ = now();
      return;
    }
    if (reader.window.lost()) rewind(reader);
    if (one->running && !unread_.get(reader.id))
      unread_.set(reader.id, print_entry_labels(*reader.labels));
    open_log(reader, *one);
  }

  // A container that is no target any more is read to its end only when it has ended.
  void check_unwanted(Reader& reader) {
    io::fetch(
        streams_, request("/containers/" + reader.id + "/json"),
        [this, id = reader.id](Result<io::HttpResponse> response) {
          const auto it = readers_.find(id);
          if (it == readers_.end() || it->second->wanted || !response || response->status != 200)
            return;
          const auto one = wire::parse_docker_inspection(response->body);
          if (!one || !one->running || it->second->state != Reader::State::kReading) return;
          streams_.cancel(it->second->request);
          it->second->state = Reader::State::kResting;
          next_keeping_ = now();
        });
  }

  void open_log(Reader& reader, const wire::DockerInspection& container) {
    reader.state = Reader::State::kReading;
    reader.follow = container.running;
    reader.broken = false;
    reader.fruitful = false;
    reader.status = 0;
    reader.refusal.clear();
    reader.parser = std::make_unique<wire::DockerStream>(container.tty, kMaxLine);
    reader.resume.emplace(reader.read);
    reader.cut = reader.bad_times = 0;

    std::string path = "/containers/" + reader.id + "/logs?stdout=1&stderr=1&timestamps=1";
    if (reader.follow) path += "&follow=1";
    if (const std::int64_t since = reader.read.since_ns(); since > 0)
      path += "&since=" + docker_since(since);
    io::HttpRequest wanted = request(path);
    wanted.timeout = Duration::zero();
    io::HttpStreams::Callbacks callbacks;
    callbacks.on_headers = [&reader](int status, const io::HttpHeaders&) {
      reader.status = status;
      return true;
    };
    callbacks.on_data = [this, &reader](std::string_view data) {
      if (reader.status != 200) {
        if (reader.refusal.size() < 4096) reader.refusal.append(data);
        return true;
      }
      const bool good = read(reader, data);
      reader.broken = reader.broken || !good;
      return good;
    };
    callbacks.on_end = [this, &reader](Result<> end) { log_ended(reader, std::move(end)); };
    reader.request = streams_.add(std::move(wanted), std::move(callbacks));
  }

  bool read(Reader& reader, std::string_view data) {
    return pass_on(reader, [&](const wire::DockerStream::Sink& sink) {
      return reader.parser->feed(data, sink);
    });
  }

  // What `parse` gives to its sink becomes one batch. False when the stream has to be given up.
  template <class Parse>
  bool pass_on(Reader& reader, Parse parse) {
    model::EntryBatch batch;
    const DockerEntryLabels& labels = *reader.labels;
    const DockerCursor before = reader.read;
    const wire::DockerStream::Sink sink = [&](const wire::DockerStream::Line& line) {
      const std::size_t stream = line.source == wire::DockerStream::Source::kStdout ? 0 : 1;
      if (reader.resume->already_read(stream, line.time_ns)) return;
      const std::int64_t time = reader.read.advance(stream, line.time_ns);
      if (line.text.empty()) return;
      const auto& known = labels.streams[stream];
      // Of what the context tells stages may still make labels.
      if (!known || (known->labels.empty() && known->context.empty())) {
        (known ? counters_.dropped_unlabelled : counters_.dropped_by_rule)->increment();
        return;
      }
      batch.entries.push_back(
          {known->labels, time, batch.arena.store(line.text), {}, known->context});
    };
    const Result<> parsed = parse(sink);
    account(reader);
    if (!(reader.read == before)) {
      reader.fruitful = true;
      model::Receipt receipt = reader.window.issue(reader.read);
      if (batch.empty()) {
        receipt.settle();
      } else {
        batch.add_receipt(std::move(receipt));
      }
    }
    if (!parsed) {
      host_.log.warn("a container's log cannot be understood, asking again",
                     {{"container", reader.id}, {"error", parsed.error().message}});
      return false;
    }
    if (batch.empty()) return true;
    const auto count = static_cast<double>(batch.entries.size());
    delivery_.watch(batch);
    counters_.last_read->set(static_cast<double>(host_.clock.wall_ns()) / 1e9);
    const Mono begin = now();
    const auto passed = forward_.consume(std::move(batch), stop_);
    if (now() - begin > kLongBlock) list_wanted_ = true;
    if (!passed) return false;  // the receipt says so; it is read again
    counters_.entries->add(count);
    return true;
  }

  void account(Reader& reader) {
    const std::uint64_t cut = reader.parser->cut_lines();
    const std::uint64_t bad = reader.parser->bad_times();
    counters_.cut->add(static_cast<double>(cut - std::exchange(reader.cut, cut)));
    counters_.parsing_errors->add(static_cast<double>(bad - std::exchange(reader.bad_times, bad)));
    if (const std::string words = reader.parser->take_daemon_error(); !words.empty())
      host_.log.limited(Level::kWarn, "the daemon cannot read a container's log",
                        {{"container", reader.id}, {"error", words}});
  }

  void log_ended(Reader& reader, Result<> end) {
    reader.request = 0;
    const bool refused = reader.status != 0 && reader.status != 200;
    // After the death of the container the last line may lack its end.
    if (end && !refused && !reader.broken && !reader.follow) {
      reader.broken = !pass_on(reader, [&](const wire::DockerStream::Sink& sink) {
        reader.parser->finish(sink);
        return Result<>();
      });
    }
    reader.parser.reset();
    if (reader.fruitful) reader.pause = kRetry;
    if (refused) return log_refused(reader);
    if (reader.window.lost()) rewind(reader);
    if (!end || reader.broken) return try_later(reader);
    if (reader.follow) {
      // Mostly the container has died: look, and read what is left.
      if (reader.fruitful) return set_due(reader, Duration::zero());
      set_due(reader, reader.pause / 10);
      reader.pause = std::min(reader.pause * 2, kLongestRetry);
      return;
    }
    reader.pause = kRetry;
    reader.state = Reader::State::kResting;
    if (reader.started_again) set_due(reader, Duration::zero());
    next_keeping_ = std::min(next_keeping_, now() + kHousekeeping);
  }

  void log_refused(Reader& reader) {
    const std::string why = wire::docker_error_message(reader.refusal);
    if (reader.status == 404) return set_due(reader, Duration::zero());
    // A log driver that cannot be read back: so it stays until the container is made anew.
    const bool unreadable =
        reader.status == 501 || why.find("does not support reading") != std::string::npos;
    if (!std::exchange(reader.reported, true)) {
      host_.log.warn(unreadable
                         ? "this container's log driver cannot be read, its log is not collected"
                         : "the daemon refuses a container's log",
                     {{"container", reader.id}, {"status", reader.status}, {"error", why}});
    }
    if (!unreadable) return try_later(reader);
    reader.unreadable = true;
    reader.state = Reader::State::kResting;
  }

  // --- delivery

  void rewind(Reader& reader) {
    // What was settled before counts.
    settle(reader);
    reader.window.rewind();
    reader.read = reader.stored;
  }

  void settle(Reader& reader) {
    const auto settled = reader.window.take_settled();
    if (!settled) return;
    reader.stored = *settled;
    positions_.set(reader.id, settled->text());
    counters_.last_acked->set(static_cast<double>(host_.clock.wall_ns()) / 1e9);
  }

  void keep_house(Mono time) {
    bool outstanding = false;
    std::size_t unreadable = 0;
    for (auto it = readers_.begin(); it != readers_.end();) {
      Reader& reader = *it->second;
      settle(reader);
      if (reader.gone && reader.window.outstanding() == 0 &&
          reader.state != Reader::State::kReading && reader.state != Reader::State::kInspecting) {
        positions_.erase(reader.id);
        unread_.erase(reader.id);
        it = readers_.erase(it);
        continue;
      }
      if (reader.window.lost() && !reader.gone && reader.state != Reader::State::kInspecting) {
        if (reader.state == Reader::State::kReading) streams_.cancel(reader.request);
        rewind(reader);
        try_later(reader);
      } else if (reader.window.lost() && reader.gone) {
        reader.window.rewind();  // nothing to read it from
      }
      const bool read_out =
          reader.state == Reader::State::kResting && reader.window.outstanding() == 0;
      if (read_out) unread_.erase(reader.id);
      const bool done = read_out && !reader.wanted;
      outstanding = outstanding || reader.window.outstanding() > 0 || reader.gone;
      unreadable += reader.unreadable && reader.wanted ? 1 : 0;
      it = done ? readers_.erase(it) : std::next(it);
    }
    counters_.unreadable->set(static_cast<double>(unreadable));
    if (events_refused_) {
      if (time >= next_look_) {
        for (auto& [id, reader] : readers_)
          if (reader->state == Reader::State::kResting) set_due(*reader, Duration::zero());
        next_look_ = time + settings_->refresh_interval;
        list_wanted_ = settings_->discover;
      }
    }
    for (io::Positions* store : {&positions_, &unread_}) {
      if (const auto saved = store->save_if_due(); !saved)
        host_.log.limited(Level::kWarn, "cannot store positions",
                          {{"error", saved.error().message}});
    }
    next_keeping_ = time + (outstanding ? kHousekeeping : 4 * kHousekeeping);
  }

  component::Host& host_;
  const Counters& counters_;
  io::Positions& positions_;
  io::Positions& unread_;
  Readers& readers_;
  component::LogFanout& forward_;
  const Delivery& delivery_;
  io::HttpStreams& streams_;
  const std::stop_token& stop_;
  std::shared_ptr<const Settings> settings_;

  bool events_open_ = false;
  bool events_ready_ = false;
  bool events_refused_ = false;
  Mono events_due_{};
  wire::DockerEvents parser_;
  bool list_wanted_ = false;
  bool listing_ = false;
  std::vector<wire::DockerContainer> containers_;  // of the last list
  std::set<std::string> started_;                  // seen to start, without targets
  std::size_t inspecting_ = 0;
  Mono next_inspection_{};
  Mono next_keeping_{};
  Mono next_look_{};
  Mono next_list_{};
};

class LokiSourceDocker final : public component::Configured<LokiSourceDockerArgs>,
                               public component::Worker {
 public:
  explicit LokiSourceDocker(component::Host host)
      : host_(std::move(host)),
        counters_(host_.metrics),
        positions_(host_.clock, host_.data_dir / "positions", host_.log),
        unread_(host_.clock, host_.data_dir / "unread", host_.log) {}

  using Configured::prepare;
  Result<component::Commit> prepare(LokiSourceDockerArgs args) override {
    auto origin = io::parse_origin(args.host);
    if (!origin) return fail(std::move(origin.error()));
    auto settings = std::make_shared<Settings>();
    settings->origin = std::move(*origin);
    settings->http = args.client.options();
    settings->http.unix_socket = settings->origin.unix_socket;
    settings->host = std::move(args.host);
    settings->refresh_interval = args.refresh_interval;
    settings->legacy_file = std::move(args.legacy_positions_file);
    settings->rules = std::move(args.relabel_rules);
    for (auto& [name, value] : args.labels) settings->labels.push_back({name, value});
    settings->discover = !args.targets.has_value();
    std::size_t without_id = 0;
    for (const model::Target& target : args.targets.value_or(std::vector<model::Target>())) {
      const std::string id(model::LabelBuilder(target).get("__meta_docker_container_id"));
      if (id.empty()) ++without_id;
      // A container's targets differ by network and port only: the first one counts.
      if (id.empty() || settings->wanted.contains(id)) continue;
      settings->wanted[id] = std::make_shared<DockerEntryLabels>(
          docker_entry_labels(target, settings->labels, settings->rules.get(), host_.labels));
    }
    if (without_id > 0)
      host_.log.limited(Level::kWarn, "targets without __meta_docker_container_id are skipped",
                        {{"targets", without_id}});
    auto forward_to = std::make_shared<component::LogFanout::Targets>(std::move(args.forward_to));
    return component::Commit([this, settings, forward_to] {
      forward_.set(std::move(*forward_to));
      remember(*settings);
      MutexLock lock(mutex_);
      settings_ = settings;
      if (streams_) streams_->wakeup();
    });
  }

  Result<> run(std::stop_token stop) override {
    if (const auto first = newest()) take_over_positions(first->legacy_file);
    while (!stop.stop_requested()) {
      std::shared_ptr<const Settings> settings = newest();
      auto streams = std::make_shared<io::HttpStreams>(settings->http);
      set_streams(streams);
      Session session(host_, counters_, positions_, unread_, readers_, forward_, delivery_,
                      *streams, stop);
      session.configure(settings);
      while (!stop.stop_requested()) {
        const auto next = newest();
        if (next != settings) {
          if (!(next->http == settings->http) || next->origin.base_url != settings->origin.base_url)
            break;
          settings = next;
          session.configure(settings);
        }
        streams->poll(session.step(), stop);
      }
      set_streams(nullptr);
    }
    return {};
  }

  void flush() override {
    for (auto& [id, reader] : readers_) {
      if (const auto settled = reader->window.take_settled()) positions_.set(id, settled->text());
    }
    for (io::Positions* store : {&positions_, &unread_}) {
      if (const auto saved = store->save(); !saved)
        host_.log.warn("cannot store positions", {{"error", saved.error().message}});
    }
  }

  void debug_info(component::DebugWriter& out) const override {
    out.value("containers", std::to_string(static_cast<std::int64_t>(counters_.active->value())));
    out.value("containers_with_unreadable_log_driver",
              std::to_string(static_cast<std::int64_t>(counters_.unreadable->value())));
    out.value("entries", std::to_string(static_cast<std::int64_t>(counters_.entries->value())));
    delivery_.debug_info(out);
  }

 private:
  // Of Alloy's file in the same place and the one that the configuration names, once in a lifetime.
  void take_over_positions(const std::string& legacy_file) {
    constexpr std::string_view kPrefix = "cursor-";
    if (!positions_.fresh() || !positions_.all().empty()) return;
    for (const auto& file :
         {host_.data_dir / "positions.yml", std::filesystem::path(legacy_file)}) {
      const auto text = file.empty() ? Result<std::string>() : read_file(file, kMaxLegacy);
      if (!text) continue;
      std::size_t taken = 0;
      for (const auto& position : io::parse_legacy_positions(*text)) {
        const auto cursor = DockerCursor::parse_seconds(position.value);
        if (!cursor || !position.path.starts_with(kPrefix)) continue;
        const std::string id = position.path.substr(kPrefix.size());
        if (positions_.get(id)) continue;
        positions_.set(id, cursor->text());
        ++taken;
      }
      if (taken > 0)
        host_.log.info("positions of another agent were taken over",
                       {{"file", file.string()}, {"containers", taken}});
    }
  }

  // The thread may be waiting for a receiver, and the process may end before it is not.
  void remember(const Settings& settings) {
    const std::shared_ptr<const Settings> before = newest();
    for (const auto& [id, labels] : settings.wanted)
      if (!before || !before->wanted.contains(id)) unread_.set(id, print_entry_labels(*labels));
    if (const auto saved = unread_.save(); !saved)
      host_.log.limited(Level::kWarn, "cannot store what is to be read",
                        {{"error", saved.error().message}});
  }
  std::shared_ptr<const Settings> newest() const {
    MutexLock lock(mutex_);
    return settings_;
  }
  void set_streams(std::shared_ptr<io::HttpStreams> streams) {
    MutexLock lock(mutex_);
    streams_ = std::move(streams);
  }

  component::Host host_;
  const Counters counters_;
  io::Positions positions_;
  io::Positions unread_;  // labels of the containers whose log is not delivered to its end
  component::LogFanout forward_{host_.tap};
  const Delivery delivery_{host_.clock};
  Readers readers_;  // of the thread; of flush() when there is none
  mutable Mutex mutex_;
  std::shared_ptr<const Settings> settings_ GUARDED_BY(mutex_);
  std::shared_ptr<io::HttpStreams> streams_ GUARDED_BY(mutex_);
};

}  // namespace

component::Declaration loki_source_docker() {
  return component::declare<LokiSourceDocker>("loki.source.docker",
                                              "Reads the logs of Docker containers.");
}

}  // namespace agent::source
