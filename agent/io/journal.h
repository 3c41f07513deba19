// The systemd journal, read in order: this machine's or that of a folder.
//
// One thread at a time. Times are microseconds since 1970-01-01 UTC. After an Error other than
// kInvalid the journal is to be opened again and read on from the last cursor: libsystemd repeats
// some errors for ever (a file vacuumed under the reader) and recovers from all on opening.
// Entries and fields that are damaged on disk are passed over by libsystemd itself; a file that is
// cut short while it is mapped reads as damage (bus_guard.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/result.h"

struct sd_journal;

namespace agent::io {

class Journal {
 public:
  struct Options {
    std::filesystem::path directory;   // empty: this machine's journal
    std::vector<std::string> matches;  // "FIELD=value"; different fields AND, one field twice ORs
    // Compressed fields are cut to this size; others come whole, whatever their size.
    std::size_t field_limit = 1U << 20;
  };
  // Gets each field once, in the order of the file; the views are valid during the call only.
  using Visitor = std::function<void(std::string_view name, std::string_view value)>;

  static Result<std::unique_ptr<Journal>> open(const Options& options);
  ~Journal();

  // Where next() starts.
  Result<> seek_head();
  Result<> seek_time(std::uint64_t us);
  // After the entry of `cursor`; when that is no longer there, at the first that came after it.
  Result<> seek_cursor(const std::string& cursor);

  // The next entry's time and, through `visit`, its fields; none at the end.
  Result<std::optional<std::uint64_t>> next(const Visitor& visit);
  // The next entry's time without taking it: next() returns it again.
  Result<std::optional<std::uint64_t>> peek();
  // Of the entry that next() returned last. Not cheap: once per batch.
  Result<std::string> cursor();

  // Takes up files that came and lets go of files that went. To be called now and then while there
  // is always a next entry; wait() does it too.
  Result<> refresh();
  // Sleeps until the journal changed, `at_most` has passed or a stop is asked for.
  Result<> wait(Duration at_most, const std::stop_token& stop);

 private:
  struct Close {
    void operator()(sd_journal* journal) const;
  };
  explicit Journal(sd_journal* journal) : journal_(journal) {}
  Result<bool> advance();

  std::unique_ptr<sd_journal, Close> journal_;
  FileDescriptor wake_;  // eventfd that a stop writes to
  bool ahead_ = false;   // the current entry was not handed out yet
};

}  // namespace agent::io
