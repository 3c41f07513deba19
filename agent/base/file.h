// Whole files: reading with a limit, replacing atomically.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace agent {

// An open file descriptor, closed with the object. Always O_CLOEXEC when opened here.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// The file's bytes; kExhausted when it has more than `limit`.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit = 64U << 20);
// Writes a temporary file beside `path`, fsyncs it, renames it over `path` and fsyncs the folder:
// after a power cut the file holds the old bytes or the new ones. `uid` and `gid` -1 leave the
// owner as it is.
Result<> write_file_atomic(const std::filesystem::path& path, std::string_view bytes,
                           mode_t mode = 0600, uid_t uid = static_cast<uid_t>(-1),
                           gid_t gid = static_cast<gid_t>(-1));
// Appends to the file, which is made with mode 0640 when it is not there.
Result<> append_file(const std::filesystem::path& path, std::string_view bytes);
// write(2) until all of `bytes` is out.
Result<> write_all(int fd, std::string_view bytes);

// SHA-256 as 64 lower-case hex digits.
std::string sha256_hex(std::string_view bytes);

}  // namespace agent
