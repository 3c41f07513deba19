#include "agent/write/remote_endpoint.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "agent/base/strings.h"
#include "agent/write/push.h"

namespace agent::write {
namespace {

constexpr Duration kSlice = std::chrono::milliseconds(100);  // between looks at the clock
constexpr int kLastSlices = 7;                               // of waiting at a stop
constexpr Duration kTidy = std::chrono::seconds(1);          // between syncs of the queue
constexpr std::size_t kMaxFamilies = 10'000;                 // whose metadata is sent
constexpr std::size_t kMaxCache = 100'000;                   // series whose labels are at hand
constexpr std::size_t kMaxAnswer = 1024;                     // bytes of an answer that are shown
constexpr std::size_t kMaxMessage = 256U << 20;              // of our own records, decompressed

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

struct RemoteEndpoint::Metric {
  struct Kind {  // samples, exemplars, histograms, metadata
    component::Counter total, failed, retried, dropped_old, dropped_relabelled, in;
    component::Gauge pending;
  };
  explicit Metric(component::Metrics with) : metrics(std::move(with)) {
    samples = kind("samples");
    exemplars = kind("exemplars");
    histograms = kind("histograms");
    metadata = counter("metadata_total", "Metadata sent.");
    metadata_failed = counter("metadata_failed_total", "Metadata refused.");
    metadata_retried = counter("metadata_retried_total", "Metadata sent again.");
    metadata_bytes = counter("metadata_bytes_total", "Bytes of requests with metadata.");
    bytes = counter("bytes_total", "Bytes of requests with samples.");
    lost = counter("samples_lost_total",
                   "Samples lost because the queue's limits were reached, or to damage on disk.");
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
    out.in = counter(name + "_in_total", "Taken, before write_relabel_config.");
    out.pending = gauge(name + "_pending", "Waiting to be sent.");
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
  component::Counter metadata, metadata_failed, metadata_retried, metadata_bytes, bytes, lost;
  component::Histogram duration;
  component::Gauge highest, highest_sent, shards, shards_desired, shards_min, shards_max, per_send,
      queue_bytes;
  component::Counter appended, exemplars_appended;
};

RemoteEndpoint::RemoteEndpoint(RemoteContext context, RemoteEndpointSettings settings)
    : context_(std::move(context)),
      settings_(std::make_shared<const RemoteEndpointSettings>(std::move(settings))),
      queue_(settings_->folder, context_.clock, settings_->queue),
      metric_(std::make_shared<Metric>(context_.metrics.with(
          {{"remote_name", settings_->name}, {"url", io::url_for_people(settings_->url)}}))),
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

  SampleCounts counts;
  std::uint64_t lost = 0;
  const auto put = [&] {
    if (counts.all() == 0) return;
    lost += queue_.append(counts, wire::compress_message(encoder_.message()));
    metric_->appended->add(counts.samples);
    metric_->exemplars_appended->add(counts.exemplars);
    counts = {};
    encoder_.clear();
  };
  const auto add = [&](const auto& item, std::uint32_t SampleCounts::*kind,
                       const Metric::Kind& metric) {
    metric.in->increment();
    counts.newest_ms = std::max(counts.newest_ms, item.time_ms);
    if (relabeler_ == nullptr) {
      encoder_.add(item);
    } else {
      const auto series = relabeler_->apply(item.series);
      if (!series || series->empty()) {
        metric.dropped_relabelled->increment();
        return;
      }
      auto renamed = item;
      renamed.series = *series;
      encoder_.add(renamed);
    }
    ++(counts.*kind);
    if (counts.all() >= settings->per_send) put();
  };
  encoder_.clear();
  for (const model::Sample& one : batch.samples) add(one, &SampleCounts::samples, metric_->samples);
  if (settings->histograms)
    for (const model::NativeHistogram& one : batch.histograms)
      add(one, &SampleCounts::histograms, metric_->histograms);
  if (settings->exemplars)
    for (const model::Exemplar& one : batch.exemplars)
      add(one, &SampleCounts::exemplars, metric_->exemplars);
  put();
  if (lost > 0) {
    metric_->lost->add(static_cast<double>(lost));
    context_.log.warn("samples were lost: neither the disk nor memory has room for them",
                      {{"samples", lost}, {"err", queue_.disk_error()}});
  }
  if (!batch.samples.empty())
    metric_->highest->set(static_cast<double>(batch.samples.back().time_ms) / 1000);

  MutexLock own(mutex_);
  if (settings->metadata) {
    for (const model::Metadata& one : batch.metadata)
      if (metadata_.size() < kMaxFamilies || metadata_.contains(one.family))
        metadata_[one.family] = one;
  }
  more_ = true;
  changed_.notify_all();
}

// Settings that came since the last look.
void RemoteEndpoint::adopt() {
  auto now = current();
  if (now == used_) return;
  const bool reconnect = used_ == nullptr || !(used_->http == now->http);
  used_ = std::move(now);
  if (reconnect) {
    streams_ = std::make_unique<io::HttpStreams>(used_->http);
    oauth_ = std::make_unique<io::HttpClient>(used_->http);
  }
  metric_->shards_min->set(static_cast<double>(used_->min_shards));
  metric_->shards_max->set(static_cast<double>(used_->max_shards));
  metric_->per_send->set(static_cast<double>(used_->per_send));
}

// What has to be done from time to time, whatever else goes on.
void RemoteEndpoint::tidy() {
  if (context_.clock.mono() < tidy_at_) return;
  tidy_at_ = context_.clock.mono() + kTidy;
  if (const std::uint64_t lost = queue_.sync(); lost > 0) {
    metric_->lost->add(static_cast<double>(lost));
    context_.log.warn("samples were dropped: the queue's limits are reached", {{"samples", lost}});
  }
  metric_->samples.pending->set(static_cast<double>(queue_.items()));
  metric_->queue_bytes->set(static_cast<double>(queue_.bytes()));
}

// The next requests' worth: waits for the first part, then for what else comes until the deadline.
std::vector<SampleQueue::Part> RemoteEndpoint::gather(const std::stop_token& stop) {
  std::vector<Part> parts;
  std::size_t items = 0;
  Mono deadline = kNever;
  while (!stop.stop_requested()) {
    adopt();
    tidy();
    const std::size_t backlog = queue_.items();
    const std::size_t desired = (backlog + used_->per_send - 1) / used_->per_send;
    const std::size_t shards = std::clamp(desired, used_->min_shards, used_->max_shards);
    metric_->shards->set(static_cast<double>(shards));
    metric_->shards_desired->set(static_cast<double>(desired));
    const std::size_t room = used_->per_send * shards;
    while (items < room) {
      auto part = ahead_ ? std::exchange(ahead_, std::nullopt) : queue_.next();
      if (!part) break;
      const std::int64_t age_ms = context_.clock.wall_ns() / 1'000'000 - part->counts.newest_ms;
      if (used_->age_limit > Duration::zero() &&
          std::chrono::milliseconds(age_ms) > used_->age_limit) {
        metric_->add(&Metric::Kind::dropped_old, part->counts);
        queue_.done({std::move(*part)});
        continue;
      }
      if (!parts.empty() && items + part->counts.all() > room) {
        ahead_ = std::move(part);
        return parts;
      }
      items += part->counts.all();
      if (parts.empty()) deadline = context_.clock.mono() + used_->send_deadline;
      parts.push_back(std::move(*part));
    }
    const Mono now = context_.clock.mono();
    if (items >= room || (!parts.empty() && now >= deadline)) return parts;
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

std::vector<std::unique_ptr<RemoteEndpoint::Request>> RemoteEndpoint::requests_of(
    const std::vector<Part>& parts) {
  std::vector<std::unique_ptr<Request>> out;
  if (parts.size() == 1 && parts[0].counts.all() <= used_->per_send) {
    out.push_back(std::make_unique<Request>());
    out[0]->body = parts[0].body;
    out[0]->counts = parts[0].counts;
    return out;
  }
  SampleCounts all;
  for (const Part& part : parts) all.add(part.counts);
  const std::size_t count =
      std::clamp<std::size_t>((all.all() + used_->per_send - 1) / used_->per_send, 1,
                              std::max<std::size_t>(1, used_->max_shards));
  // A series stays in its lane, so that its samples arrive in order.
  std::vector<std::string> messages(count);
  std::vector<SampleCounts> lanes(count);
  const auto finish = [&](std::size_t lane) {
    if (lanes[lane].all() == 0) return;
    auto request = std::make_unique<Request>();
    request->body = wire::compress_message(messages[lane]);
    request->counts = std::exchange(lanes[lane], SampleCounts());
    request->lane = lane;
    out.push_back(std::move(request));
    messages[lane].clear();
  };
  for (const Part& part : parts) {
    const auto message = wire::decompress_message(part.body, kMaxMessage);
    const bool good =
        message && wire::for_each_series(*message, [&](const wire::EncodedSeries& series) {
          using Kind = wire::EncodedSeries::Kind;
          const std::size_t lane = count == 1 ? 0 : series.labels % count;
          messages[lane] += series.bytes;
          SampleCounts& counts = lanes[lane];
          if (series.kind == Kind::kSample) ++counts.samples;
          if (series.kind == Kind::kExemplar) ++counts.exemplars;
          if (series.kind == Kind::kHistogram) ++counts.histograms;
          counts.newest_ms = std::max(counts.newest_ms, part.counts.newest_ms);
          if (counts.all() >= used_->per_send) finish(lane);
        });
    if (!good) {
      metric_->lost->add(part.counts.all());
      context_.log.error("a record of the queue cannot be read and is left out");
    }
  }
  for (std::size_t lane = 0; lane < count; ++lane) finish(lane);
  return out;
}

void RemoteEndpoint::begin(Request& request) {
  io::HttpRequest http;
  http.method = "POST";
  http.url = used_->url;
  http.timeout = used_->remote_timeout;
  http.headers = used_->headers;
  http.headers.emplace_back("Content-Encoding", "snappy");
  http.headers.emplace_back("Content-Type", "application/x-protobuf");
  http.headers.emplace_back("X-Prometheus-Remote-Write-Version", "0.1.0");
  if (request.attempt > 0)
    http.headers.emplace_back("Retry-Attempt", std::to_string(request.attempt));
  http.body = request.body;
  request.status = 0;
  request.retry_after = Duration::zero();
  request.answer.clear();
  request.started = context_.clock.mono();
  io::HttpStreams::Callbacks callbacks;
  callbacks.on_headers = [this, &request](int status, const io::HttpHeaders& headers) {
    request.status = status;
    io::HttpResponse response;
    response.headers = headers;
    request.retry_after =
        parse_retry_after(response.header("retry-after"), context_.clock.wall_ns());
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
  metric_->add(&Metric::Kind::retried, request.counts);
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
  report(why);
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
  if (request.status / 100 == 2) {
    metric_->add(&Metric::Kind::total, request.counts);
    metric_->metadata->add(static_cast<double>(request.metadata));
    (request.metadata > 0 ? metric_->metadata_bytes : metric_->bytes)
        ->add(static_cast<double>(request.body.size()));
    if (request.counts.newest_ms > 0)
      metric_->highest_sent->set(static_cast<double>(request.counts.newest_ms) / 1000);
    request.done = true;
    report("");
    return;
  }
  std::string said = to_valid_utf8(request.answer.substr(0, request.answer.find('\n')));
  if (said.size() > 300) said = to_valid_utf8(said.substr(0, 300));
  const std::string why =
      where + ": status " + std::to_string(request.status) + (said.empty() ? "" : ": " + said);
  if (request.status >= 500 || (request.status == 429 && used_->retry_on_429)) {
    retry(request, why);
    return;
  }
  metric_->add(&Metric::Kind::failed, request.counts);
  metric_->metadata_failed->add(static_cast<double>(request.metadata));
  context_.log.error("the receiver refused samples",
                     {{"samples", request.counts.all()}, {"err", why}});
  request.done = true;
  // One refused request (samples out of order) is no illness; that nobody may write is one.
  const bool forbidden = request.status == 401 || request.status == 403 || request.status == 404;
  if (request.status == 401) oauth_->forget_token();
  report(forbidden ? why : "");
}

// False: stopped before all were delivered or refused.
bool RemoteEndpoint::deliver(std::vector<std::unique_ptr<Request>> requests,
                             const std::stop_token& stop) {
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
    const Mono now = context_.clock.mono();
    Mono next = tidy_at_;
    bool open = false;
    std::vector<bool> busy;  // lanes that have a request before this one
    for (const auto& request : requests) {
      if (request->done) continue;
      open = true;
      if (busy.size() <= request->lane) busy.resize(request->lane + 1);
      if (busy[request->lane]) continue;
      busy[request->lane] = true;
      if (request->on_its_way) continue;
      if (request->not_before > now) {
        next = std::min(next, request->not_before);
        continue;
      }
      auto bearer = oauth_->token(stop);
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
    all = all && request->done;
    if (!request->on_its_way) continue;
    streams_->cancel(*request->on_its_way);
    --in_flight_;
  }
  return all;
}

void RemoteEndpoint::send_metadata(const std::stop_token& stop) {
  metadata_at_ = context_.clock.mono() + used_->metadata_interval;
  if (!used_->metadata) return;
  std::vector<model::Metadata> all;
  {
    MutexLock lock(mutex_);
    for (const auto& [family, one] : metadata_) all.push_back(one);
  }
  std::vector<std::unique_ptr<Request>> requests;
  wire::RemoteWriteEncoder encoder;
  for (std::size_t i = 0; i < all.size(); ++i) {
    encoder.add(all[i]);
    if ((i + 1) % used_->metadata_per_send != 0 && i + 1 != all.size()) continue;
    auto request = std::make_unique<Request>();
    request->body = wire::compress_message(encoder.message());
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
