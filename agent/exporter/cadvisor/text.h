// Reading what control groups and /proc say: small texts, read into a buffer that is used again.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/file.h"
#include "agent/exporter/cadvisor/stats.h"
#include "agent/exporter/unix/text.h"

namespace agent::exporter::cadvisor {

using unix_host::for_each_line;
using unix_host::number;
using unix_host::words;

// The whole of a file below an open folder, or with AT_FDCWD of a path; none when it cannot be read
// or is larger than `limit`. The view holds until the next reading into the same buffer.
std::optional<std::string_view> read_small(int folder, const char* name, std::string& buffer,
                                           std::size_t limit = 1U << 20);
std::optional<std::string_view> read_small(const std::filesystem::path& path, std::string& buffer,
                                           std::size_t limit = 1U << 20);

// The number that is all of a file; "max" is `unlimited`.
std::optional<double> read_value(int folder, const char* name, std::string& buffer,
                                 double unlimited = 0);

// "8:0", the numbers of a block device.
struct DeviceNumber {
  unsigned major = 0, minor = 0;
  auto operator<=>(const DeviceNumber&) const = default;
};
std::optional<DeviceNumber> parse_device(std::string_view text);
// The entry of the device, made when it is new; null when there are too many.
DeviceIo* io_of(DeviceNumber device, std::vector<DeviceIo>& all);

// Lines "key number"; others are passed over.
template <class Use>
void for_each_pair(std::string_view text, Use use) {
  for_each_line(text, [&](std::string_view line) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return;
    if (const auto value = number(line.substr(blank + 1))) use(line.substr(0, blank), *value);
  });
}

}  // namespace agent::exporter::cadvisor
