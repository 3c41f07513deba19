#include "tests/support/journal_maker.h"

#include <cstdio>
#include <cstdlib>

namespace agent {

void append_journal(const std::filesystem::path& file, const std::vector<JournalEntry>& entries) {
  const std::string command =
      "/lib/systemd/systemd-journal-remote --output='" + file.string() + "' - 2>/dev/null";
  FILE* writer = ::popen(command.c_str(), "w");
  if (writer == nullptr) std::abort();
  std::string text;
  const auto flush = [&] {
    if (std::fwrite(text.data(), 1, text.size(), writer) != text.size()) std::abort();
    text.clear();
  };
  for (const JournalEntry& entry : entries) {
    const std::string us = std::to_string(entry.realtime_us);
    text += "__REALTIME_TIMESTAMP=" + us + "\n__MONOTONIC_TIMESTAMP=" + us +
            "\n_BOOT_ID=4d2be1bd2cd84c4f84e6a4b4b3e0d6c1\n";
    for (const auto& [name, value] : entry.fields) text += name + "=" + value + "\n";
    text += "\n";
    if (text.size() > 1U << 20) flush();
  }
  flush();
  if (::pclose(writer) != 0) {
    std::fprintf(stderr, "systemd-journal-remote failed; is it installed?\n");
    std::abort();
  }
}

}  // namespace agent
