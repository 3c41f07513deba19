// The times that lines of files were given when they were read, kept until the lines are delivered:
// a line that is read again - after a crash, after a rewind - gets the time it had, and Loki knows
// the repetition for what it is.
//
// A read of the bytes [begin, end) of a file is one span with one time; a line's time is the span's
// plus its distance from the span's begin in nanoseconds, which is the same however the bytes are
// cut into reads the next time. Spans are appended to a log before their lines are passed on, and
// so is what was delivered, lest a later file with a forgotten one's key gets its times. `file` is
// any number that stays the file's own over restarts. Nothing is synced: a kill keeps what was
// written. Owned by a source, one thread. A damaged or missing log costs recognised repetitions,
// nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/result.h"
#include "agent/io/line_reader.h"

namespace agent::source {

class ReadTimes {
 public:
  // Reads the log if there is one.
  explicit ReadTimes(std::filesystem::path log);

  // The times of `lines`, ascending by offset, of a read of `file` that reached `end`. New lines
  // get times after `now` and after all times given before, unless the clock was set back.
  void give(std::uint64_t file, std::uint64_t end, const std::vector<io::FileLine>& lines,
            std::int64_t now_ns, std::vector<std::int64_t>& times);

  // Brings what was given since the last call into the log.
  Result<> write();

  // All below `offset` is delivered, and the source's position says so on disk.
  void forget(std::uint64_t file, std::uint64_t offset);
  // Makes the log small again where that is cheap; after forget().
  Result<> compact();

  std::size_t spans() const { return count_; }
  // When the first of the lines that are not forgotten was read; none when all are.
  std::optional<std::int64_t> oldest_ns() const;

 private:
  struct Span {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::int64_t time_ns = 0;
    std::uint32_t print = 0;  // of the line at `begin`: another file may have got the key
  };
  using Spans = std::vector<Span>;

  static void record(std::uint64_t file, const Span& span, std::string& out);
  void add(std::uint64_t file, const Span& span);
  bool remove(std::uint64_t file, std::uint64_t offset);
  Result<> open();

  std::filesystem::path path_;
  FileDescriptor log_;
  std::uint64_t size_ = 0;  // of the log
  std::unordered_map<std::uint64_t, Spans> files_;
  std::size_t count_ = 0;
  std::int64_t last_ns_ = 0;
  std::string unwritten_;
};

}  // namespace agent::source
