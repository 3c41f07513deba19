// One growing text file, read line by line through renames, replacements and truncations.
//
// Owned by a source; one thread at a time. A file is known by its inode and the first bytes of its
// content, so a FilePlace stays right when the file is renamed, and a reused inode is noticed.
//  - rename (a.log -> a.log.1, a.log-20260101): the open file is read to its end, then the ones
//    rotated after it in their order, then the new one from its start;
//  - copytruncate: what was not read yet comes from the copy beside it, when there is one;
//  - deletion: read to the end, closed after a pause.
// A line is complete when its newline has arrived; the last one of a finished file also without. A
// carriage return before the newline is removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/result.h"

namespace agent::io {

// From where a file is to be read on.
struct FilePlace {
  std::uint64_t inode = 0;
  std::uint64_t offset = 0;
  std::uint32_t print_size = 0;  // bytes at the file's start that `print` covers
  std::uint32_t print = 0;       // their CRC-32
  bool skipping = false;         // within a line that was cut

  std::string text() const;
  static std::optional<FilePlace> parse(std::string_view text);
  bool operator==(const FilePlace&) const = default;
};

struct FileTailOptions {
  std::size_t max_line = 256U << 10;  // a longer line is cut to this, marker included
  std::string_view cut_marker = " [line cut]";
  // How long a replaced file must have been at its end before the next one is opened: its writer
  // may not have noticed the rename yet.
  Duration rotation_grace = std::chrono::seconds(1);
  // The same for a deleted file.
  Duration deletion_grace = std::chrono::seconds(5);
};

// What one read() gave.
struct FileLines {
  std::shared_ptr<const void> buffer;  // the lines point into it
  std::vector<std::string_view> lines;
  FilePlace after;        // once the lines are delivered
  std::size_t bytes = 0;  // of the file that they take
  std::size_t cut = 0;    // lines cut
};

class FileTail {
 public:
  // `options` outlives it.
  FileTail(std::filesystem::path path, const FileTailOptions& options);

  // Where to start or to go back to, before the next read(). from_start() is how it begins.
  void from_start();
  void from_end();
  void resume(const FilePlace& place);

  // Opens the file, so that place() and is_open() tell; read() does it too. A missing file is no
  // failure.
  Result<> open();

  enum class Outcome {
    kLines,    // there may be more at once
    kIdle,     // all that is there was read
    kPending,  // as kIdle, but ask again soon: a file that lost its name is not finished
    kMissing,  // no file of this name and none open
  };
  // At most max(256 KiB, max_line) of the file. Fails when a file cannot be opened or read.
  Result<Outcome> read(Mono now, FileLines& out);

  // All up to `settled` was delivered: a finished file before it is closed. Until then it is kept
  // for resume().
  void release(const FilePlace& settled);

  const std::filesystem::path& path() const { return path_; }
  bool is_open() const { return static_cast<bool>(fd_); }
  const FilePlace& place() const { return place_; }
  // Bytes of the open file not read yet; of the last read().
  std::uint64_t behind() const { return size_ > place_.offset ? size_ - place_.offset : 0; }

  struct Events {
    std::uint64_t rotations = 0;
    std::uint64_t truncations = 0;
    std::uint64_t missing_files = 0;  // places whose file was nowhere to be found
  };
  const Events& events() const { return events_; }

 private:
  struct Sibling;
  enum class Start : std::uint8_t { kBeginning, kEnd, kPlace };

  Result<> start();
  Result<bool> open(const std::filesystem::path& file);
  void adopt(FileDescriptor fd, std::uint64_t inode, std::uint64_t device, std::uint64_t size);
  bool open_at(const std::filesystem::path& file, const FilePlace& place);
  bool find_moved(const FilePlace& place);
  std::vector<Sibling> rotated_siblings() const;
  std::vector<Sibling> successors() const;
  bool fits(int fd, const FilePlace& place) const;
  Result<bool> check_print();
  void restart_truncated();
  Result<Outcome> take_lines(FileLines& out);
  void split(std::string_view text, FileLines& out);
  void add_line(char* line, std::size_t size, FileLines& out) const;
  std::optional<Outcome> at_end(Mono now);
  Result<> take_rest(FileLines& out);
  Result<> open_next();

  std::filesystem::path path_;
  const FileTailOptions& options_;
  FileDescriptor fd_;
  FileDescriptor previous_;
  std::uint64_t previous_inode_ = 0;
  std::uint64_t device_ = 0;
  std::uint64_t size_ = 0;
  FilePlace place_;
  std::optional<Mono> end_since_;  // at the end of a replaced or deleted file
  std::optional<Mono> replaced_since_;
  Events events_;
  Start start_ = Start::kBeginning;
  bool fresh_ = true;  // the next read begins a burst: check that the file is still the same
};

}  // namespace agent::io
