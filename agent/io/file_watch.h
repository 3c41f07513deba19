// Tells which of many files changed: one inotify instance that watches their folders.
//
// Owned by a source; one thread at a time. A hint, not a proof: what it cannot watch (no watch
// left, a folder that is missing) is for the caller to poll, and an occasional poll of everything
// covers file systems that tell nothing. Of a symbolic link, the link and what it leads to are
// watched; when it leads elsewhere, add it again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/file.h"

namespace agent::io {

class FileWatch {
 public:
  using Id = std::uint32_t;

  FileWatch();

  // Reports changes of `file` as `id` from now on: written, created, renamed, deleted. False: it
  // is to be polled; adding may work later. What was added for the id before is replaced. A name
  // that ends in a slash stands for everything in that folder, but not below it.
  bool add(const std::string& file, Id id);
  void remove(const std::string& file, Id id);

  struct Changes {
    std::vector<Id> files;      // may repeat
    std::vector<Id> unwatched;  // no longer watched: their folder went away
    bool any = false;           // some changes were lost: all files may have changed
  };
  // Sleeps until something changed and a little longer, so that a busy writer's lines come
  // together; until `at_most` has passed or a stop is asked for.
  Changes wait(Duration at_most, const std::stop_token& stop);
  // Ends the wait() that is under way, or the next one. Any thread.
  void wake() const;

  std::size_t watched() const { return files_; }  // names
  // The system's limit on watches was met: fs.inotify.max_user_watches.
  bool exhausted() const { return exhausted_; }

 private:
  using Name = std::uint64_t;  // a hash: another file of the folder that has it is a false hint
  struct Folder {
    std::vector<std::string> paths;  // one folder may have several
    std::unordered_multimap<Name, Id> files;
  };
  bool add_name(const std::string& file, Id id);
  void remove_name(const std::string& file, Id id);
  void drop(int descriptor);
  void read_events(Changes& out);

  FileDescriptor inotify_;
  FileDescriptor wake_;
  std::unordered_map<int, Folder> folders_;                 // by watch descriptor
  std::unordered_map<std::string, int> descriptors_;        // by path of a folder
  std::unordered_map<Id, std::vector<std::string>> links_;  // what an id's link leads to
  std::size_t files_ = 0;
  bool exhausted_ = false;
};

}  // namespace agent::io
