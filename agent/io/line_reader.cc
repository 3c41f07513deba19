#include "agent/io/line_reader.h"

#include <sys/stat.h>

#include <array>
#include <charconv>

#include "agent/base/strings.h"

namespace agent::io {
namespace {

constexpr std::size_t kLargestPrint = 1024;

}  // namespace

std::string FilePlace::text() const {
  std::string out = std::to_string(inode);
  for (const std::uint64_t number :
       {offset, std::uint64_t{print_size}, std::uint64_t{print}, std::uint64_t{skipping}})
    out.append(1, ' ').append(std::to_string(number));
  return out;
}

std::optional<FilePlace> FilePlace::parse(std::string_view text) {
  const auto words = agent::split(text, ' ');
  std::array<std::uint64_t, 5> numbers{};
  if (words.size() < numbers.size()) return std::nullopt;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const char* end = words[i].data() + words[i].size();
    const auto [stop, error] = std::from_chars(words[i].data(), end, numbers[i]);
    if (error != std::errc() || stop != end) return std::nullopt;
  }
  if (numbers[1] > INT64_MAX || numbers[2] > kLargestPrint || numbers[3] > UINT32_MAX ||
      numbers[4] > 1)
    return std::nullopt;
  return FilePlace{numbers[0], numbers[1], static_cast<std::uint32_t>(numbers[2]),
                   static_cast<std::uint32_t>(numbers[3]), numbers[4] == 1};
}

std::optional<FileId> file_id(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return FileId{info.st_dev, info.st_ino};
}

}  // namespace agent::io
