// Looking at what flows past a component while it flows: what goes into it, what each step inside
// makes of it, what leaves it.
//
// The side that flows pays one relaxed load per batch as long as nobody looks, and never waits for
// who does: a watch takes so many sightings a second, keeps the newest of them in a ring of bounded
// size and counts the rest.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/model/entry.h"
#include "agent/model/sample.h"

namespace agent::component {

// An entry, a sample, or a whole batch of samples, as it was at one point.
struct Sighting {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  std::string component;  // its id
  // "in" and "out"; "1.json" behind the first stage; "2.match/1.drop" behind one inside of the
  // second; "rule.1" behind the first rule.
  std::string at;
  // Tells entries of a component apart: the same at each point that it passes; 0 where it is not
  // known.
  std::uint32_t entry = 0;
  std::int64_t time_ns = 0;
  std::string line;
  bool cut = false;  // only the beginning of the line is here
  Pairs labels;
  Pairs metadata;
  Pairs extracted;                     // what stages know beside the labels the entry came with
  std::string dropped;                 // the reason; "" when it goes on
  bool held = false;                   // a stage keeps it back, or made it a part of another
  std::optional<double> value;         // of a sample
  std::optional<std::size_t> samples;  // in a batch
};
// One object, without a line break; bytes that are no UTF-8 become U+FFFD.
std::string to_json(const Sighting& sighting);

// What there is to decide by, before a Sighting is made.
struct Glance {
  std::string_view at;
  std::uint32_t entry = 0;
  std::string_view line;
  const model::LabelSet& labels;
};

// One who looks. Any thread.
class Watch {
 public:
  struct Options {
    std::string at;           // this point, and those inside of it; "": all
    std::string filter;       // in the line or in a label's value; an entry once seen is followed
    bool series = false;      // of samples each, not only their number; so with a filter
    double per_second = 200;  // sightings; 0: no limit
    std::size_t max_sightings = 2000;
    std::size_t max_bytes = std::size_t{2} << 20;
    std::size_t max_line = std::size_t{16} << 10;
  };
  // `clock` outlives it.
  Watch(Options options, const Clock& clock);

  // What was seen since the last call, in order, and how many sightings there was no time or no
  // room for; beyond 100 times per_second they are counted without having been looked at.
  struct Seen {
    std::vector<Sighting> sightings;
    std::uint64_t skipped = 0;
  };
  Seen take();
  // Nothing more will be seen: looking is not allowed any more.
  bool ended() const;

 private:
  friend class Tap;
  friend class Taps;
  bool wants(const Glance& glance) EXCLUDES(mutex_);
  bool wants_series() const { return options_.series || !options_.filter.empty(); }
  bool matches(const Glance& glance) REQUIRES(mutex_);
  void put(Sighting sighting) EXCLUDES(mutex_);
  void end();

  const Options options_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::deque<Sighting> ring_ GUARDED_BY(mutex_);
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t skipped_ GUARDED_BY(mutex_) = 0;
  bool ended_ GUARDED_BY(mutex_) = false;
  Mono refilled_ GUARDED_BY(mutex_);
  double sightings_left_ GUARDED_BY(mutex_);
  double glances_left_ GUARDED_BY(mutex_);
  std::deque<std::uint32_t> followed_ GUARDED_BY(mutex_);  // entries that matched the filter
};

// Where one component can be watched. Any thread.
class Tap {
 public:
  explicit Tap(std::string component = {}) : component_(std::move(component)) {}
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;

  // Asked once per batch; what follows is for the case that it is true.
  bool watched() const { return watched_.load(std::memory_order_relaxed); }
  std::uint32_t next_entry();  // for Sighting::entry; never 0
  void show(std::string_view at, const model::EntryBatch& batch);
  void show(std::string_view at, const model::SampleBatch& batch);
  // `make` is called when somebody wants it. Its component and `at` are filled in.
  void show(const Glance& glance, const std::function<Sighting()>& make);

 private:
  friend class Taps;
  void add(std::shared_ptr<Watch> watch);
  void remove(const Watch* watch);

  const std::string component_;
  std::atomic<bool> watched_{false};
  std::atomic<std::uint32_t> entries_{0};
  Mutex mutex_;
  std::vector<std::shared_ptr<Watch>> watches_ GUARDED_BY(mutex_);
};

// What an entry is, apart from what stages extracted.
Sighting sighting_of(const model::Entry& entry);
void append_labels(Sighting::Pairs& out, const model::LabelSet& labels);

// The taps of a process by component id. Thread-safe; a copy is a handle on the same.
class Taps {
 public:
  Taps();
  // The tap of a component: one and the same as long as somebody holds it.
  std::shared_ptr<Tap> of(const std::string& component) const;
  // Looks at `component`, or at all when it is "", also at those that come later, until the
  // returned handle goes.
  std::shared_ptr<Watch> watch(const std::string& component, Watch::Options options,
                               const Clock& clock) const;
  // Ends all watches.
  void end() const;

 private:
  struct Store;
  struct Seat;
  std::shared_ptr<Store> store_;
};

}  // namespace agent::component
