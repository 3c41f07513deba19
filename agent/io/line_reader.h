// What reads a file line by line, and the place it has reached. Implemented by FileTail (files that
// grow) and CompressedTail. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/result.h"
#include "agent/io/text_encoding.h"

namespace agent::io {

// From where a file is to be read on.
//
// As text: its numbers in this order, separated by blanks; those after `skipping` may be missing.
struct FilePlace {
  std::uint64_t inode = 0;
  std::uint64_t offset = 0;
  std::uint32_t print_size = 0;  // bytes at the file's start that `print` covers
  std::uint32_t print = 0;       // their CRC-32
  bool skipping = false;         // within a line that was cut
  bool whole = false;            // all of a compressed file was read
  // The content's own number, which stays with it when it is renamed or copied (content_number),
  // and how many contents the same file had before it.
  std::uint32_t generation = 0;
  std::uint64_t content = 0;

  std::string text() const;
  static std::optional<FilePlace> parse(std::string_view text);
  bool operator==(const FilePlace&) const = default;
};
// Of the first content of the file with this inode in the folder of `path`; never 0.
std::uint64_t content_number(std::string_view path, std::uint64_t inode);

// A file, whatever its name, on this machine while it runs.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileId&) const = default;
};
struct FileIdHash {
  std::size_t operator()(const FileId& id) const {
    return static_cast<std::size_t>(id.inode * 0x9E3779B97F4A7C15U ^ id.device);
  }
};
// Of the regular file that has this name now.
std::optional<FileId> file_id(const std::filesystem::path& path);

struct FileTailOptions {
  const TextEncoding* encoding = &utf8();  // of files that have no byte order mark
  std::size_t max_line = 256U << 10;       // a longer line is cut to this, marker included
  std::string_view cut_marker = " [line cut]";
  // How long a replaced file must have been at its end before the next one is opened: its writer
  // may not have noticed the rename yet.
  Duration rotation_grace = std::chrono::seconds(1);
  // The same for a deleted file.
  Duration deletion_grace = std::chrono::seconds(5);
  // Asked when another file is found under the name: the place up to which it was read under a
  // former name, if it was. May be empty.
  std::function<std::optional<FilePlace>(FileId)> known;
  // Folders beside its own to which a file may have been rotated, and who learns of another one,
  // if anybody.
  std::vector<std::string> rotated_to;
  std::function<void(const std::string& folder)> learned;
};

// A line without its end.
struct FileLine {
  std::uint64_t offset = 0;  // of its first byte in the file
  std::string_view text;
};

// What one read() gave.
struct FileLines {
  std::shared_ptr<const void> buffer;  // the lines point into it
  std::size_t held = 0;                // its size
  std::vector<FileLine> lines;
  FilePlace after;             // once the lines are delivered
  std::size_t bytes = 0;       // of the file that they take
  std::size_t cut = 0;         // lines cut
  std::size_t hole_bytes = 0;  // of those bytes, in holes (line_splitter.h)

  void clear();
};

class LineReader {
 public:
  virtual ~LineReader() = default;

  // Where to start or to go back to, before the next read(). From the start is how it begins.
  virtual void from_end() = 0;
  virtual void resume(const FilePlace& place) = 0;

  // Opens the file, so that place() and is_open() tell; read() does it too. A missing file is no
  // failure.
  virtual Result<> open() = 0;

  enum class Outcome {
    kLines,    // there may be more at once
    kIdle,     // all that is there was read
    kPending,  // as kIdle, but ask again soon: a file that lost its name is not finished
    kMissing,  // no file of this name and none open
    kDone,     // nothing will ever come
  };
  // A chunk of the file. Fails when a file cannot be opened or read.
  virtual Result<Outcome> read(Mono now, FileLines& out) = 0;

  // All up to `settled` was delivered: a finished file before it is closed. Until then it is kept
  // for resume(), and its disk space with it, deleted or not.
  virtual void release(const FilePlace& settled) = 0;
  virtual std::uint64_t kept() const = 0;  // bytes of that file
  virtual void drop_kept() = 0;            // resume() then needs it to have a name still

  // Nothing is known but place(), and all was read: rest() gives the open file up, and another
  // reader goes on with both.
  virtual bool at_rest() const = 0;
  virtual FileDescriptor rest() = 0;
  virtual void wake(FileDescriptor file, const FilePlace& place) = 0;

  virtual bool is_open() const = 0;
  virtual FileId file() const = 0;  // the open one
  virtual const FilePlace& place() const = 0;
  // Bytes of the open file not read yet, as of the last read().
  virtual std::uint64_t behind() const = 0;
  // Disk space of deleted files that are open here; of one open file.
  virtual std::uint64_t pinned() const = 0;
  static std::uint64_t pinned_by(const FileDescriptor& file);

  struct Events {
    std::uint32_t rotations = 0;
    std::uint32_t truncations = 0;
    std::uint32_t missing_files = 0;  // places whose file was nowhere to be found
    std::uint64_t lost_bytes = 0;     // truncated away before they were read, as far as is known
  };
  const Events& events() const { return events_; }

 protected:
  Events events_;
};

}  // namespace agent::io
