#include "agent/io/file_places.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>
#include <utility>

namespace agent::io {
namespace {

constexpr std::uint32_t kSeenStep = 3600;  // as in Positions
constexpr char kNumberMark = '#';
constexpr std::size_t kDigits = 16;

std::uint32_t seconds(const Clock& clock) {
  return static_cast<std::uint32_t>(clock.wall_ns() / 1'000'000'000);
}

std::string text_of(FilePlaces::Key key) {
  char text[kDigits + 2];
  std::snprintf(text, sizeof text, "%c%016llx", kNumberMark, static_cast<unsigned long long>(key));
  return text;
}

FilePlaces::Key stored_key(std::string_view text) {
  FilePlaces::Key key = 0;
  const char* end = text.data() + text.size();
  if (text.size() == kDigits + 1 && text[0] == kNumberMark &&
      std::from_chars(text.data() + 1, end, key, 16).ptr == end)
    return key;
  return FilePlaces::key_of(text);
}

}  // namespace

// FNV-1a; the same in every life.
FilePlaces::Key FilePlaces::key_of(std::string_view name) {
  Key hash = 14695981039346656037U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

FilePlaces::FilePlaces(const Clock& clock, std::filesystem::path file, const Log& log)
    : clock_(clock), file_(std::move(file)) {
  const PositionsFile::Loaded loaded = file_.load(log);
  fresh_ = loaded.fresh;
  damaged_ = loaded.damaged;
  for (const auto& [key, position] : loaded.map) {
    const auto place = FilePlace::parse(position.value);
    if (!place) continue;
    // A name of an earlier version may stand beside its number: the newer one counts.
    Entry& entry = places_[stored_key(key)];
    const auto seen =
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(position.seen_s, 0, UINT32_MAX));
    if (entry.seen_s <= seen) entry = {*place, seen};
    if (key.empty() || key[0] != kNumberMark) rewrite_ = true;
  }
}

const FilePlace* FilePlaces::find(Key key) const {
  const auto it = places_.find(key);
  return it == places_.end() ? nullptr : &it->second.place;
}

void FilePlaces::set(Key key, const FilePlace& place) {
  const std::uint32_t now = seconds(clock_);
  const auto [it, fresh] = places_.try_emplace(key);
  if (!fresh && it->second.place == place && now - it->second.seen_s < kSeenStep) return;
  it->second = {place, now};
  if (changed_.empty() || changed_.back() != key) changed_.push_back(key);
}

void FilePlaces::touch(Key key) {
  const auto it = places_.find(key);
  if (it != places_.end()) set(key, FilePlace(it->second.place));
}

void FilePlaces::erase(Key key) {
  if (places_.erase(key) > 0) rewrite_ = true;
}

std::size_t FilePlaces::prune(Duration unseen) {
  const std::int64_t oldest = std::int64_t{seconds(clock_)} -
                              std::chrono::duration_cast<std::chrono::seconds>(unseen).count();
  const std::size_t count =
      std::erase_if(places_, [&](const auto& entry) { return entry.second.seen_s < oldest; });
  if (count > 0) rewrite_ = true;
  return count;
}

Result<> FilePlaces::save() {
  if (!unsaved()) return {};
  const auto line = [](Key key, const Entry& entry, std::string& out) {
    append_position(text_of(key), entry.place.text(), entry.seen_s, out);
  };
  std::sort(changed_.begin(), changed_.end());
  changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
  std::string lines;
  Result<bool> saved = false;
  if (!rewrite_) {
    for (const Key key : changed_)
      if (const auto it = places_.find(key); it != places_.end()) line(key, it->second, lines);
    saved = file_.append(lines, places_.size());
  }
  if (saved && !*saved) {
    lines.clear();
    for (const auto& [key, entry] : places_) line(key, entry, lines);
    if (auto written = file_.rewrite(lines); !written) saved = fail(std::move(written.error()));
  }
  if (!saved) {
    rewrite_ = true;  // whatever the file holds now
    return fail(std::move(saved.error()).within("save positions"));
  }
  rewrite_ = false;
  changed_ = {};
  return {};
}

Result<> FilePlaces::save_if_due(Duration interval) {
  const Mono now = clock_.mono();
  if (!unsaved() || now < next_save_) return {};
  next_save_ = now + interval;
  return save();
}

}  // namespace agent::io
