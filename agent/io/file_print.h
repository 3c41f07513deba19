// What a file is known by beside its inode: the checksum of its first bytes, as far as they were
// seen. Shared by the readers of files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "agent/base/file.h"
#include "agent/base/result.h"
#include "agent/io/line_reader.h"

struct stat;

namespace agent::io {

inline constexpr std::size_t kLargestPrint = 1024;  // bytes

// Opens a regular file for reading, without waiting for a FIFO's writer. errno tells why not.
FileDescriptor open_regular(const std::filesystem::path& file, struct stat& info);
// All that an open file has; kExhausted when that is more than `limit` bytes.
Result<std::string> read_whole(int fd, std::size_t limit);
// As many bytes as there are, at most `size`.
Result<std::size_t> read_at(int fd, char* data, std::size_t size, std::uint64_t offset);
std::uint32_t print_of(const char* head, std::size_t size);
// The open file begins as `place` says.
bool begins_as(int fd, const FilePlace& place);

}  // namespace agent::io
