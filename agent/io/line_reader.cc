#include "agent/io/line_reader.h"

#include <sys/stat.h>

#include <array>
#include <charconv>

#include "agent/base/strings.h"
#include "agent/io/crc32c.h"
#include "agent/io/file_print.h"

namespace agent::io {
std::string FilePlace::text() const {
  std::string out = std::to_string(inode);
  const auto add = [&](std::uint64_t number) { out.append(1, ' ').append(std::to_string(number)); };
  for (const std::uint64_t number :
       {offset, std::uint64_t{print_size}, std::uint64_t{print}, std::uint64_t{skipping}})
    add(number);
  if (!whole && generation == 0 && content == 0) return out;
  add(whole ? 1 : 0);
  if (generation == 0 && content == 0) return out;
  add(generation);
  add(content);
  return out;
}

std::optional<FilePlace> FilePlace::parse(std::string_view text) {
  const auto words = agent::split(text, ' ');
  constexpr std::size_t kRequired = 5;
  std::array<std::uint64_t, 8> numbers{};
  if (words.size() < kRequired) return std::nullopt;
  for (std::size_t i = 0; i < numbers.size() && i < words.size(); ++i) {
    const char* end = words[i].data() + words[i].size();
    const auto [stop, error] = std::from_chars(words[i].data(), end, numbers[i]);
    if (error == std::errc() && stop == end) continue;
    if (i < kRequired) return std::nullopt;
    break;
  }
  if (numbers[1] > INT64_MAX || numbers[2] > kLargestPrint || numbers[3] > UINT32_MAX ||
      numbers[4] > 1 || numbers[5] > 1 || numbers[6] > UINT32_MAX)
    return std::nullopt;
  FilePlace place;
  place.inode = numbers[0];
  place.offset = numbers[1];
  place.print_size = static_cast<std::uint32_t>(numbers[2]);
  place.print = static_cast<std::uint32_t>(numbers[3]);
  place.skipping = numbers[4] == 1;
  place.whole = numbers[5] == 1;
  place.generation = static_cast<std::uint32_t>(numbers[6]);
  place.content = numbers[7];
  return place;
}

void FileLines::clear() {
  buffer.reset();
  held = 0;
  lines.clear();
  bytes = 0;
  cut = 0;
  hole_bytes = 0;
}

std::uint64_t content_number(std::string_view path, std::uint64_t inode) {
  const std::string_view folder = path.substr(0, path.rfind('/') + 1);
  const std::uint64_t number = std::uint64_t{crc32c(folder)} << 32U ^ inode;
  return number == 0 ? 1 : number;
}

std::uint64_t LineReader::pinned_by(const FileDescriptor& file) {
  constexpr std::uint64_t kBlock = 512;  // of st_blocks
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0 || info.st_nlink > 0) return 0;
  return static_cast<std::uint64_t>(info.st_blocks) * kBlock;
}

std::optional<FileId> file_id(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return FileId{info.st_dev, info.st_ino};
}

}  // namespace agent::io
