// One growing text file, read line by line through renames, replacements and truncations.
//
// Owned by a source; one thread at a time. A file is known by its inode and the first bytes of its
// content, so a FilePlace stays right when the file is renamed, and a reused inode is noticed.
//  - rename (a.log -> a.log.1, a.log-20260101, old/a.log.1): the open file is read to its end, then
//    the ones rotated after it in their order, then the new one from its start;
//  - copytruncate: what was not read yet comes from the copy beside it, when there is one;
//  - deletion: read to the end, closed after a pause.
// A line is complete when its newline has arrived; the last one of a finished file also without.
// line_splitter.h says what lines are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/result.h"
#include "agent/io/line_reader.h"

namespace agent::io {

class FileTail final : public LineReader {
 public:
  // Both outlive it: there may be ten thousand of them.
  FileTail(const std::string& path, const FileTailOptions& options);
  FileTail(std::string&& path, const FileTailOptions& options) = delete;
  ~FileTail() override;

  void from_end() override;
  void resume(const FilePlace& place) override;
  Result<> open() override;
  // At most max(256 KiB, max_line) of the file, in code units.
  Result<Outcome> read(Mono now, FileLines& out) override;
  void release(const FilePlace& settled) override;
  std::uint64_t kept() const override;
  void drop_kept() override;
  bool at_rest() const override;
  FileDescriptor rest() override { return std::move(fd_); }
  void wake(FileDescriptor file, const FilePlace& place) override;
  std::uint64_t pinned() const override;

  // The beginning of the oldest file that was rotated out of `path` and that `wanted` accepts, of
  // those whose birth the file system tells.
  static std::optional<FilePlace> oldest_rotated(
      const std::string& path, const FileTailOptions& options,
      const std::function<bool(FileId, std::int64_t born_ns)>& wanted);
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
  struct Rotation;
  enum class Start : std::uint8_t { kBeginning, kEnd, kPlace };

  Result<> start();
  Result<bool> open(const std::string& file);
  void adopt(FileDescriptor fd, std::uint64_t inode, std::uint64_t device, std::uint64_t size);
  void name_content_after(const FilePlace& before);
  bool open_at(const std::string& file, const FilePlace& place);
  bool find_moved(const FilePlace& place);
  std::string folder() const;
  void siblings_in(const std::string& folder, bool own, std::vector<Sibling>& out) const;
  std::vector<Sibling> rotated_siblings() const;
  std::vector<Sibling> siblings_anywhere() const;
  std::vector<Sibling> successors() const;
  static bool fits(int fd, const FilePlace& place);
  Result<bool> check_print();
  Result<> go_to_end();
  void start_where_known();
  void restart_truncated(std::uint64_t before_size);
  Result<Outcome> take_lines(bool last, FileLines& out);
  std::optional<Outcome> at_end(Mono now);
  void learn_folder() const;
  Result<> open_next();
  Rotation& rotation();
  void forget_pauses();

  const std::string& path_;
  const FileTailOptions& options_;
  FileDescriptor fd_;
  Start start_ = Start::kBeginning;
  bool fresh_ = true;  // the next read begins a burst: check that the file is still the same
  std::uint8_t mark_size_ = 0;
  std::uint64_t device_ = 0;
  std::uint64_t size_ = 0;
  FilePlace place_;
  const TextEncoding* encoding_;
  std::unique_ptr<Rotation> rotation_;  // only while there is something of it
};

}  // namespace agent::io
