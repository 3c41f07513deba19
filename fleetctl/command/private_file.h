// Files that hold secrets: replaced in one step, and edited where nobody else can look.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace fleetctl::command {

enum class Mode {
  kPrivate,  // 0600 and ours
  kKept,     // as the file has it
};
// Replaces the file (the one a link points to) by renaming, then overwrites what was in it.
agent::Result<> replace_file(const std::filesystem::path& path, std::string_view bytes, Mode mode);

using Save = std::function<agent::Result<>(std::string_view edited)>;
// Lets the person change `text` with $EDITOR (vi): the editor gets a file of mode 0600 in a folder
// of its own, in memory where the system has such a place, of which nothing is left afterwards.
// `extension` helps the editor to know the format. Fails when the editor or `save` does.
agent::Result<> edit_text(std::string_view text, const std::string& extension, const Save& save);

}  // namespace fleetctl::command
