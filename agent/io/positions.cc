#include "agent/io/positions.h"

#include <utility>

namespace agent::io {
namespace fs = std::filesystem;
namespace {

// A key that is only seen again is stored no more often than this.
constexpr std::int64_t kSeenStep = 3600;

std::int64_t seconds(const Clock& clock) { return clock.wall_ns() / 1'000'000'000; }

}  // namespace

Positions::Positions(const Clock& clock, fs::path file, const Log& log)
    : clock_(clock), file_(std::move(file)) {
  MutexLock one_writer(file_mutex_);
  PositionsFile::Loaded loaded = file_.load(log);
  fresh_ = loaded.fresh;
  damaged_ = loaded.damaged;
  MutexLock lock(mutex_);
  map_ = std::move(loaded.map);
}

std::optional<std::string> Positions::get(std::string_view key) const {
  MutexLock lock(mutex_);
  const auto it = map_.find(key);
  if (it == map_.end()) return std::nullopt;
  return it->second.value;
}

void Positions::set(std::string_view key, std::string_view value) {
  const std::int64_t now = seconds(clock_);
  MutexLock lock(mutex_);
  auto it = map_.find(key);
  if (it == map_.end()) {
    it = map_.emplace(std::string(key), Position{}).first;
  } else if (it->second.value == value && now - it->second.seen_s < kSeenStep) {
    return;
  }
  it->second.value = value;
  it->second.seen_s = now;
  changed_.insert(it->first);
  ++change_;
}

void Positions::touch(std::string_view key) {
  const std::int64_t now = seconds(clock_);
  MutexLock lock(mutex_);
  const auto it = map_.find(key);
  if (it == map_.end() || now - it->second.seen_s < kSeenStep) return;
  it->second.seen_s = now;
  changed_.insert(it->first);
  ++change_;
}

void Positions::erase(std::string_view key) {
  MutexLock lock(mutex_);
  const auto it = map_.find(key);
  if (it == map_.end()) return;
  map_.erase(it);
  removed_ = true;
  ++change_;
}

std::size_t Positions::prune(Duration unseen) {
  const std::int64_t oldest =
      seconds(clock_) - std::chrono::duration_cast<std::chrono::seconds>(unseen).count();
  MutexLock lock(mutex_);
  std::size_t count = 0;
  for (auto it = map_.begin(); it != map_.end();) {
    if (it->second.seen_s >= oldest) {
      ++it;
      continue;
    }
    it = map_.erase(it);
    ++count;
  }
  if (count == 0) return 0;
  removed_ = true;
  ++change_;
  return count;
}

std::vector<std::pair<std::string, std::string>> Positions::all() const {
  MutexLock lock(mutex_);
  std::vector<std::pair<std::string, std::string>> out;
  out.reserve(map_.size());
  for (const auto& [key, position] : map_) out.emplace_back(key, position.value);
  return out;
}

bool Positions::unsaved() const {
  MutexLock lock(mutex_);
  return change_ != saved_;
}

Result<> Positions::save() {
  MutexLock one_writer(file_mutex_);
  std::string lines;
  std::uint64_t change = 0;
  std::size_t keys = 0;
  bool all = false;
  {
    MutexLock lock(mutex_);
    if (change_ == saved_) return {};
    change = change_;
    keys = map_.size();
    all = std::exchange(removed_, false);
    for (const std::string& key : std::exchange(changed_, {}))
      if (const auto it = map_.find(key); it != map_.end())
        append_position(key, it->second.value, it->second.seen_s, lines);
  }
  Result<bool> saved = all ? Result<bool>(false) : file_.append(lines, keys);
  if (saved && !*saved) {
    {
      MutexLock lock(mutex_);
      change = change_;
      changed_.clear();
      removed_ = false;
      lines = print_positions(map_);
    }
    if (auto written = file_.rewrite(lines); !written) saved = fail(std::move(written.error()));
  }
  MutexLock lock(mutex_);
  if (!saved) {
    removed_ = true;  // whatever the file holds now
    return fail(std::move(saved.error()).within("save positions"));
  }
  saved_ = change;
  return {};
}

Result<> Positions::save_if_due(Duration interval) {
  const Mono now = clock_.mono();
  {
    MutexLock lock(mutex_);
    if (change_ == saved_ || now < next_save_) return {};
    next_save_ = now + interval;
  }
  return save();
}

}  // namespace agent::io
