// Where each of a component's sources is to be read on from: a small durable key -> text store, one
// file in the component's data_dir.
//
// Owned by the component. Thread-safe; one thread at a time writes the file (positions_file.h).
// Loading never fails: a damaged line loses that key only, a file without one good line is set
// aside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/io/positions_file.h"

namespace agent::io {

class Positions {
 public:
  // Reads `file` if it is there; its folder is made at the first save. `clock` outlives it.
  Positions(const Clock& clock, std::filesystem::path file, const Log& log);

  std::optional<std::string> get(std::string_view key) const EXCLUDES(mutex_);
  // Stores `value` and marks the key as seen now.
  void set(std::string_view key, std::string_view value) EXCLUDES(mutex_);
  // Marks the key as seen now; does nothing for a key that is not there.
  void touch(std::string_view key) EXCLUDES(mutex_);
  void erase(std::string_view key) EXCLUDES(mutex_);
  // Forgets the keys not seen for `unseen`; says how many.
  std::size_t prune(Duration unseen) EXCLUDES(mutex_);
  std::vector<std::pair<std::string, std::string>> all() const EXCLUDES(mutex_);
  // True when there was no usable file: nothing is known of an earlier life.
  bool fresh() const { return fresh_; }
  // Something changed since the last save.
  bool unsaved() const EXCLUDES(mutex_);
  std::size_t damaged_lines() const { return damaged_; }

  // Stores what changed since the last save; after a failure the change stays marked. save_if_due()
  // does so at most once per `interval`.
  Result<> save() EXCLUDES(mutex_, file_mutex_);
  Result<> save_if_due(Duration interval = std::chrono::seconds(1)) EXCLUDES(mutex_, file_mutex_);

 private:
  const Clock& clock_;
  bool fresh_ = true;
  std::size_t damaged_ = 0;
  mutable Mutex mutex_;
  PositionMap map_ GUARDED_BY(mutex_);
  std::uint64_t change_ GUARDED_BY(mutex_) = 0;
  std::uint64_t saved_ GUARDED_BY(mutex_) = 0;
  Mono next_save_ GUARDED_BY(mutex_){};
  std::set<std::string> changed_ GUARDED_BY(mutex_);
  bool removed_ GUARDED_BY(mutex_) = false;  // a key: a line cannot say that
  Mutex file_mutex_;
  PositionsFile file_ GUARDED_BY(file_mutex_);
};

}  // namespace agent::io
