// A compressed file, read once to its end; again when another one gets its name, and on when it
// has grown. Places count bytes of the content.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/file.h"
#include "agent/io/decompressor.h"
#include "agent/io/line_reader.h"

namespace agent::io {

class CompressedTail final : public LineReader {
 public:
  // `options` outlives it.
  CompressedTail(std::filesystem::path path, Compression compression,
                 const FileTailOptions& options);
  ~CompressedTail() override;

  void from_end() override { at_end_ = true; }
  void resume(const FilePlace& place) override;
  Result<> open() override;
  // Damage and a missing end fail once; what came before was given.
  Result<Outcome> read(Mono now, FileLines& out) override;
  void release(const FilePlace&) override {}

  bool is_open() const override { return static_cast<bool>(fd_); }
  FileId file() const override { return id_; }
  const FilePlace& place() const override { return place_; }
  std::uint64_t behind() const override { return size_ > taken_ ? size_ - taken_ : 0; }
  std::uint64_t kept() const override { return 0; }
  void drop_kept() override {}
  std::uint64_t pinned() const override { return pinned_by(fd_); }
  // It stays: it remembers how large the file was.
  bool at_rest() const override { return false; }
  FileDescriptor rest() override { return {}; }
  void wake(FileDescriptor, const FilePlace& place) override { resume(place); }

 private:
  struct Stream;
  bool replaced() const;
  Result<> fill(char* to, std::size_t& room);

  const std::filesystem::path path_;
  const Compression compression_;
  const FileTailOptions& options_;
  FileDescriptor fd_;
  FileId id_;
  FilePlace place_;
  std::uint64_t size_ = 0;            // of the file
  std::uint64_t taken_ = 0;           // of it
  std::optional<FilePlace> go_back_;  // once open, if it is the file of that place
  std::uint64_t skip_to_ = 0;
  std::unique_ptr<Stream> stream_;
  std::string pending_;  // content after place_, not given yet
  std::optional<Error> failure_;
  bool at_end_ = false;
  bool finished_ = false;  // of the content
};

}  // namespace agent::io
