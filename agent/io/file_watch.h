// Tells which of many files changed: one inotify instance that watches their folders.
//
// Owned by a source; one thread at a time. A hint, not a proof: what it cannot watch (no watch
// left, a folder that is missing, a symbolic link) is for the caller to poll, and an occasional
// poll of everything covers file systems that tell nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/file.h"

namespace agent::io {

class FileWatch {
 public:
  using Id = std::uint32_t;

  FileWatch();

  // Reports changes of `file` as `id` from now on: written, created, renamed, deleted. False: it
  // is to be polled; adding may work later.
  bool add(const std::filesystem::path& file, Id id);
  void remove(const std::filesystem::path& file);

  struct Changes {
    std::vector<Id> files;      // may repeat
    std::vector<Id> unwatched;  // no longer watched: their folder went away
    bool any = false;           // some changes were lost: all files may have changed
  };
  // Sleeps until something changed and a little longer, so that a busy writer's lines come
  // together; until `at_most` has passed or a stop is asked for.
  Changes wait(Duration at_most, const std::stop_token& stop);

  std::size_t watched() const { return files_; }

 private:
  struct Folder {
    std::string path;
    std::unordered_map<std::string, Id> files;  // by name
  };
  void read_events(Changes& out);

  FileDescriptor inotify_;
  FileDescriptor wake_;
  std::unordered_map<int, Folder> folders_;           // by watch descriptor
  std::unordered_map<std::string, int> descriptors_;  // by folder
  std::size_t files_ = 0;
};

}  // namespace agent::io
