// What a reader of the journal sends, in pieces whose size the first byte chooses.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "agent/io/journal_frames.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace agent::io;
  if (size == 0) return 0;
  const std::size_t step = data[0] + std::size_t{1};
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  JournalFrames frames;
  for (;;) {
    auto frame = frames.next();
    if (!frame) return 0;
    if (*frame) {
      (void)parse_request((*frame)->payload);
      JournalEntries entries((*frame)->payload);
      std::size_t seen = entries.cursor().size();
      std::string_view name, value;
      while (entries.next())
        while (entries.field(name, value)) seen += name.size() + value.size();
      if (seen > (*frame)->payload.size()) std::abort();
      continue;
    }
    if (bytes.empty()) return 0;
    std::size_t room = 0;
    char* const to = frames.room(room);
    room = std::min({room, step, bytes.size()});
    std::memcpy(to, bytes.data(), room);
    frames.filled(room);
    bytes.remove_prefix(room);
  }
}
