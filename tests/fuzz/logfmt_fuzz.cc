// Arbitrary text as logfmt: pairs whose keys are parts of the text, in its order, without blanks.
#include <cstdint>
#include <cstdlib>

#include "agent/wire/logfmt.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  agent::wire::LogfmtReader reader(text);
  const char* last = text.data();
  while (reader.next()) {
    const std::string_view key = reader.key();
    if (key.empty() || key.data() < last || key.data() + key.size() > text.data() + size)
      std::abort();
    if (key.find_first_of(" \t\n\"=") != std::string_view::npos) std::abort();
    if (!reader.is_copy() && !reader.value().empty() && reader.value().data() < key.data())
      std::abort();
    last = key.data() + key.size();
  }
  return 0;
}
