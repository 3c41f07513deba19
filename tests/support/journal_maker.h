// Real journal files for tests, written by systemd-journal-remote from its export format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace agent {

struct JournalEntry {
  std::uint64_t realtime_us = 0;
  std::vector<std::pair<std::string, std::string>> fields;  // values without newlines
};

// Appends to `file` (made when missing; the folder must be there). When its size limits are reached
// the writer renames it to <stem>@<...>.journal, as journald does. Aborts the test program on
// failure.
void append_journal(const std::filesystem::path& file, const std::vector<JournalEntry>& entries);

}  // namespace agent
