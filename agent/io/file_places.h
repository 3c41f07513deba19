// Where each of a component's files is to be read on from: places by the number of a file's name,
// for ten thousand of them. Lines as in positions_file.h; their keys are those numbers, and names
// that an earlier version wrote.
//
// Owned by a source; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/result.h"
#include "agent/io/line_reader.h"
#include "agent/io/positions_file.h"

namespace agent::io {

class FilePlaces {
 public:
  using Key = std::uint64_t;
  static Key key_of(std::string_view name);

  // Reads `file` if it is there. `clock` outlives it.
  FilePlaces(const Clock& clock, std::filesystem::path file, const Log& log);

  const FilePlace* find(Key key) const;  // valid until the key is erased; null: none
  // The name was seen now.
  void set(Key key, const FilePlace& place);
  void touch(Key key);
  void erase(Key key);
  // Forgets the names not seen for `unseen`; says how many.
  std::size_t prune(Duration unseen);
  std::size_t size() const { return places_.size(); }

  struct Entry {
    FilePlace place;
    std::uint32_t seen_s = 0;  // wall time, seconds
  };
  const std::unordered_map<Key, Entry>& all() const { return places_; }

  // True when there was no usable file: nothing is known of an earlier life.
  bool fresh() const { return fresh_; }
  std::size_t damaged_lines() const { return damaged_; }
  bool unsaved() const { return rewrite_ || !changed_.empty(); }
  // Stores what changed; after a failure the change stays marked. save_if_due() does so at most
  // once per `interval`.
  Result<> save();
  Result<> save_if_due(Duration interval = std::chrono::seconds(1));

 private:
  const Clock& clock_;
  PositionsFile file_;
  bool fresh_ = true;
  std::size_t damaged_ = 0;
  std::unordered_map<Key, Entry> places_;
  std::vector<Key> changed_;  // may repeat
  bool rewrite_ = false;
  Mono next_save_{};
};

}  // namespace agent::io
