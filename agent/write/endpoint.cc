#include "agent/write/endpoint.h"

#include <algorithm>
#include <functional>

#include "agent/base/strings.h"

namespace agent::write {

using model::Entry;
using model::EntryBatch;

namespace {

// Batches smaller than this are copied together, so that many small ones do not each keep an arena.
constexpr std::size_t kSmall = 32U << 10;
constexpr std::size_t kMerged = 256U << 10;
// An endpoint that fails for this long is unhealthy.
constexpr Duration kPatience = std::chrono::seconds(10);
// Between tries to write to a disk that took nothing.
constexpr Duration kDiskRetry = std::chrono::seconds(1);
// An endpoint that says 429 is not asked more often than this, whatever the backoff is.
constexpr Duration kRateLimitPause = std::chrono::seconds(1);
// What Loki said about the age of entries is believed for this long.
constexpr Duration kLearnedFor = std::chrono::minutes(10);
constexpr std::size_t kMostLearned = 1024;  // tenants
// Long enough for what a start or a reload brings all at once, short for whoever waits for it.
constexpr Duration kSoon = std::chrono::milliseconds(100);

constexpr std::string_view kTooOld = "greater_than_max_sample_age";
constexpr std::string_view kDroppedHelp = "Entries that were not sent, and why.";

std::string host_of(const std::string& url) {
  const std::string shown = io::url_for_people(url);
  const std::size_t start = shown.find("://");
  if (start == std::string::npos) return shown;
  return shown.substr(start + 3, shown.find('/', start + 3) - start - 3);
}

void append_copy(EntryBatch& to, EntryBatch from) {
  for (const Entry& entry : from.entries) {
    Entry copy = entry;
    copy.line = to.arena.store(entry.line);
    copy.metadata = to.arena.store(entry.metadata);
    to.entries.push_back(std::move(copy));
  }
  for (model::Receipt& receipt : from.take_receipts()) to.add_receipt(std::move(receipt));
}

// Retrying cannot be told from a wrong configuration, so it goes on, but people should know at
// once.
bool is_configuration_error(int status) {
  return status >= 300 && status < 500 && status != 429 && status != 408;
}

}  // namespace

Endpoint::Endpoint(EndpointContext context, EndpointSettings settings)
    : context_(std::move(context)),
      settings_(std::make_shared<const EndpointSettings>(std::move(settings))),
      random_(static_cast<std::minstd_rand::result_type>(
          static_cast<std::size_t>(context_.clock.wall_ns()) ^ std::hash<const void*>()(this))) {
  const model::Labels host = {{"host", host_of(current()->url)}};
  queued_entries_ = context_.metrics.gauge("loki_write_queued_entries",
                                           "Entries accepted and not yet sent or dropped.", host);
  failing_ = context_.metrics.gauge(
      "loki_write_failing", "1 while the receiver's last answer was an error or did not come.",
      host);
  queued_bytes_ =
      context_.metrics.gauge("loki_write_queued_bytes", "Bytes that these entries use.", host);
  returned_entries_ = context_.metrics.counter(
      "loki_write_returned_entries_total",
      "Entries given back unsent at a stop; their source reads them again.", host);
  const auto dropped = [&](const char* reason) {
    return context_.metrics.counter("loki_write_dropped_entries_total", kDroppedHelp,
                                    {host[0], {"tenant", ""}, {"reason", reason}});
  };
  dropped_full_ = dropped("queue_is_full");
  dropped_removed_ = dropped("endpoint_removed");
  dropped_budget_ = dropped("overflow_budget");
  latency_ = context_.metrics.histogram(
      "loki_write_entry_propagation_latency_seconds",
      "Time from an entry's arrival until it was sent or dropped.",
      {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600}, host);
  MutexLock lock(mutex_);
  std::error_code none;
  if (!settings_->overflow_folder.empty() &&
      std::filesystem::exists(settings_->overflow_folder, none))
    open_overflow();
}

std::shared_ptr<const EndpointSettings> Endpoint::current() const {
  MutexLock lock(mutex_);
  return settings_;
}

EndpointSettings Endpoint::settings() const { return *current(); }

void Endpoint::update(EndpointSettings settings) {
  auto next = std::make_shared<const EndpointSettings>(std::move(settings));
  MutexLock lock(mutex_);
  if (*settings_ == *next) return;
  if (overflow_ != nullptr) {
    if (settings_->overflow_folder != next->overflow_folder) {
      if (auto r = overflow_->move_to(next->overflow_folder); !r)
        context_.log.warn("the overflow stays where it is", {{"error", r.error().message}});
    }
    overflow_->limit(next->overflow_limits);
  }
  settings_ = std::move(next);
  changed_.notify_all();
}

std::uint64_t Endpoint::overflow_bytes() const {
  MutexLock lock(mutex_);
  return overflow_ == nullptr ? 0 : overflow_->bytes();
}

void Endpoint::open_overflow() {
  auto opened = component::BatchQueue::open(settings_->overflow_folder, context_.clock,
                                            context_.labels, settings_->overflow_limits);
  if (!opened) {
    context_.log.limited(Level::kError, "no queue on disk", {{"error", opened.error().message}});
    return;
  }
  overflow_ = std::move(*opened);
  const std::uint64_t entries = overflow_->entries();
  if (entries == 0) return;
  context_.log.info("sends what was left on disk", {{"entries", entries}});
  spilling_ = true;
  outstanding_ += entries;
  queued_entries_->add(static_cast<double>(entries));
}

// False: the disk did not take it, and the batch is as it was.
bool Endpoint::write_to_disk(EntryBatch& batch) {
  std::vector<model::Receipt> receipts = batch.take_receipts();
  auto id = overflow_->append(batch, receipts, false);
  if (!id) {
    for (model::Receipt& receipt : receipts) batch.add_receipt(std::move(receipt));
    context_.log.limited(Level::kError, "the queue on disk does not take entries",
                         {{"error", id.error().message}});
    return false;
  }
  // From now on the queue is on disk, until all of it was taken from there.
  spilling_ = true;
  return true;
}

// What waits in memory goes to disk. False: not all of it did.
bool Endpoint::spill_queue() {
  if (overflow_ == nullptr) open_overflow();
  if (overflow_ == nullptr) return false;
  while (!queue_.empty()) {
    if (!write_to_disk(queue_.front().batch)) return false;
    weight_ -= queue_.front().weight;
    queued_bytes_->add(-static_cast<double>(queue_.front().weight));
    queue_.pop_front();
  }
  return true;
}

// The batch goes to disk, and all that waits in memory before it. False: the batch is as it was.
bool Endpoint::spill(EntryBatch& batch) { return spill_queue() && write_to_disk(batch); }

// While it fails for long, or newer entries went to disk: what is in memory goes there as well, so
// that positions may advance for the sake of the other endpoints. The pushes that hold it are still
// the ones that send it.
void Endpoint::spill_held() {
  {
    MutexLock lock(mutex_);
    const bool long_ago = failing_since_ && context_.clock.mono() - *failing_since_ >= kPatience;
    const bool wanted = spilling_ || (settings_->overflow && long_ago);
    if (!wanted || !spill_queue()) return;
    for (const auto& weak : live_) {
      const auto held = weak.lock();
      if (held == nullptr || held->record) continue;
      std::vector<model::Receipt> receipts = held->batch.take_receipts();
      auto id = overflow_->append(held->batch, receipts, true);
      for (model::Receipt& receipt : receipts) held->batch.add_receipt(std::move(receipt));
      if (!id) return;
      held->record = *id;
    }
    live_.clear();
    spilling_ = true;  // what comes next, too, without waiting for the next try
  }
  context_.on_overflow();
}

void Endpoint::sync_overflow() {
  std::shared_ptr<component::BatchQueue> overflow;
  {
    MutexLock lock(mutex_);
    overflow = overflow_;
  }
  if (overflow == nullptr) return;
  auto dropped = overflow->sync();
  {
    MutexLock lock(mutex_);
    ++syncs_;
    changed_.notify_all();
  }
  if (!dropped) {
    context_.log.limited(Level::kError, "the queue on disk is not durable",
                         {{"error", dropped.error().message}});
    context_.on_overflow();  // there may be room in a moment
    return;
  }
  if (*dropped == 0) return;
  context_.log.limited(Level::kWarn, "the queue on disk is full, oldest entries dropped",
                       {{"entries", *dropped}});
  dropped_budget_->add(static_cast<double>(*dropped));
  queued_entries_->add(-static_cast<double>(*dropped));
  MutexLock lock(mutex_);
  outstanding_ -= std::min<std::size_t>(outstanding_, *dropped);
}

Endpoint::Health Endpoint::health() const {
  MutexLock lock(mutex_);
  return health_;
}

void Endpoint::look_for_silence() {
  {
    MutexLock lock(mutex_);
    if (!asked_ || !health_.healthy || context_.clock.mono() - *asked_ < kSilence) return;
    health_ = {false, "POST " + io::url_for_people(settings_->url) + ": " + std::string(kSilent)};
  }
  context_.on_health();
}

std::size_t Endpoint::queued_bytes() const {
  MutexLock lock(mutex_);
  return weight_;
}

std::int64_t Endpoint::last_delivery_ns() const {
  MutexLock lock(mutex_);
  if (last_answer_ == Mono{}) return 0;
  return context_.clock.wall_ns() - (context_.clock.mono() - last_answer_).count();
}

Duration Endpoint::oldest_queued() const {
  MutexLock lock(mutex_);
  return queue_.empty() ? Duration::zero() : context_.clock.mono() - queue_.front().since;
}

Result<> Endpoint::accept(EntryBatch batch, const std::stop_token& stop) {
  const std::size_t bytes = batch.bytes();
  const std::size_t entries = batch.entries.size();
  // Small batches are copied together, without what they keep besides their lines.
  const std::size_t weight = bytes < kSmall ? bytes + entries * sizeof(Entry) : batch.weight();
  bool spilled = false;
  {
    MutexLock lock(mutex_);
    const auto fits = [&]() NO_THREAD_SAFETY_ANALYSIS {
      return !spilling_ && (weight_ == 0 || weight_ + weight <= settings_->capacity);
    };
    for (;;) {
      if (retired_) return fail(ErrorCode::kUnavailable, "the endpoint was removed");
      spilled = settings_->overflow && (settings_->disk_first || !fits()) && spill(batch);
      if (spilled || fits()) break;
      const bool wait =
          settings_->block_on_overflow && !(settings_->overflow && settings_->has_siblings);
      if (!wait) break;
      // A disk that is full of other things may have room again without our doing.
      const Mono deadline = settings_->overflow ? context_.clock.mono() + kDiskRetry : kNever;
      context_.clock.wait(lock, changed_, deadline, stop,
                          [&, seen = syncs_]() NO_THREAD_SAFETY_ANALYSIS {
                            return retired_ || fits() || syncs_ != seen;
                          });
      if (stop.stop_requested())
        return fail(ErrorCode::kCancelled, "stopped while the queue was full");
    }
    if (spilled) {
      outstanding_ += entries;
      queued_entries_->add(static_cast<double>(entries));
      changed_.notify_all();
    } else if (fits()) {
      if (weight >= kSmall) {
        queue_.push_back({std::move(batch), weight, context_.clock.mono(), false});
      } else {
        if (queue_.empty() || !queue_.back().open || queue_.back().weight + weight > kMerged)
          queue_.push_back({EntryBatch(), 0, context_.clock.mono(), true});
        queue_.back().weight += weight;
        append_copy(queue_.back().batch, std::move(batch));
      }
      weight_ += weight;
      outstanding_ += entries;
      queued_entries_->add(static_cast<double>(entries));
      queued_bytes_->add(static_cast<double>(weight));
      changed_.notify_all();
      return {};
    }
  }
  if (spilled) {
    context_.on_overflow();
    return {};
  }
  context_.log.limited(Level::kWarn, "queue is full, entries dropped");
  dropped_full_->add(static_cast<double>(entries));
  batch.settle();
  return {};
}

void Endpoint::released(std::size_t weight) {
  MutexLock lock(mutex_);
  weight_ -= weight;
  queued_bytes_->add(-static_cast<double>(weight));
  changed_.notify_all();
}

std::shared_ptr<Held> Endpoint::take(Mono deadline, const std::stop_token& stop) {
  const auto hold = [this](EntryBatch batch, std::size_t weight, Mono since) {
    return std::make_shared<Held>(
        std::move(batch), [this, weight, since](const Held& held, bool delivered) {
          released(weight);
          if (!delivered) return;
          latency_->observe(std::chrono::duration<double>(context_.clock.mono() - since).count(),
                            held.batch.entries.size());
          if (!held.record) return;
          {
            MutexLock lock(mutex_);
            if (overflow_ != nullptr) overflow_->acknowledge(*held.record);
          }
          context_.on_overflow();
        });
  };
  MutexLock lock(mutex_);
  for (;;) {
    context_.clock.wait(lock, changed_, deadline, stop, [&]() NO_THREAD_SAFETY_ANALYSIS {
      return !queue_.empty() || retired_ || settings_ != used_ || spilling_;
    });
    if (retired_) return nullptr;
    if (!queue_.empty()) {
      Queued front = std::move(queue_.front());
      queue_.pop_front();
      auto held = hold(std::move(front.batch), front.weight, front.since);
      if (live_.size() > 64) {
        live_.erase(std::remove_if(live_.begin(), live_.end(),
                                   [](const auto& weak) { return weak.expired(); }),
                    live_.end());
      }
      live_.push_back(held);
      return held;
    }
    if (!spilling_) return nullptr;
    if (auto taken = overflow_->next()) {
      const Duration age(std::max<std::int64_t>(0, context_.clock.wall_ns() - taken->time_ns));
      auto held = hold(std::move(taken->batch), 0, context_.clock.mono() - age);
      held->record = taken->id;
      return held;
    }
    // All of it is on its way: memory takes over again.
    spilling_ = false;
    changed_.notify_all();
  }
}

void Endpoint::refresh() {
  auto now = current();
  if (used_ == now) return;
  if (used_ == nullptr || !(used_->http == now->http))
    client_ = std::make_unique<io::HttpClient>(now->http);
  if (used_ == nullptr || used_->external_labels != now->external_labels ||
      used_->tenant != now->tenant) {
    outgoing_ =
        std::make_unique<OutgoingLabels>(context_.labels, now->external_labels, now->tenant);
  }
  if (used_ != nullptr && used_->url != now->url) counters_.clear();
  used_ = std::move(now);
}

void Endpoint::run(const std::stop_token& stop, const std::stop_token& hard) {
  stop_ = stop;
  for (;;) {
    refresh();
    Mono deadline = kNever;
    for (const auto& [tenant, push] : pushes_) deadline = std::min(deadline, push.deadline);
    const std::shared_ptr<Held> held = take(deadline, stop);
    draining_ = stop.stop_requested();
    {
      MutexLock lock(mutex_);
      if (retired_ || hard.stop_requested()) break;
    }
    if (held != nullptr && !distribute(held, hard)) break;
    if (!flush_due(draining_ && held == nullptr, hard)) break;
    if (draining_ && held == nullptr) break;
  }
  give_back();
}

bool Endpoint::distribute(const std::shared_ptr<Held>& held, const std::stop_token& hard) {
  const model::LabelSet* last = nullptr;
  std::shared_ptr<const Outgoing> to;
  Push* push = nullptr;
  for (const Entry& entry : held->batch.entries) {
    if (last == nullptr || !(*last == entry.labels)) {
      to = outgoing_->of(entry.labels);
      last = &entry.labels;
      push = &pushes_.try_emplace(to->tenant, to->tenant).first->second;
    }
    if (to->labels.empty()) {
      count_dropped(to->tenant, "no_labels", 1, counted_bytes(entry));
      continue;
    }
    if (too_old(to->tenant, entry)) {
      count_dropped(to->tenant, kTooOld, 1, counted_bytes(entry));
      continue;
    }
    if (!push->empty() && push->bytes() + counted_bytes(entry) > used_->batch_size &&
        !flush(*push, hard))
      return false;
    if (push->empty()) push->deadline = context_.clock.mono() + used_->batch_wait;
    if (!push->add(to, entry, held, used_->max_streams))
      count_dropped(to->tenant, "stream_limited", 1, counted_bytes(entry));
  }
  held->settle_part();
  expect_delivery();
  return true;
}

// batch_wait is the longest time: the first push shows, and a deploy waits for it, that what was
// changed delivers.
void Endpoint::expect_delivery() {
  if (!soon_) return;
  const Mono until = context_.clock.mono() + kSoon;
  for (auto& [tenant, push] : pushes_) {
    if (!push.empty()) push.deadline = std::min(push.deadline, until);
  }
}

// As the configuration says, or as Loki said lately: what is refused for its age would only make
// Loki refuse, and us divide, the push around it.
bool Endpoint::too_old(const std::string& tenant, const Entry& entry) {
  if (used_->max_entry_age > Duration::zero() &&
      entry.time_ns < context_.clock.wall_ns() - used_->max_entry_age.count())
    return true;
  if (learned_.empty()) return false;
  const auto it = learned_.find(tenant);
  if (it == learned_.end()) return false;
  // Of the monotonic clock: one that is set must not make entries too old.
  const Duration since = context_.clock.mono() - it->second.when;
  if (since < kLearnedFor) return entry.time_ns < it->second.oldest_ns + since.count();
  learned_.erase(it);
  return false;
}

void Endpoint::learn(const std::string& tenant, const Refusal& refusal) {
  if (refusal.reason != kTooOld || refusal.oldest_ns <= 0) return;
  if (learned_.size() >= kMostLearned) learned_.clear();
  learned_[tenant] = {refusal.oldest_ns, context_.clock.mono()};
}

bool Endpoint::flush_due(bool all, const std::stop_token& hard) {
  const Mono now = context_.clock.mono();
  for (auto it = pushes_.begin(); it != pushes_.end();) {
    Push& push = it->second;
    if (!push.empty() && (all || push.deadline <= now || push.bytes() >= used_->batch_size)) {
      if (!flush(push, hard)) return false;
    }
    it = push.empty() ? pushes_.erase(it) : std::next(it);
  }
  return true;
}

// Sends `push` and leaves an empty one in its place. False: given up, because of a stop.
bool Endpoint::flush(Push& push, const std::stop_token& hard) {
  soon_ = false;
  Push sending = std::exchange(push, Push(push.tenant()));
  sending.encode(encoder_);
  switch (post(sending.tenant(), encoder_.body(), sending.entries(), sending.bytes(), hard)) {
    case Verdict::kAbandoned:
      return false;
    case Verdict::kRefused:
    case Verdict::kTooLarge:
      if (!divide(sending, sending.refs(), hard)) return false;
      break;
    case Verdict::kDelivered:
    case Verdict::kDropped:
      break;
  }
  sending.settle();
  return true;
}

bool Endpoint::submit(const Push& push, const std::vector<Push::Ref>& part,
                      const std::stop_token& hard) {
  if (part.empty()) return true;
  std::size_t bytes = 0;
  for (const Push::Ref& ref : part) bytes += counted_bytes(*ref.entry);
  push.encode(part, encoder_);
  switch (post(push.tenant(), encoder_.body(), part.size(), bytes, hard)) {
    case Verdict::kAbandoned:
      return false;
    case Verdict::kRefused:
    case Verdict::kTooLarge:
      return divide(push, part, hard);
    case Verdict::kDelivered:
    case Verdict::kDropped:
      return true;
  }
  return true;
}

// The entries of `part` were refused together: finds those that are refused alone, and drops these
// only. Loki stores the valid lines of a push that it refuses, and removes the repeats that this
// makes; another server may have stored nothing.
bool Endpoint::divide(const Push& push, const std::vector<Push::Ref>& part,
                      const std::stop_token& hard) {
  Refusal refusal;
  refusal.reason = "line_too_long";
  if (!too_large_) refusal = parse_refusal(refusal_);
  learn(push.tenant(), refusal);
  if (part.size() == 1) {
    drop(push, part, refusal.reason);
    return true;
  }
  std::vector<Push::Ref> meant;
  std::vector<Push::Ref> rest;
  for (const Push::Ref& ref : part) {
    const bool stream = refusal.stream.empty() || refusal.stream == push.labels_text(ref);
    const bool hit = stream && (ref.entry->time_ns < refusal.oldest_ns ||
                                (refusal.longest > 0 && ref.entry->line.size() > refusal.longest));
    (hit ? meant : rest).push_back(ref);
  }
  if (!meant.empty()) {
    drop(push, meant, refusal.reason);
    return submit(push, rest, hard);
  }
  const auto middle = part.begin() + static_cast<std::ptrdiff_t>(part.size() / 2);
  return submit(push, std::vector<Push::Ref>(part.begin(), middle), hard) &&
         submit(push, std::vector<Push::Ref>(middle, part.end()), hard);
}

void Endpoint::drop(const Push& push, const std::vector<Push::Ref>& part, std::string_view reason) {
  std::size_t bytes = 0;
  for (const Push::Ref& ref : part) bytes += counted_bytes(*ref.entry);
  count_dropped(push.tenant(), reason, part.size(), bytes);
  context_.log.limited(Level::kWarn, "entries refused by the endpoint",
                       {{"url", io::url_for_people(used_->url)},
                        {"reason", reason},
                        {"entries", part.size()},
                        {"answer", too_large_ ? std::string("413") : answer_text(refusal_)},
                        {"labels", push.labels_text(part[0])},
                        {"sample", to_valid_utf8(part[0].entry->line.substr(0, 200))}});
}

Endpoint::Verdict Endpoint::post(const std::string& tenant, std::string_view body,
                                 std::size_t entries, std::size_t bytes,
                                 const std::stop_token& hard) {
  for (int attempt = 1;; ++attempt) {
    if (is_retired()) return Verdict::kDropped;  // counted by give_back()
    if (!wait_for_rate_limit(hard)) return is_retired() ? Verdict::kDropped : Verdict::kAbandoned;
    refresh();
    io::HttpRequest request;
    request.method = "POST";
    request.url = used_->url;
    request.headers = used_->headers;
    request.headers.emplace_back("Content-Type", "application/x-protobuf");
    if (!tenant.empty()) request.headers.emplace_back("X-Scope-OrgID", tenant);
    request.body = body;
    request.timeout = used_->remote_timeout;
    request.max_body = 64U << 10;

    Counters& count = counters(tenant);
    const Mono started = context_.clock.mono();
    {
      MutexLock lock(mutex_);
      asked_ = started;
    }
    const auto response = client_->send(request, hard);
    {
      MutexLock lock(mutex_);
      asked_.reset();
    }
    const int status = response ? response->status : 0;
    count.request_bytes->observe(static_cast<double>(body.size()));
    request_seconds(tenant, response ? status : -1)
        .observe(std::chrono::duration<double>(context_.clock.mono() - started).count());
    if (status == 429) rate_limited_until_ = context_.clock.mono() + kRateLimitPause;
    if (status >= 200 && status < 300) {
      {
        MutexLock lock(mutex_);
        last_answer_ = context_.clock.mono();
        last_answer_took_ = last_answer_ - started;
      }
      working();
      count_sent(tenant, entries, body.size());
      return Verdict::kDelivered;
    }
    if (status == 400 || status == 413) {
      working();
      refusal_ = response->body;
      too_large_ = status == 413;
      return status == 400 ? Verdict::kRefused : Verdict::kTooLarge;
    }
    std::string error =
        response ? "POST " + io::url_for_people(used_->url) + ": status " + std::to_string(status) +
                       (response->body.empty() ? "" : ": " + answer_text(response->body))
                 : response.error().message;
    if (status == 429 && !used_->retry_on_429) {
      working();
      context_.log.limited(Level::kWarn, "push dropped", {{"error", error}, {"entries", entries}});
      count_dropped(tenant, "rate_limited", entries, bytes);
      return Verdict::kDropped;
    }
    if (hard.stop_requested()) return is_retired() ? Verdict::kDropped : Verdict::kAbandoned;
    const bool at_once = is_configuration_error(status) ||
                         (!response && response.error().code != ErrorCode::kUnavailable);
    failing(error, at_once);
    if (used_->max_retries > 0 && attempt >= used_->max_retries) {
      context_.log.limited(Level::kError, "no retries left, push dropped",
                           {{"error", error}, {"entries", entries}});
      count_dropped(tenant, status == 429 ? "rate_limited" : "ingester_error", entries, bytes);
      return Verdict::kDropped;
    }
    count.retries->increment();
    const Duration asked =
        response ? parse_retry_after(response->header("Retry-After"), context_.clock.wall_ns())
                 : Duration::zero();
    if (!wait_to_retry(attempt, asked, hard) && !is_retired()) return Verdict::kAbandoned;
  }
}

// False when a stop was asked for: then nothing is waited for.
bool Endpoint::wait_to_retry(int attempt, Duration at_least, const std::stop_token& hard) {
  Duration backoff = used_->min_backoff;
  for (int i = 1; i < attempt && backoff < used_->max_backoff; ++i) backoff *= 2;
  backoff = std::min(backoff, used_->max_backoff);
  // Full jitter: agents that failed together do not come back together.
  const double share = std::uniform_real_distribution<double>(0, 1)(random_);
  const auto part = [&](Duration d) {
    return Duration(static_cast<std::int64_t>(share * static_cast<double>(d.count())));
  };
  at_least = std::min(at_least, used_->max_backoff);
  Duration wait = part(backoff);
  if (at_least > Duration::zero()) wait = std::max(wait, at_least + part(at_least / 10));
  spill_held();
  MutexLock lock(mutex_);
  context_.clock.wait(lock, changed_, context_.clock.mono() + wait, stop_,
                      [&]() NO_THREAD_SAFETY_ANALYSIS { return retired_ || settings_ != used_; });
  return !stop_.stop_requested() && !hard.stop_requested();
}

// False when a stop was asked for.
bool Endpoint::wait_for_rate_limit(const std::stop_token& hard) {
  if (rate_limited_until_ <= context_.clock.mono()) return true;
  MutexLock lock(mutex_);
  context_.clock.wait(lock, changed_, rate_limited_until_, stop_,
                      [&]() NO_THREAD_SAFETY_ANALYSIS { return retired_; });
  return !retired_ && !stop_.stop_requested() && !hard.stop_requested();
}

void Endpoint::failing(std::string error, bool at_once) {
  bool told = false;
  {
    MutexLock lock(mutex_);
    const Mono now = context_.clock.mono();
    if (!failing_since_) {
      failing_since_ = now;
      failing_->add(1);
    }
    const bool healthy = health_.healthy && !at_once && now - *failing_since_ < kPatience;
    told = health_.healthy != healthy || (!healthy && health_.error != error);
    health_ = {healthy, error};
  }
  context_.log.limited(Level::kWarn, "push failed, will be tried again", {{"error", error}});
  if (told) context_.on_health();
}

void Endpoint::working() {
  bool recovered = false;
  {
    MutexLock lock(mutex_);
    if (failing_since_) failing_->add(-1);
    failing_since_.reset();
    recovered = !health_.healthy;
    health_ = {};
  }
  if (!recovered) return;
  context_.log.info("endpoint answers again", {{"url", io::url_for_people(used_->url)}});
  context_.on_health();
}

bool Endpoint::failing() const {
  MutexLock lock(mutex_);
  return failing_since_.has_value();
}

Mono Endpoint::expected_by(Mono since) const {
  MutexLock lock(mutex_);
  return std::max(since, last_answer_) + std::clamp<Duration>(2 * last_answer_took_,
                                                              std::chrono::seconds(1),
                                                              std::chrono::seconds(5));
}

bool Endpoint::is_retired() const {
  MutexLock lock(mutex_);
  return retired_;
}

void Endpoint::retire() {
  MutexLock lock(mutex_);
  retired_ = true;
  changed_.notify_all();
}

// Ends the life of what was not sent. What is on disk stays there, unless the endpoint is gone for
// good.
void Endpoint::give_back() {
  std::deque<Queued> rest;
  std::size_t entries = 0;
  bool removed = false;
  {
    MutexLock lock(mutex_);
    rest.swap(queue_);
    entries = std::exchange(outstanding_, 0);
    removed = retired_;
    const std::size_t on_disk =
        overflow_ == nullptr ? 0 : static_cast<std::size_t>(overflow_->entries());
    queued_entries_->add(-static_cast<double>(entries));
    if (std::exchange(failing_since_, {})) failing_->add(-1);
    if (!removed) entries -= std::min(entries, on_disk);
  }
  for (const Queued& queued : rest) released(queued.weight);
  if (!removed) {
    returned_entries_->add(static_cast<double>(entries));
    pushes_.clear();
    return;
  }
  // Nobody wants it there any more; other endpoints must not get it again because of that.
  for (Queued& queued : rest) queued.batch.settle();
  for (auto& [tenant, push] : pushes_) push.settle();
  pushes_.clear();
  dropped_removed_->add(static_cast<double>(entries));
  std::shared_ptr<component::BatchQueue> overflow;
  std::filesystem::path folder;
  {
    MutexLock lock(mutex_);
    overflow.swap(overflow_);
    folder = settings_->overflow_folder;
    spilling_ = false;
  }
  if (overflow == nullptr) return;
  if (auto r = overflow->sync(); !r)
    context_.log.warn("the queue on disk is not durable", {{"error", r.error().message}});
  std::error_code none;
  std::filesystem::remove_all(folder, none);
}

Endpoint::Counters& Endpoint::counters(const std::string& tenant) {
  const auto it = counters_.find(tenant);
  if (it != counters_.end()) return it->second;
  const model::Labels labels = {{"host", host_of(used_->url)}, {"tenant", tenant}};
  const component::Metrics& m = context_.metrics;
  Counters c;
  c.sent_entries = m.counter("loki_write_sent_entries_total", "Entries sent.", labels);
  c.sent_bytes =
      m.counter("loki_write_sent_bytes_total", "Bytes sent, as compressed in requests.", labels);
  c.retries = m.counter("loki_write_batch_retries_total", "Pushes that were tried again.", labels);
  std::vector<double> sizes;
  for (double kib : {1, 4, 16, 64, 256, 512, 1024, 2048, 4096, 8192, 16384, 20480})
    sizes.push_back(kib * 1024);
  c.request_bytes = m.histogram("loki_write_request_size_bytes",
                                "Sizes of requests, as compressed.", std::move(sizes), labels);
  Counters& kept = counters_.emplace(tenant, std::move(c)).first->second;
  // There from the start, so that a first drop is an increase.
  for (const char* reason :
       {"ingester_error", "rate_limited", "stream_limited", "line_too_long", "queue_is_full"}) {
    count_dropped(tenant, reason, 0, 0);
  }
  return kept;
}

component::Distribution& Endpoint::request_seconds(const std::string& tenant, int status) {
  component::Histogram& seconds = counters(tenant).request_seconds[status];
  if (seconds == nullptr) {
    seconds = context_.metrics.histogram("loki_write_request_duration_seconds",
                                         "Time spent in requests.", component::default_buckets(),
                                         {{"status_code", std::to_string(status)},
                                          {"host", host_of(used_->url)},
                                          {"tenant", tenant}});
  }
  return *seconds;
}

void Endpoint::count_sent(const std::string& tenant, std::size_t entries, std::size_t bytes) {
  Counters& count = counters(tenant);
  count.sent_entries->add(static_cast<double>(entries));
  count.sent_bytes->add(static_cast<double>(bytes));
  queued_entries_->add(-static_cast<double>(entries));
  MutexLock lock(mutex_);
  outstanding_ -= entries;
}

void Endpoint::count_dropped(const std::string& tenant, std::string_view reason,
                             std::size_t entries, std::size_t bytes) {
  auto& dropped = counters(tenant).dropped;
  auto it = dropped.find(reason);
  if (it == dropped.end()) {
    const model::Labels labels = {
        {"host", host_of(used_->url)}, {"tenant", tenant}, {"reason", std::string(reason)}};
    it = dropped
             .emplace(std::string(reason),
                      std::pair(context_.metrics.counter("loki_write_dropped_entries_total",
                                                         kDroppedHelp, labels),
                                context_.metrics.counter("loki_write_dropped_bytes_total",
                                                         "Their bytes.", labels)))
             .first;
  }
  it->second.first->add(static_cast<double>(entries));
  it->second.second->add(static_cast<double>(bytes));
  queued_entries_->add(-static_cast<double>(entries));
  MutexLock lock(mutex_);
  outstanding_ -= entries;
}

}  // namespace agent::write
