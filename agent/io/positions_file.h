// The file under a store of positions: lines, of which the last one with a key counts. A change is
// appended and synced; when the file would become larger than 4 KiB and 128 bytes for each key, it
// is written anew and put in the old one's place. Owned by a store; one thread at a time.
//
// Format: lines "<crc32 of the rest, 8 hex digits> <last seen, unix seconds> <key> <value>\n", key
// and value percent-escaped; further words are left unread, as are lines that start with '#'. A
// last line that is not whole is what a power cut left of an append.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "agent/base/log.h"
#include "agent/base/result.h"

namespace agent::io {

struct Position {
  std::string value;
  std::int64_t seen_s = 0;  // wall time, seconds
};
using PositionMap = std::map<std::string, Position, std::less<>>;

// The file's text <-> its keys. Parsing keeps what is whole and says how many lines are not.
struct ParsedPositions {
  PositionMap map;
  std::size_t damaged = 0;
  bool torn = false;  // the last line
};
ParsedPositions parse_positions(std::string_view text);
std::string print_positions(const PositionMap& map);
void append_position(std::string_view key, std::string_view value, std::int64_t seen_s,
                     std::string& out);

class PositionsFile {
 public:
  explicit PositionsFile(std::filesystem::path file) : file_(std::move(file)) {}

  struct Loaded {
    PositionMap map;
    std::size_t damaged = 0;
    bool fresh = true;  // there was no usable file
  };
  // Never fails: a damaged line loses that key only, a file without one good line is set aside.
  Loaded load(const Log& log);

  // False: there is no room for it, or the file is not what it was; rewrite() it.
  Result<bool> append(std::string_view lines, std::size_t keys);
  // `text` is lines of append_position().
  Result<> rewrite(std::string_view text);

 private:
  const std::filesystem::path file_;
  bool known_ = false;  // the rest is
  ino_t inode_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace agent::io
