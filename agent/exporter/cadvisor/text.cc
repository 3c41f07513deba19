#include "agent/exporter/cadvisor/text.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

namespace agent::exporter::cadvisor {

std::optional<std::string_view> read_small(int folder, const char* name, std::string& buffer,
                                           std::size_t limit) {
  // Only the agent's own host is read, but what a name in it leads to is not trusted: no device and
  // no pipe may hold a scrape up.
  const FileDescriptor fd(::openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return std::nullopt;
  std::size_t size = 0;
  if (buffer.size() < 16384) buffer.resize(16384);
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer.data() + size, buffer.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::nullopt;
    if (n == 0) return std::string_view(buffer).substr(0, size);
    size += static_cast<std::size_t>(n);
    if (size > limit) return std::nullopt;
    // The kernel gives as many lines as fit into a page, so that few bytes are all there are. Most
    // files are that small; asking each for its end would cost a quarter of a scrape.
    if (size == static_cast<std::size_t>(n) && n < 512)
      return std::string_view(buffer.data(), size);
    if (size == buffer.size()) buffer.resize(size * 2);
  }
}

std::optional<std::string_view> read_small(const std::filesystem::path& path, std::string& buffer,
                                           std::size_t limit) {
  return read_small(AT_FDCWD, path.c_str(), buffer, limit);
}

std::optional<double> read_value(int folder, const char* name, std::string& buffer,
                                 double unlimited) {
  const auto text = read_small(folder, name, buffer, 4096);
  if (!text) return std::nullopt;
  const std::string_view word = trim(*text);
  if (word == "max") return unlimited;
  return number(word);
}

std::optional<DeviceNumber> parse_device(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  DeviceNumber out;
  const auto part = [](std::string_view digits, unsigned& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  if (!part(text.substr(0, colon), out.major) || !part(text.substr(colon + 1), out.minor))
    return std::nullopt;
  return out;
}

DeviceIo* io_of(DeviceNumber device, std::vector<DeviceIo>& all) {
  constexpr std::size_t kMaxDevices = 1024;
  for (DeviceIo& one : all)
    if (one.major == device.major && one.minor == device.minor) return &one;
  if (all.size() == kMaxDevices) return nullptr;
  all.push_back({device.major, device.minor, {}, {}});
  return &all.back();
}

}  // namespace agent::exporter::cadvisor
