// One file in the place of another in a single step, which readers see whole: for what can be made
// again. What has to outlive a power cut is written by write_file_atomic() of agent/base/file.h.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string_view>

#include "agent/base/result.h"

namespace agent {

struct Replacement {
  mode_t mode = 0600;
  uid_t uid = static_cast<uid_t>(-1);  // -1: as it is
  gid_t gid = static_cast<gid_t>(-1);
  bool durable = false;  // the bytes are on the disk before the name is
};

// Writes a temporary file "PATH.new-XXXXXX" beside `path` and renames it over `path`.
Result<> replace_file(const std::filesystem::path& path, std::string_view bytes,
                      const Replacement& as = {});
// Removes the temporary files of processes that were killed while they replaced `path`. Nobody may
// be replacing it.
void remove_half_written(const std::filesystem::path& path);

}  // namespace agent
