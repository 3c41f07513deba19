#include "agent/write/remote_endpoint.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "agent/base/strings.h"
#include "agent/wire/remote_write_2.h"
#include "agent/write/answer.h"

namespace agent::write {
namespace {

constexpr Duration kSlice = std::chrono::milliseconds(100);  // between looks at the clock
constexpr int kLastSlices = 7;                               // of waiting at a stop
constexpr Duration kTidy = std::chrono::seconds(1);          // between syncs of the queue
constexpr std::size_t kMaxFamilies = 10'000;                 // whose metadata is sent
constexpr std::size_t kMaxMetadata = 4U << 20;               // bytes of their texts
constexpr std::size_t kMaxCache = 100'000;                   // series whose labels are at hand
constexpr std::size_t kMaxAnswer = 1024;                     // bytes of an answer that are shown
constexpr std::size_t kMaxPart = 60U << 10;                  // bytes of series in a record: snappy
                                                             // looks back 64 KiB
constexpr std::size_t kMaxInHands = 16U << 20;               // bytes of series taken at once
constexpr std::size_t kMaxMessage = 256U << 20;              // of our own records, decompressed
constexpr int kMetadataAttempts = 3;
// A refused request is divided as long as this lasts; what is accepted earns more.
constexpr int kFirstCredit = 400;
constexpr int kCreditEarned = 20;
constexpr int kMaxCredit = 2000;

// The items of one batch by series and time, to find those that are there twice: a receiver would
// refuse the whole request. An open-addressing table.
class Seen {
 public:
  explicit Seen(std::size_t expected) : places_(std::bit_ceil(expected + expected / 2 + 1)) {}
  // False: it is there; `same` says of another item whether it is of this series and time. At most
  // as many calls as expected.
  template <class Same>
  bool add(std::size_t item, const model::LabelSet& series, std::int64_t time_ms,
           const Same& same) {
    const std::uint64_t hash = series.hash() ^ static_cast<std::uint64_t>(time_ms) * kOdd;
    const auto tag = static_cast<std::uint32_t>(hash >> 32U);
    for (std::size_t at = hash;; ++at) {
      Place& place = places_[at & (places_.size() - 1)];
      if (place.item == 0) {
        place = {tag, static_cast<std::uint32_t>(item + 1)};
        return true;
      }
      if (place.tag == tag && same(place.item - 1)) return false;
    }
  }

 private:
  static constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;
  struct Place {
    std::uint32_t tag = 0;
    std::uint32_t item = 0;  // from 1
  };
  std::vector<Place> places_;
};

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

struct RemoteEndpoint::Metric {
  struct Kind {  // samples, exemplars, histograms, metadata
    component::Counter total, failed, retried, dropped_old, dropped_relabelled, dropped_twin, in;
  };
  explicit Metric(component::Metrics with) : metrics(std::move(with)) {
    samples = kind("samples");
    exemplars = kind("exemplars");
    histograms = kind("histograms");
    custom_buckets =
        counter("histograms_dropped_total", "Not sent.", {{"reason", "nhcb_in_rw1_not_supported"}});
    metadata = counter("metadata_total", "Metadata sent.");
    metadata_failed = counter("metadata_failed_total", "Metadata refused.");
    metadata_retried = counter("metadata_retried_total", "Metadata sent again.");
    metadata_bytes = counter("metadata_bytes_total", "Bytes of requests with metadata.");
    bytes = counter("bytes_total", "Bytes of requests with samples.");
    lost =
        counter("samples_lost_total",
                "Samples, exemplars and histograms lost because the queue's limits were reached.");
    metadata_updates = metrics.counter("prometheus_remote_write_wal_metadata_updates_total",
                                       "Times that a family's type, help or unit was told.");
    damaged = metrics.counter("prometheus_remote_write_wal_corruptions_total",
                              "Damaged places of the queue that were passed over.");
    pending = gauge("samples_pending", "Samples, exemplars and histograms that wait to be sent.");
    duration = metrics.histogram("prometheus_remote_storage_sent_batch_duration_seconds",
                                 "Seconds that requests took.", component::default_buckets());
    highest = gauge("queue_highest_timestamp_seconds", "Time of the newest sample taken.");
    highest_sent = gauge("queue_highest_sent_timestamp_seconds", "Time of the newest sample sent.");
    shards = gauge("shards", "Requests that may be on their way at the same time.");
    shards_desired = gauge("shards_desired", "Such requests that the backlog asks for.");
    shards_min = gauge("shards_min", "Fewest such requests.");
    shards_max = gauge("shards_max", "Most such requests.");
    per_send = gauge("max_samples_per_send", "Most samples in a request.");
    queue_bytes = gauge("queue_bytes", "Bytes that wait, on disk and in memory.");
    appended = metrics.counter("prometheus_remote_write_wal_samples_appended_total",
                               "Samples put into the queue.");
    exemplars_appended = metrics.counter("prometheus_remote_write_wal_exemplars_appended_total",
                                         "Exemplars put into the queue.");
  }
  component::Counter counter(std::string_view name, std::string_view help,
                             model::Labels labels = {}) const {
    return metrics.counter("prometheus_remote_storage_" + std::string(name), help,
                           std::move(labels));
  }
  component::Gauge gauge(std::string_view name, std::string_view help) const {
    return metrics.gauge("prometheus_remote_storage_" + std::string(name), help);
  }
  Kind kind(const std::string& name) const {
    Kind out;
    out.total = counter(name + "_total", "Sent.");
    out.failed = counter(name + "_failed_total", "Refused by the receiver.");
    out.retried = counter(name + "_retried_total", "Sent again after a failure.");
    out.dropped_old = counter(name + "_dropped_total", "Not sent.", {{"reason", "too_old"}});
    out.dropped_relabelled =
        counter(name + "_dropped_total", "Not sent.", {{"reason", "dropped_series"}});
    out.dropped_twin = counter(name + "_dropped_total", "Not sent.", {{"reason", "duplicate"}});
    out.in = counter(name + "_in_total", "Taken, before write_relabel_config.");
    return out;
  }
  // The three kinds of `counts`, each on the counter that `member` names.
  void add(component::Counter Kind::*member, const SampleCounts& counts) const {
    (samples.*member)->add(counts.samples);
    (exemplars.*member)->add(counts.exemplars);
    (histograms.*member)->add(counts.histograms);
  }

  component::Metrics metrics;
  Kind samples, exemplars, histograms;
  component::Counter custom_buckets;  // that 1.0 cannot carry
  component::Counter metadata_updates;
  component::Counter metadata, metadata_failed, metadata_retried, metadata_bytes, bytes, lost,
      damaged;
  component::Histogram duration;
  component::Gauge highest, highest_sent, shards, shards_desired, shards_min, shards_max, per_send,
      queue_bytes, pending;
  component::Counter appended, exemplars_appended;
};

RemoteEndpoint::RemoteEndpoint(RemoteContext context, RemoteEndpointSettings settings)
    : context_(std::move(context)),
      settings_(std::make_shared<const RemoteEndpointSettings>(std::move(settings))),
      queue_(settings_->folder, context_.clock, settings_->queue),
      metric_(std::make_shared<Metric>(context_.metrics.with(
          {{"remote_name", settings_->name}, {"url", io::url_for_people(settings_->url)}}))),
      credit_(kFirstCredit),
      random_(static_cast<std::uint32_t>(std::hash<std::string>()(settings_->folder.string()) ^
                                         static_cast<std::size_t>(context_.clock.wall_ns()))) {
  if (const std::string error = queue_.disk_error(); !error.empty())
    context_.log.error("samples wait in memory only", {{"err", error}});
}

void RemoteEndpoint::update(RemoteEndpointSettings settings) {
  queue_.limit(settings.queue);
  if (const auto folder = current()->folder; folder != settings.folder) {
    if (auto moved = queue_.move_to(settings.folder); !moved) {
      context_.log.warn("a queue keeps its old folder", {{"err", moved.error().message}});
      settings.folder = folder;
    }
  }
  MutexLock lock(mutex_);
  settings_ = std::make_shared<const RemoteEndpointSettings>(std::move(settings));
  more_ = true;
  changed_.notify_all();
}

std::shared_ptr<const RemoteEndpointSettings> RemoteEndpoint::current() const {
  MutexLock lock(mutex_);
  return settings_;
}
RemoteEndpointSettings RemoteEndpoint::settings() const { return *current(); }

void RemoteEndpoint::retire() {
  std::filesystem::path aside = settings().folder;
  aside += ".gone";
  std::error_code ignored;
  std::filesystem::remove_all(aside, ignored);
  if (auto moved = queue_.move_to(aside); !moved)
    context_.log.warn("cannot put a queue aside", {{"err", moved.error().message}});
}

std::string RemoteEndpoint::error() const {
  MutexLock lock(mutex_);
  return error_;
}

void RemoteEndpoint::report(std::string error) {
  {
    MutexLock lock(mutex_);
    if (error_ == error) return;
    error_ = std::move(error);
  }
  context_.on_health();
}

void RemoteEndpoint::accept(const model::SampleBatch& batch) {
  const auto settings = current();
  MutexLock lock(encode_mutex_);
  if (encode_settings_ == nullptr || !(encode_settings_->rules == settings->rules))
    relabeler_ = settings->rules.empty() ? nullptr
                                         : std::make_unique<model::Relabeler>(
                                               context_.labels, settings->rules, kMaxCache);
  encode_settings_ = settings;
  model::Relabeler* const relabeler = relabeler_.get();
  wire::RemoteWriteEncoder encoder(settings->version_2);

  SampleCounts counts;
  std::uint64_t lost = 0;
  std::int64_t newest_ms = 0;
  const auto put = [&] {
    if (counts.all() == 0) return;
    counts.only_2 = encoder.only_2();
    lost += queue_.append(counts, wire::compress_message(encoder.message()));
    metric_->appended->add(counts.samples);
    metric_->exemplars_appended->add(counts.exemplars);
    newest_ms = std::max(newest_ms, counts.newest_ms);
    counts = {};
    encoder.clear();
  };
  Seen seen(batch.samples.size() + batch.histograms.size());
  const auto renamed = [&](const model::LabelSet& series) {
    return relabeler == nullptr ? std::optional<model::LabelSet>(series) : relabeler->apply(series);
  };
  // `number`: of the item among samples and histograms.
  const auto add = [&](const auto& item, std::size_t number, std::uint32_t SampleCounts::*kind,
                       const Metric::Kind& metric) {
    constexpr bool kExemplar = std::is_same_v<std::decay_t<decltype(item)>, model::Exemplar>;
    metric.in->increment();
    const auto series = renamed(item.series);
    if (!series || series->empty()) {
      metric.dropped_relabelled->increment();
      return;
    }
    if constexpr (!kExemplar) {
      const auto same = [&](const auto& other) {
        return other.time_ms == item.time_ms && renamed(other.series) == series;
      };
      const bool added = seen.add(number, *series, item.time_ms, [&](std::size_t other) {
        return other < batch.samples.size() ? same(batch.samples[other])
                                            : same(batch.histograms[other - batch.samples.size()]);
      });
      if (!added) {
        metric.dropped_twin->increment();
        return;
      }
    }
    // An exemplar stays with the sample before it, if it can.
    if (encoder.message().size() >= (kExemplar ? 2 : 1) * kMaxPart ||
        (!kExemplar && counts.all() >= settings->per_send))
      put();
    if (*series == item.series) {
      encoder.add(item);
    } else {
      auto other = item;
      other.series = *series;
      encoder.add(other);
    }
    ++(counts.*kind);
    counts.newest_ms = std::max(counts.newest_ms, item.time_ms);
  };
  std::unordered_map<model::LabelSet, std::vector<const model::Exemplar*>, model::LabelSetHash>
      exemplars;
  if (settings->exemplars)
    for (const model::Exemplar& one : batch.exemplars) exemplars[one.series].push_back(&one);
  const auto add_exemplars = [&](const model::LabelSet& series) {
    if (exemplars.empty()) return;
    const auto found = exemplars.find(series);
    if (found == exemplars.end()) return;
    for (const model::Exemplar* one : found->second)
      add(*one, 0, &SampleCounts::exemplars, metric_->exemplars);
    exemplars.erase(found);
  };
  std::size_t number = 0;
  for (const model::Sample& one : batch.samples) {
    add(one, number++, &SampleCounts::samples, metric_->samples);
    add_exemplars(one.series);
  }
  if (settings->histograms) {
    for (const model::NativeHistogram& one : batch.histograms) {
      const std::size_t its_number = number++;
      if (one.custom_buckets && !settings->version_2) {
        metric_->histograms.in->increment();
        metric_->custom_buckets->increment();
        exemplars.erase(one.series);
        continue;
      }
      add(one, its_number, &SampleCounts::histograms, metric_->histograms);
      add_exemplars(one.series);
    }
  }
  while (!exemplars.empty())  // of series that are not in this batch
    add_exemplars(exemplars.begin()->first);
  put();
  if (lost > 0) {
    metric_->lost->add(static_cast<double>(lost));
    context_.log.limited(Level::kWarn,
                         "samples were lost: neither the disk nor memory has room for them",
                         {{"samples", lost}, {"err", queue_.disk_error()}});
  }
  if (newest_ms > 0) metric_->highest->set(static_cast<double>(newest_ms) / 1000);
  metric_->pending->set(static_cast<double>(queue_.items()));

  MutexLock own(mutex_);
  if (settings->metadata) {
    const auto size = [](const model::Metadata& one) {
      return one.family.size() + one.help.size() + one.unit.size();
    };
    for (const model::Metadata& one : batch.metadata) {
      const auto known = metadata_.find(one.family);
      const std::size_t before = known == metadata_.end() ? 0 : size(known->second);
      if (metadata_bytes_ - before + size(one) > kMaxMetadata ||
          (known == metadata_.end() && metadata_.size() >= kMaxFamilies))
        continue;
      metric_->metadata_updates->increment();
      metadata_bytes_ += size(one) - before;
      metadata_[one.family] = one;
    }
  }
  more_ = true;
  changed_.notify_all();
}

// Settings that came since the last look.
void RemoteEndpoint::adopt() {
  auto now = current();
  if (now == used_) return;
  const bool reconnect =
      used_ == nullptr || !(used_->http == now->http) || !(used_->cloud == now->cloud);
  used_ = std::move(now);
  fallen_back_ = speaks_2_ = false;
  if (reconnect) {
    streams_ = std::make_unique<io::HttpStreams>(used_->http);
    oauth_ = std::make_unique<io::HttpClient>(used_->http);
    cloud_ = std::make_unique<CloudLogin>(used_->cloud, context_.clock);
  }
  metric_->shards_min->set(static_cast<double>(used_->min_shards));
  metric_->shards_max->set(static_cast<double>(used_->max_shards));
  metric_->per_send->set(static_cast<double>(used_->per_send));
}

// What has to be done from time to time, whatever else goes on.
void RemoteEndpoint::tidy() {
  if (context_.clock.mono() < tidy_at_) return;
  tidy_at_ = context_.clock.mono() + kTidy;
  const SampleQueue::Losses losses = queue_.sync();
  if (losses.items > 0) {
    metric_->lost->add(static_cast<double>(losses.items));
    context_.log.limited(Level::kWarn, "samples were dropped: the queue's limits are reached",
                         {{"samples", losses.items}});
  }
  if (losses.damaged > 0) {
    metric_->damaged->add(static_cast<double>(losses.damaged));
    context_.log.error("the queue on disk is damaged: what stood there is lost",
                       {{"places", losses.damaged}});
  }
  metric_->pending->set(static_cast<double>(queue_.items()));
  metric_->queue_bytes->set(static_cast<double>(queue_.bytes()));
}

// The next requests' worth: waits for the first part, then for what else comes until the deadline.
std::vector<SampleQueue::Part> RemoteEndpoint::gather(const std::stop_token& stop) {
  std::vector<Part> parts;
  std::size_t items = 0;
  std::size_t bytes = 0;
  Mono deadline = kNever;
  while (!stop.stop_requested()) {
    adopt();
    tidy();
    const std::size_t desired = (queue_.items() + used_->per_send - 1) / used_->per_send;
    lanes_ = std::clamp(std::min(lanes_, desired), used_->min_shards, used_->max_shards);
    metric_->shards->set(static_cast<double>(lanes_));
    metric_->shards_desired->set(static_cast<double>(desired));
    const std::size_t room = used_->per_send * lanes_;
    while (items < room && bytes < kMaxInHands) {
      auto part = ahead_ ? std::exchange(ahead_, std::nullopt) : queue_.next();
      if (!part) break;
      if (too_old(part->counts)) {
        metric_->add(&Metric::Kind::dropped_old, part->counts);
        queue_.done({std::move(*part)});
        continue;
      }
      if (!parts.empty() && items + part->counts.all() > room) {
        ahead_ = std::move(part);
        return parts;
      }
      items += part->counts.all();
      bytes += wire::message_size(part->body);
      if (parts.empty()) deadline = context_.clock.mono() + used_->send_deadline;
      parts.push_back(std::move(*part));
    }
    const Mono now = context_.clock.mono();
    if (items >= room || bytes >= kMaxInHands || (!parts.empty() && now >= deadline)) return parts;
    if (parts.empty() && now >= metadata_at_) return parts;
    Mono until = std::min(std::min(deadline, tidy_at_), parts.empty() ? metadata_at_ : deadline);
    MutexLock lock(mutex_);
    context_.clock.wait(lock, changed_, until, stop,
                        [this]() NO_THREAD_SAFETY_ANALYSIS { return more_; });
    more_ = false;
  }
  if (!parts.empty()) queue_.give_back(std::move(parts));
  return {};
}

bool RemoteEndpoint::too_old(const SampleCounts& counts) const {
  const std::int64_t age_ms = context_.clock.wall_ns() / 1'000'000 - counts.newest_ms;
  return used_->age_limit > Duration::zero() &&
         std::chrono::milliseconds(age_ms) > used_->age_limit;
}

RemoteEndpoint::Requests RemoteEndpoint::requests_of(const std::vector<Part>& parts) {
  Grouping grouping = group_parts(parts, lanes_, used_->per_send);
  if (grouping.unreadable > 0) {
    metric_->lost->add(static_cast<double>(grouping.unreadable));
    context_.log.error("a record of the queue cannot be read and is left out");
  }
  Requests out;
  for (SampleGroup& group : grouping.groups) {
    out.push_back(std::make_unique<Request>());
    out.back()->group = std::move(group);
  }
  return out;
}

// False: its series cannot be read.
bool RemoteEndpoint::encode_2(Request& request) {
  if (!request.body_2.empty()) return true;
  const auto series = wire::decompress_message(request.group.body, kMaxMessage);
  if (!series) return false;
  MutexLock lock(mutex_);
  const auto message =
      wire::to_write_request_2(*series, [this](std::string_view family) NO_THREAD_SAFETY_ANALYSIS {
        const auto found = metadata_.find(family);
        return found == metadata_.end() || !used_->metadata ? nullptr : &found->second;
      });
  if (message) request.body_2 = wire::compress_message(*message);
  return message.has_value();
}

// Leaves out what only 2.0 carries. False: its series cannot be read.
bool RemoteEndpoint::reduce_to_1(Request& request) {
  SampleCounts& counts = request.group.counts;
  if (!counts.only_2) return true;
  const auto series = wire::decompress_message(request.group.body, kMaxMessage);
  if (!series) return false;
  const auto reduced = wire::to_write_request_1(*series);
  if (!reduced) return false;
  metric_->custom_buckets->add(reduced->histograms);
  request.group.body = wire::compress_message(reduced->message);
  request.body_2.clear();
  counts.only_2 = false;
  counts.histograms -= std::min(counts.histograms, reduced->histograms);
  counts.exemplars -= std::min(counts.exemplars, reduced->exemplars);
  return true;
}

void RemoteEndpoint::begin(Request& request) {
  request.version_2 = used_->version_2 && !fallen_back_ && request.metadata == 0;
  if (!(request.version_2 ? encode_2(request) : reduce_to_1(request))) {
    metric_->lost->add(request.group.counts.all());
    context_.log.error("a record of the queue cannot be read and is left out");
    request.done = true;
    return;
  }
  if (request.metadata == 0 && request.group.counts.all() == 0) {
    request.done = true;
    return;
  }
  io::HttpRequest http;
  http.method = "POST";
  http.url = used_->url;
  http.timeout = used_->remote_timeout;
  http.headers = used_->headers;
  http.headers.emplace_back("Content-Encoding", "snappy");
  http.headers.emplace_back("Content-Type",
                            request.version_2
                                ? "application/x-protobuf;proto=io.prometheus.write.v2.Request"
                                : "application/x-protobuf");
  http.headers.emplace_back("X-Prometheus-Remote-Write-Version",
                            request.version_2 ? "2.0.0" : "0.1.0");
  if (request.attempt > 0)
    http.headers.emplace_back("Retry-Attempt", std::to_string(request.attempt));
  http.body = request.version_2 ? request.body_2 : request.group.body;
  cloud_->sign(http);
  request.status = 0;
  request.retry_after = Duration::zero();
  request.written.reset();
  request.answer.clear();
  request.started = context_.clock.mono();
  io::HttpStreams::Callbacks callbacks;
  callbacks.on_headers = [this, &request](int status, const io::HttpHeaders& headers) {
    request.status = status;
    request.retry_after =
        parse_retry_after(io::header_of(headers, "retry-after"), context_.clock.wall_ns());
    if (request.version_2) request.written = parse_written(headers, request.group.counts);
    return true;
  };
  // What an answer says beyond its beginning is of no interest, and not kept.
  callbacks.on_data = [&request](std::string_view data) {
    request.answer.append(data.substr(0, kMaxAnswer - std::min(kMaxAnswer, request.answer.size())));
    return request.answer.size() < kMaxAnswer;
  };
  callbacks.on_end = [this, &request](Result<> end) { ended(request, std::move(end)); };
  ++in_flight_;
  request.on_its_way = streams_->add(std::move(http), std::move(callbacks));
}

void RemoteEndpoint::retry(Request& request, const std::string& why) {
  trouble_ = true;
  metric_->add(&Metric::Kind::retried, request.group.counts);
  metric_->metadata_retried->add(static_cast<double>(request.metadata));
  // Doubling, with jitter, so that a fleet does not come back as one.
  const double steps = std::min(request.attempt, 30);
  const double longest = seconds(used_->max_backoff);
  const double pause = std::min(longest, seconds(used_->min_backoff) * std::pow(2.0, steps));
  const double part = std::uniform_real_distribution<double>(0.5, 1.0)(random_);
  const auto wait =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(pause * part));
  ++request.attempt;
  request.not_before = context_.clock.mono() + std::max(wait, request.retry_after);
  if (request.attempt == 1)
    context_.log.warn("samples cannot be delivered and are tried again", {{"err", why}});
  // Metadata comes again anyway; samples must not wait for it.
  if (request.metadata > 0 && request.attempt >= kMetadataAttempts) {
    metric_->metadata_failed->add(static_cast<double>(request.metadata));
    request.done = true;
  }
  report(why);
}

void RemoteEndpoint::accepted(Request& request) {
  request.done = true;
  last_delivery_ns_ = context_.clock.wall_ns();
  credit_ = std::min(kMaxCredit, credit_ + kCreditEarned);
  const SampleCounts& sent = request.group.counts;
  const SampleCounts taken = request.written.value_or(sent);
  metric_->add(&Metric::Kind::total, taken);
  metric_->metadata->add(static_cast<double>(request.metadata));
  (request.metadata > 0 ? metric_->metadata_bytes : metric_->bytes)
      ->add(static_cast<double>((request.version_2 ? request.body_2 : request.group.body).size()));
  if (sent.newest_ms > 0) metric_->highest_sent->set(static_cast<double>(sent.newest_ms) / 1000);
  if (taken.all() < sent.all()) {
    metric_->add(&Metric::Kind::failed, sent.without(taken));
    context_.log.limited(Level::kError, "the receiver has not written all that it accepted",
                         {{"samples", sent.all() - taken.all()}});
  }
  report("");
}

// For good. Where a receiver does not say that it has taken the rest, the rest is tried.
void RemoteEndpoint::refused(Request& request, const std::string& why) {
  request.done = true;
  const bool content = request.status == 400 || request.status == 409 || request.status == 413 ||
                       request.status == 422;
  const SampleCounts& sent = request.group.counts;
  const SampleCounts taken = request.written.value_or(SampleCounts());
  if (content && taken.all() == 0 && request.metadata == 0 && credit_ > 0) {
    request.pieces = divide(request.group);
    if (!request.pieces.empty()) {
      credit_ -= static_cast<int>(request.pieces.size());
      return;
    }
  }
  metric_->add(&Metric::Kind::total, taken);
  metric_->add(&Metric::Kind::failed, sent.without(taken));
  metric_->metadata_failed->add(static_cast<double>(request.metadata));
  context_.log.limited(Level::kError, "the receiver refused samples",
                       {{"samples", sent.all() - taken.all()}, {"err", why}});
  // One refused request (samples out of order) is no illness; that nobody may write is one.
  const bool forbidden = request.status == 401 || request.status == 403 || request.status == 404;
  report(forbidden ? why : "");
}

void RemoteEndpoint::ended(Request& request, Result<> end) {
  --in_flight_;
  request.on_its_way.reset();
  metric_->duration->observe(seconds(context_.clock.mono() - request.started));
  const std::string where = "POST " + io::url_for_people(used_->url);
  if (request.status == 0) {
    retry(request, end ? where + ": no answer" : end.error().message);
    return;
  }
  if (request.version_2 && request.written) speaks_2_ = true;
  const WriteAnswer answer = write_answer(request.status, request.written.has_value(),
                                          {request.version_2, speaks_2_, used_->retry_on_429});
  if (answer == WriteAnswer::kOnly1) {
    if (!std::exchange(fallen_back_, true))
      context_.log.warn("the receiver does not speak remote write 2.0: it gets 1.0",
                        {{"status", request.status}});
    return;  // it begins again
  }
  if (answer == WriteAnswer::kAccepted) {
    accepted(request);
    return;
  }
  const std::string said = answer_text(request.answer.substr(0, request.answer.find('\n')));
  const std::string why =
      where + ": status " + std::to_string(request.status) + (said.empty() ? "" : ": " + said);
  if (answer == WriteAnswer::kLater) {
    retry(request, why);
    return;
  }
  const bool known = cloud_->used() || !used_->http.oauth2.token_url.empty();
  if (known && (request.status == 401 || (request.status == 403 && used_->cloud.sigv4))) {
    oauth_->forget_token();
    cloud_->forget();
    if (!std::exchange(request.new_token, true)) {
      retry(request, why);
      return;
    }
  }
  refused(request, why);
}

// False: stopped before all were delivered or refused.
bool RemoteEndpoint::deliver(Requests requests, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (current() != used_) {
      // New settings may be what makes it work: what waits for an answer starts anew.
      for (const auto& request : requests) {
        if (request->on_its_way) {
          streams_->cancel(*request->on_its_way);
          request->on_its_way.reset();
          --in_flight_;
        }
        request->not_before = {};
      }
      adopt();
    }
    tidy();
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (requests[i]->pieces.empty()) continue;
      Requests pieces;
      for (SampleGroup& group : requests[i]->pieces) {
        pieces.push_back(std::make_unique<Request>());
        pieces.back()->group = std::move(group);
      }
      const auto at = requests.erase(requests.begin() + static_cast<std::ptrdiff_t>(i));
      requests.insert(at, std::make_move_iterator(pieces.begin()),
                      std::make_move_iterator(pieces.end()));
    }
    const Mono now = context_.clock.mono();
    Mono next = tidy_at_;
    bool open = false;
    std::vector<bool> busy;  // lanes that have a request before this one
    for (const auto& request : requests) {
      if (request->done) continue;
      const std::size_t lane = request->group.lane;
      if (busy.size() <= lane) busy.resize(lane + 1);
      if (!busy[lane] && !request->on_its_way && request->attempt > 0 &&
          too_old(request->group.counts) && request->metadata == 0) {
        metric_->add(&Metric::Kind::dropped_old, request->group.counts);
        request->done = true;
        continue;
      }
      open = true;
      if (busy[lane]) continue;
      busy[lane] = true;
      if (request->on_its_way) {
        if (request->status == 0 && now - request->started >= kSilence)
          report("POST " + io::url_for_people(used_->url) + ": " + std::string(kSilent));
        continue;
      }
      if (request->not_before > now) {
        next = std::min(next, request->not_before);
        continue;
      }
      auto bearer = cloud_->used() ? cloud_->token(stop) : oauth_->token(stop);
      if (!bearer) {
        retry(*request, bearer.error().message);
        next = std::min(next, request->not_before);
        continue;
      }
      streams_->authorize(std::move(*bearer));
      begin(*request);
    }
    if (!open) return true;
    if (in_flight_ > 0) {
      streams_->poll(std::min<Duration>(kSlice, std::max(Duration::zero(), next - now)), stop);
      continue;
    }
    MutexLock lock(mutex_);
    context_.clock.wait(lock, changed_, next, stop,
                        [this]() NO_THREAD_SAFETY_ANALYSIS { return settings_ != used_; });
  }
  // What is on its way gets a moment, so that it need not be sent again after the next start.
  for (int i = 0; i < kLastSlices && in_flight_ > 0; ++i) streams_->poll(kSlice, {});
  bool all = true;
  for (const auto& request : requests) {
    all = all && request->done && request->pieces.empty();
    if (!request->on_its_way) continue;
    streams_->cancel(*request->on_its_way);
    --in_flight_;
  }
  return all;
}

void RemoteEndpoint::send_metadata(const std::stop_token& stop) {
  metadata_at_ = context_.clock.mono() + used_->metadata_interval;
  if (!used_->metadata || (used_->version_2 && !fallen_back_)) return;
  std::vector<model::Metadata> all;
  {
    MutexLock lock(mutex_);
    for (const auto& [family, one] : metadata_) all.push_back(one);
  }
  Requests requests;
  wire::RemoteWriteEncoder encoder;
  for (std::size_t i = 0; i < all.size(); ++i) {
    encoder.add(all[i]);
    if ((i + 1) % used_->metadata_per_send != 0 && i + 1 != all.size()) continue;
    auto request = std::make_unique<Request>();
    request->group.body = wire::compress_message(encoder.message());
    request->metadata = i % used_->metadata_per_send + 1;
    requests.push_back(std::move(request));
    encoder.clear();
  }
  if (!requests.empty()) deliver(std::move(requests), stop);
}

void RemoteEndpoint::run(const std::stop_token& stop) {
  adopt();
  metadata_at_ = context_.clock.mono() + used_->metadata_interval;
  while (!stop.stop_requested()) {
    if (context_.clock.mono() >= metadata_at_) send_metadata(stop);
    std::vector<Part> parts = gather(stop);
    if (parts.empty()) continue;
    if (!deliver(requests_of(parts), stop)) {
      queue_.give_back(std::move(parts));
      break;
    }
    queue_.done(parts);
    // One at first, so that a receiver that is back is not run over, and a dead one costs little.
    lanes_ = std::exchange(trouble_, false) ? 1 : lanes_ * 2;
    // What was delivered must not be delivered again after a crash.
    tidy_at_ = {};
    tidy();
  }
  if (ahead_) queue_.give_back({std::move(*ahead_)});
  ahead_.reset();
  tidy_at_ = {};
  tidy();
  streams_.reset();
}

}  // namespace agent::write
