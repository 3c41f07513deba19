// A segment file with any content: opening never fails and hands out only records that add up.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "agent/io/disk_queue.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agent;
  const auto folder =
      std::filesystem::temp_directory_path() / ("disk_queue_fuzz." + std::to_string(getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "0000000000000001.log", std::ios::binary)
      << std::string_view(reinterpret_cast<const char*>(data), size);
  SystemClock clock;
  io::DiskQueue::Options options;
  options.folder = folder;
  {
    auto queue = io::DiskQueue::open(options, clock);
    if (!queue) std::abort();
    std::size_t bytes = 0;
    while (auto record = (*queue)->next()) {
      bytes += record->bytes.size();
      (*queue)->acknowledge(record->id);
    }
    if (bytes > size || (*queue)->stats().unread || (*queue)->stats().items != 0) std::abort();
    if (!(*queue)->append("after", 1)) std::abort();
    const auto record = (*queue)->next();
    if (!record || record->bytes != "after") std::abort();
  }
  std::filesystem::remove_all(folder);
  return 0;
}
