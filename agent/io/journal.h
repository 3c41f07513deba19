// The systemd journal, read in order: this machine's or that of a folder.
//
// Of a process of its own (journal_child.h): libsystemd maps the files, so that one cut short under
// it is a SIGBUS, and it aborts where damage violates what it asserts. Times are microseconds since
// 1970-01-01 UTC. After an Error other than kInvalid the journal is to be opened again and read on
// from the last cursor: libsystemd repeats some errors for ever (a file vacuumed under the reader)
// and recovers from all on opening. Entries and fields that are damaged on disk are mostly passed
// over by libsystemd itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"

struct sd_journal;

namespace agent::io {

class Journal {
 public:
  struct Options {
    std::filesystem::path directory;   // empty: this machine's journal
    std::vector<std::string> matches;  // "FIELD=value"; different fields AND, one field twice ORs
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
  // The same once more, of the entry that next() returned last. At the end of a journal with
  // damaged numbers libsystemd is somewhere else: entries were passed over.
  Result<std::uint64_t> time();
  // Of the entry that next() returned last. Not cheap: once per batch.
  Result<std::string> cursor();

  // Takes up files that came and lets go of files that went. To be called now and then while there
  // is always a next entry; wait() does it too.
  Result<> refresh();
  // Sleeps until the journal changed, `at_most` has passed or `other` (a descriptor) has something
  // to read or is at its end.
  Result<> wait(Duration at_most, int other);

 private:
  struct Close {
    void operator()(sd_journal* journal) const;
  };
  explicit Journal(sd_journal* journal) : journal_(journal) {}
  Result<bool> advance();

  std::unique_ptr<sd_journal, Close> journal_;
  bool ahead_ = false;  // the current entry was not handed out yet
};

}  // namespace agent::io
