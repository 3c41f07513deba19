#include "agent/component/tap.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "agent/base/strings.h"

namespace agent::component {
namespace {

constexpr double kGlancesPerSighting = 100;
constexpr std::size_t kMostFollowed = 256;
constexpr std::size_t kFirstSweep = 64;

std::size_t size_of(const Sighting::Pairs& pairs) {
  std::size_t sum = 0;
  for (const auto& [name, value] : pairs) sum += sizeof(pairs[0]) + name.size() + value.size();
  return sum;
}

std::size_t size_of(const Sighting& sighting) {
  return sizeof sighting + sighting.component.size() + sighting.at.size() + sighting.line.size() +
         sighting.dropped.size() + size_of(sighting.labels) + size_of(sighting.metadata) +
         size_of(sighting.extracted);
}

void append_text(std::string& out, std::string_view name, std::string_view text) {
  if (out.size() > 1) out += ',';
  append_json_string(out, name);
  out += ':';
  append_json_string(out, to_valid_utf8(text));
}

void append_pairs(std::string& out, std::string_view name, const Sighting::Pairs& pairs) {
  if (pairs.empty()) return;
  std::string object = "{";
  for (const auto& [key, value] : pairs) append_text(object, to_valid_utf8(key), value);
  out += ",\"" + std::string(name) + "\":" + object + "}";
}

}  // namespace

std::string to_json(const Sighting& sighting) {
  std::string out = "{";
  append_text(out, "component", sighting.component);
  append_text(out, "at", sighting.at);
  if (sighting.samples) {
    out += ",\"samples\":" + std::to_string(*sighting.samples) + "}";
    return out;
  }
  if (sighting.entry != 0) out += ",\"entry\":" + std::to_string(sighting.entry);
  append_text(out, "time_ns", std::to_string(sighting.time_ns));
  if (sighting.value) {
    append_text(out, "value", format_number(*sighting.value));
  } else {
    append_text(out, "line", sighting.line);
  }
  if (sighting.cut) out += ",\"cut\":true";
  append_pairs(out, "labels", sighting.labels);
  append_pairs(out, "metadata", sighting.metadata);
  append_pairs(out, "extracted", sighting.extracted);
  if (!sighting.dropped.empty()) append_text(out, "dropped", sighting.dropped);
  if (sighting.held) out += ",\"held\":true";
  return out + "}";
}

void append_labels(Sighting::Pairs& out, const model::LabelSet& labels) {
  for (const model::Label& label : labels.labels()) out.emplace_back(label.name, label.value);
}

Sighting sighting_of(const model::Entry& entry) {
  Sighting out;
  out.time_ns = entry.time_ns;
  out.line = entry.line;
  append_labels(out.labels, entry.labels);
  for (const model::MetadataPair& pair : entry.metadata)
    out.metadata.emplace_back(pair.name, pair.value);
  return out;
}

// --- Watch ---

Watch::Watch(Options options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      refilled_(clock.mono()),
      sightings_left_(options_.per_second),
      glances_left_(options_.per_second * kGlancesPerSighting) {}

Watch::Seen Watch::take() {
  MutexLock lock(mutex_);
  Seen out;
  out.sightings.assign(std::make_move_iterator(ring_.begin()),
                       std::make_move_iterator(ring_.end()));
  ring_.clear();
  bytes_ = 0;
  out.skipped = std::exchange(skipped_, 0);
  return out;
}

bool Watch::ended() const {
  MutexLock lock(mutex_);
  return ended_;
}

void Watch::end() {
  MutexLock lock(mutex_);
  ended_ = true;
}

bool Watch::matches(const Glance& glance) {
  if (options_.filter.empty()) return true;
  if (glance.entry != 0 &&
      std::find(followed_.begin(), followed_.end(), glance.entry) != followed_.end())
    return true;
  bool found = glance.line.find(options_.filter) != std::string_view::npos;
  for (const model::Label& label : glance.labels.labels())
    found = found || label.value.find(options_.filter) != std::string::npos;
  if (found && glance.entry != 0) {
    followed_.push_back(glance.entry);
    if (followed_.size() > kMostFollowed) followed_.pop_front();
  }
  return found;
}

bool Watch::wants(const Glance& glance) {
  const std::string_view at = glance.at;
  if (!options_.at.empty() && at != options_.at &&
      !(at.starts_with(options_.at) && at[options_.at.size()] == '/'))
    return false;
  MutexLock lock(mutex_);
  if (options_.per_second <= 0) return matches(glance);
  const Mono now = clock_.mono();
  const double more = std::chrono::duration<double>(now - refilled_).count() * options_.per_second;
  refilled_ = now;
  sightings_left_ = std::min(sightings_left_ + more, options_.per_second);
  glances_left_ = std::min(glances_left_ + more * kGlancesPerSighting,
                           options_.per_second * kGlancesPerSighting);
  if (glances_left_ < 1) {
    ++skipped_;
    return false;
  }
  --glances_left_;
  if (!matches(glance)) return false;
  if (sightings_left_ < 1) {
    ++skipped_;
    return false;
  }
  --sightings_left_;
  return true;
}

void Watch::put(Sighting sighting) {
  if (sighting.line.size() > options_.max_line) {
    sighting.line.resize(utf8_head(sighting.line, options_.max_line).size());
    sighting.cut = true;
  }
  const std::size_t size = size_of(sighting);
  MutexLock lock(mutex_);
  if (ended_ || size > options_.max_bytes) {
    ++skipped_;
    return;
  }
  while (ring_.size() >= options_.max_sightings ||
         (!ring_.empty() && bytes_ + size > options_.max_bytes)) {
    bytes_ -= size_of(ring_.front());
    ring_.pop_front();
    ++skipped_;
  }
  bytes_ += size;
  ring_.push_back(std::move(sighting));
}

// --- Tap ---

std::uint32_t Tap::next_entry() {
  std::uint32_t number = 0;
  while (number == 0) number = entries_.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

void Tap::show(const Glance& glance, const std::function<Sighting()>& make) {
  MutexLock lock(mutex_);
  std::optional<Sighting> made;
  for (const auto& watch : watches_) {
    if (!watch->wants(glance)) continue;
    if (!made) {
      made = make();
      made->component = component_;
      made->at = glance.at;
      made->entry = glance.entry;
    }
    watch->put(*made);
  }
}

void Tap::show(std::string_view at, const model::EntryBatch& batch) {
  for (const model::Entry& entry : batch.entries)
    show({at, 0, entry.line, entry.labels}, [&] { return sighting_of(entry); });
}

void Tap::show(std::string_view at, const model::SampleBatch& batch) {
  bool series = false;
  {
    MutexLock lock(mutex_);
    for (const auto& watch : watches_) {
      series = series || watch->wants_series();
      if (watch->wants_series() || !watch->wants({at, 0, {}, {}})) continue;
      Sighting sighting;
      sighting.component = component_;
      sighting.at = at;
      sighting.samples = batch.samples.size() + batch.histograms.size();
      watch->put(std::move(sighting));
    }
  }
  if (!series) return;
  for (const model::Sample& sample : batch.samples) {
    MutexLock lock(mutex_);
    for (const auto& watch : watches_) {
      if (!watch->wants_series() || !watch->wants({at, 0, {}, sample.series})) continue;
      Sighting sighting;
      sighting.component = component_;
      sighting.at = at;
      sighting.time_ns = sample.time_ms * 1'000'000;
      sighting.value = sample.value;
      append_labels(sighting.labels, sample.series);
      watch->put(std::move(sighting));
    }
  }
}

void Tap::add(std::shared_ptr<Watch> watch) {
  MutexLock lock(mutex_);
  watches_.push_back(std::move(watch));
  watched_.store(true, std::memory_order_relaxed);
}

void Tap::remove(const Watch* watch) {
  MutexLock lock(mutex_);
  watches_.erase(std::remove_if(watches_.begin(), watches_.end(),
                                [&](const auto& one) { return one.get() == watch; }),
                 watches_.end());
  watched_.store(!watches_.empty(), std::memory_order_relaxed);
}

// --- Taps ---

struct Taps::Store {
  struct Looking {
    std::string component;
    std::shared_ptr<Watch> watch;
    bool at(const std::string& id) const { return component.empty() || component == id; }
  };
  Mutex mutex;
  std::map<std::string, std::weak_ptr<Tap>> taps GUARDED_BY(mutex);
  std::size_t sweep_at GUARDED_BY(mutex) = kFirstSweep;  // those that are gone are forgotten then
  std::vector<Looking> watches GUARDED_BY(mutex);
};

// What a handle on a watch keeps.
struct Taps::Seat {
  std::shared_ptr<Store> store;
  std::shared_ptr<Watch> watch;
  ~Seat() {
    MutexLock lock(store->mutex);
    auto& all = store->watches;
    all.erase(std::remove_if(all.begin(), all.end(),
                             [&](const Store::Looking& one) { return one.watch == watch; }),
              all.end());
    for (const auto& [id, weak] : store->taps)
      if (const auto tap = weak.lock()) tap->remove(watch.get());
  }
};

Taps::Taps() : store_(std::make_shared<Store>()) {}

std::shared_ptr<Tap> Taps::of(const std::string& component) const {
  MutexLock lock(store_->mutex);
  auto& taps = store_->taps;
  if (taps.size() >= store_->sweep_at) {
    for (auto it = taps.begin(); it != taps.end();)
      it = it->second.expired() ? taps.erase(it) : std::next(it);
    store_->sweep_at = 2 * taps.size() + kFirstSweep;
  }
  if (const auto it = taps.find(component); it != taps.end())
    if (auto alive = it->second.lock()) return alive;
  auto tap = std::make_shared<Tap>(component);
  for (const Store::Looking& one : store_->watches)
    if (one.at(component)) tap->add(one.watch);
  taps[component] = tap;
  return tap;
}

std::shared_ptr<Watch> Taps::watch(const std::string& component, Watch::Options options,
                                   const Clock& clock) const {
  auto seat = std::make_shared<Seat>();
  seat->store = store_;
  seat->watch = std::make_shared<Watch>(std::move(options), clock);
  MutexLock lock(store_->mutex);
  const Store::Looking looking{component, seat->watch};
  store_->watches.push_back(looking);
  for (const auto& [id, weak] : store_->taps) {
    const auto tap = weak.lock();
    if (tap != nullptr && looking.at(id)) tap->add(seat->watch);
  }
  return {seat, seat->watch.get()};
}

void Taps::end() const {
  MutexLock lock(store_->mutex);
  for (const Store::Looking& one : store_->watches) one.watch->end();
}

}  // namespace agent::component
