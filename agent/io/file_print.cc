#include "agent/io/file_print.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>

namespace agent::io {

FileDescriptor open_regular(const std::filesystem::path& file, struct stat& info) {
  FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fd;
  if (::fstat(fd.get(), &info) != 0) return FileDescriptor();
  if (!S_ISREG(info.st_mode)) {
    errno = EINVAL;
    return FileDescriptor();
  }
  return fd;
}

Result<std::size_t> read_at(int fd, char* data, std::size_t size, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::pread(fd, data + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read", errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Result<std::string> read_whole(int fd, std::size_t limit) {
  constexpr std::size_t kStep = 64U << 10;
  std::string bytes;
  for (;;) {
    const std::size_t before = bytes.size();
    bytes.resize(before + kStep);
    const auto count = read_at(fd, bytes.data() + before, kStep, before);
    if (!count) return fail(count.error());
    bytes.resize(before + *count);
    if (bytes.size() > limit)
      return fail(ErrorCode::kExhausted,
                  "read: it is larger than " + std::to_string(limit) + " bytes");
    if (*count < kStep) return bytes;
  }
}

std::uint32_t print_of(const char* head, std::size_t size) {
  return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(head), size));
}

bool begins_as(int fd, const FilePlace& place) {
  if (place.print_size > kLargestPrint) return false;
  std::array<char, kLargestPrint> head;
  const auto got = read_at(fd, head.data(), place.print_size, 0);
  return got && *got == place.print_size && print_of(head.data(), *got) == place.print;
}

}  // namespace agent::io
