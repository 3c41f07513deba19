// A compressed file (gzip or zlib), read once to its end. Places count bytes of the content.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/file.h"
#include "agent/io/line_reader.h"

namespace agent::io {

class InflateTail final : public LineReader {
 public:
  // `options` outlives it.
  InflateTail(std::filesystem::path path, const FileTailOptions& options);
  ~InflateTail() override;

  void from_end() override { at_end_ = true; }
  void resume(const FilePlace& place) override;
  Result<> open() override;
  // Damage and a missing end fail once; what came before was given.
  Result<Outcome> read(Mono now, FileLines& out) override;
  void release(const FilePlace&) override {}

  bool is_open() const override { return static_cast<bool>(fd_); }
  FileId file() const override { return id_; }
  const FilePlace& place() const override { return place_; }
  std::uint64_t behind() const override { return 0; }

 private:
  struct Stream;
  Result<> fill();

  const std::filesystem::path path_;
  const FileTailOptions& options_;
  FileDescriptor fd_;
  FileId id_;
  FilePlace place_;
  std::uint64_t skip_to_ = 0;       // where to go back to, once open
  std::uint64_t resume_inode_ = 0;  // of the file that it counts in
  std::unique_ptr<Stream> stream_;
  std::string pending_;  // content after place_, not given yet
  std::optional<Error> failure_;
  bool at_end_ = false;
  bool finished_ = false;  // of the content
  bool done_ = false;
};

}  // namespace agent::io
