// A folder like /proc, kept open, and the reading of small files below it. One thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/base/file.h"
#include "agent/base/result.h"

namespace agent::exporter::processes {

// Where a process is looked at. It may be kept: it leads nowhere once the process has ended,
// whoever has its number then.
struct ProcessFolder {
  FileDescriptor self;
  FileDescriptor descriptors;  // its "fd", of which the size is asked for; open_files() opens it
};

class ProcRoot {
 public:
  // Longer files are cut here: only the arguments of a process can be as long.
  static constexpr std::size_t kMaxRead = 128U << 10;

  // kUnavailable: there is no such folder, or it does not tell when the host was booted.
  static Result<ProcRoot> open(const std::filesystem::path& path);

  std::uint64_t boot_time() const { return boot_time_; }  // seconds since 1970

  // The numbers that are names in the folder, in order: processes, threads, file descriptors.
  Result<> list(std::vector<int>& out) { return list(folder_.get(), out); }
  Result<> list(int folder, std::vector<int>& out);
  // Without a value (`self`) when the process is gone.
  ProcessFolder process(int pid);
  FileDescriptor subfolder(int folder, const char* name);

  // What a file below `folder` holds, valid until the next call; none when it cannot be read.
  std::optional<std::string_view> read(int folder, const char* name);
  // Whether the last of these calls failed because the process was gone.
  bool gone() const;

  // Descriptors that a process has open; none when they may not be counted.
  std::optional<std::uint64_t> open_files(ProcessFolder& folder);
  // How many it may have; UINT64_MAX: any number.
  std::optional<std::uint64_t> open_files_limit(int pid, int process_folder);

 private:
  ProcRoot(FileDescriptor folder, std::uint64_t boot_time, bool ours, bool sized);
  FileDescriptor folder_;
  std::uint64_t boot_time_;
  bool ours_;   // the numbers in it are those that system calls of this process take
  bool sized_;  // the size of a folder "fd" is the number of descriptors: since Linux 6.2
  int error_ = 0;
  std::unique_ptr<char[]> buffer_;
  std::vector<int> descriptors_;
};

}  // namespace agent::exporter::processes
