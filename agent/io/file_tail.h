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
#include "agent/io/line_reader.h"

namespace agent::io {

class FileTail final : public LineReader {
 public:
  // `options` outlives it.
  FileTail(std::filesystem::path path, const FileTailOptions& options);

  void from_end() override;
  void resume(const FilePlace& place) override;
  Result<> open() override;
  // At most max(256 KiB, max_line) of the file.
  Result<Outcome> read(Mono now, FileLines& out) override;
  void release(const FilePlace& settled) override;

  // The file of this name begins as `place` says and reaches to its offset.
  static bool fits(const std::filesystem::path& file, const FilePlace& place);

  bool is_open() const override { return static_cast<bool>(fd_); }
  FileId file() const override { return {device_, place_.inode}; }
  const FilePlace& place() const override { return place_; }
  std::uint64_t behind() const override {
    return size_ > place_.offset ? size_ - place_.offset : 0;
  }

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
  static bool fits(int fd, const FilePlace& place);
  Result<bool> check_print();
  void start_where_known();
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
  Start start_ = Start::kBeginning;
  bool fresh_ = true;  // the next read begins a burst: check that the file is still the same
};

}  // namespace agent::io
